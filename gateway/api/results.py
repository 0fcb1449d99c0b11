"""What a client is told of a success, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.api import presenting
from gateway.domain.calendar import write_instant
from gateway.domain.operations import Kind, Operation
from gateway.services.ports import Ports


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer: what was made (201, and where it is), or done (200)."""

    content: dict[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def of(done: Operation, *, ports: Ports) -> Shown:
    """What an operation has led to. It has succeeded. Raises RuntimeError when the ledger does not have that."""
    return RESULTS[done.kind](done, ports)


def _registered(done: Operation, ports: Ports) -> Shown:
    held = ports.ledger.by_operation(done.id)
    if held is None:
        raise RuntimeError(f"{done.id} succeeded without a document")
    bill = ports.bills.of_irn(environment=held.environment, gstin=held.gstin, irn=held.registration.irn)
    content = presenting.document(held, bill=bill) | {"status": done.status.value}
    return Shown(content, 201, {"Location": f"/irn/{held.registration.irn}"})


def _cancelled(done: Operation, ports: Ports) -> Shown:
    held = ports.ledger.by_irn(environment=done.environment, gstin=done.gstin, irn=done.subject)
    at = None if held is None else held.cancelled_at
    return Shown(
        {
            "id": done.id,
            "status": done.status.value,
            "irn": done.subject,
            "cancelled_at": None if at is None else write_instant(at),
            "links": presenting.links(done),
        }
    )


def _bill_made(done: Operation, ports: Ports) -> Shown:
    bill = ports.bills.of_operation(done.id)
    if bill is None:
        raise RuntimeError(f"{done.id} succeeded without an e-way bill")
    content = {"id": done.id, **presenting.bill(bill), "status": done.status.value, "message": done.portal_message}
    return Shown(content, 201, {"Location": f"/ewb/{bill.number}"})


def _bill_cancelled(done: Operation, ports: Ports) -> Shown:
    bill = ports.bills.get(environment=done.environment, gstin=done.gstin, number=done.subject)
    at = None if bill is None else bill.cancelled_at
    return Shown(
        {
            "id": done.id,
            "status": done.status.value,
            "number": done.subject,
            "cancelled_at": None if at is None else write_instant(at),
            "links": presenting.links(done) | {"ewb": f"/ewb/{done.subject}"},
        }
    )


def _bill_changed(done: Operation, ports: Ports) -> Shown:
    steps = ports.bills.steps(environment=done.environment, number=done.subject)
    step = next((presenting.bill_step(each) for each in reversed(steps) if each["operation_id"] == done.id), {})
    bill = ports.bills.get(environment=done.environment, gstin=done.gstin, number=done.subject)
    standing = {"standing": _AFTER.get(done.kind, "active"), "valid_until": step.get("valid_until")}
    if bill is not None:
        now = presenting.bill(bill)
        standing = {name: now[name] for name in ("standing", "valid_until", "computed_until")}
    links = presenting.links(done) | {"ewb": f"/ewb/{done.subject}"}
    return Shown(
        {"id": done.id, "status": done.status.value, "number": done.subject, **step, **standing, "links": links}
    )


_AFTER: Final = {Kind.EWB_REJECT: "rejected", Kind.EWB_CLOSE: "closed"}
"""How another's bill, of which the ledger has no row, stands after a step of ours."""


def _consolidated(done: Operation, ports: Ports) -> Shown:
    steps = ports.bills.steps_of(done.id)
    first = presenting.bill_step(steps[0])
    content = {
        "id": done.id,
        "status": done.status.value,
        "trip_sheet": first["trip_sheet"],
        "made_at": first.get("at"),
        "ewbs": [step["number"] for step in steps],
        "links": presenting.links(done),
    }
    return Shown(content, 201, {"Location": f"/operations/{done.id}"})


def differences(done: Operation, *, ports: Ports) -> list[Mapping[str, Any]] | None:
    """Where what is registered differs from what was asked for; None when that is not known."""
    held = ports.ledger.by_operation(done.id)
    if held is not None:
        return list(held.registration.differences)
    bill = ports.bills.of_operation(done.id)
    return None if bill is None else list(bill.differences)


RESULTS: Final[Mapping[Kind, Callable[[Operation, Ports], Shown]]] = {
    Kind.IRN_GENERATE: _registered,
    Kind.IRN_CANCEL: _cancelled,
    Kind.EWB_GENERATE: _bill_made,
    Kind.EWB_STANDALONE: _bill_made,
    Kind.EWB_CANCEL: _bill_cancelled,
    Kind.EWB_VEHICLE: _bill_changed,
    Kind.EWB_TRANSPORTER: _bill_changed,
    Kind.EWB_EXTEND: _bill_changed,
    Kind.EWB_CONSOLIDATE: _consolidated,
    Kind.EWB_REJECT: _bill_changed,
    Kind.EWB_CLOSE: _bill_changed,
    Kind.EWB_MOVEMENT: _bill_changed,
    Kind.EWB_MOVEMENT_ADD: _bill_changed,
    Kind.EWB_MOVEMENT_CHANGE: _bill_changed,
}

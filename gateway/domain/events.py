"""What receivers are told: the types of events, which transition announces which, and what each carries.

A kind of operation announces itself by entries in `ANNOUNCED`; what an entry's event carries beyond the operation and
its document is a function in `_CARRIES`. What no transition tells is announced with `Announcement` as it is.
Each type has a schema in `schemas/events/`, from which docs/events.md is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from gateway.domain.calendar import write_instant
from gateway.domain.ewaybill import extension_window
from gateway.domain.kinds import CANCEL_WINDOW
from gateway.domain.operations import Kind, Operation, Status
from gateway.domain.outcomes import BillChange, Cancellation, EwayBill, Outcome, Registration

RETENTION: Final = timedelta(days=90)
"""How long an event can be read and sent again: a quarter, by when its return has been filed."""
PAYLOAD_BYTES_MAX: Final = 20_000
"""Above it receivers may refuse (Standard Webhooks): an event names documents and links, and never contains them."""
TEXT_CHARACTERS_MAX: Final = 500
"""Of a portal's sentence in an event. The whole of it is in the operation."""


CANCEL_NOTICE: Final = timedelta(hours=2)
"""How long before its end the closing of the window for a cancellation is told: enough for a person to decide."""
DEADLINE_NOTICE: Final = timedelta(hours=24)
"""How long before the last moment to report it is told that a document still waits."""
DEADLINE_PATIENCE: Final = timedelta(minutes=1)
"""A document that came in since is on its way, and its outcome will be told in a moment."""


class EventType(StrEnum):
    """The closed vocabulary. A type never changes its meaning and is never used again for another."""

    IRN_GENERATED = "irn.generated"
    IRN_REJECTED = "irn.rejected"
    IRN_CONFLICT = "irn.conflict"
    IRN_EXPIRED = "irn.expired"
    IRN_CANCEL_WINDOW_CLOSING = "irn.cancel_window_closing"
    IRN_REPORTING_DEADLINE_NEAR = "irn.reporting_deadline_near"
    IRN_CANCELLED = "irn.cancelled"
    IRN_CANCEL_FAILED = "irn.cancel_failed"
    IRN_CANCELLED_ELSEWHERE = "irn.cancelled_elsewhere"
    IRN_DRIFT = "irn.drift"
    IRN_SUPERSEDED = "irn.superseded"
    EWB_GENERATED = "ewb.generated"
    EWB_FAILED = "ewb.failed"
    EWB_CANCELLED = "ewb.cancelled"
    EWB_CANCEL_FAILED = "ewb.cancel_failed"
    EWB_CHANGED = "ewb.changed"
    EWB_CHANGE_FAILED = "ewb.change_failed"
    EWB_EXPIRING = "ewb.expiring"
    OPERATION_HELD = "operation.held"
    OPERATION_PARKED = "operation.parked"
    OPERATION_WITHDRAWN = "operation.withdrawn"
    OPERATION_UNKNOWN_FOR_LONG = "operation.unknown_for_long"
    CREDENTIAL_INVALID = "credential.invalid"
    LIMIT_ERROR_BUDGET = "limit.error_budget"
    WEBHOOK_EXHAUSTED = "webhook.exhausted"
    WEBHOOK_DISABLED = "webhook.disabled"
    WEBHOOK_TEST = "webhook.test"


_BILL_STEPS: Final = (
    Kind.EWB_VEHICLE,
    Kind.EWB_TRANSPORTER,
    Kind.EWB_EXTEND,
    Kind.EWB_CONSOLIDATE,
    Kind.EWB_REJECT,
    Kind.EWB_CLOSE,
    Kind.EWB_MOVEMENT,
    Kind.EWB_MOVEMENT_ADD,
    Kind.EWB_MOVEMENT_CHANGE,
)
"""What is done to an e-way bill that is there. The operation's kind says which."""
_FAILURES: Final = (Status.REJECTED, Status.CONFLICT, Status.EXPIRED)

ANNOUNCED: Final[Mapping[tuple[Kind, Status], EventType]] = {
    (Kind.IRN_GENERATE, Status.SUCCEEDED): EventType.IRN_GENERATED,
    (Kind.IRN_GENERATE, Status.REJECTED): EventType.IRN_REJECTED,
    (Kind.IRN_GENERATE, Status.CONFLICT): EventType.IRN_CONFLICT,
    (Kind.IRN_GENERATE, Status.EXPIRED): EventType.IRN_EXPIRED,
    (Kind.IRN_CANCEL, Status.SUCCEEDED): EventType.IRN_CANCELLED,
    (Kind.IRN_CANCEL, Status.REJECTED): EventType.IRN_CANCEL_FAILED,
    (Kind.IRN_CANCEL, Status.CONFLICT): EventType.IRN_CANCEL_FAILED,
    (Kind.IRN_CANCEL, Status.EXPIRED): EventType.IRN_CANCEL_FAILED,
    (Kind.EWB_GENERATE, Status.SUCCEEDED): EventType.EWB_GENERATED,
    (Kind.EWB_GENERATE, Status.REJECTED): EventType.EWB_FAILED,
    (Kind.EWB_GENERATE, Status.CONFLICT): EventType.EWB_FAILED,
    (Kind.EWB_GENERATE, Status.EXPIRED): EventType.EWB_FAILED,
    (Kind.EWB_CANCEL, Status.SUCCEEDED): EventType.EWB_CANCELLED,
    (Kind.EWB_CANCEL, Status.REJECTED): EventType.EWB_CANCEL_FAILED,
    (Kind.EWB_CANCEL, Status.CONFLICT): EventType.EWB_CANCEL_FAILED,
    (Kind.EWB_CANCEL, Status.EXPIRED): EventType.EWB_CANCEL_FAILED,
    (Kind.EWB_STANDALONE, Status.SUCCEEDED): EventType.EWB_GENERATED,
    **{(Kind.EWB_STANDALONE, status): EventType.EWB_FAILED for status in _FAILURES},
    **{(kind, Status.SUCCEEDED): EventType.EWB_CHANGED for kind in _BILL_STEPS},
    **{(kind, status): EventType.EWB_CHANGE_FAILED for kind in _BILL_STEPS for status in _FAILURES},
}
"""What an operation of a kind announces when it comes to a status. No entry: nothing of its own."""

ANNOUNCED_BY_ALL: Final[Mapping[Status, EventType]] = {
    Status.HELD: EventType.OPERATION_HELD,
    Status.PARKED: EventType.OPERATION_PARKED,
    Status.WITHDRAWN: EventType.OPERATION_WITHDRAWN,
}
"""What every kind announces, unless it has an entry of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """An event before it has a row.

    `subject` is what it is about: an IRN, an account, an endpoint. Events of one subject are numbered 1, 2, 3 … and
    reach a receiver in that order where it can. `once` is a name under which it is written a single time, whoever
    writes it; an event of an operation has its operation and version for that.
    """

    type: EventType
    environment: str
    org_id: str
    gstin: str
    subject: str
    data: Mapping[str, Any]
    operation: tuple[str, int] | None = None
    once: str | None = None


def announced(kind: Kind, status: Status) -> EventType | None:
    """What an operation of that kind announces when it comes to that status."""
    return ANNOUNCED.get((kind, status)) or ANNOUNCED_BY_ALL.get(status)


def of_transition(before: Operation, after: Operation, outcome: Outcome | None = None) -> Announcement | None:
    """What a transition tells receivers. None when nothing, as when it is still held for the same cause."""
    told = announced(after.kind, after.status)
    still_held = after.status is Status.HELD and after.hold_cause is before.hold_cause
    if told is None or still_held:
        return None
    carries = _CARRIES.get(told)
    return Announcement(
        type=told,
        environment=after.environment,
        org_id=after.org_id,
        gstin=after.gstin,
        subject=after.irn or after.subject,
        data=about(after) | (carries(after, outcome) if carries is not None else {}),
        operation=(after.id, after.version),
    )


def about(operation: Operation) -> dict[str, Any]:
    """An operation and its document, as every event of one names them; no document where none is known."""
    named = {
        "id": operation.id,
        "kind": operation.kind.value,
        "status": operation.status.value,
        "version": operation.version,
        "subject": operation.subject,
    }
    links = {"operation": f"/operations/{operation.id}"}
    if operation.irn is None:
        return {"operation": named, "document": None, "links": links}
    on = operation.doc_date
    return {
        "operation": named,
        "document": {
            "irn": operation.irn,
            "doc_type": operation.doc_type,
            "doc_no": operation.doc_no,
            "doc_date": on and on.isoformat(),
            "seller_gstin": operation.gstin,
        },
        "links": links | {"document": f"/irn/{operation.irn}"},
    }


def body(announcement: Announcement, *, id: str, sequence: int, at: datetime) -> dict[str, Any]:
    """The event as it is sent and read."""
    return {
        "id": id,
        "type": announcement.type.value,
        "timestamp": write_instant(at),
        "environment": announcement.environment,
        "gstin": announcement.gstin,
        "subject": announcement.subject,
        "sequence": sequence,
        "data": dict(announcement.data),
    }


def shortened(text: str | None) -> str | None:
    """A foreign text, cut to what an event may carry of it."""
    if text is None or len(text) <= TEXT_CHARACTERS_MAX:
        return text
    return text[: TEXT_CHARACTERS_MAX - 1] + "…"


def _registered(operation: Operation, outcome: Outcome | None) -> dict[str, Any]:  # noqa: ARG001  one form for all
    registered = outcome.result if outcome is not None else None
    if not isinstance(registered, Registration):
        return {}
    return {"registration": _registration(registered), "ewb": _eway_bill(registered.ewb)}


def _conflicting(operation: Operation, outcome: Outcome | None) -> dict[str, Any]:  # noqa: ARG001  one form for all
    registered = outcome.result if outcome is not None else None
    if not isinstance(registered, Registration):
        return {}
    fields = [str(each.get("at", "")) for each in registered.differences[:_DIFFERENCES_MAX]]
    return {"registration": _registration(registered), "differs_at": fields}


def _bill_made(operation: Operation, outcome: Outcome | None) -> dict[str, Any]:  # noqa: ARG001  one form for all
    made = outcome.result if outcome is not None else None
    return {"ewb": _eway_bill(made) if isinstance(made, EwayBill) else None}


def _cancelled(operation: Operation, outcome: Outcome | None) -> dict[str, Any]:  # noqa: ARG001  one form for all
    done = outcome.result if outcome is not None else None
    at = done.at if isinstance(done, Cancellation) else None
    return {"cancelled_at": at and write_instant(at)}


def _changed(operation: Operation, outcome: Outcome | None) -> dict[str, Any]:
    done = outcome.result if outcome is not None else None
    change = done if isinstance(done, BillChange) else BillChange()
    return {
        "change": {
            "step": operation.kind.value.removeprefix("ewb."),
            "at": change.at and write_instant(change.at),
            "valid_until": change.valid_until and write_instant(change.valid_until),
            "vehicle_no": change.vehicle_no,
            "transporter_id": change.transporter_id,
            "trip_sheet": change.trip_sheet,
        }
    }


def expiring(*, environment: str, org_id: str, gstin: str, number: str, valid_until: datetime) -> Announcement:
    """That an e-way bill ends soon: told once for each end, as its window for an extension opens."""
    opens_at, closes_at = extension_window(valid_until)
    ewb = EwayBill(number=number, valid_until=valid_until)
    return Announcement(
        type=EventType.EWB_EXPIRING,
        environment=environment,
        org_id=org_id,
        gstin=gstin,
        subject=number,
        data={
            "ewb": _eway_bill(ewb),
            "extension": {"from": write_instant(opens_at), "until": write_instant(closes_at)},
            "links": {"ewb": f"/ewb/{number}"},
        },
        once=f"{EventType.EWB_EXPIRING}:{number}:{valid_until.isoformat()}",
    )


def closing(
    *,
    environment: str,
    org_id: str,
    gstin: str,
    irn: str,
    doc_type: str,
    doc_no: str,
    doc_date: date,
    ack_at: datetime,
    **_: Any,
) -> Announcement:
    """That the time to cancel a document is nearly over. `_` takes the columns of its row that are not told."""
    document = {
        "irn": irn,
        "doc_type": doc_type,
        "doc_no": doc_no,
        "doc_date": doc_date.isoformat(),
        "seller_gstin": gstin,
    }
    return Announcement(
        type=EventType.IRN_CANCEL_WINDOW_CLOSING,
        environment=environment,
        org_id=org_id,
        gstin=gstin,
        subject=irn,
        data={
            "document": document,
            "cancel_until": write_instant(ack_at + CANCEL_WINDOW),
            "links": {"document": f"/irn/{irn}"},
        },
        once=f"{EventType.IRN_CANCEL_WINDOW_CLOSING}:{irn}",
    )


def near(operation: Operation) -> Announcement:
    """That a document still waits though the last moment to report it is near."""
    until = operation.deadline_at
    return Announcement(
        type=EventType.IRN_REPORTING_DEADLINE_NEAR,
        environment=operation.environment,
        org_id=operation.org_id,
        gstin=operation.gstin,
        subject=operation.irn or operation.subject,
        data=about(operation) | {"report_until": until and write_instant(until)},
        once=f"{EventType.IRN_REPORTING_DEADLINE_NEAR}:{operation.id}",
    )


def _refused(operation: Operation, outcome: Outcome | None) -> dict[str, Any]:  # noqa: ARG001  one form for all
    return {
        "refusal": {
            "portal_code": shortened(operation.portal_code),
            "message": shortened(operation.portal_message),
        }
    }


def _held(operation: Operation, outcome: Outcome | None) -> dict[str, Any]:
    due_at = operation.due_at
    return _refused(operation, outcome) | {
        "hold": {
            "cause": operation.hold_cause and operation.hold_cause.value,
            "next_attempt_at": due_at and write_instant(due_at),
            "in_doubt": operation.in_doubt,
        }
    }


def _parked(operation: Operation, outcome: Outcome | None) -> dict[str, Any]:
    return _refused(operation, outcome) | {"in_doubt": operation.in_doubt}


def _registration(registered: Registration) -> dict[str, Any]:
    return {
        "ack_no": registered.ack_no,
        "ack_date": write_instant(registered.ack_at),
        "buyer_gstin": registered.buyer_gstin,
        "total": registered.total,
    }


def _eway_bill(ewb: EwayBill | None) -> dict[str, Any] | None:
    if ewb is None:
        return None
    return {
        "status": "failed" if ewb.number is None else "generated",
        "number": ewb.number,
        "valid_until": ewb.valid_until and write_instant(ewb.valid_until),
        "portal_code": shortened(",".join(code for code, _ in ewb.errors)) or None,
    }


_DIFFERENCES_MAX: Final = 50
"""Places of a difference that an event names. All of them are in the operation."""

_CARRIES: Final[Mapping[EventType, Callable[[Operation, Outcome | None], dict[str, Any]]]] = {
    EventType.IRN_GENERATED: _registered,
    EventType.IRN_CONFLICT: _conflicting,
    EventType.IRN_REJECTED: _refused,
    EventType.IRN_CANCELLED: _cancelled,
    EventType.IRN_CANCEL_FAILED: _refused,
    EventType.EWB_GENERATED: _bill_made,
    EventType.EWB_FAILED: _refused,
    EventType.EWB_CANCELLED: _cancelled,
    EventType.EWB_CANCEL_FAILED: _refused,
    EventType.EWB_CHANGED: _changed,
    EventType.EWB_CHANGE_FAILED: _refused,
    EventType.OPERATION_HELD: _held,
    EventType.OPERATION_PARKED: _parked,
    EventType.OPERATION_WITHDRAWN: _refused,
}
"""What the event of a transition carries besides the operation and its document."""

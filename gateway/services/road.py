"""E-way bills by way of their own system: made without an IRN, read, changed and ended.

What the law forbids is refused here, with the portal's code where it has one, before a call is spent on it. A bill that
was made elsewhere is read from the portal first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from gateway import form, shape
from gateway.domain import canonical, ewaybill
from gateway.domain.calendar import IST, financial_year, indian_date, read_portal_date, write_instant
from gateway.domain.ewaybill import Hindrance, Standing, Step
from gateway.domain.faults import Fault
from gateway.domain.identifiers import same_document_number
from gateway.domain.kinds import KINDS, WINDOW_MARGIN
from gateway.domain.operations import Kind, Operation
from gateway.errors import Absent, Clash, Forbidden, Invalid, Lapsed
from gateway.ports import Received, Reception
from gateway.ports.bills import HeldBill
from gateway.services import admission, enquiry, ewaybills
from gateway.services.admission import Asked
from gateway.services.ports import Ports
from gateway.services.principal import Principal

_API: Final = "ewaybill/1.03"
_NUMBER_DIGITS: Final = 12
_HELP: Final[Mapping[Hindrance, str]] = {
    Hindrance.NOT_ACTIVE: "See GET /ewb/{no}: it is cancelled, rejected or closed.",
    Hindrance.OVER: "Extend it within 8 hours of its end, or make a new one.",
    Hindrance.TOO_EARLY: "Ask again from `possible_from` on: the window opens 8 hours before the end.",
    Hindrance.NO_VEHICLE: "Enter the vehicle first, with POST /ewb/{no}/vehicle.",
    Hindrance.TOO_LONG: "A bill lives for 360 days at most. Make a new one for what is left of the way.",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One way to change a bill: the kind of operation, its schema and the step as the law knows it."""

    kind: Kind
    schema: str
    step: Step


CHANGES: Final[Mapping[str, Change]] = {
    "vehicle": Change(Kind.EWB_VEHICLE, "vehicle", Step.VEHICLE),
    "transporter": Change(Kind.EWB_TRANSPORTER, "transporter", Step.TRANSPORTER),
    "extend": Change(Kind.EWB_EXTEND, "extend", Step.EXTEND),
    "reject": Change(Kind.EWB_REJECT, "reject", Step.REJECT),
    "close": Change(Kind.EWB_CLOSE, "close", Step.CLOSE),
    "movement": Change(Kind.EWB_MOVEMENT, "multiVehicleStart", Step.MULTI_VEHICLE),
    "movement/vehicles": Change(Kind.EWB_MOVEMENT_ADD, "multiVehicleAdd", Step.MULTI_VEHICLE),
    "movement/change": Change(Kind.EWB_MOVEMENT_CHANGE, "multiVehicleChange", Step.MULTI_VEHICLE),
}
"""By the last part of their paths."""


def generate(asked: Asked, principal: Principal, *, ports: Ports) -> Received:
    """Make a bill in whichever system the request is for: that of the e-invoices where it names an IRN."""
    by_irn = isinstance(asked.document, dict) and "Irn" in asked.document
    made = ewaybills.generate if by_irn else make
    return made(asked, principal, ports=ports)


def make(asked: Asked, principal: Principal, *, ports: Ports) -> Received:
    """Make a bill without an IRN, or find what this repeats. Raises Invalid, Forbidden, Clash, Lapsed, Throttled."""
    payload = _read(asked.document, "generate")
    on = _document_date(payload)
    _check_own(payload, principal)
    digest = canonical.digest(payload | {"docNo": same_document_number(payload["docNo"])})
    key, replay = admission.key_of(asked, principal, digest, ports=ports)
    if replay is not None:
        return admission.checked(replay, asked)
    seller = admission.seller_of(principal, ports=ports)
    subject = f"{payload['docType']} {financial_year(on)} {same_document_number(payload['docNo'])}"
    done = _made_before(subject, digest, principal, ports)
    if done is not None:
        return done
    at = ports.clock.now()
    if ewaybill.document_is_too_old(on, on=indian_date(at)):
        raise Lapsed(
            "document-too-old",
            "No e-way bill is made for a document of more than 180 days.",
            help=KINDS[Kind.EWB_STANDALONE].way_out,
            portal_code="207",
        )
    new = admission.new_operation(
        Kind.EWB_STANDALONE,
        asked,
        principal,
        payload=canonical.written(payload),
        digest=digest,
        at=at,
        subject=subject,
        doc_type=payload["docType"],
        doc_no=payload["docNo"],
        doc_date=on,
        deadline_at=_end_of(on + ewaybill.DOCUMENT_AGE_MAX),
    )
    return admission.accept(new, key, seller, asked, ports=ports)


def change(number: str, change: Change, asked: Asked, principal: Principal, *, ports: Ports) -> Received:
    """Change a bill, or find what this repeats. Raises Invalid, Absent, Clash, Lapsed, Throttled."""
    payload = _read(asked.document, change.schema, number=_number(number))
    digest = canonical.digest(payload)
    key, replay = admission.key_of(asked, principal, digest, ports=ports)
    if replay is not None:
        return admission.checked(replay, asked)
    seller = admission.seller_of(principal, ports=ports)
    bill = find(number, principal, ports=ports, cannot_wait=KINDS[change.kind].window is not None)
    at = ports.clock.now()
    _check_law(change, bill, payload, at=at)
    new = admission.new_operation(
        change.kind,
        asked,
        principal,
        payload=canonical.written(payload),
        digest=digest,
        at=at,
        subject=number,
        irn=bill.irn,
        deadline_at=_deadline(change.step, [bill]),
    )
    return admission.accept(new, key, seller, asked, ports=ports)


def consolidate(asked: Asked, principal: Principal, *, ports: Ports) -> Received:
    """Put bills on one trip sheet, or find what this repeats. Raises Invalid, Clash, Lapsed, Throttled."""
    payload = _read(asked.document, "consolidated")
    digest = canonical.digest(payload)
    key, replay = admission.key_of(asked, principal, digest, ports=ports)
    if replay is not None:
        return admission.checked(replay, asked)
    seller = admission.seller_of(principal, ports=ports)
    numbers = sorted(str(each["ewbNo"]) for each in payload["tripSheetEwbBills"])
    at = ports.clock.now()
    held = [_known(each, principal, ports) for each in numbers]
    bills = [bill for bill in held if bill is not None]  # of the others the portal knows, and says if they cannot go
    for bill in bills:
        _check_law(Change(Kind.EWB_CONSOLIDATE, "consolidated", Step.CONSOLIDATE), bill, payload, at=at)
    new = admission.new_operation(
        Kind.EWB_CONSOLIDATE,
        asked,
        principal,
        payload=canonical.written(payload),
        digest=digest,
        at=at,
        subject=canonical.digest(numbers),
        deadline_at=_deadline(Step.CONSOLIDATE, bills),
    )
    return admission.accept(new, key, seller, asked, ports=ports)


def find(
    number: str, principal: Principal, *, ports: Ports, refresh: bool = False, cannot_wait: bool = False
) -> HeldBill:
    """A bill as the ledger has it, or as the portal has it where the ledger has none or `refresh` is wanted.

    One's own is taken over into the ledger. The portal is asked for what cannot wait even if the caller's questions are
    stopped. Raises Absent, Throttled or Unavailable.
    """
    _number(number)
    held = _known(number, principal, ports)
    if held is not None and not refresh:
        return held
    seller = (enquiry.seller_of if cannot_wait else enquiry.asking)(principal, ports)
    there = ports.enquiries.eway_bill(seller, number=number)
    if there is None:
        raise Absent("ewb-unknown", "There is no such e-way bill.", help="Check the number and the token's GSTIN.")
    found = _merged(there, held, org_id=seller.org_id, at=ports.clock.now())
    if found.gstin == principal.gstin:
        ports.bills.take_over(found)
    return found


def steps(bill: HeldBill, *, ports: Ports) -> Sequence[Mapping[str, Any]]:
    """What was done to a bill through this gateway, oldest first."""
    return ports.bills.steps(environment=bill.environment, number=bill.number)


def wanted(status: str | None) -> Standing | None:
    """Which bills a list shows. Raises Invalid."""
    try:
        return None if status is None else Standing(status)
    except ValueError:
        raise Invalid(
            "status-unknown", "E-way bills do not stand so.", help=f"status is one of {', '.join(Standing)}."
        ) from None


def _merged(there: HeldBill, held: HeldBill | None, *, org_id: str, at: datetime) -> HeldBill:
    """What the portal tells, and what it does not tell as it was known: closing does not show there."""
    if held is None:
        return replace(there, org_id=org_id, recorded_at=at)
    hidden = held.standing is Standing.CLOSED and there.standing is Standing.ACTIVE
    same_end = held.valid_until == there.valid_until
    return replace(
        held,
        standing=held.standing if hidden else there.standing,
        valid_until=there.valid_until,
        computed_until=held.computed_until if same_end else None,
        vehicle_no=there.vehicle_no or held.vehicle_no,
        transporter_id=there.transporter_id or held.transporter_id,
        recorded_at=at,
    )


def _known(number: str, principal: Principal, ports: Ports) -> HeldBill | None:
    return ports.bills.get(environment=principal.environment, gstin=principal.gstin, number=number)


def _number(number: str) -> int:
    if number.isascii() and number.isdigit() and len(number) <= _NUMBER_DIGITS:
        return int(number)
    raise Absent("ewb-unknown", "There is no such e-way bill.", help="An e-way bill's number has 12 digits.")


def _read(document: Any, schema: str, *, number: int | None = None) -> dict[str, Any]:
    """The portal's payload, read leniently and checked. The path names the bill. Raises Invalid with all faults."""
    if not isinstance(document, dict):
        raise Invalid("body-no-object", "The body is no JSON object.", help="Send an object with the named members.")
    named = {} if number is None else {"ewbNo": number}
    read = form.read(document | named, f"{_API}#{schema}")
    faults = [*read.faults, *shape.check(read.document, f"{_API}#{schema}"), *_another(document, number)]
    if not faults:
        payload: dict[str, Any] = read.document
        return payload
    count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
    raise Invalid(
        "request-invalid",
        f"The request has {count}; nothing was sent to the portal.",
        help="Correct every place that `errors` names, then send it again.",
        faults=faults,
    )


def _another(document: Mapping[str, Any], number: int | None) -> list[Fault]:
    """A body that names another bill than its path does."""
    if number is None or str(document.get("ewbNo", number)) == str(number):
        return []
    return [
        Fault(
            "ewb-number-differs",
            "/ewbNo",
            "The body names another e-way bill than the path.",
            "Leave it out: the path names the bill.",
        )
    ]


def _document_date(payload: Mapping[str, Any]) -> date:
    try:
        return read_portal_date(payload["docDate"])
    except ValueError as error:
        fault = Fault(
            "date-not-in-calendar",
            "/docDate",
            f"The document date is no day of the calendar: {error}.",
            "Write the day that is printed on the document, as dd/MM/yyyy.",
            portal_code="207",
        )
        raise Invalid(
            "request-invalid", "The request has one fault; nothing was sent.", help=fault.help, faults=[fault]
        ) from None


def _check_own(payload: Mapping[str, Any], principal: Principal) -> None:
    """Goods that go out are the supplier's to report, goods that come in the recipient's."""
    name, code = ("fromGstin", "359") if payload["supplyType"] == "O" else ("toGstin", "360")
    if payload[name] != principal.gstin:
        raise Forbidden(
            "seller-not-yours",
            f"The {name} of the e-way bill is not the GSTIN of the access token.",
            help=f"Get a token for that GSTIN, or correct /{name}.",
            portal_code=code,
        )


def _made_before(subject: str, digest: str, principal: Principal, ports: Ports) -> Received | None:
    """The operation that made the bill of this document, if it asked for the same and the bill is in force."""
    done: Operation | None = enquiry.latest_done(Kind.EWB_STANDALONE, subject, principal, ports=ports)
    if done is None or done.content_digest != digest:
        return None
    bill = ports.bills.of_operation(done.id)
    active = bill is not None and bill.standing is Standing.ACTIVE
    return Received(Reception.SAME_DOCUMENT, done) if active else None


def _check_law(change: Change, bill: HeldBill, payload: Mapping[str, Any], *, at: datetime) -> None:
    """Raises Clash or Lapsed for a step that the law does not have for this bill at this time."""
    law = bill.of_law()
    until = None
    if change.step is Step.EXTEND:
        oversized = ewaybill.is_oversized(vehicle_type=payload.get("vehicleType"), mode=payload.get("transMode"))
        until = ewaybill.valid_until(at, distance_km=int(payload["remainingDistance"]), oversized=oversized)
    found = None if law is None else ewaybill.refusal(change.step, law, at=at, extended_until=until)
    if found is None:
        return
    facts = {
        "number": bill.number,
        "standing": bill.standing.value,
        "portal_code": ewaybill.PORTAL_CODES.get((change.step, found.hindrance)),
        "possible_from": None if found.hindrance is not Hindrance.TOO_EARLY else found.at,
        "possible_until": found.at if found.hindrance in _OVER else None,
    }
    facts = {name: write_instant(value) if isinstance(value, datetime) else value for name, value in facts.items()}
    error = Lapsed if found.hindrance in _OVER else Clash
    raise error(
        found.hindrance.value,
        _SENTENCES[found.hindrance],
        help=_HELP.get(found.hindrance, KINDS[change.kind].way_out).replace("{no}", bill.number),
        **{name: value for name, value in facts.items() if value is not None},
    )


_OVER: Final = frozenset({Hindrance.OVER, Hindrance.WINDOW_CLOSED})
_SENTENCES: Final[Mapping[Hindrance, str]] = {
    Hindrance.NOT_ACTIVE: "The e-way bill is not in force any more.",
    Hindrance.OVER: "The validity of the e-way bill is over.",
    Hindrance.WINDOW_CLOSED: "The time that the law gives for it is over.",
    Hindrance.TOO_EARLY: "It is too early to extend the e-way bill.",
    Hindrance.NO_VEHICLE: "The e-way bill has no vehicle yet, and so no validity.",
    Hindrance.TOO_LONG: "The e-way bill would live for longer than the law allows.",
}


def _deadline(step: Step, bills: Sequence[HeldBill]) -> datetime | None:
    """The instant after which it is not begun any more: the first of the bills' own, less what a call may take."""
    laws = [law for bill in bills if (law := bill.of_law()) is not None]
    ends = [end for law in laws if (end := ewaybill.deadline(step, law)) is not None]
    return min(ends) - WINDOW_MARGIN if ends else None


def _end_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=IST) + timedelta(days=1)

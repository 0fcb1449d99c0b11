"""E-way bills without an IRN: made, looked up by their document, compared with what stands there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.domain import ewaybill
from gateway.domain.calendar import financial_year, read_ewb_time, read_portal_date
from gateway.domain.identifiers import same_document_number
from gateway.domain.operations import Environment
from gateway.domain.outcomes import EwayBill, Meaning, Outcome
from gateway.irp import codes, endpoints, envelope, portal_json
from gateway.irp.codes import Disposition
from gateway.irp.exchange import Told
from gateway.irp.talk import CALL, LOOK_UP, LOOK_UP_ANSWERS, REFUSALS, Matter, Talk, meant, members, unknown
from gateway.ports.bills import HeldBill

CLOCKS_APART: Final = timedelta(minutes=2)
"""The portal's time against ours, and its rounding to the minute."""
CANCELLED: Final = "CNL"
STATUSES: Final = frozenset({"ACT", CANCELLED, "DIS"})
"""Active, cancelled, and discarded: a bill whose Part B was never entered."""

_NUMBER_DIGITS: Final = range(10, 13)
_COMPARED: Final = (
    "supplyType",
    "docType",
    "docNo",
    "docDate",
    "fromGstin",
    "fromPincode",
    "toGstin",
    "toPincode",
    "totInvValue",
)
"""By these a bill is told to be for the same goods. How they travel may have been changed since."""


def make(talk: Talk) -> Outcome:
    """Ask for a bill. What stands for the document already is fetched and compared."""
    answer = talk.send(endpoints.EWB_GENERATE)
    if isinstance(answer, Told):
        return read_made(talk, answer, CALL)
    if isinstance(answer, Outcome):
        return answer
    if codes.verdict(answer.errors) is not Disposition.DUPLICATE:
        return meant(answer, REFUSALS)
    found = look_up_made(talk)
    if found.meaning in (Meaning.REGISTERED, Meaning.CONFLICT):
        return found
    return _unseen(answer, found)


def look_up_made(talk: Talk) -> Outcome:
    """Ask for the number by the document, and for the bill by the number. Last year's document is not this one."""
    asked = talk.asked
    answer = talk.ask(endpoints.EWB_GET_BY_DOCUMENT, params={"docType": asked["docType"], "docNo": asked["docNo"]})
    if isinstance(answer, Outcome):
        return answer
    if not isinstance(answer, Told):
        return meant(answer, LOOK_UP_ANSWERS)
    brief = members(answer)
    number = number_of(brief)
    if brief is None or number is None:
        return unknown(answer, "The portal's success names no e-way bill.")
    full = talk.ask(endpoints.EWB_GET, params={"ewbNo": number})
    if isinstance(full, Outcome):
        return full
    if not isinstance(full, Told):
        no = meant(full, LOOK_UP_ANSWERS)
        return replace(no, meaning=Meaning.UNKNOWN) if no.meaning is Meaning.ABSENT else no
    return _compared(talk, full, number=number)


def read_made(talk: Matter, told: Told, found_by: str) -> Outcome:
    """What the answer to a new bill says."""
    answer = members(told)
    number = number_of(answer)
    if answer is None or number is None:
        return unknown(told, "The portal's success names no e-way bill.")
    made_at = time_of(answer.get("ewaybilldate"))
    alert = answer.get("alert")
    bill = EwayBill(
        number=number,
        made_at=made_at,
        valid_until=time_of(answer.get("validupto")),
        remarks=alert.strip() or None if isinstance(alert, str) else None,
        computed_until=computed_until(talk.asked, start=made_at, distance="transDistance"),
    )
    return Outcome(meaning=Meaning.REGISTERED, result=bill, evidence=told.data, found_by=found_by)


def computed_until(asked: Mapping[str, Any], *, start: datetime | None, distance: str) -> datetime | None:
    """The end of validity by law, if a vehicle was named, and how far it goes was not left to the portal.

    Both systems' names for vehicle and mode are read.
    """
    kilometres = number_in(asked.get(distance))
    if start is None or not kilometres or not _one_of(asked, "vehicleNo", "VehNo", "transDocNo", "TransDocNo"):
        return None
    oversized = ewaybill.is_oversized(
        vehicle_type=_one_of(asked, "vehicleType", "VehType"), mode=_one_of(asked, "transMode", "TransMode")
    )
    return ewaybill.valid_until(start, distance_km=int(kilometres), oversized=oversized)


def _one_of(asked: Mapping[str, Any], *names: str) -> str | None:
    return next((text for name in names if (text := text_of(asked.get(name)))), None)


def there(told: Told, *, environment: Environment) -> HeldBill | None:
    """A bill as the portal has it, in full; None when that is no bill. Whose it is with us is not known here."""
    answer = members(told)
    number = number_of(answer)
    if answer is None or number is None or answer.get("status") not in STATUSES:
        return None
    entries = [portal_json.members(each) or {} for each in answer.get("vehicllistdetails") or ()]
    latest = entries[0] if entries else {}
    sheet = text_of(latest.get("tripshtno"))
    return HeldBill(
        environment=environment,
        org_id="",
        gstin=text_of(answer.get("usergstin")),
        number=number,
        irn=None,
        operation_id=None,
        doc_type=text_of(answer.get("doctype")) or None,
        doc_no=text_of(answer.get("docno")) or None,
        doc_date=_day(answer.get("docdate")),
        standing=_standing(answer),
        made_at=time_of(answer.get("ewaybilldate")),
        valid_until=time_of(answer.get("validupto")),
        computed_until=None,
        vehicle_no=text_of(latest.get("vehicleno")) or text_of(latest.get("transdocno")) or None,
        transporter_id=text_of(answer.get("transporterid")) or None,
        trip_sheet=sheet if sheet.strip("0") else None,
        remarks=None,
        differences=(),
        cancelled_at=None,
        recorded_at=datetime.min.replace(tzinfo=UTC),
    )


def number_of(answer: Mapping[str, Any] | None) -> str | None:
    """The number of an e-way bill, under either of its names; None when there is none."""
    if answer is None:
        return None
    number = portal_json.plain_text(answer.get("ewaybillno", answer.get("ewbno")))
    known = number is not None and number.isascii() and number.isdigit() and len(number) in _NUMBER_DIGITS
    return number if known else None


def time_of(value: Any) -> datetime | None:
    """An instant as the e-way bill system writes it; None for whatever is none: Part A alone has no validity."""
    try:
        return read_ewb_time(value)
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None


def text_of(value: Any) -> str:
    """A member as text, however it came; nothing when it did not."""
    return portal_json.plain_text(value) or ""


def number_in(value: Any) -> Decimal | None:
    """A member as a number, however it came; None when it is none."""
    try:
        found = Decimal(text_of(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _compared(talk: Talk, told: Told, *, number: str) -> Outcome:
    """What the bill that stands for our document means: ours, another's, or none that counts."""
    answer = members(told)
    status = None if answer is None else answer.get("status")
    if answer is None or number_of(answer) != number or status not in STATUSES:
        return unknown(told, "The portal answered with another e-way bill, or with no known status.")
    if _year(answer.get("docdate")) != _year(talk.asked["docDate"]):
        return Outcome(meaning=Meaning.ABSENT, evidence=told.data, found_by=LOOK_UP)
    made_at = time_of(answer.get("ewaybilldate"))
    if status != "ACT" and not is_younger(talk, made_at):
        return Outcome(meaning=Meaning.ABSENT, evidence=told.data, found_by=LOOK_UP)
    differences = tuple(_differences(talk.asked, answer))
    bill = EwayBill(
        number=number,
        made_at=made_at,
        valid_until=time_of(answer.get("validupto")),
        cancelled=status == CANCELLED,
        differences=differences,
    )
    if not differences:
        return Outcome(meaning=Meaning.REGISTERED, result=bill, evidence=told.data, found_by=LOOK_UP)
    first = differences[0]["at"]
    message = f"The document has the e-way bill {number} already, with other content, at {first} first."
    return Outcome(meaning=Meaning.CONFLICT, result=bill, evidence=told.data, found_by=LOOK_UP, message=message)


def is_younger(talk: Matter, at: datetime | None) -> bool:
    """Whether something came to be after we first asked for it."""
    since = talk.operation.doubtful_since
    return since is not None and at is not None and at > since - CLOCKS_APART


def _differences(asked: Mapping[str, Any], there: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name in _COMPARED:
        sent, registered = asked.get(name), there.get(name.lower())
        if sent is not None and registered is not None and _plain(name, sent) != _plain(name, registered):
            found.append({"at": f"/{name}", "sent": text_of(sent), "registered": text_of(registered)})
    return found


def _plain(name: str, value: Any) -> str | Decimal | None:
    if name == "totInvValue":
        return number_in(value)
    return same_document_number(text_of(value)) if name == "docNo" else text_of(value)


def _standing(answer: Mapping[str, Any]) -> ewaybill.Standing:
    if answer["status"] != "ACT":
        return ewaybill.Standing.CANCELLED
    rejected = text_of(answer.get("rejectstatus")).upper() == "Y"
    return ewaybill.Standing.REJECTED if rejected else ewaybill.Standing.ACTIVE


def _day(value: Any) -> date | None:
    try:
        return read_portal_date(text_of(value))
    except ValueError:
        return None


def _year(value: Any) -> str | None:
    day = _day(value)
    return None if day is None else financial_year(day)


def _unseen(refusal: envelope.Failure, found: Outcome) -> Outcome:
    """There is one by one answer, and it could not be seen by the other."""
    error, seconds = refusal.errors[0], found.retry_after_seconds
    message = f"{error.message} (but it could not be read back: {found.message})"
    return Outcome(meaning=Meaning.UNKNOWN, code=error.code, message=message, retry_after_seconds=seconds)

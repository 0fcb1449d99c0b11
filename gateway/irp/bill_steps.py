"""What is done to an e-way bill that is there: one row for each step, with how it is sent, read and looked up.

A look-up asks for the bill by its number and looks for the trace that the step would have left. Closing leaves none
that is published, and neither do movements by several vehicles: of those an unanswered call needs a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.domain import ewaybill
from gateway.domain.outcomes import BillChange, Cancellation, Meaning, Outcome, Result
from gateway.irp import codes, endpoints
from gateway.irp.bills import (
    CANCELLED,
    STATUSES,
    computed_until,
    is_younger,
    number_in,
    number_of,
    text_of,
    time_of,
)
from gateway.irp.codes import Disposition
from gateway.irp.endpoints import Endpoint
from gateway.irp.exchange import Told
from gateway.irp.talk import CALL, LOOK_UP, LOOK_UP_ANSWERS, REFUSALS, Matter, Talk, has_code, meant, members, unknown

Reader = Callable[[Matter, Mapping[str, Any]], Result | None]
"""What an answer changes, or None when it does not say what it should."""


@dataclass(frozen=True, slots=True)
class Step:
    """One row. Its methods are what `protocols.Protocol` asks for."""

    endpoint: Endpoint
    told: Reader
    """Reads the answer to the call."""
    trace: Reader | None
    """Finds the step's trace in the bill as it stands, None when there is none; no reader: it leaves no trace."""
    too_late: frozenset[str] = frozenset()
    """The codes for a time that is over."""
    perhaps_done: frozenset[str] = frozenset()
    """Noes that may mean that it is done already: the bill tells."""

    def call(self, talk: Talk) -> Outcome:
        """Send it. A No that may be the echo of our own earlier call is looked into at once."""
        answer = talk.send(self.endpoint)
        if isinstance(answer, Told):
            return self.read(talk, answer, CALL)
        if isinstance(answer, Outcome):
            return answer
        no = meant(answer, REFUSALS)
        stands_otherwise = codes.verdict(answer.errors) is Disposition.STATE and talk.operation.in_doubt
        if stands_otherwise or has_code(answer, self.perhaps_done):
            found = self.look_up(talk)
            if found.meaning is not Meaning.ABSENT:
                return found
        if has_code(answer, self.too_late):
            return Outcome(meaning=Meaning.TOO_LATE, code=no.code, message=no.message)
        return no

    def look_up(self, talk: Talk) -> Outcome:
        """Ask for the bill, and look for the trace of this step."""
        if self.trace is None:
            message = "The portal does not tell whether this was done: look at the e-way bill on its web page."
            return Outcome(meaning=Meaning.UNREADABLE, message=message)
        answer = talk.ask(endpoints.EWB_GET, params={"ewbNo": _bill_to_ask(talk)})
        if isinstance(answer, Outcome):
            return answer
        if not isinstance(answer, Told):
            no = meant(answer, LOOK_UP_ANSWERS)
            return Outcome(meaning=Meaning.UNKNOWN, code=no.code, message=no.message) if _none(no) else no
        bill = members(answer)
        if bill is None or number_of(bill) != _bill_to_ask(talk) or bill.get("status") not in STATUSES:
            return unknown(answer, "The portal answered with another e-way bill, or with no known status.")
        result = self.trace(talk, bill)
        meaning = Meaning.ABSENT if result is None else Meaning.REGISTERED
        return Outcome(meaning=meaning, result=result, evidence=answer.data, found_by=LOOK_UP)

    def read(self, talk: Matter, told: Told, found_by: str) -> Outcome:
        """What the answer to the call says."""
        answer = members(told)
        result = None if answer is None else self.told(talk, answer)
        if result is None:
            return unknown(told, "The portal's success does not say that this was done to this e-way bill.")
        return Outcome(meaning=Meaning.REGISTERED, result=result, evidence=told.data, found_by=found_by)


def _none(no: Outcome) -> bool:
    """A bill that nobody has is no bill to which nothing was done."""
    return no.meaning is Meaning.ABSENT


def _bill_to_ask(talk: Matter) -> str:
    """The bill itself, or of a trip sheet the first one."""
    listed = talk.asked.get("tripSheetEwbBills")
    return text_of(listed[0]["ewbNo"]) if isinstance(listed, list) and listed else talk.operation.subject


def _is_ours(talk: Matter, answer: Mapping[str, Any]) -> bool:
    return number_of(answer) == talk.operation.subject


def _cancelled(talk: Matter, answer: Mapping[str, Any]) -> Result | None:
    return Cancellation(at=time_of(answer.get("canceldate"))) if _is_ours(talk, answer) else None


def _cancelled_there(_talk: Matter, bill: Mapping[str, Any]) -> Result | None:
    return Cancellation() if bill["status"] == CANCELLED else None


def _rejected(talk: Matter, answer: Mapping[str, Any]) -> Result | None:
    return BillChange(at=time_of(answer.get("ewbrejecteddate"))) if _is_ours(talk, answer) else None


def _rejected_there(_talk: Matter, bill: Mapping[str, Any]) -> Result | None:
    return BillChange() if text_of(bill.get("rejectstatus")).upper() == "Y" else None


def _vehicle(talk: Matter, answer: Mapping[str, Any]) -> Result | None:
    at = time_of(answer.get("vehupddate"))
    if at is None:
        return None
    return BillChange(at=at, valid_until=time_of(answer.get("validupto")), vehicle_no=_named_vehicle(talk))


def _vehicle_there(talk: Matter, bill: Mapping[str, Any]) -> Result | None:
    entry = _entry(talk, bill)
    if entry is None:
        return None
    until = time_of(bill.get("validupto"))
    return BillChange(at=time_of(entry.get("entereddate")), valid_until=until, vehicle_no=_named_vehicle(talk))


def _transporter(talk: Matter, answer: Mapping[str, Any]) -> Result | None:
    named = text_of(answer.get("transporterid"))
    if not _is_ours(talk, answer) or named != text_of(talk.asked["transporterId"]):
        return None
    return BillChange(at=time_of(answer.get("transupdatedate")), transporter_id=named)


def _transporter_there(talk: Matter, bill: Mapping[str, Any]) -> Result | None:
    named = text_of(bill.get("transporterid"))
    return BillChange(transporter_id=named) if named == text_of(talk.asked["transporterId"]) else None


def _extended(talk: Matter, answer: Mapping[str, Any]) -> Result | None:
    at, until = time_of(answer.get("updateddate")), time_of(answer.get("validupto"))
    if number_of(answer) != talk.operation.subject or until is None:
        return None
    computed = computed_until(talk.asked, start=at, distance="remainingDistance")
    return BillChange(at=at, valid_until=until, computed_until=computed, vehicle_no=_named_vehicle(talk))


def _extended_there(talk: Matter, bill: Mapping[str, Any]) -> Result | None:
    """Extended, if it now ends later than any bill could that was still waiting for its extension then."""
    since, until = talk.operation.doubtful_since, time_of(bill.get("validupto"))
    if since is None or until is None or until <= since + ewaybill.EXTEND_AROUND_END:
        return None
    return BillChange(valid_until=until, vehicle_no=_named_vehicle(talk))


def _consolidated(talk: Matter, answer: Mapping[str, Any]) -> Result | None:
    number = text_of(answer.get("cewbno", answer.get("tripsheetno")))
    if not number.isdigit():
        return None
    return _sheet(talk, number, at=time_of(answer.get("cewbdate")))


def _consolidated_there(talk: Matter, bill: Mapping[str, Any]) -> Result | None:
    entry = _entry(talk, bill, on_a_sheet=True)
    if entry is None:
        return None
    return _sheet(talk, text_of(entry.get("tripshtno")), at=time_of(entry.get("entereddate")))


def _sheet(talk: Matter, number: str, *, at: datetime | None) -> BillChange:
    bills = tuple(text_of(each["ewbNo"]) for each in talk.asked["tripSheetEwbBills"])
    return BillChange(at=at, trip_sheet=number, vehicle_no=_named_vehicle(talk), bills=bills)


def _closed(talk: Matter, answer: Mapping[str, Any]) -> Result | None:
    """Its answer is not published: whatever names no other bill will do."""
    named = number_of(answer)
    return BillChange() if named in (None, talk.operation.subject) else None


def _moved(name: str) -> Reader:
    def read(talk: Matter, answer: Mapping[str, Any]) -> Result | None:
        group = text_of(answer.get("groupno"))
        if not _is_ours(talk, answer) or not group:
            return None
        vehicle = text_of(talk.asked.get("vehicleNo") or talk.asked.get("newVehicleNo")) or None
        return BillChange(at=time_of(answer.get(name)), group=group, vehicle_no=vehicle)

    return read


def _named_vehicle(talk: Matter) -> str | None:
    return text_of(talk.asked.get("vehicleNo")) or text_of(talk.asked.get("transDocNo")) or None


def _entry(talk: Matter, bill: Mapping[str, Any], *, on_a_sheet: bool = False) -> Mapping[str, Any] | None:
    """The entry of our vehicle among those of the bill, if it came after we first asked for it."""
    listed = bill.get("vehicllistdetails")
    entries = [{name.lower(): value for name, value in each.items()} for each in listed] if listed else []
    return next((each for each in entries if _is_entry(talk, each, on_a_sheet=on_a_sheet)), None)


def _is_entry(talk: Matter, entry: Mapping[str, Any], *, on_a_sheet: bool) -> bool:
    same = all(
        text_of(entry.get(name.lower())).upper() == text_of(talk.asked.get(name)).upper()
        for name in ("vehicleNo", "transDocNo", "fromPlace")
    )
    sheet = number_in(entry.get("tripshtno")) or 0
    return same and bool(sheet) is on_a_sheet and is_younger(talk, time_of(entry.get("entereddate")))


CANCEL: Final = Step(
    endpoints.EWB_CANCEL,
    _cancelled,
    _cancelled_there,
    too_late=frozenset({"315", "4055"}),
    perhaps_done=frozenset({"312", "4057"}),
)
REJECT: Final = Step(
    endpoints.EWB_REJECT,
    _rejected,
    _rejected_there,
    too_late=frozenset({"345", "346"}),
    perhaps_done=frozenset({"343"}),
)
VEHICLE: Final = Step(endpoints.EWB_VEHICLE, _vehicle, _vehicle_there, too_late=frozenset({"311"}))
TRANSPORTER: Final = Step(endpoints.EWB_TRANSPORTER, _transporter, _transporter_there, too_late=frozenset({"281"}))
EXTEND: Final = Step(endpoints.EWB_EXTEND, _extended, _extended_there)
CONSOLIDATE: Final = Step(endpoints.EWB_CONSOLIDATE, _consolidated, _consolidated_there, too_late=frozenset({"818"}))
CLOSE: Final = Step(endpoints.EWB_CLOSE, _closed, None)
MOVEMENT: Final = Step(endpoints.EWB_MULTI_BEGIN, _moved("createddate"), None, too_late=frozenset({"311"}))
MOVEMENT_ADD: Final = Step(endpoints.EWB_MULTI_ADD, _moved("vehaddeddate"), None)
MOVEMENT_CHANGE: Final = Step(endpoints.EWB_MULTI_CHANGE, _moved("vehupddate"), None)

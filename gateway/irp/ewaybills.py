"""E-way bills of an IRN, made and looked up by the e-invoice system. What is done to them later is in `bill_steps`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from gateway.domain.outcomes import EwayBill, Meaning, Outcome
from gateway.irp import bills, codes, endpoints, envelope, syncing
from gateway.irp.codes import Disposition
from gateway.irp.exchange import Told
from gateway.irp.reading import portal_time
from gateway.irp.talk import CALL, LOOK_UP, LOOK_UP_ANSWERS, REFUSALS, Matter, Talk, meant, members, unknown

_ACTIVE: Final = "ACT"
_CANCELLED: Final = "CNL"
_NUMBER_DIGITS: Final = 12
_CLOCKS_APART: Final = timedelta(minutes=2)
"""The portal's time against ours, and its rounding to the minute."""


def generate(talk: Talk) -> Outcome:
    """Ask for a bill. One that exists already is looked up and taken for ours: an IRN can have one alone."""
    answer = syncing.send(talk, endpoints.EWB_GENERATE_BY_IRN)
    if isinstance(answer, Told):
        return read_made(talk, answer, CALL)
    if isinstance(answer, Outcome):
        return answer
    if codes.verdict(answer.errors) is not Disposition.DUPLICATE:
        return meant(answer, REFUSALS)
    found = look_up_made(talk)
    if found.meaning is Meaning.REGISTERED and isinstance(found.result, EwayBill):
        message = "The IRN had an e-way bill already. The portal does not tell what is in it."
        return replace(found, result=replace(found.result, computed_until=None), message=message)
    return _unseen(answer, found)


def look_up_made(talk: Talk) -> Outcome:
    """Ask for the bill of the IRN. One that was cancelled counts as none, unless it is younger than our asking."""
    answer = talk.ask(endpoints.EWB_GET_BY_IRN, key=talk.irn)
    if isinstance(answer, Outcome):
        return answer
    return read_made(talk, answer, LOOK_UP) if isinstance(answer, Told) else meant(answer, LOOK_UP_ANSWERS)


def read_made(matter: Matter, told: Told, found_by: str) -> Outcome:
    """What the portal tells of a bill."""
    bill = bill_of(told)
    if bill is None:
        return unknown(told, "The portal's success names no e-way bill.")
    if bill.cancelled and not _is_of(matter, bill):
        return Outcome(meaning=Meaning.ABSENT, evidence=told.data, found_by=found_by)
    computed = bills.computed_until(matter.asked, start=bill.made_at, distance="Distance")
    made = replace(bill, computed_until=computed)
    return Outcome(meaning=Meaning.REGISTERED, result=made, evidence=told.data, found_by=found_by)


def bill_of(told: Told) -> EwayBill | None:
    """The bill that a success tells of; None when there is none in it."""
    answer = members(told) or {}
    number, status = str(answer.get("ewbno")), answer.get("status", _ACTIVE)
    known = number.isascii() and number.isdigit() and len(number) <= _NUMBER_DIGITS
    if not known or status not in (_ACTIVE, _CANCELLED):
        return None
    remarks = answer.get("remarks") or answer.get("alert")
    return EwayBill(
        number=number,
        made_at=portal_time(answer.get("ewbdt")),
        valid_until=portal_time(answer.get("ewbvalidtill")),
        remarks=remarks if isinstance(remarks, str) else None,
        cancelled=status == _CANCELLED,
    )


def _is_of(matter: Matter, bill: EwayBill) -> bool:
    """Whether a bill came to be after we first asked for it."""
    since = matter.operation.doubtful_since
    return since is not None and bill.made_at is not None and bill.made_at > since - _CLOCKS_APART


def _unseen(refusal: envelope.Failure, found: Outcome) -> Outcome:
    """There is one by one answer, and it could not be seen by the other."""
    error, seconds = refusal.errors[0], found.retry_after_seconds
    message = f"{error.message} (but it could not be read back: {found.message})"
    return Outcome(meaning=Meaning.UNKNOWN, code=error.code, message=message, retry_after_seconds=seconds)

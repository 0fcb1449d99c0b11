"""Cancelling an IRN: the call, and its look-up by the status of the IRN."""

from __future__ import annotations

from typing import Final

from gateway.domain.outcomes import Cancellation, Meaning, Outcome
from gateway.irp import codes, endpoints, syncing
from gateway.irp.codes import Disposition
from gateway.irp.exchange import Told
from gateway.irp.reading import portal_time
from gateway.irp.talk import CALL, LOOK_UP, LOOK_UP_ANSWERS, REFUSALS, Matter, Talk, has_code, meant, members, unknown

_NOT_ACTIVE: Final = frozenset({"9999"})
"""The IRN is not active, nearly always because it is cancelled already: its status tells."""
_TOO_LATE: Final = frozenset({"2270"})
_CANCELLED: Final = "CNL"
_ACTIVE: Final = "ACT"
_REJECTED: Final = "REJ"


def call(talk: Talk) -> Outcome:
    """Send the cancellation. One that is said to be done already is looked up."""
    answer = syncing.send(talk, endpoints.CANCEL_IRN)
    if isinstance(answer, Told):
        return read(talk, answer, CALL)
    if isinstance(answer, Outcome):
        return answer
    no = meant(answer, REFUSALS)
    if has_code(answer, _NOT_ACTIVE):
        found = look_up(talk)
        return found if found.meaning in (Meaning.REGISTERED, Meaning.REFUSED) else _in_doubt(no, found)
    if has_code(answer, _TOO_LATE):
        return Outcome(meaning=Meaning.TOO_LATE, code=no.code, message=no.message)
    if codes.verdict(answer.errors) is Disposition.DUPLICATE:  # 4002, of an IRN with an e-way bill
        return Outcome(meaning=Meaning.REFUSED, code=no.code, message=no.message)
    return no


def look_up(talk: Talk) -> Outcome:
    """Ask for the status of the IRN. An active one is not cancelled: what we look for is absent."""
    answer = talk.ask(endpoints.GET_IRN, key=talk.operation.subject)
    if isinstance(answer, Outcome):
        return answer
    if not isinstance(answer, Told):
        no = meant(answer, LOOK_UP_ANSWERS)  # an IRN that nobody has is no IRN that is not cancelled
        return Outcome(meaning=Meaning.UNKNOWN, message=no.message) if no.meaning is Meaning.ABSENT else no
    return _by_status(talk, answer)


def read(matter: Matter, told: Told, found_by: str) -> Outcome:
    """What the answer to a cancellation says: which IRN, and when; or a later one, how the IRN stands."""
    answer = members(told)
    if answer is not None and "status" in answer:
        return _by_status(matter, told)
    if answer is None or str(answer.get("irn", "")).lower() != matter.operation.subject:
        return unknown(told, "The portal's success names another IRN, or none.")
    result = Cancellation(at=portal_time(answer.get("canceldate")))
    return Outcome(meaning=Meaning.REGISTERED, result=result, evidence=told.data, found_by=found_by)


def _by_status(matter: Matter, told: Told) -> Outcome:
    answer = members(told)
    if answer is None or str(answer.get("irn", "")).lower() != matter.operation.subject:
        return unknown(told, "The portal answered with another document.")
    status = answer.get("status")
    if status == _CANCELLED:
        return Outcome(meaning=Meaning.REGISTERED, result=Cancellation(), evidence=told.data, found_by=LOOK_UP)
    if status == _ACTIVE:
        return Outcome(meaning=Meaning.ABSENT, evidence=told.data, found_by=LOOK_UP)
    if status == _REJECTED:
        message = "The IRN was rejected: the same document was registered elsewhere, and that one counts."
        return Outcome(meaning=Meaning.REFUSED, message=message, evidence=told.data, found_by=LOOK_UP)
    return unknown(told, "The portal tells no known status of the IRN.")


def _in_doubt(no: Outcome, found: Outcome) -> Outcome:
    """Not active by one answer, and not seen to be cancelled by the other."""
    seconds = found.retry_after_seconds
    return Outcome(meaning=Meaning.UNKNOWN, code=no.code, message=no.message, retry_after_seconds=seconds)

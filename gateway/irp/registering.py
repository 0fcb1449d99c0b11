"""Registering a document: the call, its look-up by the document's details, and a duplicate, compared at once."""

from __future__ import annotations

from gateway.domain.outcomes import Meaning, Outcome
from gateway.irp import codes, endpoints, envelope, reading, syncing
from gateway.irp.codes import Disposition
from gateway.irp.exchange import Told
from gateway.irp.talk import CALL, LOOK_UP, LOOK_UP_ANSWERS, REFUSALS, Answer, Matter, Talk, meant


def call(talk: Talk) -> Outcome:
    """Send the document. What stands under its number already is fetched and compared."""
    answer = syncing.send(talk, endpoints.GENERATE_IRN)
    if isinstance(answer, Told):
        return read(talk, answer, CALL)
    if isinstance(answer, Outcome):
        return answer
    if codes.verdict(answer.errors) is Disposition.DUPLICATE:
        return _existing(talk, answer)
    return meant(answer, REFUSALS)


def look_up(talk: Talk) -> Outcome:
    """Ask for the document by type, number and date. An answer kept for want of its key is read again first."""
    if talk.kept_answer is not None:
        kept = read(talk, Told(talk.kept_answer, envelope.Info()), LOOK_UP)
        if kept.meaning is not Meaning.UNKNOWN:
            return kept
    details = talk.asked["DocDtls"]
    named = {"doctype": details["Typ"], "docnum": details["No"], "docdate": details["Dt"]}
    return _found(talk, talk.ask(endpoints.GET_IRN_BY_DOCUMENT, params=named))


def read(matter: Matter, told: Told, found_by: str) -> Outcome:
    """What a success says of the document."""
    return reading.read(told, matter.asked, matter.keys, found_by=found_by)


def _existing(talk: Talk, refusal: envelope.Failure) -> Outcome:
    """Fetch what stands under our number. Whatever keeps us from seeing it leaves us in doubt."""
    known = refusal.info.duplicate()
    found = _found(talk, talk.ask(endpoints.GET_IRN, key=known.irn if known is not None else talk.irn))
    if found.meaning in (Meaning.REGISTERED, Meaning.CONFLICT, Meaning.UNVERIFIED):
        return found
    error = refusal.errors[0]
    elsewhere = found.meaning is Meaning.ABSENT and known is not None and known.irp is not None
    lasting = Meaning.UNREADABLE if elsewhere or found.meaning is Meaning.UNREADABLE else Meaning.UNKNOWN
    return Outcome(
        meaning=lasting,
        code=error.code,
        message=f"Registered already ({error.message}), but it could not be read back: {found.message}",
        retry_after_seconds=found.retry_after_seconds,
    )


def _found(talk: Talk, answer: Answer) -> Outcome:
    if isinstance(answer, Told):
        return read(talk, answer, LOOK_UP)
    if isinstance(answer, Outcome):
        return answer
    return meant(answer, LOOK_UP_ANSWERS)

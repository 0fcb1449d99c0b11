"""What a person does with an operation that does not end by itself: withdraw it, resume it, or say how it ended."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from gateway.domain import canonical
from gateway.domain.lifecycle import ForbiddenTransitionError
from gateway.domain.operations import Kind, Operation, Status
from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.retries import QUARANTINE_LOOKS_AFTER, READ_BACK_WINDOW
from gateway.domain.settlement import Event
from gateway.errors import Clash, Invalid, Misconfigured
from gateway.ports import Caller, LimiterAwayError
from gateway.services import enquiry
from gateway.services.ports import Ports
from gateway.services.principal import Principal, Scope
from gateway.services.submission import NOTES

SCOPES: Final[Mapping[Kind, Scope]] = {
    **dict.fromkeys(Kind, Scope.EWB_WRITE),
    Kind.IRN_GENERATE: Scope.IRN_WRITE,
    Kind.IRN_CANCEL: Scope.IRN_CANCEL,
}
"""What a token must be good for to move an operation of a kind: what it takes to ask for one."""
NOTE_CHARACTERS_MAX: Final = 500
"""Of what a person writes beside a verdict."""
_VERDICTS: Final = ("stands", "does_not_stand")


def withdraw(id: str, principal: Principal, *, ports: Ports) -> Operation:
    """Take back what was not sent yet. Raises Absent, Forbidden, Clash."""
    found = _movable(id, principal, ports)
    try:
        done = ports.upkeep.close(id, Event.WITHDRAWN, actor=principal.client_id, at=ports.clock.now())
    except ForbiddenTransitionError:
        raise Clash(
            "not-withdrawable",
            f"The operation is {found.status}, or may have reached the portal: it cannot be taken back.",
            help="Let it end; a registered document is cancelled with POST /irn/{irn}/cancel.",
            operation_id=id,
        ) from None
    ports.bell.settled(done)
    _dismiss_promise(done, ports)
    return done


def _dismiss_promise(done: Operation, ports: Ports) -> None:
    """Give back the permit that a direct call was promised when it was let in, on whichever of its routes."""
    seller = ports.directory.seller(environment=done.environment, gstin=done.gstin)
    if not done.direct or seller is None:
        return
    with contextlib.suppress(LimiterAwayError, Misconfigured):  # the promise ends by itself
        for bucket in ports.enquiries.buckets(seller):
            caller = Caller(account=bucket.account, gstin=done.gstin, direct=True, promise=done.id)
            ports.limiter.dismiss({bucket.name: bucket.limit}, caller)


def resume(id: str, principal: Principal, *, ports: Ports) -> Operation:
    """Take a parked operation up again, by a look-up. Raises Absent, Forbidden, Clash."""
    found = _movable(id, principal, ports)
    try:
        resumed = ports.upkeep.resume(id, actor=principal.client_id, at=ports.clock.now())
    except ForbiddenTransitionError:
        raise Clash(
            "not-parked",
            f"The operation is {found.status}: only a parked one can be resumed.",
            help="It goes on by itself; see `next_attempt_at` and `advice`.",
            operation_id=id,
        ) from None
    ports.bell.ring(resumed.lane, direct=resumed.direct)
    return resumed


def judge(id: str, asked: Any, principal: Principal, *, ports: Ports) -> Operation:
    """Settle a parked operation by what a person found at the portal's own pages.

    `{"verdict": "stands", "answer": {…}, "note": "…"}` needs the portal's answer: it is read and its signature checked
    as if it had come over the wire. `{"verdict": "does_not_stand", "note": "…"}` is taken at the person's word, and
    only once the portal can no longer be asked. Both are on record with who said so. Raises Invalid, Absent, Forbidden
    and Clash.
    """
    found = _movable(id, principal, ports)
    verdict, note, answer = _read(asked)
    at = ports.clock.now()
    if found.status is not Status.PARKED or found.doubtful_since is None:
        raise Clash(
            "not-in-doubt",
            "Only a parked operation in doubt is settled by a person.",
            help="Resume it if it is parked; otherwise it goes on by itself.",
            operation_id=id,
        )
    if verdict == "does_not_stand":
        may_land = at - found.updated_at < QUARANTINE_LOOKS_AFTER[-1]  # what was sent last may still be travelling
        if may_land or at - found.doubtful_since < READ_BACK_WINDOW:
            raise Clash(
                "portal-can-tell",
                f"The portal can be asked for {_hours(READ_BACK_WINDOW)} hours after the doubt began, and what was "
                f"sent last may land for {_hours(QUARANTINE_LOOKS_AFTER[-1])} hours.",
                help="Resume the operation, which looks it up; or look again at the portal's pages after that.",
                operation_id=id,
            )
        outcome = Outcome(meaning=Meaning.ABSENT, message=note, found_by="person")
    else:
        outcome = _read_answer(found, answer, note, ports)
    done = ports.upkeep.judge(id, outcome, note=note, actor=principal.client_id, at=at)
    ports.bell.settled(done)
    return done


def _read_answer(found: Operation, answer: Mapping[str, Any], note: str, ports: Ports) -> Outcome:
    told = canonical.written(answer)
    outcome = ports.portals.read(found, payload=ports.intake.payload_of(found.id), answer=told)
    if outcome.meaning in (Meaning.REGISTERED, Meaning.CONFLICT):
        return outcome
    raise Invalid(
        "answer-proves-nothing",
        outcome.message or "The answer does not show that it stands.",
        help="Give the portal's answer as it is: for a document, SignedInvoice and SignedQRCode among its members.",
        operation_id=found.id,
        note=note,
    )


def _movable(id: str, principal: Principal, ports: Ports) -> Operation:
    found = enquiry.operation(id, principal, ports=ports)
    principal.require(Scope.CDNR_WRITE if found.doc_type in NOTES else SCOPES[found.kind])
    return found


def _read(asked: Any) -> tuple[str, str, Mapping[str, Any]]:
    members = asked if isinstance(asked, dict) else {}
    verdict, note, answer = members.get("verdict"), members.get("note"), members.get("answer")
    known = verdict in _VERDICTS and isinstance(note, str) and 0 < len(note.strip()) <= NOTE_CHARACTERS_MAX
    if not known or (verdict == "stands" and not isinstance(answer, dict)):
        raise Invalid(
            "verdict-malformed",
            "A verdict is `stands` with the portal's `answer`, or `does_not_stand`; a `note` says how that was found.",
            help='Send {"verdict": "does_not_stand", "note": "…"}, or "stands" with "answer": {…} besides.',
        )
    return str(verdict), str(note).strip(), answer if isinstance(answer, dict) else {}


def _hours(span: timedelta) -> int:
    return int(span.total_seconds()) // 3600

"""The gateway with one thought left out: each mutant is a mistake that looks harmless, made in the real code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from gateway.domain import lifecycle
from gateway.domain.operations import Operation, Status
from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.settlement import Event, Settlement
from gateway.irp import client, codes, reading
from gateway.irp.client import PortalConversation
from gateway.irp.codes import Disposition
from gateway.irp.exchange import Exchange
from gateway.ports import Attempt
from gateway.sandbox.faults import Kind
from gateway.services import execution
from gateway.storage import intake, work
from gateway.storage.tables import operations
from tests.simulation.driver import Profile

EVES = Profile(documents=10, eves=True)
UNKNOWN_CODES = Profile(documents=10, kinds=frozenset({Kind.UNKNOWN_CODE, Kind.DROP_AFTER}))
Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake, how to make it, and the promises that it breaks: the checker has to name one of them."""

    name: str
    make: Callable[[Patch], None]
    breaks: frozenset[str]
    profile: Profile = Profile(documents=10)


def _time_out_means_failed(patch: Patch) -> None:
    real = Exchange._once

    def once(self: Exchange, *args: Any, **kwargs: Any) -> Any:
        answer = real(self, *args, **kwargs)
        lost = isinstance(answer, Outcome) and "answer was lost" in (answer.message or "")
        return Outcome(meaning=Meaning.REFUSED, message="it took too long") if lost else answer

    patch.setattr(Exchange, "_once", once)


def _resend_without_looking_up(patch: Patch) -> None:
    patch.setattr(execution, "_ask", lambda attempt, conversation, **kept: conversation.call(attempt, **kept))


def _doubt_forgotten(patch: Patch) -> None:
    """`submitting` erases it: the column is not carried from one attempt into the next."""
    real = lifecycle.settle

    def settle(operation: Operation, outcome: Outcome, **others: Any) -> Settlement:
        return replace(real(operation, outcome, **others), doubtful_since=None)

    patch.setattr(lifecycle, "settle", settle)


def _old_lease_accepted(patch: Patch) -> None:
    def held_by(connection: Any, claim: Any, values: dict[str, Any]) -> None:
        connection.execute(operations.update().where(operations.c.id == claim.operation.id).values(values))

    patch.setattr(work, "_held_by", held_by)


def _quarantine_skipped(patch: Patch) -> None:
    real = lifecycle.settle

    def settle(operation: Operation, outcome: Outcome, **others: Any) -> Settlement:
        settled = real(operation, outcome, **others)
        if settled.event is not Event.REFUSED_IN_DOUBT:
            return settled
        return replace(settled, event=Event.REFUSED, status=Status.REJECTED, doubtful_since=None, due_at=None)

    patch.setattr(lifecycle, "settle", settle)


def _duplicate_not_compared(patch: Patch) -> None:
    patch.setattr(reading, "_contradictions", lambda _sent, _registered: [])


def _duplicate_refused(patch: Patch) -> None:
    def existing(_self: PortalConversation, _attempt: Attempt, _protocol: Any, refusal: Any, _keep: Any) -> Outcome:
        return Outcome(meaning=Meaning.REFUSED, code=refusal.errors[0].code)

    patch.setattr(PortalConversation, "_existing", existing)


def _unknown_code_refused(patch: Patch) -> None:
    real = codes.disposition

    def disposition(code: str, **others: Any) -> Disposition:
        return real(code, **others) if code in codes.table() else Disposition.REFUSED

    patch.setattr(codes, "disposition", disposition)


def _crash_forgets_the_attempt(patch: Patch) -> None:
    real = lifecycle.lease_ended

    def lease_ended(operation: Operation, *, at: datetime) -> Settlement:
        settled = real(operation, at=at)
        return replace(settled, status=Status.QUEUED, doubtful_since=operation.doubtful_since)

    patch.setattr(lifecycle, "lease_ended", lease_ended)


def _number_not_claimed(patch: Patch) -> None:
    real = intake._identity
    patch.setattr(intake, "_met_by_identity", lambda _connection, _new: None)
    patch.setattr(intake, "_identity", lambda new: real(new) | {"number_key": new.id[-16:]})


MUTANTS = (
    Mutant("time-out means failed", _time_out_means_failed, frozenset({"ended-but-registered"})),
    Mutant("resend without looking up", _resend_without_looking_up, frozenset({"sent-in-doubt"})),
    Mutant("doubt forgotten", _doubt_forgotten, frozenset({"sent-in-doubt"})),
    Mutant("old lease token accepted", _old_lease_accepted, frozenset({"versions"})),
    Mutant("quarantine skipped", _quarantine_skipped, frozenset({"ended-but-registered"}), EVES),
    Mutant("duplicate not compared", _duplicate_not_compared, frozenset({"succeeded-falsely"})),
    Mutant("duplicate taken as refusal", _duplicate_refused, frozenset({"unexpected-end"})),
    Mutant("unknown code means refused", _unknown_code_refused, frozenset({"ended-but-registered"}), UNKNOWN_CODES),
    Mutant("crash forgets the attempt", _crash_forgets_the_attempt, frozenset({"sent-in-doubt"})),
    Mutant("number not claimed", _number_not_claimed, frozenset({"number-of-two"})),
)

"""The gateway with one thought left out: each mutant is a mistake that looks harmless, made in the real code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from gateway.domain import comparison, lifecycle
from gateway.domain.operations import Kind, Operation, Status
from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.settlement import Event, Settlement
from gateway.irp import cancelling, codes
from gateway.irp.client import PortalConversation
from gateway.irp.codes import Disposition
from gateway.irp.exchange import Exchange
from gateway.ports import Attempt, Claim, NewOperation, Received
from gateway.sandbox.faults import Kind as Fault
from gateway.storage import effects, events
from gateway.storage.intake import SqlIntake
from gateway.storage.tables import operations
from gateway.storage.work import SqlWork
from tests.simulation.storm import Profile

ROUGH = Profile(documents=10)
EVES = Profile(documents=16, eves=True, kinds=frozenset({Fault.LATE, Fault.REFUSE}))
UNKNOWN_CODES = Profile(documents=10, kinds=frozenset({Fault.UNKNOWN_CODE, Fault.DROP_AFTER}))
WISHES = Profile(documents=10, wishes=True)
Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake, how to make it, and the promises that it breaks: the checker has to name one of them."""

    name: str
    make: Callable[[Patch], None]
    breaks: frozenset[str]
    profile: Profile = ROUGH


def _time_out_means_failed(patch: Patch) -> None:
    real = Exchange.ask

    def ask(self: Exchange, *args: Any, **kwargs: Any) -> Any:
        answer = real(self, *args, **kwargs)
        lost = isinstance(answer, Outcome) and "answer was lost" in (answer.message or "")
        return Outcome(meaning=Meaning.REFUSED, message="it took too long") if lost else answer

    patch.setattr(Exchange, "ask", ask)


def _resend_without_looking_up(patch: Patch) -> None:
    patch.setattr(PortalConversation, "look_up", lambda _self, _attempt, **_kept: Outcome(meaning=Meaning.ABSENT))


def _doubt_forgotten(patch: Patch) -> None:
    """`submitting` erases it: the column is not carried from one attempt into the next."""
    real = lifecycle.settle

    def settle(operation: Operation, outcome: Outcome, **others: Any) -> Settlement:
        return replace(real(operation, outcome, **others), doubtful_since=None)

    patch.setattr(lifecycle, "settle", settle)


def _old_lease_accepted(patch: Patch) -> None:
    """Every write finds the row leased by whoever writes."""

    def accepting(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(self: SqlWork, work: Claim | Attempt, *args: Any, **kwargs: Any) -> Any:
            claim = work.claim if isinstance(work, Attempt) else work
            mine = operations.update().where(operations.c.id == claim.operation.id).values(lease_token=claim.token)
            self._database.write(lambda connection: connection.execute(mine))
            return real(self, work, *args, **kwargs)

        return write

    for name in ("renew", "release", "begin_attempt", "record"):
        patch.setattr(SqlWork, name, accepting(getattr(SqlWork, name)))


def _quarantine_skipped(patch: Patch) -> None:
    real = lifecycle.settle

    def settle(operation: Operation, outcome: Outcome, **others: Any) -> Settlement:
        settled = real(operation, outcome, **others)
        if settled.event is not Event.REFUSED_IN_DOUBT:
            return settled
        return replace(settled, event=Event.REFUSED, status=Status.REJECTED, doubtful_since=None, due_at=None)

    patch.setattr(lifecycle, "settle", settle)


def _duplicate_not_compared(patch: Patch) -> None:
    for name in ("differences", "identity_differences"):
        patch.setattr(comparison, name, lambda _sent, _registered: [])


def _duplicate_refused(patch: Patch) -> None:
    real = codes.disposition

    def disposition(code: str, **others: Any) -> Disposition:
        found = real(code, **others)
        return Disposition.REFUSED if found is Disposition.DUPLICATE else found

    patch.setattr(codes, "disposition", disposition)


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
    real = SqlIntake.accept

    def accept(self: SqlIntake, new: NewOperation, *args: Any, **kwargs: Any) -> Received:
        return real(self, replace(new, number_key=new.id[-16:]), *args, **kwargs)

    patch.setattr(SqlIntake, "find_by_identity", lambda _self, _new: None)
    patch.setattr(SqlIntake, "accept", accept)


def _active_taken_for_cancelled(patch: Patch) -> None:
    patch.setattr(cancelling, "_CANCELLED", "ACT")


def _cancellation_not_written(patch: Patch) -> None:
    patch.setitem(effects.EFFECTS, Kind.IRN_CANCEL, lambda *_: None)  # type: ignore[misc]  it is a dict


def _success_not_told(patch: Patch) -> None:
    real = events.announce_transition

    def announce_transition(connection: Any, before: Operation, after: Operation, *others: Any, **named: Any) -> None:
        if after.status is not Status.SUCCEEDED:
            real(connection, before, after, *others, **named)

    patch.setattr(events, "announce_transition", announce_transition)


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
    Mutant("active taken for cancelled", _active_taken_for_cancelled, frozenset({"succeeded-falsely"}), WISHES),
    Mutant("cancellation not written", _cancellation_not_written, frozenset({"stands-otherwise"}), WISHES),
    Mutant("success not told", _success_not_told, frozenset({"told-otherwise"}), WISHES),
)

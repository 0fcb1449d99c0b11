"""The lifecycle of every operation: one table, and the pure decision what an outcome does to a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from gateway.domain import retries
from gateway.domain.operations import TERMINAL, HoldCause, Operation, Status
from gateway.domain.outcomes import Certainty, Meaning, Outcome
from gateway.domain.retries import Pace
from gateway.domain.settlement import Event, Settlement

TRANSITIONS: Final[Mapping[tuple[Status, Event], Status]] = {
    (Status.QUEUED, Event.ATTEMPT_BEGAN): Status.SUBMITTING,
    (Status.INDETERMINATE, Event.ATTEMPT_BEGAN): Status.SUBMITTING,
    (Status.QUARANTINED, Event.ATTEMPT_BEGAN): Status.SUBMITTING,
    (Status.HELD, Event.ATTEMPT_BEGAN): Status.SUBMITTING,
    (Status.SUBMITTING, Event.REGISTERED): Status.SUCCEEDED,
    (Status.SUBMITTING, Event.CONFLICTED): Status.CONFLICT,
    (Status.SUBMITTING, Event.REFUSED): Status.REJECTED,
    (Status.SUBMITTING, Event.REFUSED_IN_DOUBT): Status.QUARANTINED,
    (Status.SUBMITTING, Event.STILL_QUARANTINED): Status.QUARANTINED,
    (Status.SUBMITTING, Event.QUARANTINE_OVER): Status.REJECTED,
    (Status.SUBMITTING, Event.QUARANTINE_OUTLASTED): Status.EXPIRED,
    (Status.SUBMITTING, Event.TOO_LATE): Status.EXPIRED,
    (Status.SUBMITTING, Event.POSTPONED): Status.QUEUED,
    (Status.SUBMITTING, Event.LOST): Status.INDETERMINATE,
    (Status.SUBMITTING, Event.PUT_ON_HOLD): Status.HELD,
    (Status.SUBMITTING, Event.GIVEN_UP): Status.PARKED,
    (Status.PARKED, Event.RESUMED): Status.INDETERMINATE,
    (Status.PARKED, Event.REGISTERED): Status.SUCCEEDED,
    (Status.PARKED, Event.CONFLICTED): Status.CONFLICT,
    (Status.PARKED, Event.DISOWNED): Status.REJECTED,
    (Status.QUEUED, Event.NEEDLESS): Status.WITHDRAWN,
    (Status.QUEUED, Event.WITHDRAWN): Status.WITHDRAWN,
    (Status.HELD, Event.WITHDRAWN): Status.WITHDRAWN,
    (Status.QUEUED, Event.WINDOW_CLOSED): Status.EXPIRED,
    (Status.HELD, Event.WINDOW_CLOSED): Status.EXPIRED,
}

CRASHES_ALONE_MAX: Final = 3
"""Crashes of a process that ran this operation and no other, after which a person has to look at it."""

NEVER_IN_DOUBT: Final = frozenset(
    {Event.REFUSED, Event.TOO_LATE, Event.WITHDRAWN, Event.WINDOW_CLOSED, Event.NEEDLESS},
)
"""An operation in doubt may have had its effect at the portal, so none of these may end it."""
TOO_LATE_CODE: Final = "window-closed"
"""Stands for the portal's code where an operation was not sent because its time was over."""
CLOCKS_APART_CODE: Final = "clocks-apart"
"""Stands for it while an operation waits until the portal's clock and ours agree when its window closes."""


class ForbiddenTransitionError(RuntimeError):
    """Something was about to happen to an operation that the table does not allow. A bug, never a client's fault."""


def advance(operation: Operation, event: Event) -> Status:
    """The status after `event`. Raises ForbiddenTransitionError for whatever the table, or doubt, forbids."""
    following = TRANSITIONS.get((operation.status, event))
    if following is None or (operation.in_doubt and event in NEVER_IN_DOUBT):
        doubt = " in doubt" if operation.in_doubt else ""
        raise ForbiddenTransitionError(f"{operation.id}: {operation.status}{doubt} cannot meet '{event}'")
    return following


def settle(operation: Operation, outcome: Outcome, *, at: datetime, pace: Pace) -> Settlement:
    """What an attempt's outcome makes of its operation, which is `submitting`."""
    event = _event(operation, outcome, at=at)
    status = advance(operation, event)
    in_doubt_since = _doubt(operation) if outcome.certainty is Certainty.AMBIGUOUS else operation.doubtful_since
    settlement = Settlement(
        event=event,
        status=status,
        due_at=None,
        doubtful_since=None if status in TERMINAL else in_doubt_since,
        quarantined_since=operation.quarantined_since,
        quarantine_looks=operation.quarantine_looks,
        hold_cause=_hold_cause(outcome) if status is Status.HELD else None,
    )
    settlement = _count_quarantine(settlement, outcome, at=at)
    due_at = retries.due(settlement, outcome, attempts=operation.attempts, at=at, pace=pace)
    return replace(settlement, due_at=due_at)


def lease_ended(operation: Operation, *, at: datetime) -> Settlement:
    """What becomes of an operation whose process died, or slept past its lease, during an attempt."""
    crashes = operation.crashes_alone + (1 if operation.run_alone else 0)
    event = Event.GIVEN_UP if crashes >= CRASHES_ALONE_MAX else _unknown(operation)
    status = advance(operation, event)
    return Settlement(
        event=event,
        status=status,
        due_at=at if status is not Status.PARKED else None,
        doubtful_since=_doubt(operation),
        quarantined_since=operation.quarantined_since,
        quarantine_looks=operation.quarantine_looks,
        run_alone=True,
        crashes_alone=crashes,
    )


def resume(operation: Operation, *, at: datetime) -> Settlement:
    """A person takes a parked operation up again: always through a look-up."""
    return Settlement(
        event=Event.RESUMED,
        status=advance(operation, Event.RESUMED),
        due_at=at,
        doubtful_since=operation.doubtful_since or at,
        quarantined_since=operation.quarantined_since,
        quarantine_looks=operation.quarantine_looks,
        run_alone=operation.run_alone,  # what was parked for its crashes may crash again
    )


def judge(operation: Operation, meaning: Meaning) -> Settlement:
    """What a person found out of a parked operation, at the portal's own pages: that it stands there, or does not."""
    event = Event.DISOWNED if meaning is Meaning.ABSENT else _VERDICTS[meaning]
    return Settlement(event=event, status=advance(operation, event), due_at=None, doubtful_since=None)


def close(operation: Operation, event: Event) -> Settlement:
    """End an operation that never reached the portal: withdrawn, needless, or its legal window is over."""
    return Settlement(event=event, status=advance(operation, event), due_at=None, doubtful_since=None)


_VERDICTS: Final[Mapping[Meaning, Event]] = {
    Meaning.REGISTERED: Event.REGISTERED,
    Meaning.CONFLICT: Event.CONFLICTED,
    Meaning.HELD: Event.PUT_ON_HOLD,
    Meaning.UNVERIFIED: Event.PUT_ON_HOLD,
    Meaning.UNREADABLE: Event.GIVEN_UP,
}


_NOES: Final[Mapping[Meaning, Event]] = {Meaning.REFUSED: Event.REFUSED, Meaning.TOO_LATE: Event.TOO_LATE}


def _event(operation: Operation, outcome: Outcome, *, at: datetime) -> Event:
    if outcome.meaning in _VERDICTS:
        return _VERDICTS[outcome.meaning]
    if outcome.meaning in _NOES and operation.may_send:
        return Event.REFUSED_IN_DOUBT if operation.in_doubt else _NOES[outcome.meaning]
    if retries.exhausted(operation, at=at):
        return Event.GIVEN_UP
    if not operation.may_send:
        over = outcome.meaning is Meaning.ABSENT and retries.quarantine_is_over(operation.quarantine_looks + 1)
        return _end_of_quarantine(operation) if over else Event.STILL_QUARANTINED
    if operation.in_doubt or outcome.certainty is Certainty.AMBIGUOUS:
        return Event.LOST
    return Event.POSTPONED


def _end_of_quarantine(operation: Operation) -> Event:
    late = operation.portal_code == TOO_LATE_CODE
    return Event.QUARANTINE_OUTLASTED if late else Event.QUARANTINE_OVER


def _unknown(operation: Operation) -> Event:
    return Event.LOST if operation.may_send else Event.STILL_QUARANTINED


def _doubt(operation: Operation) -> datetime:
    """Doubt is as old as the beginning of its first attempt: nobody may have taken note until long after."""
    return operation.doubtful_since or operation.updated_at


def _hold_cause(outcome: Outcome) -> HoldCause:
    if outcome.meaning is Meaning.UNVERIFIED:
        return HoldCause.SIGNING_KEY_UNKNOWN
    return outcome.hold_cause or HoldCause.ACCOUNT


def _count_quarantine(settlement: Settlement, outcome: Outcome, *, at: datetime) -> Settlement:
    if settlement.event is Event.REFUSED_IN_DOUBT:
        return replace(settlement, quarantined_since=at, quarantine_looks=0)
    if settlement.event is Event.STILL_QUARANTINED and outcome.meaning is Meaning.ABSENT:
        return replace(settlement, quarantine_looks=settlement.quarantine_looks + 1)
    return settlement

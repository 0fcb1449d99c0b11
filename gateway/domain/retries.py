"""When an operation is tried next: schedules as data, and the arithmetic on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.operations import HoldCause, Operation, Status
from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.settlement import Settlement


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon a route is tried again, in seconds after the first, second, third … inconclusive attempt."""

    unknown: Sequence[int]
    """After an attempt in doubt: the look-up that settles it."""
    unreached: Sequence[int]
    """After an attempt that did nothing at all."""


STANDARD: Final = Pace(unknown=(5, 30, 120, 600, 1800), unreached=(2, 10, 60, 300))
"""For the government's portals: a first look soon, because most answers are only late; then rarely, because NIC counts
repeated calls among its top errors."""
BRISK: Final = Pace(unknown=(1, 1, 2, 3, 5), unreached=(1, 1, 2, 5))
"""For the sandbox: a developer should see a recovery, not wait for it."""
PACES: Final[Mapping[str, Pace]] = {"standard": STANDARD, "brisk": BRISK}

QUARANTINE_LOOKS_AFTER: Final = (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24))
"""When a quarantined operation is looked up. A request that was still travelling is taken to have died by the last."""

READ_BACK_WINDOW: Final = timedelta(hours=48)
"""How long the portal gives a document back (code 2283). Later, its "no such document" proves nothing."""

ATTEMPTS_MAX: Final = 1000
"""Three weeks at the slowest pace. Whatever needs more needs a person."""

HOLD_PROBES_AFTER: Final[Mapping[HoldCause, timedelta | None]] = {
    HoldCause.CREDENTIALS: None,  # the portal locks a user out after wrong passwords: only a change of them is a reason
    HoldCause.ACCOUNT: timedelta(hours=1),
    HoldCause.QUOTA: timedelta(hours=1),
    HoldCause.SIGNING_KEY_UNKNOWN: timedelta(minutes=1),  # costs no call: the kept answer is read again
}


def quarantine_is_over(looks: int) -> bool:
    """Whether so many look-ups that found nothing prove that nothing landed."""
    return looks >= len(QUARANTINE_LOOKS_AFTER)


def exhausted(operation: Operation, *, at: datetime) -> bool:
    """Whether going on would prove nothing: too many attempts, or in doubt for longer than the portal remembers.

    Quarantine begins with a look-up that found nothing. If the portal remembered everything then, what is left to
    doubt is what landed later, and it remembers that for as long again.
    """
    if operation.attempts >= ATTEMPTS_MAX:
        return True
    since = operation.doubtful_since
    if since is None:
        return False
    if operation.quarantined_since is not None and operation.quarantined_since - since < READ_BACK_WINDOW:
        since = operation.quarantined_since
    return at - since >= READ_BACK_WINDOW


def due(settlement: Settlement, outcome: Outcome, *, attempts: int, at: datetime, pace: Pace) -> datetime | None:
    """When a row that is being settled wakes up next. None: never by itself."""
    if settlement.status is Status.QUARANTINED:
        return _quarantine_due(settlement, outcome, at=at, pace=pace)
    if settlement.status is Status.HELD:
        wait = HOLD_PROBES_AFTER[settlement.hold_cause or HoldCause.ACCOUNT]
        return None if wait is None else at + wait
    schedule = {Status.INDETERMINATE: pace.unknown, Status.QUEUED: pace.unreached}.get(settlement.status)
    return None if schedule is None else at + _longer(_step(schedule, attempts), outcome)


def settles_by(operation: Operation) -> datetime | None:
    """The latest instant by which an open operation is settled if the portal answers. None: it waits for a person."""
    if operation.status is Status.QUARANTINED and operation.quarantined_since is not None:
        return operation.quarantined_since + QUARANTINE_LOOKS_AFTER[-1]
    if operation.in_doubt and operation.doubtful_since is not None and operation.status is not Status.PARKED:
        return operation.doubtful_since + READ_BACK_WINDOW
    return None


def _quarantine_due(settlement: Settlement, outcome: Outcome, *, at: datetime, pace: Pace) -> datetime:
    since = settlement.quarantined_since or at
    next_look = since + QUARANTINE_LOOKS_AFTER[min(settlement.quarantine_looks, len(QUARANTINE_LOOKS_AFTER) - 1)]
    if next_look > at:
        return next_look
    return at + _longer(pace.unknown[-1], outcome)


def _step(schedule: Sequence[int], attempts: int) -> int:
    return schedule[min(max(attempts - 1, 0), len(schedule) - 1)]


def _longer(seconds: int, outcome: Outcome) -> timedelta:
    if outcome.meaning in (Meaning.THROTTLED, Meaning.UNREACHED) and outcome.retry_after_seconds is not None:
        return timedelta(seconds=outcome.retry_after_seconds)
    return timedelta(seconds=max(seconds, outcome.retry_after_seconds or 0))

"""When an operation is tried next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest

from gateway.domain import retries
from gateway.domain.operations import HoldCause, Status
from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.retries import (
    ATTEMPTS_MAX,
    BRISK,
    HOLD_PROBES_AFTER,
    PACES,
    QUARANTINE_LOOKS_AFTER,
    READ_BACK_WINDOW,
    STANDARD,
    Pace,
)
from gateway.domain.settlement import Event, Settlement
from tests.support import START, operation

QUARANTINED: Final[dict[str, Any]] = {"status": Status.QUARANTINED, "event": Event.STILL_QUARANTINED}


def settlement(**members: Any) -> Settlement:
    """A settlement whose due time is not worked out yet."""
    filled = {"event": Event.LOST, "status": Status.INDETERMINATE, "due_at": None, "doubtful_since": START}
    return Settlement(**{**filled, **members})


def wait_seconds(settled: Settlement, outcome: Outcome, *, attempts: int = 1, pace: Pace = STANDARD) -> float | None:
    """Seconds until the row wakes up."""
    due = retries.due(settled, outcome, attempts=attempts, at=START, pace=pace)
    return None if due is None else (due - START).total_seconds()


@pytest.mark.parametrize("pace", list(PACES.values()), ids=list(PACES))
@pytest.mark.parametrize("status", [Status.INDETERMINATE, Status.QUEUED])
def test_a_schedule_is_followed_and_its_last_step_repeats(pace: Pace, status: Status) -> None:
    """After the first, second, third … attempt the row waits for the step of that number, and then for the last."""
    steps = pace.unknown if status is Status.INDETERMINATE else pace.unreached
    outcome = Outcome(meaning=Meaning.UNKNOWN)
    waits = [wait_seconds(settlement(status=status), outcome, attempts=n, pace=pace) for n in range(1, len(steps) + 3)]
    assert waits == [*steps, steps[-1], steps[-1]]


def test_every_schedule_slows_down() -> None:
    """No pace speeds up, and the sandbox's is nowhere slower than the government's."""
    for pace in PACES.values():
        assert list(pace.unknown) == sorted(pace.unknown)
        assert list(pace.unreached) == sorted(pace.unreached)
    assert all(brisk <= slow for brisk, slow in zip(BRISK.unknown, STANDARD.unknown, strict=True))
    assert all(brisk <= slow for brisk, slow in zip(BRISK.unreached, STANDARD.unreached, strict=True))


@pytest.mark.parametrize("meaning", [Meaning.THROTTLED, Meaning.UNREACHED])
@pytest.mark.parametrize("seconds", [1, 300])
def test_the_time_that_was_named_holds(meaning: Meaning, seconds: int) -> None:
    """Who was told when to come back comes then, be it sooner or later than by the schedule."""
    outcome = Outcome(meaning=meaning, retry_after_seconds=seconds)
    assert wait_seconds(settlement(status=Status.QUEUED), outcome, attempts=3) == seconds


@pytest.mark.parametrize(("named", "waited"), [(1, 5), (700, 700), (None, 5)])
def test_in_doubt_the_longer_wait_holds(named: int | None, waited: int) -> None:
    """An ambiguous answer is not looked up sooner because somebody wrote Retry-After on it."""
    outcome = Outcome(meaning=Meaning.UNKNOWN, retry_after_seconds=named)
    assert wait_seconds(settlement(), outcome) == waited


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.REJECTED, Status.CONFLICT, Status.PARKED])
def test_what_is_over_or_parked_never_wakes(status: Status) -> None:
    """A terminal row has no due time, and a parked one waits for a person."""
    assert wait_seconds(settlement(status=status), Outcome(meaning=Meaning.UNKNOWN)) is None


@pytest.mark.parametrize(
    ("cause", "seconds"),
    [
        (HoldCause.CREDENTIALS, None),
        (HoldCause.ACCOUNT, 3600),
        (HoldCause.QUOTA, 3600),
        (HoldCause.SIGNING_KEY_UNKNOWN, 60),
        (None, 3600),
    ],
)
def test_a_hold_is_probed_by_its_cause(cause: HoldCause | None, seconds: int | None) -> None:
    """Wrong credentials are never tried again by themselves, for the portal locks users out; the rest is."""
    settled = settlement(status=Status.HELD, hold_cause=cause)
    assert wait_seconds(settled, Outcome(meaning=Meaning.HELD, hold_cause=cause)) == seconds


def test_every_cause_has_its_probe() -> None:
    """No cause of a hold was forgotten."""
    assert set(HOLD_PROBES_AFTER) == set(HoldCause)


@pytest.mark.parametrize(("looks", "hours"), [(0, 0.25), (1, 2), (2, 24)])
def test_quarantine_has_its_hours(looks: int, hours: float) -> None:
    """The looks are due 15 minutes, 2 hours and 24 hours after it began."""
    settled = settlement(**QUARANTINED, quarantined_since=START, quarantine_looks=looks)
    assert wait_seconds(settled, Outcome(meaning=Meaning.ABSENT)) == hours * 3600


def test_a_missed_hour_is_made_up_soon_but_not_at_once() -> None:
    """A look that told nothing, or came late, is repeated at the slowest pace, or when the portal says."""
    settled = settlement(**QUARANTINED, quarantined_since=START - timedelta(days=2), quarantine_looks=2)
    assert wait_seconds(settled, Outcome(meaning=Meaning.UNKNOWN)) == STANDARD.unknown[-1]
    throttled = Outcome(meaning=Meaning.THROTTLED, retry_after_seconds=4000)
    assert wait_seconds(settled, throttled) == 4000


def test_quarantine_is_over_with_its_last_look() -> None:
    """Three looks that found nothing, not two."""
    assert [retries.quarantine_is_over(looks) for looks in range(5)] == [False, False, False, True, True]


def test_patience_ends_with_the_portals_memory() -> None:
    """Doubt that is as old as the read-back window proves nothing any more."""
    row = operation(doubtful_since=START)
    assert not retries.exhausted(row, at=START + READ_BACK_WINDOW - timedelta(seconds=1))
    assert retries.exhausted(row, at=START + READ_BACK_WINDOW)


def test_attempts_end_somewhere() -> None:
    """A row without doubt is given up after so many attempts, however old it is."""
    assert not retries.exhausted(operation(attempts=ATTEMPTS_MAX - 1), at=START + timedelta(days=300))
    assert retries.exhausted(operation(attempts=ATTEMPTS_MAX), at=START)


def test_a_quarantine_that_began_in_time_has_its_own_clock() -> None:
    """When it began, the portal showed that nothing had landed: what is left is proved by its own length."""
    began = START + READ_BACK_WINDOW - timedelta(hours=1)
    row = operation(doubtful_since=START, quarantined_since=began)
    assert not retries.exhausted(row, at=began + QUARANTINE_LOOKS_AFTER[-1])
    assert retries.exhausted(row, at=began + READ_BACK_WINDOW)


def test_a_quarantine_that_began_too_late_proves_nothing() -> None:
    """When it began, the portal could have forgotten already."""
    row = operation(doubtful_since=START, quarantined_since=START + READ_BACK_WINDOW)
    assert retries.exhausted(row, at=START + READ_BACK_WINDOW)


@pytest.mark.parametrize(
    ("members", "hours"),
    [
        ({"status": Status.QUARANTINED, "doubtful_since": START, "quarantined_since": START}, 24),
        ({"status": Status.INDETERMINATE, "doubtful_since": START}, 48),
        ({"status": Status.SUBMITTING, "doubtful_since": START}, 48),
        ({"status": Status.PARKED, "doubtful_since": START}, None),
        ({"status": Status.QUEUED}, None),
    ],
)
def test_a_client_learns_by_when_it_is_settled(members: dict[str, Any], hours: int | None) -> None:
    """Doubt and quarantine have a known end; what waits for a person, or for its turn, has none."""
    expected = None if hours is None else START + timedelta(hours=hours)
    assert retries.settles_by(operation(**members)) == expected

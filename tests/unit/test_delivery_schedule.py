"""When a delivery is tried again, to the second."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest

from gateway.domain.deliveries import (
    CHANCES,
    FAILING_MAX,
    LOSSES_MAX,
    POLICIES,
    TEST_POLICIES,
    Delivery,
    DeliveryStatus,
    EndpointLane,
    Progress,
    Verdict,
    has_failed_too_long,
    lost,
    settle,
    waits,
)
from gateway.domain.lanes import read
from tests.support import LANE, START, FakeClock

DEFAULT = POLICIES["default"]
FAILURES = (Verdict.FAILED, Verdict.SLOW_DOWN, Verdict.REFUSED_ADDRESS)


def delivery(**members: int) -> Delivery:
    """One that was begun once and did not fail yet."""
    counts = {"attempts": 1, "failures": 0, "losses": 0} | members
    return Delivery(id="dlv_1", webhook_id="whk_1", event_id="evt_1", status=DeliveryStatus.PENDING, **counts)


def failed(verdict: Verdict = Verdict.FAILED, *, chance: int = 0, asked: int | None = None, **counts: int) -> Progress:
    """What a failure makes of a delivery, by the default policy."""
    return settle(delivery(**counts), verdict, policy=DEFAULT, chance=chance, at=START, retry_after_seconds=asked)


def run(policy: str, *, chance: int) -> list[tuple[datetime, datetime]]:
    """Beginning and end of every attempt at an endpoint that never answers within its 15 seconds."""
    clock, progress, attempts = (
        FakeClock(),
        Progress(status=DeliveryStatus.PENDING, due_at=START, failures=0, losses=0),
        [],
    )
    while progress.status is DeliveryStatus.PENDING:
        assert progress.due_at is not None
        clock.sleep((progress.due_at - clock.now()).total_seconds())
        began = clock.now()
        ended = clock.step(seconds=15)
        attempts.append((began, ended))
        row = delivery(attempts=len(attempts), failures=progress.failures)
        progress = settle(
            row, Verdict.FAILED, policy=POLICIES[policy], chance=chance, at=ended, retry_after_seconds=None
        )
    assert progress.status is DeliveryStatus.DEAD
    return attempts


@pytest.mark.parametrize("chance", [0, 1, 499_999, CHANCES - 1])
@pytest.mark.parametrize("policy", POLICIES)
def test_attempts_come_when_the_policy_says(policy: str, chance: int) -> None:
    """At once, then each wait from the end of the attempt before, at most a fifth longer; then never again."""
    attempts = run(policy, chance=chance)
    gaps = [(begun - ended).total_seconds() for (_, ended), (begun, _) in itertools.pairwise(attempts)]
    expected = POLICIES[policy].waits
    assert attempts[0][0] == START
    assert len(gaps) == len(expected)
    for gap, wait in zip(gaps, expected, strict=True):
        assert gap == pytest.approx(wait * (1 + 0.2 * chance / CHANCES), abs=0.001)


def test_the_default_policy_is_the_promised_one() -> None:
    """1 minute, 5, 30, 1 hour, 6 hours: six attempts in all."""
    assert list(DEFAULT.waits) == [60, 300, 1800, 3600, 21_600]


def test_a_patient_policy_lasts_for_days() -> None:
    """As Standard Webhooks advises; and brisk is kept out of the live environment."""
    assert timedelta(seconds=sum(POLICIES["patient"].waits)) >= timedelta(days=3)
    assert timedelta(seconds=sum(POLICIES["brisk"].waits)) < timedelta(minutes=1)
    assert "brisk" in TEST_POLICIES


def test_success_ends_it() -> None:
    """Delivered, and nothing is due."""
    progress = failed(Verdict.DELIVERED, failures=3)
    assert progress == Progress(status=DeliveryStatus.DELIVERED, due_at=None, failures=0, losses=0)


def test_gone_ends_it() -> None:
    """410: whatever was wanted is wanted no more."""
    progress = failed(Verdict.GONE)
    assert (progress.status, progress.due_at) == (DeliveryStatus.CANCELLED, None)


@pytest.mark.parametrize("verdict", FAILURES)
def test_every_failure_goes_by_the_schedule(verdict: Verdict) -> None:
    """Whatever failed, it is tried again after the same time, and dead after the same number."""
    first, last = failed(verdict), failed(verdict, failures=5)
    assert (first.status, first.due_at, first.failures) == (DeliveryStatus.PENDING, START + timedelta(minutes=1), 1)
    assert (last.status, last.due_at, last.failures) == (DeliveryStatus.DEAD, None, 6)


def test_only_what_is_too_much_slows_the_endpoint() -> None:
    """By the wait that is due, and by a minute at most; also when the delivery itself is dead."""
    assert [failed(verdict).slowed_until for verdict in (Verdict.FAILED, Verdict.REFUSED_ADDRESS)] == [None, None]
    minute = START + timedelta(minutes=1)
    assert [failed(Verdict.SLOW_DOWN, failures=count).slowed_until for count in (0, 3, 5)] == [minute] * 3
    brisk = settle(
        delivery(), Verdict.SLOW_DOWN, policy=POLICIES["brisk"], chance=0, at=START, retry_after_seconds=None
    )
    assert brisk.slowed_until == START + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("asked", "wait"), [(None, 60), (0, 60), (30, 60), (61, 61), (100, 100), (120, 120), (121, 120), (10**9, 120)]
)
def test_retry_after_counts_up_to_twice_the_wait(asked: int | None, wait: int) -> None:
    """Never sooner than the policy, never later than twice."""
    assert failed(asked=asked).due_at == START + timedelta(seconds=wait)


def test_a_lost_attempt_is_repeated_at_once() -> None:
    """A worker's death is no failure of the receiver's."""
    progress = lost(delivery(failures=2), policy=DEFAULT, chance=0, at=START)
    assert progress == Progress(status=DeliveryStatus.PENDING, due_at=START, failures=2, losses=1)


def test_what_loses_its_process_each_time_comes_to_an_end() -> None:
    """The third loss in a row is a failure like any other, and the count begins anew."""
    progress = lost(delivery(losses=LOSSES_MAX - 1), policy=DEFAULT, chance=0, at=START)
    assert (progress.failures, progress.losses, progress.due_at) == (1, 0, START + timedelta(minutes=1))
    assert lost(delivery(losses=2, failures=5), policy=DEFAULT, chance=0, at=START).status is DeliveryStatus.DEAD


def test_waits_end_after_the_last() -> None:
    """There is no wait after the last attempt."""
    assert waits(DEFAULT, failures=6, chance=0) is None


def test_five_days_without_a_success_are_too_long() -> None:
    """To the moment; an endpoint that does not fail is never disabled."""
    assert not has_failed_too_long(None, at=START)
    assert not has_failed_too_long(START, at=START + FAILING_MAX - timedelta(seconds=1))
    assert has_failed_too_long(START, at=START + timedelta(days=5))


def test_a_lane_is_read_from_its_name() -> None:
    """Of either family; anything else is refused."""
    assert read(str(LANE)) == LANE
    assert read("webhook:whk_1") == EndpointLane("whk_1", prompt=True)
    assert read("webhook-trial:whk_1") == EndpointLane("whk_1")
    assert read(str(EndpointLane("whk_1"))) == EndpointLane("whk_1")
    for text in ("", "mail:whk_1", "irp:test", "irp:other:29AAHCT7421P1ZM"):
        with pytest.raises(ValueError, match=r".*"):
            read(text)

"""The arithmetic of the shared limit."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import token_bucket
from gateway.domain.token_bucket import MICROSECONDS, Limit

NOW_US: Final = 1_800_000_000 * MICROSECONDS
LIMIT: Final = Limit(calls=60, seconds=60, burst=3)

limits = st.builds(Limit, calls=st.integers(1, 200), seconds=st.sampled_from((1, 7, 60)), burst=st.integers(1, 12))


@dataclass(frozen=True)
class Asking:
    """One caller: how long after the one before it, how patient, and in which buckets it counts."""

    after_us: int
    patience_us: int
    buckets: frozenset[int]


askings = st.lists(
    st.builds(
        Asking,
        after_us=st.integers(0, 2 * MICROSECONDS),
        patience_us=st.sampled_from((0, MICROSECONDS // 2, 3 * MICROSECONDS)),
        buckets=st.sampled_from((frozenset({0}), frozenset({0, 1}), frozenset({0, 2}), frozenset({0, 1, 2}))),
    ),
    max_size=60,
)


def granted_at(all_limits: list[Limit], sequence: list[Asking]) -> list[list[int]]:
    """The instants of the calls that each bucket let out."""
    horizons: list[int | None] = [None] * len(all_limits)
    calls: list[list[int]] = [[] for _ in all_limits]
    now_us = NOW_US
    for asking in sequence:
        now_us += asking.after_us
        chosen = sorted(asking.buckets)
        grant, after = token_bucket.take(
            [(horizons[index], all_limits[index]) for index in chosen], now_us=now_us, patience_us=asking.patience_us
        )
        assert grant.wait_us <= asking.patience_us or not grant.granted
        for index, horizon in zip(chosen, after, strict=True):
            horizons[index] = horizon
            if grant.granted:
                bisect.insort(calls[index], now_us + grant.wait_us)
    return calls


@given(st.lists(limits, min_size=3, max_size=3), askings)
@settings(max_examples=150, deadline=None)
def test_no_window_has_more_calls_than_allowed(all_limits: list[Limit], sequence: list[Asking]) -> None:
    """Whoever waits how long for which nested buckets: in any window there are at most burst + rate · window calls."""
    for limit, calls in zip(all_limits, granted_at(all_limits, sequence), strict=True):
        for first, begin_us in enumerate(calls):
            for last in range(first, len(calls)):
                window_us = calls[last] - begin_us
                allowed = limit.burst + window_us * limit.calls // (limit.seconds * MICROSECONDS)
                assert last - first + 1 <= allowed


@given(limits, askings)
@settings(max_examples=50, deadline=None)
def test_a_lone_bucket_gives_all_that_it_may(limit: Limit, sequence: list[Asking]) -> None:
    """A caller is sent away only when the bucket's next permit is further than its patience."""
    horizon: int | None = None
    now_us = NOW_US
    for asking in sequence:
        now_us += asking.after_us
        known = token_bucket.empty(limit, now_us=now_us) if horizon is None else horizon
        grant, (horizon,) = token_bucket.take([(horizon, limit)], now_us=now_us, patience_us=asking.patience_us)
        wait_us = token_bucket.wait_us(known, limit, now_us=now_us)
        assert grant.wait_us == wait_us
        assert grant.granted == (wait_us <= asking.patience_us)


@given(limits)
def test_a_missing_bucket_starts_empty(limit: Limit) -> None:
    """A lost store cannot cause a burst: the first permit comes after one interval, and nothing before it."""
    grant, (horizon,) = token_bucket.take([(None, limit)], now_us=NOW_US, patience_us=0)
    assert (grant.granted, grant.wait_us) == (False, limit.interval_us)
    again, _ = token_bucket.take([(horizon, limit)], now_us=NOW_US + limit.interval_us, patience_us=0)
    assert (again.granted, again.wait_us) == (True, 0)


def test_a_full_bucket_gives_its_burst_and_then_the_rate() -> None:
    """After a long pause `burst` calls go out at once; the next waits one interval, and the one after it two."""
    horizon: int | None = NOW_US - 999 * MICROSECONDS
    waits = []
    for _ in range(5):
        grant, (horizon,) = token_bucket.take([(horizon, LIMIT)], now_us=NOW_US, patience_us=10 * MICROSECONDS)
        waits.append(grant.wait_us // MICROSECONDS)
    assert waits == [0, 0, 0, 1, 2]


def test_all_buckets_or_none() -> None:
    """A caller whom one bucket sends away has taken nothing from the others."""
    tight = Limit(calls=1, seconds=60, burst=1)
    horizons = (NOW_US, NOW_US + 60 * MICROSECONDS)
    grant, after = token_bucket.take(
        [(horizons[0], LIMIT), (horizons[1], tight)], now_us=NOW_US, patience_us=MICROSECONDS
    )
    assert (grant.granted, grant.wait_us, after) == (False, 60 * MICROSECONDS, horizons)


def test_a_wait_in_one_bucket_is_no_burst_in_another() -> None:
    """The call counts when it goes out, in every bucket."""
    tight = Limit(calls=1, seconds=60, burst=1)
    full = NOW_US - 999 * MICROSECONDS
    patience_us = 60 * MICROSECONDS
    grant, (_, wide) = token_bucket.take(
        [(NOW_US + 60 * MICROSECONDS, tight), (full, LIMIT)], now_us=NOW_US, patience_us=patience_us
    )
    assert grant.wait_us == patience_us
    assert wide == NOW_US + patience_us + LIMIT.interval_us


def test_no_bucket_is_no_limit() -> None:
    """A route without limits lets every call out at once."""
    assert token_bucket.take([], now_us=NOW_US, patience_us=0) == (token_bucket.Grant(granted=True, wait_us=0), ())


@given(limits, st.integers(0, 600 * MICROSECONDS))
def test_a_drained_bucket_is_quiet_for_so_long(limit: Limit, pause_us: int) -> None:
    """After "too many calls" the next permit comes when the time is over, and no burst with it."""
    horizon = token_bucket.drained(limit, now_us=NOW_US, pause_us=pause_us)
    assert token_bucket.wait_us(horizon, limit, now_us=NOW_US) == pause_us
    first, (after,) = token_bucket.take([(horizon, limit)], now_us=NOW_US + pause_us, patience_us=0)
    second, _ = token_bucket.take([(after, limit)], now_us=NOW_US + pause_us, patience_us=0)
    assert (first.granted, second.granted) == (True, False)


@pytest.mark.parametrize(("calls", "seconds", "interval_us"), [(60, 60, 1_000_000), (7, 1, 142_858), (3, 1, 333_334)])
def test_an_interval_is_rounded_up(calls: int, seconds: int, interval_us: int) -> None:
    """Rounding never lets calls go faster than allowed."""
    limit = Limit(calls=calls, seconds=seconds, burst=1)
    assert limit.interval_us == interval_us
    assert limit.interval_us * calls >= seconds * MICROSECONDS

"""The arithmetic of the shared limit."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import token_bucket
from gateway.domain.token_bucket import MICROSECONDS, PERMILLE, SLOWEST_PERMILLE, Bucket, Limit, Promised, Shares

NOW_US: Final = 1_800_000_000 * MICROSECONDS
LONG_AGO_US: Final = NOW_US - 10**12
FULL: Final = Bucket(horizon_us=LONG_AGO_US, direct_us=LONG_AGO_US, queued_us=LONG_AGO_US)
LIMIT: Final = Limit(calls=60, seconds=60, burst=10)
SHARES: Final = Shares(direct=50, queued=30)

limits = st.builds(Limit, calls=st.integers(1, 200), seconds=st.sampled_from((1, 7, 60)), burst=st.integers(1, 12))


@dataclass(frozen=True)
class Asking:
    """One caller: how long after the one before it, of which class, in which buckets, behind which promises."""

    after_us: int
    direct: bool
    buckets: frozenset[int]
    promised: Promised


askings = st.lists(
    st.builds(
        Asking,
        after_us=st.integers(0, MICROSECONDS),
        direct=st.booleans(),
        buckets=st.sampled_from((frozenset({0}), frozenset({0, 1}), frozenset({0, 2}), frozenset({0, 1, 2}))),
        promised=st.sampled_from((Promised(), Promised(1, 0), Promised(0, 2))),
    ),
    max_size=80,
)


def calls_of(all_limits: list[Limit], sequence: list[Asking]) -> list[list[int]]:
    """The instants of the calls that each bucket let out."""
    buckets: list[Bucket | None] = [None] * len(all_limits)
    calls: list[list[int]] = [[] for _ in all_limits]
    now_us = NOW_US
    for asking in sequence:
        now_us += asking.after_us
        chosen = sorted(asking.buckets)
        wanted = [(buckets[index], all_limits[index], asking.promised) for index in chosen]
        wait, after = token_bucket.take(wanted, shares=SHARES, direct=asking.direct, now_us=now_us)
        for index, bucket in zip(chosen, after, strict=True):
            buckets[index] = bucket
            if wait == 0:
                bisect.insort(calls[index], now_us)
    return calls


def drive(
    limit: Limit, bucket: Bucket, *, seconds: int, busy: tuple[bool, ...], each_us: int = 10_000
) -> dict[bool, list[int]]:
    """What each class gets when those in `busy` ask every `each_us`, the first of them first."""
    got: dict[bool, list[int]] = {True: [], False: []}
    for now_us in range(NOW_US, NOW_US + seconds * MICROSECONDS, each_us):
        for direct in busy:
            wait, (bucket,) = token_bucket.take(
                [(bucket, limit, Promised())], shares=SHARES, direct=direct, now_us=now_us
            )
            if wait == 0:
                got[direct].append(now_us)
    return got


@given(st.lists(limits, min_size=3, max_size=3), askings)
@settings(max_examples=150, deadline=None)
def test_no_window_has_more_calls_than_allowed(all_limits: list[Limit], sequence: list[Asking]) -> None:
    """Whoever asks how for which nested buckets: in any window there are at most burst + rate · window calls."""
    for limit, calls in zip(all_limits, calls_of(all_limits, sequence), strict=True):
        for first, begin_us in enumerate(calls):
            for last in range(first, len(calls)):
                window_us = calls[last] - begin_us
                allowed = limit.burst + window_us * limit.calls // (limit.seconds * MICROSECONDS)
                assert last - first + 1 <= allowed


@given(
    st.lists(limits, min_size=2, max_size=3),
    st.lists(st.tuples(st.integers(0, MICROSECONDS), st.integers(0, 2), st.booleans()), max_size=80),
)
@settings(max_examples=300, deadline=None)
def test_no_window_has_more_calls_than_changing_limits_allow(
    laws: list[Limit], sequence: list[tuple[int, int, bool]]
) -> None:
    """However a limit changes, to and fro too: in any window there is one burst, and the rate of each while it held.

    So from a change on there are at most the burst of the new limit and its rate.
    """
    bucket: Bucket | None = None
    law, now_us, earned = laws[0], NOW_US, Fraction(0)
    calls: list[tuple[Fraction, int]] = []  # what the rates had allowed by then, and the burst of the limit in force
    for after_us, index, direct in sequence:
        now_us += after_us
        earned += Fraction(after_us * law.calls, law.seconds * MICROSECONDS)
        law = laws[index % len(laws)]
        wait, (bucket,) = token_bucket.take([(bucket, law, Promised())], shares=SHARES, direct=direct, now_us=now_us)
        if wait == 0:
            calls.append((earned, law.burst))
    for first, (before, burst) in enumerate(calls):
        for last in range(first, len(calls)):
            assert last - first + 1 <= burst + calls[last][0] - before


FAST: Final = Limit(calls=6000, seconds=60, burst=60)
SLOW: Final = Limit(calls=60, seconds=60, burst=60)


@pytest.mark.parametrize(("before", "after"), [(FAST, SLOW), (SLOW, FAST), (replace(SLOW, burst=6), FAST)])
@pytest.mark.parametrize("direct", [True, False])
def test_a_changed_limit_gives_no_burst_and_is_used_at_once(before: Limit, after: Limit, direct: bool) -> None:  # noqa: FBT001  a parameter of pytest
    """Of a bucket that is spent the next permit comes after one interval of the new limit, neither sooner nor later."""
    spent = token_bucket.empty(before, now_us=NOW_US)
    assert token_bucket.wait_us(spent, after, shares=SHARES, direct=direct, now_us=NOW_US) == after.interval_us
    assert token_bucket.turn_us(spent, after, shares=SHARES, direct=direct, now_us=NOW_US) == after.interval_us
    assert token_bucket.room(spent, after, now_us=NOW_US) == 0


def test_permits_are_kept_when_the_limit_changes() -> None:
    """As many as there were, as many as the new limit has room for; a larger burst has to be earned."""
    rooms = [
        token_bucket.room(token_bucket.under(FULL, replace(FAST, burst=held), now_us=NOW_US), SLOW, now_us=NOW_US)
        for held in (7, 60, 100)
    ]
    assert rooms == [7, 60, 60]


@pytest.mark.parametrize(("before", "after"), [(FAST, SLOW), (SLOW, FAST), (FAST, replace(FAST, burst=600))])
@pytest.mark.parametrize("changed_after_us", [0, 59 * MICROSECONDS, 60 * MICROSECONDS])
def test_a_pause_is_as_long_under_another_limit(before: Limit, after: Limit, changed_after_us: int) -> None:
    """The portal's "too much" holds until the instant that was told, and one permit comes with its end, no burst."""
    bucket = token_bucket.drained(token_bucket.empty(before, now_us=NOW_US), now_us=NOW_US, pause_us=60 * MICROSECONDS)
    bucket = token_bucket.under(bucket, after, now_us=NOW_US + changed_after_us)
    ends_us = NOW_US + 60 * MICROSECONDS
    assert token_bucket.wait_us(bucket, after, shares=SHARES, direct=True, now_us=NOW_US) == ends_us - NOW_US
    assert token_bucket.room(bucket, after, now_us=ends_us - 1) == 0
    assert token_bucket.room(bucket, after, now_us=ends_us) == 1


def test_a_bucket_that_tells_no_limit_is_read_by_the_present_one() -> None:
    """An older version wrote it: its horizon is what it says."""
    old = Bucket(horizon_us=NOW_US + LIMIT.tolerance_us + MICROSECONDS, direct_us=NOW_US, queued_us=NOW_US)
    assert token_bucket.wait_us(old, LIMIT, shares=SHARES, direct=True, now_us=NOW_US) == MICROSECONDS


@given(limits, st.booleans(), st.integers(0, 10 * MICROSECONDS))
@settings(max_examples=100, deadline=None)
def test_after_the_wait_that_was_told_there_is_a_permit(limit: Limit, direct: bool, past_us: int) -> None:  # noqa: FBT001  hypothesis gives them
    """A caller that is sent away and comes back when it was told gets its permit, unless another took it."""
    bucket = replace(token_bucket.empty(limit, now_us=NOW_US), horizon_us=NOW_US + past_us)
    wait, (bucket,) = token_bucket.take([(bucket, limit, Promised())], shares=SHARES, direct=direct, now_us=NOW_US)
    if wait:
        again, _ = token_bucket.take([(bucket, limit, Promised())], shares=SHARES, direct=direct, now_us=NOW_US + wait)
        assert again == 0


@given(limits)
def test_a_missing_bucket_starts_empty(limit: Limit) -> None:
    """A lost store cannot cause a burst: the first permit comes after one interval, and nothing before it."""
    wait, (bucket,) = token_bucket.take([(None, limit, Promised())], shares=SHARES, direct=True, now_us=NOW_US)
    assert wait == limit.interval_us
    again, _ = token_bucket.take(
        [(bucket, limit, Promised())], shares=SHARES, direct=True, now_us=NOW_US + limit.interval_us
    )
    assert again == 0


@pytest.mark.parametrize("direct", [True, False])
def test_a_class_that_is_alone_has_the_whole_rate(direct: bool) -> None:  # noqa: FBT001  a parameter of pytest
    """A share that nobody uses is not lost: in two minutes the one class gets its 120 permits and the burst's room."""
    got = drive(LIMIT, FULL, seconds=120, busy=(direct,))[direct]
    reserve = LIMIT.burst * SHARES.of(direct=not direct) // 100
    assert 120 <= len(got) <= 120 + LIMIT.burst
    assert sum(at < NOW_US + MICROSECONDS for at in got) >= LIMIT.burst - reserve


@pytest.mark.parametrize("busy", [(True, False), (False, True)])
def test_neither_class_starves_the_other(busy: tuple[bool, bool]) -> None:
    """With both asking all the time, whoever asks first, each gets its share, and together they get all there is."""
    got = drive(LIMIT, FULL, seconds=300, busy=busy)
    assert len(got[True]) >= 300 * 0.5
    assert len(got[False]) >= 300 * 0.3
    assert len(got[True]) + len(got[False]) >= 300


def test_a_direct_call_finds_a_permit_behind_a_busy_queue() -> None:
    """Queued work leaves the direct share alone: a direct call in the midst of it goes out at once."""
    bucket = FULL
    for now_us in range(NOW_US, NOW_US + 60 * MICROSECONDS, 10_000):
        _, (bucket,) = token_bucket.take([(bucket, LIMIT, Promised())], shares=SHARES, direct=False, now_us=now_us)
        assert token_bucket.wait_us(bucket, LIMIT, shares=SHARES, direct=True, now_us=now_us) == 0


def test_all_buckets_or_none() -> None:
    """A caller whom one bucket sends away has taken nothing from the others."""
    tight = Limit(calls=1, seconds=60, burst=1)
    spent = replace(FULL, horizon_us=NOW_US + 60 * MICROSECONDS)
    wait, after = token_bucket.take(
        [(FULL, LIMIT, Promised()), (spent, tight, Promised())], shares=SHARES, direct=True, now_us=NOW_US
    )
    kept = [token_bucket.under(FULL, LIMIT, now_us=NOW_US), token_bucket.under(spent, tight, now_us=NOW_US)]
    assert (wait, list(after)) == (60 * MICROSECONDS, kept)


def test_no_bucket_is_no_limit() -> None:
    """A route without limits lets every call out at once."""
    assert token_bucket.take([], shares=SHARES, direct=True, now_us=NOW_US) == (0, ())


def test_a_newcomer_stands_behind_promises() -> None:
    """Each promise to one's own class costs a newcomer one interval, and whoever has one costs nothing."""
    spent = replace(FULL, horizon_us=NOW_US + LIMIT.tolerance_us)

    def wait(promised: Promised) -> int:
        return token_bucket.wait_us(spent, LIMIT, shares=SHARES, direct=True, now_us=NOW_US, promised=promised)

    assert [wait(Promised(own)) // MICROSECONDS for own in range(3)] == [0, 1, 2]


def test_promises_to_the_other_class_are_kept_but_do_not_starve() -> None:
    """Queued work beyond its share leaves what was promised to direct calls; within its share it goes on."""
    many = Promised(other=100)
    fresh = token_bucket.wait_us(FULL, LIMIT, shares=SHARES, direct=False, now_us=NOW_US, promised=many)
    spent = replace(FULL, queued_us=NOW_US + 100 * MICROSECONDS)
    beyond = token_bucket.wait_us(spent, LIMIT, shares=SHARES, direct=False, now_us=LONG_AGO_US, promised=many)
    assert fresh == 0
    assert beyond > 90 * MICROSECONDS


@given(limits, st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_turn_is_told_as_it_comes(limit: Limit, ahead: int) -> None:
    """The turn behind so many others of the class is the instant at which the last of them all gets its permit."""
    bucket, now_us = token_bucket.empty(limit, now_us=NOW_US), NOW_US
    told = token_bucket.turn_us(bucket, limit, shares=SHARES, direct=True, now_us=NOW_US, promised=Promised(own=ahead))
    for _ in range(ahead + 1):
        now_us += token_bucket.wait_us(bucket, limit, shares=SHARES, direct=True, now_us=now_us)
        bucket = token_bucket.taken(bucket, limit, shares=SHARES, direct=True, now_us=now_us)
    assert abs(told - (now_us - NOW_US)) <= limit.interval_us


def test_beside_a_busy_class_only_the_share_counts() -> None:
    """While queued work takes all that it can, a direct call's turn is reckoned from the direct share alone."""
    busy = FULL
    for _ in range(5):
        busy = token_bucket.taken(busy, LIMIT, shares=SHARES, direct=False, now_us=NOW_US)
    turns = [
        token_bucket.turn_us(bucket, LIMIT, shares=SHARES, direct=True, now_us=NOW_US, promised=Promised(own=9))
        for bucket in (FULL, busy)
    ]
    assert turns[1] >= 9 * MICROSECONDS
    assert turns[1] > turns[0]


@given(limits, st.integers(0, 600 * MICROSECONDS))
def test_a_drained_bucket_is_quiet_for_so_long(limit: Limit, pause_us: int) -> None:
    """After "too many calls" the next permit comes when the time is over, and no burst with it."""
    bucket = token_bucket.drained(FULL, now_us=NOW_US, pause_us=pause_us)
    assert token_bucket.wait_us(bucket, limit, shares=SHARES, direct=True, now_us=NOW_US) == pause_us
    wanted = [(bucket, limit, Promised())]
    first, after = token_bucket.take(wanted, shares=SHARES, direct=True, now_us=NOW_US + pause_us)
    second, _ = token_bucket.take([(after[0], limit, Promised())], shares=SHARES, direct=True, now_us=NOW_US + pause_us)
    assert (first, second > 0) == (0, True)


def test_a_throttle_slows_at_once_and_wears_off_slowly() -> None:
    """Half the speed at once, all of it after 500 seconds, and never more than the limit."""
    slow = token_bucket.slowed(FULL, keep_permille=500, now_us=NOW_US, every_us=0)
    speeds = [token_bucket.speed_permille(slow, now_us=NOW_US + s * MICROSECONDS) for s in (0, 1, 250, 500, 9999)]
    assert speeds == [500, 501, 750, 1000, 1000]
    assert token_bucket.interval_us(slow, LIMIT, now_us=NOW_US) == 2 * LIMIT.interval_us


def test_throttles_of_one_moment_slow_once() -> None:
    """Eight calls under way that are all throttled are one reason to slow down."""
    bucket = FULL
    for _ in range(8):
        bucket = token_bucket.slowed(bucket, keep_permille=500, now_us=NOW_US, every_us=MICROSECONDS)
    assert bucket.permille == 500
    bucket = token_bucket.slowed(bucket, keep_permille=500, now_us=NOW_US + MICROSECONDS, every_us=MICROSECONDS)
    assert bucket.permille == 250


def test_no_throttle_silences_for_good() -> None:
    """A portal that throttles every call still gets one now and then."""
    bucket = FULL
    for second in range(100):
        bucket = token_bucket.slowed(
            bucket, keep_permille=500, now_us=NOW_US + second * MICROSECONDS, every_us=MICROSECONDS
        )
    assert SLOWEST_PERMILLE <= bucket.permille < PERMILLE // 10


def test_room_counts_the_permits_in_a_bucket() -> None:
    """Full after a long pause, one less with each permit, and none when it is spent."""
    bucket, rooms = FULL, []
    for _ in range(LIMIT.burst + 1):
        rooms.append(token_bucket.room(bucket, LIMIT, now_us=NOW_US))
        bucket = token_bucket.taken(bucket, LIMIT, shares=SHARES, direct=True, now_us=NOW_US)
    assert rooms == list(range(LIMIT.burst, -1, -1))


@pytest.mark.parametrize(("calls", "seconds", "interval_us"), [(60, 60, 1_000_000), (7, 1, 142_858), (3, 1, 333_334)])
def test_an_interval_is_rounded_up(calls: int, seconds: int, interval_us: int) -> None:
    """Rounding never lets calls go faster than allowed."""
    limit = Limit(calls=calls, seconds=seconds, burst=1)
    assert limit.interval_us == interval_us
    assert limit.interval_us * calls >= seconds * MICROSECONDS

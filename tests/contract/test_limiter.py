"""`ports.Limiter`, in Redis and in memory. Time passes in Redis by moving what it keeps into the past."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final, Protocol

import pytest
from redis import Redis

from gateway.domain.token_bucket import MICROSECONDS, Limit
from gateway.limits.memory import MemoryLimiter
from gateway.limits.redis import RedisLimiter
from gateway.ports import Limiter, LimiterAwayError
from tests.contract.storage_kit import at_once
from tests.support import FakeClock

SELLER: Final = {"{g}:gstin:1": Limit(calls=6, seconds=60, burst=3)}
ACCOUNT: Final = {"{g}:account": Limit(calls=12, seconds=60, burst=4)}
BOTH: Final = SELLER | ACCOUNT
INTERVAL: Final = 10.0
"""Of the seller's bucket, in seconds. The account's is half of it."""
A_DAY: Final = 86_400.0


class Rig(Protocol):
    """A limiter whose time a test can let pass."""

    limiter: Limiter

    def let_pass(self, seconds: float) -> None:
        """Let time pass."""

    def forget(self) -> None:
        """Lose everything."""


class InMemory:
    """The twin."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        self.limiter = MemoryLimiter(self._clock)

    def let_pass(self, seconds: float) -> None:
        """See Rig."""
        self._clock.sleep(seconds)

    def forget(self) -> None:
        """See Rig."""
        self.limiter = MemoryLimiter(self._clock)


class InRedis:
    """The real one."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.limiter = RedisLimiter(redis, prefix="t:")

    def let_pass(self, seconds: float) -> None:
        """See Rig."""
        for key in self._redis.keys("t:limit:*"):
            earlier = int(self._redis.get(key) or 0) - int(seconds * MICROSECONDS)
            self._redis.set(key, earlier, keepttl=True)

    def forget(self) -> None:
        """See Rig."""
        self._redis.flushdb()


@pytest.fixture(params=["memory", "redis"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each limiter in its turn, empty."""
    return InMemory() if request.param == "memory" else InRedis(request.getfixturevalue("redis"))


def filled(rig: Rig, buckets: Mapping[str, Limit] = BOTH) -> Limiter:
    """The limiter with full buckets: they were made, and then nobody called for a day."""
    rig.limiter.take(buckets, patience_seconds=0)
    rig.let_pass(A_DAY)
    return rig.limiter


def waits(limiter: Limiter, buckets: Mapping[str, Limit], *, calls: int, patience_seconds: float) -> list[float | None]:
    """What so many callers are told, one after the other; Redis' clock runs on by a little meanwhile."""
    told = [limiter.take(buckets, patience_seconds=patience_seconds) for _ in range(calls)]
    return [None if wait is None else round(wait, 0) for wait in told]


def test_a_missing_bucket_starts_empty(rig: Rig) -> None:
    """Nobody may call at once after everything was lost; one interval later one may."""
    assert rig.limiter.take(SELLER, patience_seconds=0) is None
    assert rig.limiter.take(SELLER, patience_seconds=INTERVAL - 1) is None
    rig.let_pass(INTERVAL)
    assert waits(rig.limiter, SELLER, calls=2, patience_seconds=0) == [0, None]


def test_a_flush_causes_no_burst(rig: Rig) -> None:
    """A bucket that was full before it was lost is empty after."""
    filled(rig)
    rig.forget()
    assert waits(rig.limiter, BOTH, calls=3, patience_seconds=0) == [None, None, None]


def test_nobody_is_sent_away_for_a_bucket_that_is_missing(rig: Rig) -> None:
    """`wait` is asked before a call is let in: where nothing is known it says 0, and the call itself then waits."""
    assert rig.limiter.wait(BOTH) == 0


def test_the_burst_goes_at_once_and_the_rest_in_turn(rig: Rig) -> None:
    """Three at once, then one per interval, reserved in their order, until the patience is not enough."""
    limiter = filled(rig)
    assert waits(limiter, SELLER, calls=6, patience_seconds=2.5 * INTERVAL) == [0, 0, 0, 10, 20, None]


def test_nested_buckets_both_count(rig: Rig) -> None:
    """Another seller of the same account meets what the first has left of the account."""
    limiter = filled(rig)
    other = {"{g}:gstin:2": SELLER["{g}:gstin:1"]} | ACCOUNT
    limiter.take(other, patience_seconds=0)
    rig.let_pass(A_DAY)
    assert waits(limiter, BOTH, calls=3, patience_seconds=0) == [0, 0, 0]
    assert waits(limiter, other, calls=2, patience_seconds=0) == [0, None]
    assert waits(limiter, other, calls=1, patience_seconds=INTERVAL) == [5]


def test_who_gets_nothing_has_taken_nothing(rig: Rig) -> None:
    """A seller at his own limit costs the account nothing."""
    limiter = filled(rig)
    assert waits(limiter, SELLER, calls=3, patience_seconds=0) == [0, 0, 0]
    assert waits(limiter, BOTH, calls=5, patience_seconds=0) == [None] * 5
    assert waits(limiter, ACCOUNT, calls=5, patience_seconds=0) == [0, 0, 0, 0, None]


def test_asking_takes_nothing(rig: Rig) -> None:
    """`wait` tells what the next call would wait, as often as it is asked."""
    limiter = filled(rig)
    assert [limiter.wait(SELLER) for _ in range(9)] == [0] * 9
    assert waits(limiter, SELLER, calls=3, patience_seconds=0) == [0, 0, 0]
    assert [round(limiter.wait(SELLER)) for _ in range(3)] == [10, 10, 10]
    assert round(limiter.wait(ACCOUNT)) == 0


def test_a_drained_bucket_gives_one_when_the_time_is_over(rig: Rig) -> None:
    """After "too many calls" nobody calls for so long, and then one at a time."""
    limiter = filled(rig)
    limiter.drain(BOTH, seconds=60)
    assert round(limiter.wait(BOTH)) == 60
    assert waits(limiter, SELLER, calls=1, patience_seconds=55) == [None]
    rig.let_pass(60)
    assert waits(limiter, SELLER, calls=2, patience_seconds=0) == [0, None]


def test_a_drain_never_shortens_a_wait(rig: Rig) -> None:
    """The longer of two pauses holds."""
    limiter = filled(rig)
    limiter.drain(SELLER, seconds=60)
    limiter.drain(SELLER, seconds=5)
    assert round(limiter.wait(SELLER)) == 60


def test_a_missing_bucket_is_drained_too(rig: Rig) -> None:
    """A pause holds though nobody had called yet."""
    rig.limiter.drain(SELLER, seconds=60)
    assert round(rig.limiter.wait(SELLER)) == 60


def test_without_buckets_nothing_is_limited(rig: Rig) -> None:
    """A route without limits has none."""
    assert rig.limiter.take({}, patience_seconds=0) == 0
    assert rig.limiter.wait({}) == 0
    rig.limiter.drain({}, seconds=60)


def test_threads_share_the_permits(rig: Rig) -> None:
    """Of sixteen that ask at the same moment, three go at once, and the others each in a turn of its own."""
    limiter = filled(rig)
    told = at_once([lambda: limiter.take(SELLER, patience_seconds=1000)] * 16)
    assert sorted(round(wait) for wait in told if wait is not None) == [0, 0, *range(0, 140, 10)]


@pytest.mark.parametrize("seed", range(5))
def test_the_twins_agree(redis: Redis, seed: int) -> None:
    """A long script of calls, pauses and drains goes alike in both, to the second."""
    chance = random.Random(seed)  # noqa: S311  has to repeat
    twins: tuple[Rig, Rig] = (InMemory(), InRedis(redis))
    for _ in range(150):
        step = chance.choice(("take", "take", "take", "pass", "wait", "drain"))
        buckets = chance.choice((SELLER, ACCOUNT, BOTH))
        number = chance.randrange(0, 40, 5)
        told = [_taken(step, twin, buckets, number) for twin in twins]
        assert (told[0] is None) == (told[1] is None)
        assert told[0] == pytest.approx(told[1], abs=1.0)


def _taken(step: str, rig: Rig, buckets: Mapping[str, Limit], number: int) -> float | None:
    if step == "take":  # never exactly what there is to wait, where the clocks would decide
        return rig.limiter.take(buckets, patience_seconds=number + 2.5)
    if step == "pass":
        rig.let_pass(number)
    if step == "drain":
        rig.limiter.drain(buckets, seconds=number)
    return rig.limiter.wait(buckets)


def test_buckets_are_forgotten_when_they_have_long_been_full(redis: Redis) -> None:
    """Every key has a time to live, beyond the moment at which its bucket is full again."""
    limiter = RedisLimiter(redis, prefix="t:")
    limiter.take(SELLER, patience_seconds=0)
    limiter.drain(ACCOUNT, seconds=3600)
    assert [redis.ttl(key) > A_DAY for key in sorted(redis.keys("t:*"))] == [True, True]
    assert redis.ttl("t:limit:{g}:account") > A_DAY + 3600


def test_two_gateways_in_one_redis_do_not_share(redis: Redis) -> None:
    """The prefix keeps them apart."""
    one, other = InRedis(redis), RedisLimiter(redis, prefix="u:")
    filled(one, SELLER)
    assert one.limiter.take(SELLER, patience_seconds=0) is not None
    assert other.take(SELLER, patience_seconds=0) is None


def test_without_redis_nobody_knows() -> None:
    """Each question says so, and none is answered by a guess."""
    limiter = RedisLimiter(Redis.from_url("unix:///nowhere/redis.sock"), prefix="t:")
    with pytest.raises(LimiterAwayError):
        limiter.take(SELLER, patience_seconds=0)
    with pytest.raises(LimiterAwayError):
        limiter.wait(SELLER)
    with pytest.raises(LimiterAwayError):
        limiter.drain(SELLER, seconds=1)


def test_the_scripts_come_back(redis: Redis) -> None:
    """A server that lost its scripts is given them again."""
    rig = InRedis(redis)
    filled(rig, SELLER)
    redis.script_flush()
    assert rig.limiter.take(SELLER, patience_seconds=0) is not None

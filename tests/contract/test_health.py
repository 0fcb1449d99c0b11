"""`ports.Health`, in Redis and in memory."""

from __future__ import annotations

from typing import Final, Protocol

import pytest
from redis import Redis

from gateway.limits import health as module
from gateway.limits.health import FAILURES_MIN, SILENT_CALLS_MIN, MemoryHealth, RedisHealth
from gateway.ports import Health
from tests.support import ROUTE, FakeClock

LONGER: Final = 1000
"""In Redis real time passes too: all periods are so many times as long here, and a test takes next to none of one."""
TRY_SECONDS: Final = module.TRY_SECONDS * LONGER
SILENT_SECONDS: Final = module.SILENT_SECONDS * LONGER
FORGOTTEN_SECONDS: Final = module.FORGOTTEN_SECONDS * LONGER
A_WHILE: Final = 600
"""What a test may take, in seconds."""


class Rig(Protocol):
    """Health whose time a test can let pass."""

    health: Health

    def let_pass(self, seconds: int) -> None:
        """Let time pass."""


class InMemory:
    """The twin."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        self.health = MemoryHealth(self._clock)

    def let_pass(self, seconds: int) -> None:
        """See Rig."""
        self._clock.sleep(seconds)


class InRedis:
    """The real one: time passes by shortening what its keys have left to live."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._clock = FakeClock()
        self.health = RedisHealth(redis, self._clock, prefix="t:")

    def let_pass(self, seconds: int) -> None:
        """See Rig."""
        self._clock.sleep(seconds)
        for key in self._redis.keys("t:*"):
            self._redis.pexpire(key, max(0, int(self._redis.pttl(key)) - seconds * 1000))


@pytest.fixture(params=["memory", "redis"])
def rig(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Each in its turn, knowing nothing."""
    for name in ("TRY_SECONDS", "SILENT_SECONDS", "FORGOTTEN_SECONDS"):
        monkeypatch.setattr(module, name, globals()[name])
    return InMemory() if request.param == "memory" else InRedis(request.getfixturevalue("redis"))


def fail(health: Health, *, times: int) -> None:
    """Calls without an answer."""
    for _ in range(times):
        health.failed(ROUTE)


def test_a_route_of_which_nothing_is_known_is_up(rig: Rig) -> None:
    """Nobody is sent away before anything failed."""
    assert rig.health.down_seconds(ROUTE) == 0


def test_a_few_failures_are_everyday_life(rig: Rig) -> None:
    """One less than the number does not count as down."""
    fail(rig.health, times=FAILURES_MIN - 1)
    assert rig.health.down_seconds(ROUTE) == 0


def test_failures_in_a_row_are_a_route_that_is_down(rig: Rig) -> None:
    """It says for how long: from the last failure on, and never 0 while it is down."""
    fail(rig.health, times=FAILURES_MIN)
    assert TRY_SECONDS - A_WHILE <= rig.health.down_seconds(ROUTE) <= TRY_SECONDS
    rig.let_pass(TRY_SECONDS - A_WHILE)
    assert 0 < rig.health.down_seconds(ROUTE) <= A_WHILE


@pytest.mark.parametrize("seconds", [SILENT_SECONDS, 10 * SILENT_SECONDS])
def test_a_few_failures_over_a_long_time_are_a_route_that_is_down(rig: Rig, seconds: int) -> None:
    """Whoever is alone on a route makes few calls. The first and the last of them have to lie so far apart."""
    fail(rig.health, times=SILENT_CALLS_MIN - 1)
    rig.let_pass(seconds)
    assert not rig.health.is_open(ROUTE)
    rig.health.failed(ROUTE)
    assert rig.health.is_open(ROUTE)
    assert rig.health.admit(ROUTE) >= TRY_SECONDS - A_WHILE
    rig.health.answered(ROUTE)
    assert not rig.health.is_open(ROUTE)
    fail(rig.health, times=SILENT_CALLS_MIN)
    assert not rig.health.is_open(ROUTE)


def test_a_few_failures_at_once_and_then_nothing_are_none(rig: Rig) -> None:
    """That nobody called since says nothing; nor do two calls, however far apart."""
    fail(rig.health, times=SILENT_CALLS_MIN)
    rig.let_pass(SILENT_SECONDS)
    assert not rig.health.is_open(ROUTE)
    rig.health.answered(ROUTE)
    rig.health.failed(ROUTE)
    rig.let_pass(SILENT_SECONDS)
    rig.health.failed(ROUTE)
    assert not rig.health.is_open(ROUTE)


def test_an_answer_in_between_begins_the_silence_anew(rig: Rig) -> None:
    """It was not silent for so long."""
    fail(rig.health, times=SILENT_CALLS_MIN)
    rig.let_pass(SILENT_SECONDS)
    rig.health.answered(ROUTE)
    fail(rig.health, times=SILENT_CALLS_MIN)
    assert not rig.health.is_open(ROUTE)


def test_other_routes_are_not_down_with_it(rig: Rig) -> None:
    """Each route is counted by itself."""
    fail(rig.health, times=FAILURES_MIN)
    assert rig.health.down_seconds("another") == 0


def test_one_answer_ends_it(rig: Rig) -> None:
    """And the count begins anew."""
    fail(rig.health, times=FAILURES_MIN)
    rig.health.answered(ROUTE)
    assert rig.health.down_seconds(ROUTE) == 0
    fail(rig.health, times=FAILURES_MIN - 1)
    assert rig.health.down_seconds(ROUTE) == 0


def test_after_a_while_one_caller_tries(rig: Rig) -> None:
    """One, and the others wait until it is known how that went."""
    assert rig.health.admit(ROUTE) == 0
    fail(rig.health, times=FAILURES_MIN)
    assert TRY_SECONDS - A_WHILE <= rig.health.admit(ROUTE) <= TRY_SECONDS
    rig.let_pass(TRY_SECONDS)
    assert (rig.health.down_seconds(ROUTE), rig.health.is_open(ROUTE)) == (0, True)
    assert rig.health.admit(ROUTE) == 0
    assert rig.health.admit(ROUTE) > 0
    rig.health.answered(ROUTE)
    assert [rig.health.admit(ROUTE) for _ in range(3)] == [0, 0, 0]
    assert not rig.health.is_open(ROUTE)


def test_one_failed_try_keeps_it_open(rig: Rig) -> None:
    """It need not fail as often as at first."""
    fail(rig.health, times=FAILURES_MIN)
    rig.let_pass(TRY_SECONDS)
    assert rig.health.admit(ROUTE) == 0
    rig.health.failed(ROUTE)
    assert rig.health.admit(ROUTE) >= TRY_SECONDS - A_WHILE


def test_old_failures_are_forgotten(rig: Rig) -> None:
    """What nobody added to for an hour says nothing any more."""
    fail(rig.health, times=FAILURES_MIN - 1)
    rig.let_pass(FORGOTTEN_SECONDS)
    rig.health.failed(ROUTE)
    assert not rig.health.is_open(ROUTE)


def test_each_failure_lengthens_it(rig: Rig) -> None:
    """Queued work goes on trying, and while it fails the route stays down."""
    fail(rig.health, times=FAILURES_MIN)
    rig.let_pass(TRY_SECONDS - 2 * A_WHILE)
    rig.health.failed(ROUTE)
    assert rig.health.down_seconds(ROUTE) >= TRY_SECONDS - A_WHILE


def test_how_long_a_route_is_down_is_asked_once_a_second(redis: Redis) -> None:
    """It is told with every operation that queues; meanwhile the time that is left runs down."""
    clock = FakeClock()
    health, elsewhere = RedisHealth(redis, clock, prefix="t:"), RedisHealth(redis, clock, prefix="t:")
    fail(health, times=FAILURES_MIN)
    told = health.down_seconds(ROUTE)
    elsewhere.answered(ROUTE)
    assert 0 < health.down_seconds(ROUTE) <= told
    clock.sleep(module.KEPT_SECONDS)
    assert health.down_seconds(ROUTE) == 0


def test_without_redis_every_route_is_up(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing raises, what could not be noted is logged, and the calls themselves will show."""
    health = RedisHealth(Redis.from_url("unix:///nowhere/redis.sock"), FakeClock(), prefix="t:")
    fail(health, times=FAILURES_MIN)
    health.answered(ROUTE)
    assert health.down_seconds(ROUTE) == 0
    assert len(caplog.records) == FAILURES_MIN + 1

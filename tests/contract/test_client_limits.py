"""`ports.ClientLimits`, in Redis and in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from redis import Redis, RedisError

from gateway.domain.client_limits import ClientLimit
from gateway.domain.token_bucket import Limit
from gateway.limits.clients import SILENCE_SECONDS, MemoryClientLimits, RedisClientLimits
from gateway.ports import ClientLimits
from gateway.system import SystemClock
from tests.contract.storage_kit import at_once
from tests.support import FakeClock

READ: Final = ClientLimit(name="read", limit=Limit(calls=24, seconds=86_400, burst=4), in_flight_max=100)
"""So slow that nothing comes back while a test runs in real time."""
AN_HOUR: Final = 3600
FEW: Final = ClientLimit(name="write", limit=Limit(calls=6000, seconds=60, burst=100), in_flight_max=2)


@pytest.fixture(params=["memory", "redis"])
def limits(request: pytest.FixtureRequest) -> ClientLimits:
    """Each implementation in its turn, with nothing counted."""
    if request.param == "memory":
        return MemoryClientLimits(SystemClock())
    return RedisClientLimits(request.getfixturevalue("redis"), prefix="t:", clock=SystemClock())


def test_a_burst_and_then_one_at_a_time(limits: ClientLimits) -> None:
    """A client that was silent may make its burst at once; what is left is told each time, and when there is more."""
    told = [limits.enter("cli_1", f"r{number}", READ) for number in range(6)]
    assert [each.let_in for each in told] == [True] * 4 + [False] * 2
    assert [each.remaining for each in told] == [3, 2, 1, 0, 0, 0]
    assert told[5].wait_seconds == pytest.approx(AN_HOUR, abs=300)
    assert told[5].reset_seconds == pytest.approx(4 * AN_HOUR, abs=300)


def test_clients_and_classes_are_counted_apart(limits: ClientLimits) -> None:
    """What one has used up the other still has."""
    for number in range(5):
        limits.enter("cli_1", f"r{number}", READ)
    assert limits.enter("cli_2", "r", READ).let_in
    assert limits.enter("cli_1", "w", replace(FEW, in_flight_max=99)).remaining >= 99


def test_requests_under_way_are_counted_until_they_leave(limits: ClientLimits) -> None:
    """Of every class together; one that leaves makes room, one that was never let in does not count."""
    assert [limits.enter("cli_1", f"r{number}", FEW).let_in for number in range(3)] == [True, True, False]
    limits.leave("cli_1", "r2")
    assert not limits.enter("cli_1", "r3", FEW).let_in
    limits.leave("cli_1", "r0")
    assert limits.enter("cli_1", "r4", FEW).under_way == 2


def test_many_at_once_share_one_limit(limits: ClientLimits) -> None:
    """Of sixteen at the same moment four are let in."""
    told = at_once([lambda: limits.enter("cli_1", "r", READ)] * 16)
    assert sum(each.let_in for each in told) == 4


def test_without_redis_a_process_counts_for_itself() -> None:
    """Nobody is turned away because the store is away, and nobody has no limit for it."""
    away = RedisClientLimits(Redis.from_url("unix:///nowhere/redis.sock"), prefix="t:", clock=FakeClock())
    told = [away.enter("cli_1", f"r{number}", READ).let_in for number in range(6)]
    assert told == [True] * 4 + [False] * 2
    away.leave("cli_1", "r0")


def test_who_leaves_while_redis_is_silent_makes_room_afterwards(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer that comes too late, and those who leave in the silence after it, hold no slot once it is over."""
    clock = FakeClock()
    limits = RedisClientLimits(redis, prefix="t:", clock=clock)
    assert [limits.enter("cli_1", slot, FEW).let_in for slot in ("a", "b")] == [True, True]
    with monkeypatch.context() as slow:
        slow.setattr(redis.connection_pool, "get_connection", _too_late)
        limits.leave("cli_1", "a")
        limits.leave("cli_1", "b")
    clock.step(seconds=SILENCE_SECONDS)
    assert limits.enter("cli_1", "c", FEW).under_way == 1


def test_who_was_counted_without_an_answer_holds_no_slot(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis may have let in whom the process then let in by itself, and whom it turned away."""
    clock = FakeClock()
    limits = RedisClientLimits(redis, prefix="t:", clock=clock)
    one, ask = replace(FEW, in_flight_max=1), redis.evalsha

    def answer_lost(*arguments: Any) -> None:
        ask(*arguments)
        raise RedisError

    limits.enter("cli_2", "other", one)  # the script is known to Redis
    with monkeypatch.context() as slow:
        slow.setattr(redis, "evalsha", answer_lost)
        let_in = []
        for slot in ("a", "b"):
            let_in.append(limits.enter("cli_1", slot, one).let_in)
            clock.step(seconds=SILENCE_SECONDS)
    assert let_in == [True, False]
    assert limits.enter("cli_1", "c", one).let_in


def _too_late(*_: str) -> None:
    raise RedisError

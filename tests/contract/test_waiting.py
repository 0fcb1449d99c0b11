"""Callers who wait without a thread: woken by a message, and never dependent on it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from gateway.jobs.bell import RqBell, settled_channel
from gateway.jobs.waiting import Waiters
from tests.support import FakeClock, SeededIds, operation
from tests.support_api import until

PREFIX: Final = f"contract:{os.getpid()}:"
"""Our own: channels are the server's, whatever the database, and others test on it too."""
CHANNEL: Final = settled_channel(PREFIX)
PATIENCE_SECONDS: Final = 120.0
"""Far more than anything here takes; reached only when a promise is broken."""
GLANCE_SECONDS: Final = 0.02
NAME: Final = f"contract-{os.getpid()}"
"""Of our own connections: other processes have subscriptions on the same server."""


def _run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, PATIENCE_SECONDS))


@asynccontextmanager
async def _listening(redis: Redis, redis_url: str, *, channel: str = CHANNEL) -> AsyncIterator[Waiters]:
    waiters = Waiters(AsyncRedis.from_url(redis_url, client_name=NAME), channel=channel)
    await waiters.start()
    await until(lambda: bool(dict(redis.pubsub_numsub(channel))[channel.encode()]))
    try:
        yield waiters
    finally:
        await waiters.stop()


@pytest.fixture
def bell(redis: Redis) -> RqBell:
    """A bell, as a worker has it."""
    return RqBell(redis, prefix=PREFIX, clock=FakeClock(), ids=SeededIds())


async def _stays_unset(event: asyncio.Event) -> bool:
    try:
        await asyncio.wait_for(event.wait(), GLANCE_SECONDS)
    except TimeoutError:
        return True
    return False


def test_a_settlement_wakes_all_who_wait_for_it(redis: Redis, redis_url: str, bell: RqBell) -> None:
    """Two callers of one operation are both woken by one message."""

    async def story() -> None:
        async with (
            _listening(redis, redis_url) as waiters,
            waiters.expecting("op_1") as first,
            waiters.expecting("op_1") as second,
        ):
            bell.settled(operation(id="op_1"))
            await first.wait()
            await second.wait()

    _run(story())


def test_a_settlement_wakes_nobody_else(redis: Redis, redis_url: str, bell: RqBell) -> None:
    """Who waits for another operation goes on waiting, and is woken by its own."""

    async def story() -> None:
        async with (
            _listening(redis, redis_url) as waiters,
            waiters.expecting("op_1") as mine,
            waiters.expecting("op_2") as other,
        ):
            bell.settled(operation(id="op_1"))
            await mine.wait()
            assert not other.is_set()
            bell.settled(operation(id="op_2"))
            await other.wait()

    _run(story())


def test_what_settles_before_the_caller_looks_is_not_missed(redis: Redis, redis_url: str, bell: RqBell) -> None:
    """The event of whoever entered in time is set already when it begins to wait."""

    async def story() -> None:
        async with (
            _listening(redis, redis_url) as waiters,
            waiters.expecting("op_1") as early,
            waiters.expecting("op_2") as marker,
        ):
            bell.settled(operation(id="op_1"))
            bell.settled(operation(id="op_2"))
            await marker.wait()
            assert early.is_set()

    _run(story())


def test_whoever_leaves_is_forgotten(redis: Redis, redis_url: str, bell: RqBell) -> None:
    """Nothing is kept for callers who have gone, one by one or by an error."""

    async def story() -> None:
        async with _listening(redis, redis_url) as waiters:
            async with waiters.expecting("op_1") as stays:
                with pytest.raises(ZeroDivisionError):
                    async with waiters.expecting("op_1"):
                        raise ZeroDivisionError
                bell.settled(operation(id="op_1"))
                await stays.wait()
            assert not waiters._events

    _run(story())


def test_a_message_for_nobody_is_passed_over(redis: Redis, redis_url: str, bell: RqBell) -> None:
    """Settlements that nobody waits for, and messages that are no id, disturb nobody."""

    async def story() -> None:
        async with _listening(redis, redis_url) as waiters, waiters.expecting("op_1") as event:
            bell.settled(operation(id="op_unknown"))
            redis.publish(CHANNEL, b"")
            redis.publish(CHANNEL, b"\xff\xfe")
            bell.settled(operation(id="op_1"))
            await event.wait()
            assert len(waiters._events) == 1

    _run(story())


def test_gateways_in_one_redis_do_not_hear_each_other(redis: Redis, redis_url: str, bell: RqBell) -> None:
    """Another prefix is another channel."""

    async def story() -> None:
        other = settled_channel("other:")
        async with _listening(redis, redis_url, channel=other) as waiters, waiters.expecting("op_1") as event:
            bell.settled(operation(id="op_1"))
            assert await _stays_unset(event)

    _run(story())


def test_a_lost_connection_is_made_anew(
    redis: Redis, redis_url: str, bell: RqBell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the server cut the subscription off, the next settlements are heard again."""
    monkeypatch.setattr("gateway.jobs.waiting.RECONNECT_SECONDS", 0.01)

    async def story() -> None:
        async with _listening(redis, redis_url) as waiters, waiters.expecting("op_1") as event:
            ours = [each["id"] for each in redis.client_list(_type="pubsub") if each["name"] == NAME]
            assert [redis.client_kill_filter(_id=each) for each in ours] == [1]
            while not event.is_set():
                bell.settled(operation(id="op_1"))
                await asyncio.sleep(GLANCE_SECONDS)

    _run(story())


def test_without_redis_callers_look_for_themselves(tmp_path: Path) -> None:
    """No server: starting, waiting and stopping go on without an error, and nobody is woken."""

    async def story() -> None:
        waiters = Waiters(AsyncRedis(unix_socket_path=str(tmp_path / "none.sock")), channel=CHANNEL)
        await waiters.start()
        async with waiters.expecting("op_1") as event:
            assert await _stays_unset(event)
        await waiters.stop()

    _run(story())


def test_stopping_what_was_not_started_is_no_error(tmp_path: Path) -> None:
    """A process that ends early ends cleanly."""

    async def story() -> None:
        await Waiters(AsyncRedis(unix_socket_path=str(tmp_path / "none.sock")), channel=CHANNEL).stop()

    _run(story())

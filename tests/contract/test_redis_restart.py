"""The limiter through the death of its Redis server: kill -9, and a new one in its place that knows nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.cli.embedded import EmbeddedRedis
from gateway.domain.token_bucket import Limit
from gateway.limits.connection import connect
from gateway.limits.redis import RedisLimiter
from gateway.ports import Caller, LimiterAwayError
from gateway.settings import Settings
from gateway.wiring import Wiring
from tests.contract.storage_kit import at_once

BUCKET = {"{g}:account": Limit(calls=6, seconds=3600, burst=4)}
INTERVAL = 600.0
"""So slow that no permit comes back while the test runs."""
CALLER = Caller(account="g", gstin="1", direct=True)
OTHER = Caller(account="g", gstin="2", direct=False, promise="p")


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    """A server of this test's own."""
    made = EmbeddedRedis()
    made.start()
    yield made
    made.stop()


def limiter_on(server: EmbeddedRedis) -> RedisLimiter:
    """A limiter with a connection like the gateway's own."""
    return RedisLimiter(connect(server.url), prefix="t:")


def end(server: EmbeddedRedis) -> None:
    """Kill it where it stands."""
    os.kill(server.pid, signal.SIGKILL)
    while server.running:
        pass


def test_no_permit_while_it_is_away_and_none_too_many_afterwards(server: EmbeddedRedis) -> None:
    """Nothing is allowed without it; the new one starts with empty buckets, for limiters that knew the old one."""
    limiters = [limiter_on(server) for _ in range(4)]
    for each in limiters:
        each.wait(BUCKET, direct=True)
    end(server)
    asks: list[Callable[[], object]] = [
        lambda: limiters[0].take(BUCKET, CALLER),
        lambda: limiters[1].promise(BUCKET, OTHER, patience_seconds=60),
        lambda: limiters[2].levels(BUCKET),
        lambda: limiters[3].used("g"),
    ]
    for ask in asks:
        with pytest.raises(LimiterAwayError):
            ask()
    server.start()
    waits = at_once([lambda each=each: each.take(BUCKET, CALLER) for each in limiters * 4])
    assert all(0 < wait <= INTERVAL for wait in waits), waits


def test_a_server_that_is_slow_for_a_moment_is_waited_for(server: EmbeddedRedis, tmp_path: Path) -> None:
    """A busy machine sends no caller away: half a second without an answer is none without a limit."""
    wiring = Wiring(Settings(data_dir=tmp_path, redis_url=server.url))
    limiter = wiring._limiter()
    assert limiter.wait(BUCKET, direct=True) == 0
    wiring.redis.client_pause(500)
    assert limiter.wait(BUCKET, direct=True) == 0
    wiring.close()


def test_promises_are_lost_and_made_again(server: EmbeddedRedis) -> None:
    """Whoever had one is a newcomer: it stands in the queue with the others, and nothing fails."""
    limiter = limiter_on(server)
    limiter.take(BUCKET, CALLER)
    limiter.promise(BUCKET, OTHER, patience_seconds=10**6)
    end(server)
    server.start()
    assert limiter.take(BUCKET, OTHER) > 0
    assert limiter.promise(BUCKET, OTHER, patience_seconds=10**6) > 0
    assert limiter.levels(BUCKET)["{g}:account"].promised == 1

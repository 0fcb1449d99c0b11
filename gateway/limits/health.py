"""Whether a route answers: failures in a row, counted where all processes see them."""

from __future__ import annotations

import logging
from typing import Final

from redis import Redis, RedisError

from gateway.ports import Clock

FAILURES_MIN: Final = 10
"""Calls without an answer, in a row, before a route is taken to be down: a few are everyday life."""
DOWN_SECONDS: Final = 15
"""How long it is then taken to be down. Queued work goes on trying, and its first answer ends it."""

log = logging.getLogger(__name__)


class RedisHealth:
    """Implements `ports.Health`. Without Redis every route counts as well: the calls themselves will show."""

    def __init__(self, redis: Redis, *, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    def failed(self, route: str) -> None:
        """See `ports.Health`."""
        try:
            with self._redis.pipeline() as pipeline:
                pipeline.incr(self._key(route))
                pipeline.expire(self._key(route), DOWN_SECONDS)
                pipeline.execute()
        except RedisError as error:
            log.warning("health not noted", extra={"error": type(error).__name__})

    def answered(self, route: str) -> None:
        """See `ports.Health`."""
        try:
            self._redis.delete(self._key(route))
        except RedisError as error:
            log.warning("health not noted", extra={"error": type(error).__name__})

    def down_seconds(self, route: str) -> int:
        """See `ports.Health`."""
        try:
            failures = self._redis.get(self._key(route))
            if int(failures or 0) < FAILURES_MIN:
                return 0
            return max(1, int(self._redis.ttl(self._key(route))))
        except RedisError:
            return 0

    def _key(self, route: str) -> str:
        return f"{self._prefix}failures:{route}"


class MemoryHealth:
    """The twin of `RedisHealth` within one process, by an injected clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {}

    def failed(self, route: str) -> None:
        """See `ports.Health`."""
        now = self._clock.monotonic()
        count, until = self._failures.get(route, (0, 0.0))
        self._failures[route] = (count + 1 if until > now else 1, now + DOWN_SECONDS)

    def answered(self, route: str) -> None:
        """See `ports.Health`."""
        self._failures.pop(route, None)

    def down_seconds(self, route: str) -> int:
        """See `ports.Health`."""
        count, until = self._failures.get(route, (0, 0.0))
        left = until - self._clock.monotonic()
        return max(1, round(left)) if count >= FAILURES_MIN and left > 0 else 0

"""Whether a route answers: a circuit breaker on its real traffic, kept where all processes see it.

Closed, calls go out. After so many calls in a row without an answer, or a few of them over so long a time, it is open:
none goes out but one, every few seconds, to try. The first answer closes it. What is tried is decided by whoever is
admitted: `services.routing` asks for a sign of life first, so that no document comes into doubt to find out that a
portal is still away.
"""

from __future__ import annotations

import logging
from typing import Final

from redis import Redis, RedisError

from gateway.ports import Clock

FAILURES_MIN: Final = 10
"""Calls without an answer, in a row, before a route is taken to be down: a few are everyday life."""
SILENT_CALLS_MIN: Final = 3
SILENT_SECONDS: Final = 60
"""So many in a row are enough where so long lies between the first and the last. A seller who is alone makes few calls,
and while the portal is silent to its logins one a minute at most: it is seen within four minutes."""
TRY_SECONDS: Final = 15
"""Between two tries of a route that is down: soon enough for callers who wait, and only four a minute."""
FORGOTTEN_SECONDS: Final = 3600
"""A row of failures that nobody added to for so long says nothing any more."""
KEPT_SECONDS: Final = 1.0
"""A time that is told may be so old: it is told with every operation that queues."""

log = logging.getLogger(__name__)

_FAILED: Final = """
local failures = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
if failures == 1 then redis.call('SET', KEYS[4], 1, 'EX', ARGV[5]) end
local long = failures >= tonumber(ARGV[4]) and redis.call('EXISTS', KEYS[4]) == 0
if long or failures >= tonumber(ARGV[3]) or redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('SET', KEYS[3], 1, 'EX', ARGV[1])
  redis.call('SET', KEYS[2], 1, 'EX', ARGV[2])
end
return failures
"""
_ADMIT: Final = """
if redis.call('EXISTS', KEYS[3]) == 0 then return 0 end
if redis.call('SET', KEYS[2], 1, 'NX', 'EX', ARGV[1]) then return 0 end
return redis.call('PTTL', KEYS[2])
"""


class RedisHealth:
    """Implements `ports.Health`. Without Redis every route counts as well: the calls themselves will show."""

    def __init__(self, redis: Redis, clock: Clock, prefix: str) -> None:
        self._redis = redis
        self._clock = clock
        self._prefix = prefix
        self._down: dict[str, tuple[float, float]] = {}
        self._failed = redis.register_script(_FAILED)
        self._admit = redis.register_script(_ADMIT)

    def failed(self, route: str) -> None:
        """See `ports.Health`."""
        self._down.pop(route, None)
        try:
            bounds = [FORGOTTEN_SECONDS, TRY_SECONDS, FAILURES_MIN, SILENT_CALLS_MIN, SILENT_SECONDS]
            self._failed(keys=self._keys(route), args=bounds)
        except RedisError as error:
            log.warning("health not noted", extra={"error": type(error).__name__})

    def answered(self, route: str) -> None:
        """See `ports.Health`."""
        self._down.pop(route, None)
        try:
            self._redis.delete(*self._keys(route))
        except RedisError as error:
            log.warning("health not noted", extra={"error": type(error).__name__})

    def down_seconds(self, route: str) -> int:
        """See `ports.Health`."""
        now = self._clock.monotonic()
        asked_at, down_until = self._down.get(route, (float("-inf"), now))
        if now - asked_at >= KEPT_SECONDS:
            down_until = now + self._down_seconds(route)
            self._down[route] = now, down_until
        return max(1, round(down_until - now)) if down_until > now else 0

    def is_open(self, route: str) -> bool:
        """See `ports.Health`."""
        try:
            return bool(self._redis.exists(self._keys(route)[2]))
        except RedisError:
            return False

    def admit(self, route: str) -> float:
        """See `ports.Health`."""
        try:
            return max(0, int(self._admit(keys=self._keys(route), args=[TRY_SECONDS]))) / 1000
        except RedisError:
            return 0.0

    def _down_seconds(self, route: str) -> float:
        try:
            return int(self._redis.pttl(self._keys(route)[1])) / 1000 if self.is_open(route) else 0.0
        except RedisError:
            return 0.0

    def _keys(self, route: str) -> list[str]:
        """In one slot of a cluster: the failures in a row, and marks.

        That a try is under way or has just failed; that the circuit is open; that the first of the row is still young.
        """
        return [f"{self._prefix}{{{route}}}:{name}" for name in ("failures", "tried", "open", "young")]


class MemoryHealth:
    """The twin of `RedisHealth` within one process, by an injected clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._failed_at: dict[str, float] = {}
        self._silent_since: dict[str, float] = {}
        self._open: set[str] = set()
        self._tried_until: dict[str, float] = {}

    def failed(self, route: str) -> None:
        """See `ports.Health`."""
        now = self._clock.monotonic()
        recent = now - self._failed_at.get(route, now) < FORGOTTEN_SECONDS
        count = self._failures[route] = self._failures.get(route, 0) + 1 if recent else 1
        self._failed_at[route] = now
        if count == 1:
            self._silent_since[route] = now
        long = count >= SILENT_CALLS_MIN and now - self._silent_since[route] >= SILENT_SECONDS
        if long or count >= FAILURES_MIN:
            self._open.add(route)
        if self.is_open(route):
            self._tried_until[route] = now + TRY_SECONDS

    def answered(self, route: str) -> None:
        """See `ports.Health`."""
        self._failures.pop(route, None)
        self._tried_until.pop(route, None)
        self._open.discard(route)

    def down_seconds(self, route: str) -> int:
        """See `ports.Health`."""
        left = self._left(route)
        return max(1, round(left)) if left > 0 else 0

    def is_open(self, route: str) -> bool:
        """See `ports.Health`."""
        return route in self._open

    def admit(self, route: str) -> float:
        """See `ports.Health`."""
        left = self._left(route)
        if self.is_open(route) and left <= 0:
            self._tried_until[route] = self._clock.monotonic() + TRY_SECONDS
        return max(0.0, left)

    def forget(self) -> None:
        """Lose everything, as Redis may."""
        for kept in (self._failures, self._failed_at, self._silent_since, self._tried_until):
            kept.clear()
        self._open.clear()

    def _left(self, route: str) -> float:
        return self._tried_until.get(route, 0.0) - self._clock.monotonic() if self.is_open(route) else 0.0

"""The shared limit in Redis: one script, all buckets of a call or none, by the server's own clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from redis import Redis, RedisError

from gateway.domain.token_bucket import MICROSECONDS, Limit
from gateway.ports import LimiterAwayError

_TAKE: Final = """
-- KEYS: one horizon per bucket. ARGV: patience, then interval and burst of each bucket; all times in microseconds.
-- Returns the wait (or -1 - wait when nothing was taken). The arithmetic is that of domain/token_bucket.py.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local patience = tonumber(ARGV[1])
local wait = 0
local horizons = {}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local horizon = tonumber(redis.call('GET', key) or now + burst * interval)
  horizons[i] = horizon
  wait = math.max(wait, horizon - now - (burst - 1) * interval)
end
if wait > patience then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', horizons[i]), 'PX', math.ceil((horizons[i] - now) / 1000) + 86400000)
  end
  return -1 - wait
end
for i, key in ipairs(KEYS) do
  local horizon = math.max(horizons[i], now + wait) + tonumber(ARGV[2 * i])
  redis.call('SET', key, string.format('%.0f', horizon), 'PX', math.ceil((horizon - now) / 1000) + 86400000)
end
return wait
"""
_DRAIN: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local least = now + tonumber(ARGV[1]) + (burst - 1) * interval
  local horizon = math.max(tonumber(redis.call('GET', key) or 0), least)
  redis.call('SET', key, string.format('%.0f', horizon), 'PX', math.ceil((horizon - now) / 1000) + 86400000)
end
return 0
"""
_WAIT: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local wait = 0
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local horizon = tonumber(redis.call('GET', key) or now)
  wait = math.max(wait, horizon - now - (burst - 1) * interval)
end
return wait
"""


class RedisLimiter:
    """Implements `ports.Limiter`. A bucket is forgotten a day after it was full again: a new one starts empty."""

    def __init__(self, redis: Redis, *, prefix: str) -> None:
        self._prefix = prefix
        self._take = redis.register_script(_TAKE)
        self._drain = redis.register_script(_DRAIN)
        self._wait = redis.register_script(_WAIT)

    def take(self, buckets: Mapping[str, Limit], *, patience_seconds: float) -> float | None:
        """See `ports.Limiter`."""
        wait = self._run(self._take, buckets, int(patience_seconds * MICROSECONDS))
        return wait / MICROSECONDS if wait >= 0 else None

    def wait(self, buckets: Mapping[str, Limit]) -> float:
        """See `ports.Limiter`."""
        return self._run(self._wait, buckets, 0) / MICROSECONDS

    def drain(self, buckets: Mapping[str, Limit], *, seconds: float) -> None:
        """See `ports.Limiter`."""
        self._run(self._drain, buckets, int(seconds * MICROSECONDS))

    def _run(self, script: Any, buckets: Mapping[str, Limit], first: int) -> int:
        arguments = [first]
        for limit in buckets.values():
            arguments += [limit.interval_us, limit.burst]
        try:
            return int(script(keys=[f"{self._prefix}limit:{name}" for name in buckets], args=arguments))
        except RedisError as error:
            raise LimiterAwayError(str(error)) from error

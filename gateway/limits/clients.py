"""What each client may ask of the gateway: in Redis for all api processes, and in each process while Redis is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Final

from redis import Redis, RedisError

from gateway.domain import client_limits
from gateway.domain.client_limits import ClientLimit, Standing
from gateway.domain.token_bucket import MICROSECONDS
from gateway.ports import Clock

UNDER_WAY_SECONDS_MAX: Final = 180
"""A request that is not answered by then died with its process: no caller may wait longer than 60 s."""
SILENCE_SECONDS: Final = 1.0
"""After Redis failed it is left alone for so long: a request must not wait for it again and again."""
KEPT_MAX: Final = 100_000
"""Clients that a process counts for itself; then it starts anew."""
LEFT_MAX: Final = 10_000
"""Slots that a process remembers to give back: more than it has requests. Others end by their longest life."""

_ENTER: Final = """
-- KEYS: the bucket's horizon, requests under way. ARGV: interval, burst, most under way, its slot, its longest life.
-- The arithmetic is that of domain/client_limits.py. Returns whether it was let in, horizon, now, under way.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local interval, tolerance = tonumber(ARGV[1]), (tonumber(ARGV[2]) - 1) * tonumber(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
local under_way = redis.call('ZCARD', KEYS[2])
local horizon = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local let_in = under_way < tonumber(ARGV[3]) and horizon - now <= tolerance
if let_in then
  horizon = horizon + interval
  redis.call('SET', KEYS[1], string.format('%.0f', horizon), 'PX', math.ceil((horizon - now) / 1000) + 1000)
  redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[5])), ARGV[4])
  redis.call('PEXPIRE', KEYS[2], math.ceil(tonumber(ARGV[5]) / 1000))
  under_way = under_way + 1
end
return {let_in and 1 or 0, string.format('%.0f', horizon), string.format('%.0f', now), under_way}
"""

log = logging.getLogger(__name__)


class MemoryClientLimits:
    """Implements `ports.ClientLimits` within one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._horizons: dict[tuple[str, str], int] = {}
        self._under_way: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()

    def enter(self, client_id: str, slot: str, of: ClientLimit) -> Standing:
        """See `ports.ClientLimits`."""
        now_us = int(self._clock.monotonic() * MICROSECONDS)
        with self._lock:
            if len(self._horizons) >= KEPT_MAX:
                self._horizons.clear()
            mine = self._under_way.setdefault(client_id, {})
            for each in [each for each, until in mine.items() if until <= now_us]:
                del mine[each]
            horizon_us = self._horizons.get((client_id, of.name), 0)
            let_in, horizon_us = client_limits.enter(of, horizon_us=horizon_us, now_us=now_us, under_way=len(mine))
            self._horizons[client_id, of.name] = horizon_us
            if let_in:
                mine[slot] = now_us + UNDER_WAY_SECONDS_MAX * MICROSECONDS
            return client_limits.standing(of, horizon_us=horizon_us, now_us=now_us, under_way=len(mine), let_in=let_in)

    def leave(self, client_id: str, slot: str) -> None:
        """See `ports.ClientLimits`."""
        self.forget(client_id, slot)

    def forget(self, client_id: str, slot: str) -> bool:
        """Give a slot back; whether it was one of these."""
        with self._lock:
            known = self._under_way.get(client_id, {}).pop(slot, None) is not None
            if not self._under_way.get(client_id, True):
                del self._under_way[client_id]
            return known


class RedisClientLimits:
    """Implements `ports.ClientLimits`. While Redis is away each process counts for itself."""

    def __init__(self, redis: Redis, *, prefix: str, clock: Clock) -> None:
        self._redis = redis
        self._prefix = prefix
        self._clock = clock
        self._enter = redis.register_script(_ENTER)
        self._own = MemoryClientLimits(clock)
        self._silent_until = 0.0
        self._left: dict[str, str] = {}
        """Slots that Redis may still have though nobody holds them, with their clients."""

    def enter(self, client_id: str, slot: str, of: ClientLimit) -> Standing:
        """See `ports.ClientLimits`."""
        if self._clock.monotonic() >= self._silent_until:
            keys = [f"{self._prefix}client:{{{client_id}}}:{of.name}", self._under_way_key(client_id)]
            life_us = UNDER_WAY_SECONDS_MAX * MICROSECONDS
            arguments: list[int | str] = [of.limit.interval_us, of.limit.burst, of.in_flight_max, slot, life_us]
            try:
                self._give_back(dict(self._left))
                let_in, horizon, now, under_way = self._enter(keys=keys, args=arguments)
                return client_limits.standing(
                    of, horizon_us=int(horizon), now_us=int(now), under_way=int(under_way), let_in=bool(let_in)
                )
            except RedisError as error:
                self._fell_silent(error, {slot: client_id})  # it may have been counted, and the answer lost
        return self._own.enter(client_id, slot, of)

    def leave(self, client_id: str, slot: str) -> None:
        """See `ports.ClientLimits`."""
        if self._own.forget(client_id, slot):
            return
        left = {slot: client_id}
        if self._clock.monotonic() < self._silent_until:
            self._remember(left)
            return
        try:
            self._give_back(left | dict(self._left))
        except RedisError as error:
            self._fell_silent(error, left)

    def _give_back(self, left: Mapping[str, str]) -> None:
        if not left:
            return
        with self._redis.pipeline(transaction=False) as pipeline:
            for slot, client_id in left.items():
                pipeline.zrem(self._under_way_key(client_id), slot)
            pipeline.execute()
        for slot in left:
            self._left.pop(slot, None)

    def _remember(self, left: Mapping[str, str]) -> None:
        if len(self._left) < LEFT_MAX:
            self._left.update(left)

    def _fell_silent(self, error: RedisError, left: Mapping[str, str]) -> None:
        self._remember(left)
        self._silent_until = self._clock.monotonic() + SILENCE_SECONDS
        log.warning("clients counted apart", extra={"error": type(error).__name__})

    def _under_way_key(self, client_id: str) -> str:
        return f"{self._prefix}client:{{{client_id}}}:under_way"

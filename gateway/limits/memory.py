"""The shared limit within one process, by an injected clock: the twin of `redis.py` for tests and simulation."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from gateway.domain import token_bucket
from gateway.domain.token_bucket import MICROSECONDS, Limit
from gateway.ports import Clock


class MemoryLimiter:
    """Implements `ports.Limiter`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._horizons: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, buckets: Mapping[str, Limit], *, patience_seconds: float) -> float | None:
        """See `ports.Limiter`."""
        with self._lock:
            grant, horizons = token_bucket.take(
                [(self._horizons.get(name), limit) for name, limit in buckets.items()],
                now_us=self._now_us(),
                patience_us=int(patience_seconds * MICROSECONDS),
            )
            self._horizons.update(zip(buckets, horizons, strict=True))
        return grant.wait_us / MICROSECONDS if grant.granted else None

    def wait(self, buckets: Mapping[str, Limit]) -> float:
        """See `ports.Limiter`."""
        now_us = self._now_us()
        with self._lock:
            waits = [
                token_bucket.wait_us(self._horizons.get(name, now_us), limit, now_us=now_us)
                for name, limit in buckets.items()
            ]
        return max(waits, default=0) / MICROSECONDS

    def drain(self, buckets: Mapping[str, Limit], *, seconds: float) -> None:
        """See `ports.Limiter`."""
        now_us = self._now_us()
        with self._lock:
            for name, limit in buckets.items():
                least = token_bucket.drained(limit, now_us=now_us, pause_us=int(seconds * MICROSECONDS))
                self._horizons[name] = max(self._horizons.get(name, 0), least)

    def _now_us(self) -> int:
        return int(self._clock.now().timestamp() * MICROSECONDS)

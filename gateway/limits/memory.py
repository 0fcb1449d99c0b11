"""The shared limit within one process, by an injected clock: the twin of `redis.py` for tests and simulation."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from gateway.domain import token_bucket
from gateway.domain.token_bucket import MICROSECONDS, Bucket, Limit, Promised, Shares
from gateway.limits import reckoning
from gateway.limits.reckoning import PROMISE_SECONDS, SLOT_SECONDS, SLOTS, SLOWED_EVERY_SECONDS, State
from gateway.ports import Caller, Clock, Level, Use


class MemoryLimiter:
    """Implements `ports.Limiter`."""

    def __init__(self, clock: Clock, shares: Shares | None = None) -> None:
        self._clock = clock
        self._shares = shares or Shares()
        self._buckets: dict[str, Bucket] = {}
        self._promises: dict[tuple[str, bool], dict[str, int]] = {}
        self._used: dict[tuple[str, int], Counter[Use]] = {}
        self._served: dict[tuple[str, bool], dict[str, int]] = {}
        self._wanting: dict[tuple[str, bool], dict[str, int]] = {}
        self._lock = threading.RLock()

    def take(self, buckets: Mapping[str, Limit], caller: Caller) -> float:
        """See `ports.Limiter`."""
        now_us = self._now_us()
        with self._lock:
            wanted = [
                (self._buckets.get(name), limit, self._promised(name, caller, now_us=now_us))
                for name, limit in buckets.items()
            ]
            wait, after = token_bucket.take(wanted, shares=self._shares, direct=caller.direct, now_us=now_us)
            self._buckets.update(zip(buckets, after, strict=True))
            if wait == 0:
                self._note(caller, now_us)
                self.dismiss(buckets, caller)
        return wait / MICROSECONDS

    def promise(self, buckets: Mapping[str, Limit], caller: Caller, *, patience_seconds: float) -> float:
        """See `ports.Limiter`."""
        now_us = self._now_us()
        with self._lock:
            states = [self._state(name, limit, caller, now_us=now_us) for name, limit in buckets.items()]
            waits = reckoning.turns(states, shares=self._shares, direct=caller.direct)
            wait = max(waits, default=0.0)
            standing = [self._promises.setdefault((name, caller.direct), {}) for name in buckets]
            had_one = any(each.get(caller.promise or "", 0) > now_us for each in standing)
            if caller.promise is not None:
                self._go_over(buckets, now_us=now_us)
            if caller.promise is not None and (wait <= patience_seconds or had_one):
                for each in standing:
                    each[caller.promise] = now_us + PROMISE_SECONDS * MICROSECONDS
            kept = wait <= patience_seconds or had_one
            self._take_turns(dict(zip(buckets, waits, strict=True)), caller, kept=kept, now_us=now_us)
        return wait

    def dismiss(self, buckets: Mapping[str, Limit], caller: Caller) -> None:
        """See `ports.Limiter`."""
        with self._lock:
            for name in buckets:
                self._promises.get((name, caller.direct), {}).pop(caller.promise or "", None)

    def wait(self, buckets: Mapping[str, Limit], *, direct: bool) -> float:
        """See `ports.Limiter`."""
        levels = self.levels(buckets).values()
        return max((level.direct_wait if direct else level.queued_wait for level in levels), default=0.0)

    def drain(self, buckets: Mapping[str, Limit], *, seconds: float, keep_permille: int) -> None:
        """See `ports.Limiter`."""
        now_us = self._now_us()
        pause_us, every_us = int(seconds * MICROSECONDS), SLOWED_EVERY_SECONDS * MICROSECONDS
        with self._lock:
            for name in buckets:
                bucket = self._buckets.get(name) or reckoning.unused(now_us)
                bucket = token_bucket.drained(bucket, now_us=now_us, pause_us=pause_us)
                self._buckets[name] = token_bucket.slowed(
                    bucket, keep_permille=keep_permille, now_us=now_us, every_us=every_us
                )

    def levels(self, buckets: Mapping[str, Limit]) -> Mapping[str, Level]:
        """See `ports.Limiter`."""
        now_us = self._now_us()
        nobody = Caller(account="", gstin="", direct=True)
        with self._lock:
            states = {name: self._state(name, limit, nobody, now_us=now_us) for name, limit in buckets.items()}
        return {name: reckoning.level(state, shares=self._shares) for name, state in states.items()}

    def used(self, account: str) -> Mapping[Use, int]:
        """See `ports.Limiter`."""
        slot = self._now_us() // MICROSECONDS // SLOT_SECONDS
        with self._lock:
            return sum((self._used.get((account, slot - back), Counter()) for back in range(SLOTS)), Counter())

    def forget(self) -> None:
        """Lose everything, as Redis may."""
        with self._lock:
            for kept in (self._buckets, self._promises, self._used, self._served, self._wanting):
                kept.clear()

    def _go_over(self, buckets: Mapping[str, Limit], *, now_us: int) -> None:
        """Let the buckets go by their present limits from now on."""
        for name in buckets.keys() & self._buckets.keys():
            self._buckets[name] = token_bucket.under(self._buckets[name], buckets[name], now_us=now_us)

    def _state(self, name: str, limit: Limit, caller: Caller, *, now_us: int) -> State:
        return State(
            bucket=self._buckets.get(name) or reckoning.unused(now_us),
            limit=limit,
            promised=self._promised(name, caller, now_us=now_us),
            now_us=now_us,
            earlier=self._earlier(name, caller, now_us=now_us),
            missing=name not in self._buckets,
        )

    def _earlier(self, name: str, caller: Caller, *, now_us: int) -> int:
        key = name, caller.direct
        if not name.endswith(reckoning.SHARED) or caller.promise in self._promises.get(key, {}):
            return 0
        served, wanting = self._served.get(key, {}), self._wanting.get(key, {})
        mine = served.get(caller.gstin, 0)
        return sum(
            until > now_us and gstin != caller.gstin and served.get(gstin, 0) < mine for gstin, until in wanting.items()
        )

    def _take_turns(self, waits: Mapping[str, float], caller: Caller, *, kept: bool, now_us: int) -> None:
        """Note whose turn it was, or that a lane waits for its own."""
        for name, wait in waits.items():
            key = name, caller.direct
            if kept and name.endswith(reckoning.SHARED):
                self._served.setdefault(key, {})[caller.gstin] = now_us
                self._wanting.get(key, {}).pop(caller.gstin, None)
            elif reckoning.waits_for_its_turn(name, wait, list(waits.values())):
                until = now_us + int((wait + reckoning.WANTING_SECONDS) * MICROSECONDS)
                self._wanting.setdefault(key, {})[caller.gstin] = until

    def _promised(self, name: str, caller: Caller, *, now_us: int) -> Promised:
        """What stands between the caller and a permit: nothing of its own class if it was promised one itself."""
        mine, others = (
            {who for who, until in self._promises.get((name, direct), {}).items() if until > now_us}
            for direct in (caller.direct, not caller.direct)
        )
        return Promised(own=0 if caller.promise in mine else len(mine), other=len(others))

    def _note(self, caller: Caller, now_us: int) -> None:
        slot = now_us // MICROSECONDS // SLOT_SECONDS
        for key in [key for key in self._used if key[1] <= slot - SLOTS]:
            del self._used[key]
        self._used.setdefault((caller.account, slot), Counter())[Use(caller.gstin, caller.direct, caller.call)] += 1

    def _now_us(self) -> int:
        return int(self._clock.now().timestamp() * MICROSECONDS)

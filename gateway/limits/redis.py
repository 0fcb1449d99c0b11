"""The shared limit in Redis: one script, all buckets of a call or none, by the server's own clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis, RedisError

from gateway.domain.token_bucket import MICROSECONDS, Bucket, Limit, Promised, Shares
from gateway.limits import reckoning, scripts
from gateway.limits.reckoning import PROMISE_SECONDS, SLOT_SECONDS, SLOTS, SLOWED_EVERY_SECONDS, State
from gateway.ports import Caller, Level, LimiterAwayError, Use

LANES_MAX: Final = 200
"""Lanes that wait of which one is looked for that was served longer ago. With more of them it makes no difference."""
WANTING_KEY_SECONDS: Final = 600
_KEPT: Final = ("horizon_us", "direct_us", "queued_us", "permille", "since_us", "quiet_us", "interval_us", "burst")
"""A bucket as the script tells it."""
_SLOT: Final = b"slot"
"""The member of a slot's use that says which slot it is."""
_CLASS: Final = {True: "d", False: "q"}
_NOBODY: Final = Caller(account="", gstin="", direct=True)


@dataclass(frozen=True, slots=True)
class _ReadBucket:
    """A bucket, and when the caller's lane was served before."""

    state: State
    served_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Buckets as they stood, and whether the caller had a promise before."""

    buckets: Sequence[_ReadBucket]
    had_promise: bool


class RedisLimiter:
    """Implements `ports.Limiter`. A bucket is forgotten a day after it was full again: a new one starts empty."""

    def __init__(self, redis: Redis, *, prefix: str, shares: Shares | None = None) -> None:
        self._prefix = prefix
        self._shares = shares or Shares()
        self._redis = redis
        self._take = redis.register_script(scripts.TAKE)
        self._promise = redis.register_script(scripts.PROMISE)
        self._drain = redis.register_script(scripts.DRAIN)
        self._used = redis.register_script(scripts.USED)

    def take(self, buckets: Mapping[str, Limit], caller: Caller) -> float:
        """See `ports.Limiter`."""
        if not buckets:
            return 0.0
        shares = self._shares.of(direct=caller.direct), self._shares.of(direct=not caller.direct)
        who = f"{_CLASS[caller.direct]}:{caller.gstin}:{caller.call}"
        arguments = [_CLASS[caller.direct], *shares, caller.promise or "", who, SLOT_SECONDS, SLOTS]
        keys = [*self._keys(buckets, direct=caller.direct), *self._used_keys(caller.account)]
        return max(0, int(_run(self._take, keys, [*arguments, *_figures(buckets)]))) / MICROSECONDS

    def promise(self, buckets: Mapping[str, Limit], caller: Caller, *, patience_seconds: float) -> float:
        """See `ports.Limiter`. It is promised first and reckoned then, so that no two are promised the same."""
        read = self._read(buckets, caller)
        waits = reckoning.turns([each.state for each in read.buckets], shares=self._shares, direct=caller.direct)
        wait = max(waits, default=0.0)
        if wait > patience_seconds and not read.had_promise:
            self._take_back(buckets, caller, read, waits)
        return wait

    def dismiss(self, buckets: Mapping[str, Limit], caller: Caller) -> None:
        """See `ports.Limiter`."""
        try:
            for name in buckets:
                self._redis.zrem(self._promises_key(name, direct=caller.direct), caller.promise or "")
        except RedisError as error:
            raise LimiterAwayError(str(error)) from error

    def wait(self, buckets: Mapping[str, Limit], *, direct: bool) -> float:
        """See `ports.Limiter`."""
        levels = self.levels(buckets).values()
        return max((level.direct_wait if direct else level.queued_wait for level in levels), default=0.0)

    def drain(self, buckets: Mapping[str, Limit], *, seconds: float, keep_permille: int) -> None:
        """See `ports.Limiter`."""
        arguments = [int(seconds * MICROSECONDS), keep_permille, SLOWED_EVERY_SECONDS * MICROSECONDS]
        _run(self._drain, [self._bucket_key(name) for name in buckets], arguments)

    def levels(self, buckets: Mapping[str, Limit]) -> Mapping[str, Level]:
        """See `ports.Limiter`."""
        read = self._read(buckets, _NOBODY).buckets
        return {
            name: reckoning.level(each.state, shares=self._shares) for name, each in zip(buckets, read, strict=True)
        }

    def used(self, account: str) -> Mapping[Use, int]:
        """See `ports.Limiter`."""
        told = _run(self._used, self._used_keys(account), [SLOT_SECONDS])
        counts: Counter[Use] = Counter()
        for name, count in zip(told[::2], told[1::2], strict=True):
            if name != _SLOT:
                letter, gstin, call = name.decode().split(":")
                counts[Use(gstin, letter == _CLASS[True], call)] += int(count)
        return counts

    def _read(self, buckets: Mapping[str, Limit], caller: Caller) -> _Read:
        """The buckets, and whether the caller's promise stood already. It stands afterwards, if the caller has one."""
        if not buckets:
            return _Read(buckets=[], had_promise=False)
        keys = [key for name in buckets for key in self._promise_keys(name, direct=caller.direct)]
        laws = [
            figure
            for name, limit in buckets.items()
            for figure in (int(name.endswith(reckoning.SHARED)), limit.interval_us, limit.burst)
        ]
        life_us = PROMISE_SECONDS * MICROSECONDS
        now, had_promise, *rows = _run(
            self._promise, keys, [caller.promise or "", life_us, caller.gstin, LANES_MAX, *laws]
        )
        read = [_state(int(now), limit, row) for limit, row in zip(buckets.values(), rows, strict=True)]
        return _Read(buckets=read, had_promise=bool(had_promise))

    def _take_back(self, buckets: Mapping[str, Limit], caller: Caller, read: _Read, waits: Sequence[float]) -> None:
        """Undo a promise that the caller is not patient enough for, and note that its lane waits for its turn."""
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for name, each, wait in zip(buckets, read.buckets, waits, strict=True):
                    _, mine, _, served, wanting = self._promise_keys(name, direct=caller.direct)
                    pipeline.zrem(mine, caller.promise or "")
                    if name.endswith(reckoning.SHARED):
                        pipeline.zadd(served, {caller.gstin: each.served_us})
                    if reckoning.waits_for_its_turn(name, wait, waits):
                        until = each.state.now_us + int((wait + reckoning.WANTING_SECONDS) * MICROSECONDS)
                        pipeline.zadd(wanting, {caller.gstin: until})
                        pipeline.expire(wanting, WANTING_KEY_SECONDS)
                pipeline.execute()
        except RedisError as error:
            raise LimiterAwayError(str(error)) from error

    def _promise_keys(self, name: str, *, direct: bool) -> list[str]:
        letter = _CLASS[direct]
        turns = [f"{self._prefix}{kind}:{name}:{letter}" for kind in ("served", "wanting")]
        return [*self._keys([name], direct=direct), *turns]

    def _keys(self, buckets: Iterable[str], *, direct: bool) -> Iterable[str]:
        for name in buckets:
            yield self._bucket_key(name)
            yield self._promises_key(name, direct=direct)
            yield self._promises_key(name, direct=not direct)

    def _bucket_key(self, name: str) -> str:
        return f"{self._prefix}bucket:{name}"

    def _promises_key(self, name: str, *, direct: bool) -> str:
        return f"{self._prefix}promised:{name}:{_CLASS[direct]}"

    def _used_keys(self, account: str) -> list[str]:
        """Those of all slots, each of which is used anew when its minute is over."""
        return [f"{self._prefix}used:{{{account}}}:{slot}" for slot in range(SLOTS)]


def _figures(buckets: Mapping[str, Limit]) -> list[int]:
    return [figure for limit in buckets.values() for figure in (limit.interval_us, limit.burst)]


def _state(now_us: int, limit: Limit, row: Sequence[Any]) -> _ReadBucket:
    own, other, earlier, served, *kept = map(int, row)
    state = State(
        bucket=Bucket(**dict(zip(_KEPT, kept, strict=True))) if kept else reckoning.unused(now_us),
        limit=limit,
        promised=Promised(own, other),
        now_us=now_us,
        earlier=earlier,
        missing=not kept,
    )
    return _ReadBucket(state, served)


def _run(script: Any, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    try:
        return script(keys=keys, args=arguments)
    except RedisError as error:
        raise LimiterAwayError(str(error)) from error

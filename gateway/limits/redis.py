"""The shared limit in Redis: one script, all buckets of a call or none, by the server's own clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from redis import Redis, RedisError

from gateway.domain.token_bucket import MICROSECONDS, Bucket, Limit, Promised, Shares
from gateway.limits import reckoning, scripts
from gateway.limits.reckoning import PROMISE_SECONDS, SLOT_SECONDS, SLOTS, SLOWED_EVERY_SECONDS, State
from gateway.ports import Caller, Level, LimiterAwayError

_CLASS: Final = {True: "d", False: "q"}


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
        who = f"{_CLASS[caller.direct]}:{caller.gstin}"
        arguments = [_CLASS[caller.direct], *shares, caller.promise or "", who, SLOT_SECONDS, SLOTS]
        keys = [*self._keys(buckets, direct=caller.direct), self._used_key(caller.account)]
        return max(0, int(_run(self._take, keys, [*arguments, *_figures(buckets)]))) / MICROSECONDS

    def promise(self, buckets: Mapping[str, Limit], caller: Caller, *, patience_seconds: float) -> float:
        """See `ports.Limiter`. It is promised first and reckoned then, so that no two are promised the same."""
        states, had_one = self._states(buckets, direct=caller.direct, promise=caller.promise or "")
        wait = reckoning.turn(states, shares=self._shares, direct=caller.direct)
        if wait > patience_seconds and not had_one:
            self.dismiss(buckets, caller)
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
        _run(self._drain, [self._bucket_key(name) for name in buckets], [*arguments, *_figures(buckets)])

    def levels(self, buckets: Mapping[str, Limit]) -> Mapping[str, Level]:
        """See `ports.Limiter`."""
        states, _ = self._states(buckets, direct=True, promise="")
        return {name: reckoning.level(state, shares=self._shares) for name, state in zip(buckets, states, strict=True)}

    def used(self, account: str) -> Mapping[tuple[str, bool], int]:
        """See `ports.Limiter`."""
        told = _run(self._used, [self._used_key(account)], [SLOT_SECONDS, SLOTS])
        counts: Counter[tuple[str, bool]] = Counter()
        for name, count in zip(told[::2], told[1::2], strict=True):
            letter, _, gstin = name.decode().partition(":")
            counts[gstin, letter == _CLASS[True]] += int(count)
        return counts

    def _states(self, buckets: Mapping[str, Limit], *, direct: bool, promise: str) -> tuple[Sequence[State], bool]:
        """The buckets, and whether the promise stood already. It stands afterwards, unless it is the empty one."""
        if not buckets:
            return [], False
        keys = list(self._keys(buckets, direct=direct))
        now, had_one, *rows = _run(self._promise, keys, [promise, PROMISE_SECONDS * MICROSECONDS])
        states = [_state(int(now), limit, row) for limit, row in zip(buckets.values(), rows, strict=True)]
        return states, bool(had_one)

    def _keys(self, buckets: Iterable[str], *, direct: bool) -> Iterable[str]:
        for name in buckets:
            yield self._bucket_key(name)
            yield self._promises_key(name, direct=direct)
            yield self._promises_key(name, direct=not direct)

    def _bucket_key(self, name: str) -> str:
        return f"{self._prefix}bucket:{name}"

    def _promises_key(self, name: str, *, direct: bool) -> str:
        return f"{self._prefix}promised:{name}:{_CLASS[direct]}"

    def _used_key(self, account: str) -> str:
        return f"{self._prefix}used:{{{account}}}"


def _figures(buckets: Mapping[str, Limit]) -> list[int]:
    return [figure for limit in buckets.values() for figure in (limit.interval_us, limit.burst)]


def _state(now_us: int, limit: Limit, row: Sequence[Any]) -> State:
    own, other, *kept = row
    bucket = reckoning.unused(now_us)
    if kept:
        horizon, direct, queued, permille, since = map(int, kept)
        bucket = Bucket(horizon_us=horizon, direct_us=direct, queued_us=queued, permille=permille, since_us=since)
    return State(bucket=bucket, limit=limit, promised=Promised(int(own), int(other)), now_us=now_us)


def _run(script: Any, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    try:
        return script(keys=keys, args=arguments)
    except RedisError as error:
        raise LimiterAwayError(str(error)) from error

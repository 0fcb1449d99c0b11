"""The arithmetic of the shared limit: when the next call may go out.

A bucket is kept as one instant, its *horizon*: the time at which it would be full again if no further permit were
taken (the generic cell rate algorithm). Taking a permit moves the horizon by one interval; a permit is free when the
horizon does not lie further ahead than the burst allows. A permit may be reserved for an instant to come, so that
those who wait are served in their order. Times are whole microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """So many calls in so many seconds, of which `burst` may come at once."""

    calls: int
    seconds: int
    burst: int

    @property
    def interval_us(self) -> int:
        """The time between two permits at the steady rate, rounded up: never faster than allowed."""
        return -(-self.seconds * MICROSECONDS // self.calls)


@dataclass(frozen=True, slots=True)
class Grant:
    """A permit for `wait_us` from now, or none (`granted` is false) and the wait until asking makes sense again."""

    granted: bool
    wait_us: int


def empty(limit: Limit, *, now_us: int) -> int:
    """The horizon of a bucket of which nothing is known: empty, so that a lost store can not cause a burst."""
    return now_us + limit.burst * limit.interval_us


def wait_us(horizon_us: int, limit: Limit, *, now_us: int) -> int:
    """How long from now until this bucket has a permit."""
    return max(0, horizon_us - now_us - (limit.burst - 1) * limit.interval_us)


def take(
    buckets: Sequence[tuple[int | None, Limit]], *, now_us: int, patience_us: int
) -> tuple[Grant, tuple[int, ...]]:
    """One permit from all of the buckets or from none, and their horizons afterwards.

    `buckets` pairs a horizon (None: missing) with its limit. Nothing is taken when the wait exceeds the patience.
    """
    horizons = [empty(limit, now_us=now_us) if horizon is None else horizon for horizon, limit in buckets]
    wait = max(
        (wait_us(horizon, limit, now_us=now_us) for horizon, (_, limit) in zip(horizons, buckets, strict=True)),
        default=0,
    )
    if wait > patience_us:
        return Grant(granted=False, wait_us=wait), tuple(horizons)
    called_us = now_us + wait  # counted when the call goes out, or a wait in one bucket would be a burst in another
    after = tuple(
        max(horizon, called_us) + limit.interval_us for horizon, (_, limit) in zip(horizons, buckets, strict=True)
    )
    return Grant(granted=True, wait_us=wait), after


def drained(limit: Limit, *, now_us: int, pause_us: int) -> int:
    """The horizon of a bucket that has its next permit only after a pause."""
    return now_us + pause_us + (limit.burst - 1) * limit.interval_us

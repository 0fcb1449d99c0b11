"""The arithmetic of the shared limit: when the next call may go out, and whose it may be.

A bucket is kept as one instant, its *horizon*: the time at which it would be full again if no further permit were
taken (the generic cell rate algorithm). Taking a permit moves the horizon by one interval; a permit is free while the
horizon does not lie further ahead than the burst allows. Hence the law: in any window there are at most
`burst + rate · window` calls. Times are whole microseconds since the epoch.

Two classes of calls share a bucket: direct ones, whose caller waits, and queued ones. Each has a *share*, a smaller
bucket of its own inside the bucket. A call within its class' share may take the last permit; one beyond it leaves as
many permits as the other class' share holds. So a class that is alone has the whole rate, and none starves the other.

A permit may be *promised*: to a direct call when it is let in, to the sending of a document that is being looked up.
Whoever was promised nothing stands behind the promises of its own class, and leaves room for those of the other.

A limit may change while its bucket is in use, and for a second some go by the old one and some by the new. So a bucket
knows the limit that it was written under, and goes over to another with the permits that it holds, as many as that one
has room for: what a change adds is earned, never given, and to change it to and fro gains nothing.

"Too much" from the portal makes a bucket quiet until an instant, which no change of the limit moves, and slower at
once; it gets its speed back by a thousandth a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

MICROSECONDS: Final = 1_000_000
PERMILLE: Final = 1000
RECOVERY_PERMILLE: Final = 1
"""What a slowed bucket gets back each second, of its full rate: from a half in about eight minutes."""
SLOWEST_PERMILLE: Final = 50
"""No throttle makes a bucket slower than this: a portal that is mistaken must not silence a seller for hours."""
_PERCENT: Final = 100


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

    @property
    def tolerance_us(self) -> int:
        """How far ahead the horizon may lie when a permit is taken."""
        return (self.burst - 1) * self.interval_us


@dataclass(frozen=True, slots=True)
class Shares:
    """What each class has for sure of every bucket, in per cent (at least 1); the rest goes to whoever comes first."""

    direct: int = 50
    queued: int = 30

    def of(self, *, direct: bool) -> int:
        """The share of a class."""
        return self.direct if direct else self.queued


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What is kept of a bucket: its horizon, that of each class' share, how much it was slowed and when.

    Also until when it is quiet, and interval and burst of the limit that it was written under; 0: nobody knows.
    """

    horizon_us: int
    direct_us: int
    queued_us: int
    permille: int = PERMILLE
    since_us: int = 0
    quiet_us: int = 0
    interval_us: int = 0
    burst: int = 0

    def share_us(self, *, direct: bool) -> int:
        """The horizon of a class' share."""
        return self.direct_us if direct else self.queued_us


@dataclass(frozen=True, slots=True)
class Promised:
    """Promises that stand: to one's own class (one's own not counted), and to the other."""

    own: int = 0
    other: int = 0


NONE_PROMISED: Final = Promised()


def empty(limit: Limit, *, now_us: int) -> Bucket:
    """A bucket of which nothing is known: empty, so that a lost store can not cause a burst."""
    horizon_us = now_us + limit.burst * limit.interval_us
    return Bucket(
        horizon_us=horizon_us,
        direct_us=now_us,
        queued_us=now_us,
        interval_us=limit.interval_us,
        burst=limit.burst,
    )


def under(bucket: Bucket, limit: Limit, *, now_us: int) -> Bucket:
    """The bucket as it goes over to a limit: with the permits that it held under the other, as far as there is room."""
    was_us = bucket.interval_us
    if (was_us, bucket.burst) == (limit.interval_us, limit.burst):
        return bucket
    moved = replace(bucket, interval_us=limit.interval_us, burst=limit.burst)
    if was_us == 0:  # written by a version that did not say
        return moved
    quiet_us = min(bucket.quiet_us, now_us) + (bucket.burst - 1) * was_us
    free_us = min(now_us + bucket.burst * was_us - max(bucket.horizon_us, quiet_us), bucket.burst * was_us)
    all_us = limit.burst * limit.interval_us
    direct_us, queued_us = (
        now_us + min(max(0, share_us - now_us) * limit.interval_us // was_us, all_us)
        for share_us in (bucket.direct_us, bucket.queued_us)
    )
    held_us = min(free_us * limit.interval_us // was_us, all_us)
    return replace(moved, horizon_us=now_us + all_us - held_us, direct_us=direct_us, queued_us=queued_us)


def speed_permille(bucket: Bucket, *, now_us: int) -> int:
    """The rate that a bucket has now, in thousandths of its full one."""
    recovered = max(0, now_us - bucket.since_us) // MICROSECONDS * RECOVERY_PERMILLE
    return min(PERMILLE, bucket.permille + recovered)


def interval_us(bucket: Bucket, limit: Limit, *, now_us: int) -> int:
    """The time between two permits at the rate that the bucket has now, rounded up."""
    speed = speed_permille(bucket, now_us=now_us)
    return -(-limit.interval_us * PERMILLE // speed)


def wait_us(
    bucket: Bucket,
    limit: Limit,
    *,
    shares: Shares,
    direct: bool,
    now_us: int,
    promised: Promised = NONE_PROMISED,
    contended: bool = False,
) -> int:
    """How long from now until this bucket has a permit for a call of the class.

    When the other class uses all that it can (`contended`), the class' own share is all that can be counted on.
    """
    bucket = under(bucket, limit, now_us=now_us)
    step_us = interval_us(bucket, limit, now_us=now_us)
    full_us = _horizon_us(bucket, limit) + promised.own * step_us - now_us - limit.tolerance_us
    share = shares.of(direct=direct)
    held, pace_us = _held(limit, share), _share_step_us(limit.interval_us, share)
    within_us = max(full_us, bucket.share_us(direct=direct) - now_us - (held - 1) * pace_us)
    if contended:
        return max(0, within_us)
    left_us = reserve(limit, shares, direct=direct) * limit.interval_us
    beyond_us = full_us + promised.other * step_us + left_us
    return max(0, min(within_us, beyond_us))


def taken(bucket: Bucket, limit: Limit, *, shares: Shares, direct: bool, now_us: int) -> Bucket:
    """The bucket after a permit was taken from it now."""
    bucket = under(bucket, limit, now_us=now_us)
    share = shares.of(direct=direct)
    step_us = _share_step_us(limit.interval_us, share)
    least_us = now_us + _held(limit, share) * step_us  # a share is used up at worst, and never in debt for the rest
    after_us = min(max(bucket.share_us(direct=direct), now_us) + step_us, least_us)
    return replace(
        bucket,
        horizon_us=max(_horizon_us(bucket, limit), now_us) + interval_us(bucket, limit, now_us=now_us),
        direct_us=after_us if direct else bucket.direct_us,
        queued_us=bucket.queued_us if direct else after_us,
    )


def take(
    buckets: Sequence[tuple[Bucket | None, Limit, Promised]], *, shares: Shares, direct: bool, now_us: int
) -> tuple[int, tuple[Bucket, ...]]:
    """One permit from all of the buckets or from none: 0, or how long to wait; and the buckets afterwards.

    A bucket that is None is missing.
    """
    known = [
        empty(limit, now_us=now_us) if bucket is None else under(bucket, limit, now_us=now_us)
        for bucket, limit, _ in buckets
    ]
    wait = max(
        (
            wait_us(bucket, limit, shares=shares, direct=direct, now_us=now_us, promised=promised)
            for bucket, (_, limit, promised) in zip(known, buckets, strict=True)
        ),
        default=0,
    )
    if wait > 0:
        return wait, tuple(known)
    return 0, tuple(
        taken(bucket, limit, shares=shares, direct=direct, now_us=now_us)
        for bucket, (_, limit, _) in zip(known, buckets, strict=True)
    )


def turn_us(
    bucket: Bucket, limit: Limit, *, shares: Shares, direct: bool, now_us: int, promised: Promised = NONE_PROMISED
) -> int:
    """How long from now until a newcomer has its permit, behind the promises to its class."""
    bucket = under(bucket, limit, now_us=now_us)
    aside, ahead = Promised(other=promised.other), promised.own
    contended = _uses_all(bucket, limit, shares.of(direct=not direct), direct=not direct, now_us=now_us)
    at_us = now_us
    for before in range(ahead + 1):
        wait = wait_us(bucket, limit, shares=shares, direct=direct, now_us=at_us, promised=aside, contended=contended)
        if wait > 0 and before > limit.burst:  # from here on they come one by one
            rest = ahead - before
            step_us = interval_us(bucket, limit, now_us=now_us)
            each_us = _share_step_us(step_us, shares.of(direct=direct)) if contended else step_us
            return at_us + wait - now_us + rest * each_us
        at_us += wait
        bucket = taken(bucket, limit, shares=shares, direct=direct, now_us=at_us)
    return at_us - now_us


def drained(bucket: Bucket, *, now_us: int, pause_us: int) -> Bucket:
    """The bucket when it has its next permit only after a pause, and no burst with it."""
    return replace(bucket, quiet_us=max(bucket.quiet_us, now_us + pause_us))


def slowed(bucket: Bucket, *, keep_permille: int, now_us: int, every_us: int) -> Bucket:
    """The bucket at so many thousandths of its present speed; unchanged if it was slowed less than `every_us` ago.

    Calls that are under way together are throttled together: that is one reason to slow down, not many.
    """
    if bucket.since_us > 0 and now_us - bucket.since_us < every_us:
        return bucket
    kept = speed_permille(bucket, now_us=now_us) * keep_permille // PERMILLE
    return replace(bucket, permille=max(SLOWEST_PERMILLE, kept), since_us=now_us)


def reserve(limit: Limit, shares: Shares, *, direct: bool) -> int:
    """The permits that a class beyond its own share leaves to the other."""
    return min(limit.burst - 1, limit.burst * shares.of(direct=not direct) // _PERCENT)


def room(bucket: Bucket, limit: Limit, *, now_us: int) -> int:
    """How many permits a bucket holds now."""
    free_us = now_us + limit.tolerance_us - _horizon_us(under(bucket, limit, now_us=now_us), limit)
    return 0 if free_us < 0 else min(limit.burst, free_us // limit.interval_us + 1)


def _horizon_us(bucket: Bucket, limit: Limit) -> int:
    """The horizon of a bucket that has one permit when its pause ends."""
    return max(bucket.horizon_us, bucket.quiet_us + limit.tolerance_us)


def _held(limit: Limit, share: int) -> int:
    """The permits that a class' share holds."""
    return max(1, limit.burst * share // _PERCENT)


def _share_step_us(step_us: int, share: int) -> int:
    """The time between two permits of a share."""
    return step_us * _PERCENT // share


def _uses_all(bucket: Bucket, limit: Limit, share: int, *, direct: bool, now_us: int) -> bool:
    """Whether a class has used up its share: it is busy."""
    return bucket.share_us(direct=direct) - now_us > (_held(limit, share) - 1) * _share_step_us(
        limit.interval_us, share
    )

"""Permits while the limiter comes and goes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from gateway.domain.token_bucket import Limit
from gateway.irp.endpoints import LOOK_UP, SEND
from gateway.irp.permits import Permits, buckets
from gateway.limits.memory import MemoryLimiter
from gateway.ports import Caller, LimiterAwayError, Route
from tests.support import GSTIN, START, FakeClock, route


class Blinking(MemoryLimiter):
    """A limiter that may be away for promises."""

    away = False

    def promise(self, buckets: Mapping[str, Limit], caller: Caller, *, patience_seconds: float) -> float:
        """See `ports.Limiter`."""
        if self.away:
            raise LimiterAwayError("for a moment")
        return super().promise(buckets, caller, patience_seconds=patience_seconds)


def test_a_permit_that_was_taken_is_used() -> None:
    """Also where the limiter has gone before the call after it could be promised one: that one queues for its own."""
    clock = FakeClock()
    limiter = Blinking(clock)
    caller = Caller(account="g", gstin=GSTIN, direct=True, promise="op_1")
    way = route(limits={"gstin": Limit(calls=60, seconds=60, burst=10)})
    permits = Permits(limiter, clock, lambda: way, caller)
    assert permits.plan(LOOK_UP, SEND, patience_seconds=5) == 0
    limiter.away = True
    assert permits.use(LOOK_UP, lambda: None) is None
    assert permits.use(SEND, lambda: None) is None


@pytest.mark.parametrize(("before", "after", "soonest", "latest"), [(10, 600, 10, 18), (60, 20, 155, 165)])
def test_whoever_waits_goes_by_a_limit_that_is_changed_meanwhile(
    before: int, after: int, soonest: int, latest: int
) -> None:
    """So many calls an hour become others after ten seconds: of what is left of the interval it is the new one's."""
    clock = FakeClock()
    changed_at = START + timedelta(hours=2, seconds=10)

    def way() -> Route:
        calls = before if clock.now() < changed_at else after
        return route(limits={"gstin": Limit(calls=calls, seconds=3600, burst=1)})

    limiter, caller = MemoryLimiter(clock), Caller(account="g", gstin=GSTIN, direct=True, promise="op_1")
    permits = Permits(limiter, clock, way, caller)
    limiter.take(buckets(way(), GSTIN), caller)  # the bucket is known from now on
    clock.step(hours=2)
    assert permits.plan(LOOK_UP, SEND, patience_seconds=5) == 0
    assert permits.use(LOOK_UP, lambda: None) is None
    assert permits.use(SEND, lambda: None) is None
    waited = (clock.now() - changed_at).total_seconds() + 10
    assert soonest <= waited <= latest

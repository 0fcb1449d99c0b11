"""Permits while the limiter comes and goes."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.token_bucket import Limit
from gateway.irp.endpoints import LOOK_UP, SEND
from gateway.irp.permits import Permits
from gateway.limits.memory import MemoryLimiter
from gateway.ports import Caller, LimiterAwayError
from tests.support import GSTIN, FakeClock, route


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
    permits = Permits(limiter, clock, route(limits={"gstin": Limit(calls=60, seconds=60, burst=10)}), caller)
    assert permits.plan(LOOK_UP, SEND, patience_seconds=5) == 0
    limiter.away = True
    assert permits.use(LOOK_UP, lambda: None) is None
    assert permits.use(SEND, lambda: None) is None

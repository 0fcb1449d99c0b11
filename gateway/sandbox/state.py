"""What the portal remembers while it runs, and its clock, which can be set."""

from __future__ import annotations

import bisect
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.ports import Clock
from gateway.sandbox.calls import Call
from gateway.sandbox.control import Limits
from gateway.sandbox.eway_bills import Bills
from gateway.sandbox.faults import Menu
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.sessions import Gate
from gateway.sandbox.traffic import CallEntry, CallLog, Rates
from gateway.sandbox.wire import Envelope


@dataclass(slots=True)
class PortalClock:
    """The portal's own time: that of the given clock, or a time that was set and runs on from there."""

    clock: Clock
    is_set: bool = False
    _offset: timedelta = timedelta()

    def now(self) -> datetime:
        """The present instant of the portal, in UTC."""
        return (self.clock.now() + self._offset).astimezone(UTC)

    def set(self, instant: datetime | None) -> None:
        """Let it be `instant` now; None returns to the given clock."""
        self.is_set = instant is not None
        self._offset = timedelta() if instant is None else instant - self.clock.now()


@dataclass(frozen=True, slots=True)
class Late:
    """A request that was sent and is still on its way. Its call has the session that was valid when it was sent."""

    due_at: datetime
    service: str
    call: Call
    entry: CallEntry


@dataclass(slots=True, kw_only=True)
class State:
    """All that changes. Guarded by the lock of the sandbox that owns it."""

    seed: int
    rng: random.Random
    ledger: Ledger
    gate: Gate
    eway_gate: Gate
    bills: Bills
    limits: Limits
    latency_ms: int
    menu: Menu = field(default_factory=Menu)
    calls: CallLog = field(default_factory=CallLog)
    rates: Rates = field(default_factory=Rates)
    envelope: Envelope = field(default_factory=Envelope)
    late: list[Late] = field(default_factory=list)

    def postpone(self, late: Late) -> None:
        """Keep a request until it lands, in the order of landing."""
        bisect.insort(self.late, late, key=lambda each: each.due_at)


def seeded(seed: int) -> random.Random:
    """The chance of one run."""
    return random.Random(seed)  # noqa: S311 - faults have to be repeatable, nothing is protected by them

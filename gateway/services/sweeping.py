"""What time does: leases that end, windows that close, lanes to ring, keys to forget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.audit import months_before
from gateway.domain.lanes import AnyLane
from gateway.domain.reconciling import day_of
from gateway.services import sealing
from gateway.services.ports import Ports

ROLE: Final = "sweeper"
LEADER_LEASE: Final = timedelta(seconds=10)
"""After so long without its leader, another sweeper takes over."""
ROWS_MAX: Final = 500
"""Rows of each kind in one sweep, so that it stays well within its second; the rest is for the next."""
KEYS_MAX: Final = 20_000
"""Idempotency keys that are forgotten in one round: more than come in between two, at 300 a second."""
SEAL_EVERY: Final = 3
"""Sweeps between two seals: what is lost before its seal cannot be missed, and each seal costs a commit."""
TELL_EVERY: Final = 30
"""Sweeps between two looks for e-way bills that end soon: half a minute matters little of eight hours."""
INVARIANTS_EVERY: Final = 300
"""Sweeps between two looks at whether what always holds still does."""
INVARIANTS_NEWEST: Final = 1000
"""Rows of each kind that these look at: about a second's work, well within the leader's lease."""
FREED_FOR: Final = timedelta(seconds=5)
"""For so long after a route was changed the lanes are freed again: a process may know the old limits for a second, and
leave a lane waiting by them until an instant far away."""
TAXPAYERS_KEPT: Final = timedelta(days=90)
"""What a portal told of a taxpayer may stand in for so long while it cannot be asked. Nobody asked for it since."""
REAP_EVERY: Final = 60
"""Sweeps between two rounds of what is not urgent."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep found. All zero for a sweeper that stands by."""

    leads: bool
    leases: int = 0
    expired: int = 0
    rung: int = 0
    reaped: int = 0
    sealed: int = 0


def sweep(*, holder: str, count: int, ports: Ports) -> Swept:
    """One sweep, by the one that leads. `count` is the number of sweeps this process made before."""
    at = ports.clock.now()
    if not ports.upkeep.lead(ROLE, holder=holder, at=at, until=at + LEADER_LEASE):
        return Swept(leads=False)
    leases = ports.upkeep.end_expired_leases(at=at, rows_max=ROWS_MAX)
    leases += ports.deliveries.end_expired_leases(at=at, rows_max=ROWS_MAX)
    expired = ports.upkeep.close_windows(at=at, rows_max=ROWS_MAX)
    if count % REAP_EVERY == 0:
        ports.upkeep.wake_relogged(at=at)
        tell(at=at, ports=ports)
        ports.reconciliations.open_due(day_of(at), at=at, rows_max=ROWS_MAX)
        ports.deliveries.tidy(at=at, rows_max=ROWS_MAX)
    ports.upkeep.free_lanes(changed_since=at - FREED_FOR, at=at)
    rung = ports.bell.mend(_due_lanes(ports, at))
    if count % TELL_EVERY == 0:
        ports.bills.tell_of_ends(at=at, rows_max=ROWS_MAX)
    reaped = reap(at=at, ports=ports) if count % REAP_EVERY == 0 else 0
    sealed = seal_all(holder=holder, ports=ports) if count % SEAL_EVERY == 0 else 0
    return Swept(leads=True, leases=leases, expired=expired, rung=rung, reaped=reaped, sealed=sealed)


def reap(*, at: datetime, ports: Ports) -> int:
    """Forget what is past its life; how much that was."""
    old = ports.taxpayers.reap(before=at - TAXPAYERS_KEPT)
    return old + ports.upkeep.reap(at=at, rows_max=KEYS_MAX) + ports.keyring.reap(at=at) + ports.bell.sweep()


def tell(*, at: datetime, ports: Ports) -> int:
    """Tell receivers what time has brought, each once; how much that was."""
    told = ports.notices.tell_of_cancel_windows(at=at, rows_max=ROWS_MAX)
    told += ports.notices.tell_of_deadlines(at=at, rows_max=ROWS_MAX)
    return told + ports.notices.tell_of_doubts(at=at, rows_max=ROWS_MAX)


def _due_lanes(ports: Ports, at: datetime) -> list[tuple[AnyLane, bool]]:
    """Every lane with work, and whether it is direct calls'."""
    endpoints = [(lane, False) for lane in ports.deliveries.due_lanes(at=at)]
    runs = [(lane, False) for lane in ports.reconciliations.due_lanes(at=at)]
    return [*ports.upkeep.due_lanes(at=at), *endpoints, *runs]


def reap_records(*, months: int, ports: Ports) -> int:
    """Delete sealed audit records past their age, some at a time. Their leaves stay, so every proof still holds."""
    before = months_before(ports.clock.now(), months=months)
    return ports.seals.reap(before=before, rows_max=ROWS_MAX)


def seal_all(*, holder: str, ports: Ports) -> int:
    """Seal until less than a whole batch is left."""
    total = 0
    while (sealed := sealing.seal(actor=holder, ports=ports)) > 0:
        total += sealed
        if sealed < sealing.RECORDS_MAX:
            break
    return total

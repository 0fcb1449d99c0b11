"""The sweeper process: every second, whatever time brings."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Final

from gateway.services import sweeping
from gateway.wiring import Wiring

log = logging.getLogger(__name__)

FOUND: Final = ("leases", "expired", "rung", "reaped", "sealed")
"""What of a sweep is counted."""
SKEW_LOOK_SWEEPS: Final = 60
"""Sweeps between two comparisons of this machine's clock with the database's."""


def run(wiring: Wiring) -> None:
    """Sweep until SIGTERM or SIGINT. Whatever goes wrong is a reason to try again, not to stop."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    ports = wiring.ports
    wiring.report_ready("sweeper")
    count, clock_is_right = 0, True
    while not stopping.wait(wiring.settings.sweep_seconds):
        try:
            if count % SKEW_LOOK_SWEEPS == 0:
                clock_is_right = wiring.clock_is_right()
            if not clock_is_right:
                continue
            swept = sweeping.sweep(holder=wiring.worker, count=count, ports=ports)
            if swept.leads and count % sweeping.REAP_EVERY == 0:
                sweeping.reap_records(months=wiring.settings.audit_months, ports=ports)
            if count % sweeping.INVARIANTS_EVERY == 0:
                look_at_invariants(wiring, leads=swept.leads)
        except Exception:
            log.exception("sweep failed, the next one tries again")
            continue
        finally:
            count += 1
        for name in FOUND:
            wiring.metrics.count("mohar_sweep_found", getattr(swept, name), what=name)
        if swept.leases or swept.expired or swept.rung:
            found = {name: getattr(swept, name) for name in ("leases", "expired", "rung")}
            log.info("swept", extra=found)


def look_at_invariants(wiring: Wiring, *, leads: bool) -> None:
    """Tell measures how the newest rows keep to them, and the log which are broken; only the leader tells."""
    found = wiring.ports.invariants.check(newest=sweeping.INVARIANTS_NEWEST, at=wiring.clock.now()) if leads else ()
    wiring.metrics.put("mohar_invariant_violations", {(each.name.value,): each.violations for each in found})
    for each in found:
        if each.violations:
            log.error("an invariant is broken, see `mohar invariants`", extra={"invariant": each.name.value})

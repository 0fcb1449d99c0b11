"""The sweeper process: every second, whatever time brings."""

from __future__ import annotations

import logging
import signal
import threading

from redis import RedisError
from sqlalchemy.exc import OperationalError

from gateway.services import sweeping
from gateway.wiring import Wiring

log = logging.getLogger(__name__)


def run(wiring: Wiring) -> None:
    """Sweep until SIGTERM or SIGINT. An unreachable database or Redis is a reason to try again, not to stop."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    ports = wiring.ports
    wiring.report_ready("sweeper")
    count = 0
    while not stopping.wait(wiring.settings.sweep_seconds):
        try:
            swept = sweeping.sweep(holder=wiring.worker, count=count, ports=ports)
        except (OperationalError, RedisError) as error:
            log.warning("sweep failed: %s", type(error).__name__)
            continue
        count += 1
        if swept.leases or swept.expired or swept.rung:
            log.info("swept: leases=%d expired=%d rung=%d", swept.leases, swept.expired, swept.rung)

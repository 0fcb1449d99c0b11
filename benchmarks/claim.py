"""How long a claim, a sweeper's whole tick and the measures of the tables take with a million operations.

Each is taken before and after the planner's ANALYZE.
SQLite, and PostgreSQL where a server answers on 127.0.0.1:5432 (a database of our own, dropped at the end) or at the
URL in MOHAR_BENCH_POSTGRES_URL, whose database has to be empty. `_million.py` tells what the lanes are. Bars: 20 ms p99
for a claim, 200 ms p99 for a tick that finds nothing to change, a second for the measures, which are read every ten.
`claim.py [rows]`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import _million
import _stack
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from gateway.auth.vault import create_master_key
from gateway.jobs.memory import MemoryBell
from gateway.services import sweeping
from gateway.services.ports import Ports
from gateway.settings import Settings
from gateway.storage import migrate
from gateway.storage.database import Database
from gateway.storage.gauges import SqlGauges
from gateway.storage.work import SqlWork
from gateway.system import SystemClock, SystemIds
from gateway.wiring import Wiring

ROWS = 1_000_000
CLAIMS, TICKS, SCRAPES = 500, 120, 20
CLAIM_MS_MAX, TICK_MS_MAX, SCRAPE_MS_MAX = 20, 200, 1000
SERVER = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
NOWHERE = "redis://127.0.0.1:1"
"""No claim and no tick asks Redis for anything but to ring, and here nobody hears the bell."""
SHAPES = {
    "100,000 due": (_million.BUSY, False),
    "100,000 due, direct": (_million.DIRECT, True),
    "hardly due": (_million.SLEEPY, False),
    "the older half not due": (_million.LATE, False),
    "one of 1,000 lanes": (_million.ORDINARY, False),
}


def main() -> int:
    """Measure, print, and say whether the bars hold (0) or not (1)."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory(prefix="mohar-bench-") as folder, _server() as url:
        create_master_key(Path(folder) / "master.key")
        worst = _measure(Settings(data_dir=Path(folder), redis_url=NOWHERE), rows)
        if url is None:
            _stack.say(
                benchmark="claim", engine="postgresql", skipped="NO SERVER ANSWERED: the bars are not shown for it"
            )
            return worst
        return max(worst, _measure(Settings(data_dir=Path(folder), database_url=url, redis_url=NOWHERE), rows))


@contextmanager
def _server() -> Iterator[str | None]:
    """The URL of an empty database, if there is a server."""
    given = os.environ.get("MOHAR_BENCH_POSTGRES_URL")
    if given:
        yield given
        return
    admin = create_engine(SERVER, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2})
    name = f"mohar_bench_{os.getpid()}"
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        yield None
        return
    try:
        yield SERVER.removesuffix("postgres") + name
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}"))
        admin.dispose()


def _measure(settings: Settings, rows: int) -> int:
    with closing(Wiring(settings)) as wiring:
        migrate.upgrade(wiring.database)
        ports = replace(wiring.ports, bell=MemoryBell())
        database = wiring.database
        began = time.perf_counter()
        _million.fill(database, rows)
        _stack.say(benchmark="claim", engine=database.url.get_backend_name(), rows=rows, loaded_s=_seconds_since(began))
        held = [_round(database, ports, rows, analyzed=False)]
        _million.analyze(database)
        held.append(_round(database, ports, rows, analyzed=True))
    return int(not all(held))


def _round(database: Database, ports: Ports, rows: int, *, analyzed: bool) -> bool:
    work = SqlWork(database, SystemIds())
    _settle_down(ports)
    claims = {name: _claims(work, number, direct=direct) for name, (number, direct) in SHAPES.items()}
    ticks = [_timed(partial(_tick, ports, count)) for count in range(TICKS)]
    gauges = SqlGauges(database)
    scrapes = [_timed(lambda: gauges.read(at=ports.clock.now())) for _ in range(SCRAPES)]
    claim = max(_stack.quantile(times, 0.99) for times in claims.values())
    tick = _stack.quantile(ticks, 0.99)
    scrape = _stack.quantile(scrapes, 0.99)
    held = claim <= CLAIM_MS_MAX and tick <= TICK_MS_MAX and scrape <= SCRAPE_MS_MAX
    _stack.say(
        benchmark="claim",
        engine=database.url.get_backend_name(),
        rows=rows,
        analyzed=analyzed,
        claim_ms={name: _told(times) for name, times in claims.items()},
        tick_ms=_told(ticks) | {"with everything": [round(each, 1) for each in ticks[:: sweeping.REAP_EVERY]]},
        measures_ms=_told(scrapes),
        bars_ms={"claim": CLAIM_MS_MAX, "tick": TICK_MS_MAX, "measures": SCRAPE_MS_MAX},
        verdict="pass" if held else "FAIL",
        machine=_stack.machine(),
    )
    return held


def _settle_down(ports: Ports) -> None:
    """Do what there is to do, so that ticks afterwards only look: what they write costs what that costs."""
    while sweeping.tell(at=ports.clock.now(), ports=ports) > 0:
        pass


def _tick(ports: Ports, count: int) -> None:
    sweeping.sweep(holder="bench", count=count, ports=ports)


def _claims(work: SqlWork, number: int, *, direct: bool) -> list[float]:
    """Times of claims of a lane, each row given back at once."""
    times = []
    until = _million.NOW + timedelta(hours=1)
    for _ in range(CLAIMS):
        at = SystemClock().now()
        began = time.perf_counter()
        claim = work.claim(_million.lane(number), direct=direct, owner="bench", at=at, lease_until=until, leases_max=8)
        times.append((time.perf_counter() - began) * 1000)
        if claim is None:
            raise RuntimeError(f"nothing is due in lane {number}")
        work.release(claim, due_at=_million.NOW)
    return times


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _told(times: list[float]) -> dict[str, Any]:
    return {f"p{share * 100:.0f}": round(_stack.quantile(times, share), 2) for share in (0.5, 0.99)}


def _seconds_since(began: float) -> float:
    return round(time.perf_counter() - began, 1)


if __name__ == "__main__":
    sys.exit(main())

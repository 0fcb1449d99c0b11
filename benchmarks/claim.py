"""How long a claim and a sweeper's look for due lanes take with a million rows in the table.

1,000 lanes: one of them with 100,000 rows that are due, one with 50,000 that are not due before some that are, the rest
of the rows settled or waiting in the others. Bars: 20 ms p99 for the claim, 200 ms for the sweeper's look. SQLite, and
PostgreSQL when a URL of an empty database is given: `claim.py postgresql+psycopg://… [rows]`.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import _stack
from sqlalchemy import insert

from gateway.domain.operations import Environment, Lane
from gateway.storage import migrate
from gateway.storage.database import Database
from gateway.storage.tables import lanes, operations, organisations
from gateway.storage.types import NO_DEADLINE
from gateway.storage.upkeep import SqlUpkeep
from gateway.storage.work import SqlWork
from gateway.system import SystemIds

ROWS = 1_000_000
LANES = 1000
CLAIMS = 500
BATCH = 5000
CLAIM_MS_MAX, SWEEP_MS_MAX = 20, 200
NOW = datetime.now(UTC)


def main() -> int:
    """Measure, print, and say whether the bars hold (0) or not (1)."""
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else ROWS
    with tempfile.TemporaryDirectory(prefix="mohar-bench-") as folder:
        urls = [f"sqlite:///{Path(folder) / 'claim.db'}", *sys.argv[1:2]]
        return max(_measure(url, rows) for url in urls)


def _measure(url: str, rows: int) -> int:
    database = Database(url)
    migrate.upgrade(database)
    _fill(database, rows)
    work, upkeep = SqlWork(database, SystemIds()), SqlUpkeep(database, SystemIds())
    claims = {name: _claims(work, lane) for name, lane in (("busy", 0), ("hardly due", 1), ("ordinary", 7))}
    sweeps = [_timed(lambda: upkeep.due_lanes(at=NOW)) for _ in range(20)]
    worst = max(_stack.quantile(times, 0.99) for times in claims.values())
    _stack.say(
        benchmark="claim",
        engine=database.url.get_backend_name(),
        rows=rows,
        lanes=LANES,
        claim_p99_ms={name: round(_stack.quantile(times, 0.99), 2) for name, times in claims.items()},
        sweep_p99_ms=round(_stack.quantile(sweeps, 0.99), 1),
        bars_ms={"claim": CLAIM_MS_MAX, "sweep": SWEEP_MS_MAX},
        machine=_stack.machine(),
    )
    database.close()
    return int(worst > CLAIM_MS_MAX or _stack.quantile(sweeps, 0.99) > SWEEP_MS_MAX)


def _claims(work: SqlWork, lane: int) -> list[float]:
    """Times of claims of a lane, each row given back at once."""
    times = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        claim = work.claim(
            _lane(lane), direct=False, owner="bench", at=NOW, lease_until=NOW + timedelta(hours=1), leases_max=8
        )
        times.append((time.perf_counter() - began) * 1000)
        if claim is None:
            raise RuntimeError(f"nothing is due in lane {lane}")
        work.release(claim, due_at=NOW)
    return times


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _fill(database: Database, rows: int) -> None:
    organisation = {"id": "org_1", "name": "Bench", "created_at": NOW}
    with database.engine.begin() as connection:
        connection.execute(insert(organisations), organisation)
        connection.execute(insert(lanes), [{"lane": str(_lane(number))} for number in range(LANES)])
    made = _rows(rows)
    while batch := list(itertools.islice(made, BATCH)):
        with database.engine.begin() as connection:
            connection.execute(insert(operations), batch)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def _rows(rows: int) -> Iterator[dict[str, Any]]:
    busy, late = rows // 10, rows // 20
    for number in range(rows):
        if number < busy:
            lane, due_at, settled = 0, NOW, False
        elif number < busy + late:
            lane, due_at, settled = 1, NOW + timedelta(hours=1) if number < busy + late - 10 else NOW, False
        else:
            lane, settled = 2 + number % (LANES - 2), number // LANES % 4 > 0
            due_at = NOW
        yield _row(number, lane, due_at=due_at, settled=settled)


def _row(number: int, lane: int, *, due_at: datetime, settled: bool) -> dict[str, Any]:
    at = NOW - timedelta(days=1) + timedelta(milliseconds=number)
    return {
        "id": f"op_{number:026}",
        "environment": "test",
        "org_id": "org_1",
        "gstin": _lane(lane).gstin,
        "client_id": "cli_1",
        "kind": "irn.generate",
        "status": "succeeded" if settled else "queued",
        "version": 1,
        "lane": str(_lane(lane)),
        "direct": False,
        "subject": f"{number:064x}",
        "doc_type": "INV",
        "doc_no": f"N/{number}",
        "doc_date": date(2026, 11, 1),
        "irn": f"{number:064x}",
        "content_digest": f"{number:064x}",
        "request_blob": "0" * 64,
        "payload_blob": "0" * 64,
        "request_id": f"req_{number}",
        "due_at": None if settled else due_at,
        "deadline_at": NO_DEADLINE,
        "created_at": at,
        "updated_at": at,
        "settled_at": at if settled else None,
    }


def _lane(number: int) -> Lane:
    return Lane(Environment.TEST, f"29AAAPL{number:04}C1Z5")


if __name__ == "__main__":
    sys.exit(main())

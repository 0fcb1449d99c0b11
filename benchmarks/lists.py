"""How long a page of a list takes among many rows of one seller: the first, a deep one, and those of rare rows.

    python benchmarks/lists.py [--rows N] [--database URL]

The rows are made by the engine itself, in a fresh SQLite file unless a (new, empty) database is named.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from gateway.domain.operations import Environment, Kind, Status
from gateway.ports import DocumentFilter, OperationFilter
from gateway.storage import migrate
from gateway.storage.database import Database
from gateway.storage.lists import SqlLists
from gateway.storage.tables import documents, operations, organisations
from gateway.storage.types import NO_DEADLINE

GSTIN = "29AAHCT7421P1ZM"
BUYERS = [f"27AAAC{letter}0002B1ZI" for letter in "MNPQR"]
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
BATCH = 5_000
ROWS_MAX = 51
"""Of a page, and one more, as the api asks."""
TIMES = 30
ONE_IN = 5_000
"""A row of so many is of a rare status, kind or standing."""


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", default="")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(chosen.database or f"sqlite:///{Path(folder) / 'lists.db'}")
        migrate.upgrade(database)
        began = time.perf_counter()
        _fill(database, chosen.rows)
        print(f"{chosen.rows} operations and as many documents made in {time.perf_counter() - began:.0f} s")
        _ask(SqlLists(database), chosen.rows)
        database.close()


def _fill(database: Database, rows: int) -> None:
    organisation = {"id": "org_1", "name": "First", "created_at": FIRST}
    database.write(lambda connection: connection.execute(insert(organisations), organisation))
    for start in range(0, rows, BATCH):
        numbers = range(start, min(start + BATCH, rows))

        def work(connection: Connection, numbers: range = numbers) -> None:
            connection.execute(insert(operations), [_operation(number) for number in numbers])
            connection.execute(insert(documents), [_document(number) for number in numbers])

        database.write(work)


def _operation(number: int) -> dict[str, Any]:
    rare = number % ONE_IN == 0
    at = FIRST + timedelta(seconds=30 * number)
    return {
        "id": f"op_{number:026}",
        "environment": "test",
        "org_id": "org_1",
        "gstin": GSTIN,
        "client_id": "cli_1",
        "kind": (Kind.IRN_CANCEL if number % ONE_IN == 1 else Kind.IRN_GENERATE).value,
        "status": (Status.REJECTED if rare else Status.SUCCEEDED).value,
        "version": 3,
        "lane": f"irp:test:{GSTIN}",
        "direct": False,
        "subject": f"{number:064x}",
        "irn": f"{number:064x}",
        "content_digest": "0" * 64,
        "request_blob": "0" * 64,
        "payload_blob": "0" * 64,
        "request_id": "req_1",
        "deadline_at": NO_DEADLINE,
        "created_at": at,
        "updated_at": at,
        "settled_at": at,
    }


def _document(number: int) -> dict[str, Any]:
    at = FIRST + timedelta(seconds=30 * number)
    return {
        "environment": "test",
        "irn": f"{number:064x}",
        "org_id": "org_1",
        "gstin": GSTIN,
        "operation_id": f"op_{number:026}",
        "doc_type": "INV",
        "doc_no": f"B/{number}",
        "doc_date": at.date(),
        "buyer_gstin": BUYERS[number % len(BUYERS)],
        "total": "1180.00",
        "status": "cancelled" if number % ONE_IN == 0 else "active",
        "ours": True,
        "ack_no": f"{number:015}",
        "ack_at": at,
        "signed_invoice_blob": "0" * 64,
        "signed_qr": "x" * 200,
        "key_id": "k",
        "recorded_at": at,
    }


def _ask(lists: SqlLists, rows: int) -> None:
    middle = (FIRST + timedelta(seconds=30 * (rows // 2))).date()
    deep = (date(2025, 1, 2), "0" * 64)
    ours = {"environment": Environment.TEST, "gstin": GSTIN}

    def operation(after: str | None = None, **wanted: Any) -> Callable[[], Any]:
        return lambda: lists.operations(OperationFilter(**ours, **wanted), after=after, rows_max=ROWS_MAX)

    def document(after: tuple[date, str] | None = None, **wanted: Any) -> Callable[[], Any]:
        return lambda: lists.documents(DocumentFilter(**ours, **wanted), after=after, rows_max=ROWS_MAX)

    asked = {
        "operations": operation(),
        "operations, the last page": operation(f"op_{40:026}"),
        "operations, succeeded": operation(status=Status.SUCCEEDED),
        "operations, rejected": operation(status=Status.REJECTED),
        "operations, irn.cancel": operation(kind=Kind.IRN_CANCEL),
        "operations, irn.cancel and rejected": operation(kind=Kind.IRN_CANCEL, status=Status.REJECTED),
        "documents": document(),
        "documents, the last page": document(deep),
        "documents of one day in the middle": document(first_day=middle, last_day=middle),
        "documents, cancelled": document(status="cancelled"),
        "documents of a buyer": document(buyer_gstin=BUYERS[0]),
        "documents of nobody": document(buyer_gstin="URP"),
    }
    for name, ask in asked.items():
        took = sorted(_seconds(ask) for _ in range(TIMES))
        print(f"{name:40} p50 {statistics.median(took) * 1000:6.1f} ms   worst {took[-1] * 1000:6.1f} ms")


def _seconds(ask: Callable[[], Any]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

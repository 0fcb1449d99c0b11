"""A database as large as a year makes it: lanes of many shapes, a ledger, receivers that fell behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.schema import CreateIndex, DropIndex

from gateway.domain.operations import Environment, Lane
from gateway.storage.database import Database
from gateway.storage.tables import (
    clients,
    deliveries,
    documents,
    events,
    feeds,
    idempotency_keys,
    lanes,
    operations,
    organisations,
    webhooks,
)
from gateway.storage.types import NO_DEADLINE

LANES = 1000
ENDPOINTS = 100
NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)

BUSY, DIRECT, SLEEPY, LATE, ORDINARY = 0, 1, 2, 3, 7
"""Lanes by shape, each of the first four with a tenth of all rows: all due; all due, direct; the first 99.9 per cent
not due; the older half not due. The other lanes share the rest, three in four of them settled."""


@dataclass
class _Portion:
    """Rows of one table: what differs between them, and what does not."""

    table: Table
    columns: tuple[str, ...]
    rows: Callable[[int], Iterable[tuple[Any, ...]]]
    same: Mapping[str, Any] = field(default_factory=dict)


def lane(number: int) -> Lane:
    """The lane of that number."""
    return Lane(Environment.TEST, f"29AAAPL{number:04}C1Z5")


def fill(database: Database, rows: int) -> None:
    """Operations as told above, a document for every one that succeeded, keys, and a backlog of deliveries."""
    with database.engine.begin() as connection:
        connection.execute(insert(organisations), {"id": "org_1", "name": "Bench", "created_at": NOW})
        connection.execute(insert(clients), _CLIENT)
        names = [str(lane(number)) for number in range(LANES)] + [f"webhook:{_endpoint(n)}" for n in range(ENDPOINTS)]
        connection.execute(insert(lanes), [{"lane": name} for name in names])
        connection.execute(insert(webhooks), [_webhook(number) for number in range(ENDPOINTS)])
        connection.execute(insert(feeds), {"environment": "test", "org_id": "org_1", "position": rows})
    for portion in (_OPERATIONS, _DOCUMENTS, _KEYS, _EVENTS, _DELIVERIES):
        _load(database, portion, portion.rows(rows))


def analyze(database: Database) -> None:
    """Let the planner know what is there."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def _load(database: Database, portion: _Portion, rows: Iterable[tuple[Any, ...]]) -> None:
    """With the indexes made afterwards, or they would take most of the time."""
    with database.engine.begin() as connection:
        for index in portion.table.indexes:
            connection.execute(DropIndex(index))
        names = ", ".join([*portion.columns, *portion.same])
        constants = "".join(f", {_literal(value)}" for value in portion.same.values())
        driver: Any = connection.connection.driver_connection
        if database.is_sqlite:
            marks = ", ".join("?" * len(portion.columns))
            statement = f"INSERT INTO {portion.table.name} ({names}) VALUES ({marks}{constants})"
            driver.executemany(statement, rows)
        else:
            _copy(driver, portion, rows, names=names, constants=constants)
        for index in portion.table.indexes:
            connection.execute(CreateIndex(index))


def _copy(driver: Any, portion: _Portion, rows: Iterable[tuple[Any, ...]], *, names: str, constants: str) -> None:
    columns, table = ", ".join(portion.columns), portion.table.name
    driver.execute(f"CREATE TEMP TABLE staged ON COMMIT DROP AS SELECT {columns} FROM {table} WHERE false")
    with driver.cursor() as cursor, cursor.copy(f"COPY staged ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    driver.execute(f"INSERT INTO {table} ({names}) SELECT {columns}{constants} FROM staged")


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, bool | int) else f"'{value}'"


def _text(at: datetime) -> str:
    """An instant as SQLite keeps it, and PostgreSQL reads it (its sessions are in UTC)."""
    return at.replace(tzinfo=None).isoformat(" ", "microseconds")


def _operations(rows: int) -> Iterator[tuple[Any, ...]]:
    tenth, now, later = rows // 10, _text(NOW), _text(LATER)
    oldest, soon, never = NOW - timedelta(days=1), _text(NOW + timedelta(hours=20)), _text(NO_DEADLINE)
    for number in range(rows):
        here = number // tenth if number < 4 * tenth else 4 + number % (LANES - 4)
        place = number % tenth
        waits = (here == SLEEPY and place < tenth * 0.999) or (here == LATE and place < tenth / 2)
        settled = here > LATE and number // LANES % 4 > 0
        due_at = None if settled else later if waits else now
        at = _text(oldest + timedelta(milliseconds=number))
        named = f"{number:064x}"
        deadline = soon if here > LATE and number // LANES % 200 == 0 else never
        status, settled_at = ("succeeded", at) if settled else ("queued", None)
        there = lane(here)
        yield (f"op_{number:026}", there.gstin, status, str(there), here == DIRECT, named, named, due_at, deadline,
               at, at, settled_at)  # fmt: skip


def _documents(rows: int) -> Iterator[tuple[Any, ...]]:
    for number in range(rows * 4 // 10, rows):
        if number // LANES % 4 > 0:
            ack_at = _text(NOW - timedelta(hours=21) + timedelta(milliseconds=number))
            yield f"{number:064x}", lane(4 + number % (LANES - 4)).gstin, f"N/{number}", ack_at


def _keys(rows: int) -> Iterator[tuple[Any, ...]]:
    ends = _text(NOW + timedelta(hours=10))
    return ((f"key-{number}", f"op_{number:026}", ends) for number in range(rows))


def _events(rows: int) -> Iterator[tuple[Any, ...]]:
    at = _text(NOW - timedelta(hours=1))
    return ((f"evt_{number}", number, f"{number:064x}", at) for number in range(rows // 10))


def _deliveries(rows: int) -> Iterator[tuple[Any, ...]]:
    return (
        (f"dlv_{number}", _endpoint(number % ENDPOINTS), f"evt_{number}", number, f"{number:064x}")
        for number in range(rows // 10)
    )


def _endpoint(number: int) -> str:
    return f"whk_{number:026}"


def _webhook(number: int) -> dict[str, Any]:
    told = {"org_id": "org_1", "client_id": "cli_1", "url": "https://receiver.example/", "types": [], "policy": "brisk"}
    here = {"id": _endpoint(number), "environment": "test", "name": "Bench", "created_at": NOW, "updated_at": NOW}
    return told | here


_CLIENT = {
    "id": "cli_1",
    "environment": "test",
    "org_id": "org_1",
    "name": "Bench",
    "secret_digest": b"",
    "created_at": NOW,
}
_TODAY = NOW.date().isoformat()
_DIGEST = "0" * 64
_OPERATIONS = _Portion(
    operations,
    ("id", "gstin", "status", "lane", "direct", "subject", "irn", "due_at", "deadline_at", "created_at", "updated_at",
     "settled_at"),
    _operations,
    {"environment": "test", "org_id": "org_1", "client_id": "cli_1", "kind": "irn.generate", "version": 1,
     "doc_type": "INV", "doc_no": "N/1", "doc_date": _TODAY, "content_digest": _DIGEST, "request_blob": _DIGEST,
     "payload_blob": _DIGEST, "request_id": "req_1", "attempts": 0, "quarantine_looks": 0, "lasting_refusal": False,
     "run_alone": False, "crashes_alone": 0},
)  # fmt: skip
_DOCUMENTS = _Portion(
    documents,
    ("irn", "gstin", "doc_no", "ack_at"),
    _documents,
    {"environment": "test", "org_id": "org_1", "doc_type": "INV", "doc_date": _TODAY, "buyer_gstin": "29AAAPL0000C1Z5",
     "total": "100.00", "status": "active", "ours": True, "ack_no": "1", "signed_invoice_blob": _DIGEST,
     "signed_qr": "qr", "key_id": "k", "recorded_at": _text(NOW)},
)  # fmt: skip
_KEYS = _Portion(
    idempotency_keys,
    ("key", "operation_id", "expires_at"),
    _keys,
    {"client_id": "cli_1", "fingerprint": _DIGEST},
)
_EVENTS = _Portion(
    events,
    ("id", "position", "subject", "at"),
    _events,
    {"environment": "test", "org_id": "org_1", "gstin": "29AAAPL0000C1Z5", "type": "irn.registered", "sequence": 1,
     "body": "{}"},
)  # fmt: skip
_DELIVERIES = _Portion(
    deliveries,
    ("id", "webhook_id", "event_id", "position", "subject"),
    _deliveries,
    {"status": "pending", "attempts": 0, "failures": 0, "losses": 0, "due_at": _text(NOW), "created_at": _text(NOW)},
)

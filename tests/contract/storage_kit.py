"""The storage adapters on one database, and the steps that many tests take with them."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, Executable, Table, delete, insert, select, text, update

from gateway.auth.seal_keys import VaultSealer
from gateway.auth.vault import MasterKeyVault
from gateway.domain import lifecycle
from gateway.domain.audit import Action
from gateway.domain.operations import Lane, Operation
from gateway.domain.outcomes import Meaning
from gateway.domain.retries import BRISK
from gateway.ports import Attempt, Claim, IdempotencyKey, NewOperation, Reception
from gateway.services import sealing
from gateway.storage import migrate, tables
from gateway.storage.audit import SqlAuditor
from gateway.storage.database import Database
from gateway.storage.deliveries import SqlDeliveries
from gateway.storage.directory import SqlDirectory
from gateway.storage.endpoints import SqlEndpoints
from gateway.storage.feed import SqlFeed
from gateway.storage.intake import SqlIntake
from gateway.storage.ledger import SqlLedger
from gateway.storage.routebook import SqlRoutebook
from gateway.storage.sealed_log import SqlSealedLog
from gateway.storage.seals import SqlSeals
from gateway.storage.upkeep import SqlUpkeep
from gateway.storage.work import SqlWork
from tests.support import LANE, ORG, ROUTE, FakeClock, SeededIds, new_operation, outcome, record

LEASE: Final = timedelta(seconds=90)
WORKER: Final = "worker-1"
_UNGUARDED: Final = text("SET LOCAL session_replication_role = replica")
"""On PostgreSQL, no trigger speaks until the transaction ends."""

Result = TypeVar("Result")


class Server(Protocol):
    """An engine that gives databases."""

    def empty(self) -> Database:
        """A database without a single table."""

    def migrated(self) -> Database:
        """A database of the present schema, without a row."""


class SqliteServer:
    """Files in a folder. The schema is made once and copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.db"
        template = Database(f"sqlite:///{self._template}")
        migrate.upgrade(template)
        with template.engine.connect() as connection:
            connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        template.close()

    def empty(self) -> Database:
        """See Server."""
        return Database(f"sqlite:///{self._folder / uuid.uuid4().hex}.db")

    def migrated(self) -> Database:
        """See Server."""
        path = self._folder / f"{uuid.uuid4().hex}.db"
        shutil.copyfile(self._template, path)
        return Database(f"sqlite:///{path}")

    def close(self) -> None:
        """Nothing: the folder goes by itself."""


class PostgresServer:
    """Schemas of our own in the database of that URL; nothing else in it is touched."""

    def __init__(self, url: str) -> None:
        self._admin = Database(url)
        self._schemas: list[str] = []
        self._url = url
        self._present = self.empty()
        migrate.upgrade(self._present)

    def empty(self) -> Database:
        """See Server."""
        schema = f"contract_{uuid.uuid4().hex}"
        self._admin.write(lambda connection: connection.execute(text(f"CREATE SCHEMA {schema}")))
        self._schemas.append(schema)
        separator = "&" if "?" in self._url else "?"
        return Database(f"{self._url}{separator}options=-csearch_path%3D{schema}")

    def migrated(self) -> Database:
        """See Server. There is one, emptied for each test."""
        names = ", ".join(tables.metadata.tables)

        def clear(connection: Connection) -> None:
            connection.execute(_UNGUARDED)
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))

        self._present.write(clear)
        return self._present

    def close(self) -> None:
        """Drop what was made."""
        self._present.close()
        for schema in self._schemas:
            self._admin.write(lambda connection, name=schema: connection.execute(text(f"DROP SCHEMA {name} CASCADE")))
        self._admin.close()


class Storage:
    """Every storage adapter on one database, with an organisation in it, and steps to take with them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FakeClock()
        self.ids = SeededIds()
        self.intake = SqlIntake(database, self.ids)
        self.work = SqlWork(database, self.ids)
        self.upkeep = SqlUpkeep(database, self.ids)
        self.ledger = SqlLedger(database)
        self.directory = SqlDirectory(database)
        self.auditor = SqlAuditor(database)
        vault = MasterKeyVault({"00000001": bytes(range(32))}, self.ids.random_bytes)
        self.routebook = SqlRoutebook(database, vault, self.ids)
        self.deliveries = SqlDeliveries(database, vault, self.ids)
        self.endpoints = SqlEndpoints(database, vault, self.ids)
        self.feed = SqlFeed(database)
        self.seals = SqlSeals(database)
        self.sealed_log = SqlSealedLog(database)
        self.sealer = VaultSealer(vault)
        self.directory.add_organisation(
            id=ORG, name="First", record=record("aud_org", action=Action.ORGANISATION_ADDED, subject=ORG)
        )

    def accept(self, new: NewOperation | None = None, key: IdempotencyKey | None = None) -> Operation:
        """Store a new operation."""
        received = self.intake.accept(new or new_operation(), key, at=self.clock.now())
        assert received.reception is Reception.ACCEPTED
        return received.operation

    def fill_lane(self, *, later: int, due: int) -> list[str]:
        """A lane with rows that are not due for an hour, and younger ones that are, the last for longest; their ids."""
        now = self.clock.now()
        like = self.row(self.accept(new_operation("FILL/1")).id) | {"lane": str(LANE)}
        rows = [
            like
            | {"id": f"op_{each:04}", "subject": f"{each:064}", "created_at": now + timedelta(milliseconds=each)}
            | {"due_at": now + timedelta(hours=1) if each < later else now - timedelta(milliseconds=each)}
            for each in range(later + due)
        ]
        gone = delete(tables.identities), delete(tables.events), delete(tables.operations)

        def work(connection: Connection) -> None:
            for statement in gone:
                connection.execute(statement)
            connection.execute(insert(tables.operations), rows)

        self.database.write(work)
        return [row["id"] for row in rows]

    def claim(
        self, lane: Lane = LANE, *, direct: bool = False, owner: str = WORKER, leases_max: int = 8
    ) -> Claim | None:
        """Lease the next row, if there is one."""
        at = self.clock.now()
        return self.work.claim(lane, direct=direct, owner=owner, at=at, lease_until=at + LEASE, leases_max=leases_max)

    def claimed(self, *, direct: bool = False) -> Claim:
        """Lease the next row, which is there."""
        claim = self.claim(direct=direct)
        assert claim is not None
        return claim

    def begin(self, claim: Claim | None = None) -> Attempt:
        """Begin an attempt at the next row."""
        return self.work.begin_attempt(claim or self.claimed(), route=ROUTE, worker=WORKER, at=self.clock.now())

    def settle(self, attempt: Attempt, meaning: Meaning, **facts: Any) -> Operation:
        """Record what an attempt meant."""
        told, at = outcome(meaning, **facts), self.clock.now()
        settlement = lifecycle.settle(attempt.operation, told, at=at, pace=BRISK)
        return self.work.record(attempt, settlement, told, at=at)

    def come_to(self, *meanings: Meaning, new: NewOperation | None = None) -> Operation:
        """Store a new operation and make an attempt for each of the meanings, each when it is due."""
        operation = self.accept(new)
        for meaning in meanings:
            due_at = self.get(operation.id).due_at
            assert due_at is not None
            self.clock.sleep(max(0.0, (due_at - self.clock.now()).total_seconds()))
            operation = self.settle(self.begin(), meaning)
        return operation

    def get(self, id: str) -> Operation:
        """An operation that is there."""
        operation = self.intake.get(id)
        assert operation is not None
        return operation

    def row(self, id: str) -> dict[str, Any]:
        """An operation as it stands in its table, with what the domain does not know of."""
        [row] = [each for each in self.rows(tables.operations) if each["id"] == id]
        return row

    def change(self, id: str, **columns: Any) -> None:
        """Change an operation, as nothing but a test does."""
        changed = update(tables.operations).where(tables.operations.c.id == id).values(columns)
        self.database.write(lambda connection: connection.execute(changed))

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """All rows of a table."""
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(select(table)).mappings()]

    def seal(self) -> int:
        """Seal what is committed; how many records."""
        return sealing.seal(actor="sweeper", ports=self)  # type: ignore[arg-type]  # it has the ports that sealing asks

    def by_force(self, statement: Executable) -> None:
        """Run what the triggers of the audit log refuse, as the owner of the tables could."""

        def work(connection: Connection) -> None:
            if self.database.is_sqlite:
                guards = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
                triggers = connection.execute(guards).all()
            else:
                triggers = []
                connection.execute(_UNGUARDED)
            for name, _ in triggers:
                connection.execute(text(f"DROP TRIGGER {name}"))
            connection.execute(statement)
            for _, definition in triggers:
                connection.exec_driver_sql(definition)

        self.database.write(work)

    def everything(self) -> dict[str, list[str]]:
        """All rows of all tables, to see whether anything changed."""
        return {name: sorted(map(repr, self.rows(table))) for name, table in tables.metadata.tables.items()}


def at_once(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """The results of all jobs, run at the same moment in a thread each."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], Result]) -> Result:
        barrier.wait(120)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))

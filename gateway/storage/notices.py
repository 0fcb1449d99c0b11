"""What time brings, told once: windows that close, and deadlines that are near."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from sqlalchemy import Connection, RowMapping, exists, select, update

from gateway.domain.events import CANCEL_NOTICE, DEADLINE_NOTICE, DEADLINE_PATIENCE, EventType, closing, near
from gateway.domain.kinds import CANCEL_WINDOW
from gateway.domain.operations import TERMINAL, Kind, Status
from gateway.ports import Ids
from gateway.storage import events
from gateway.storage.database import Database
from gateway.storage.queries import operation_columns
from gateway.storage.rows import read_operation
from gateway.storage.tables import documents, operations
from gateway.storage.tables import events as events_table

_OPEN = sorted(set(Status) - TERMINAL)


class SqlNotices:
    """Implements `ports.Notices`."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids

    def tell_of_cancel_windows(self, *, at: datetime, rows_max: int) -> int:
        """See `ports.Notices`."""
        query = (
            select(documents)
            .where(
                documents.c.ack_at > at - CANCEL_WINDOW,
                documents.c.ack_at <= at - CANCEL_WINDOW + CANCEL_NOTICE,
                documents.c.status == "active",
                documents.c.ours,
                documents.c.closing_told_at.is_(None),
            )
            .limit(rows_max)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return sum(self._database.write(partial(self._close, row=row, at=at)) for row in rows)

    def tell_of_deadlines(self, *, at: datetime, rows_max: int) -> int:
        """See `ports.Notices`."""
        told = exists().where(
            events_table.c.environment == operations.c.environment,
            events_table.c.org_id == operations.c.org_id,
            events_table.c.once == EventType.IRN_REPORTING_DEADLINE_NEAR.value + ":" + operations.c.id,
        )
        query = (
            select(*operation_columns)
            .where(
                operations.c.kind == Kind.IRN_GENERATE.value,
                operations.c.status.in_(_OPEN),
                operations.c.deadline_at > at,
                operations.c.deadline_at <= at + DEADLINE_NOTICE,
                operations.c.created_at <= at - DEADLINE_PATIENCE,
                ~told,
            )
            .limit(rows_max)
        )
        with self._database.read() as connection:
            found = [read_operation(row) for row in connection.execute(query).mappings()]
        tell = [partial(events.announce, announcement=near(each), ids=self._ids, at=at) for each in found]
        return sum(self._database.write(each) for each in tell)

    def _close(self, connection: Connection, *, row: RowMapping, at: datetime) -> bool:
        here = (documents.c.environment == row["environment"]) & (documents.c.irn == row["irn"])
        untold = here & (documents.c.status == "active") & documents.c.closing_told_at.is_(None)
        if connection.execute(update(documents).where(untold).values(closing_told_at=at)).rowcount == 0:
            return False  # cancelled meanwhile
        return events.announce(connection, closing(**row), ids=self._ids, at=at)

"""What time brings, told once: windows that close, and deadlines that are near."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, RowMapping, exists, select, update

from gateway.domain import doubts
from gateway.domain.doubts import ALERT_HOURS
from gateway.domain.events import CANCEL_NOTICE, DEADLINE_NOTICE, DEADLINE_PATIENCE, EventType, closing, near
from gateway.domain.kinds import CANCEL_WINDOW
from gateway.domain.operations import Kind
from gateway.ports import Ids
from gateway.storage import events
from gateway.storage.database import Database
from gateway.storage.queries import operation_columns
from gateway.storage.rows import fetch_operation, read_operation
from gateway.storage.tables import documents, operations
from gateway.storage.tables import events as events_table


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
            .order_by(documents.c.ack_at)
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
                operations.c.settled_at.is_(None),
                operations.c.deadline_at > at,
                operations.c.deadline_at <= at + DEADLINE_NOTICE,
                operations.c.created_at <= at - DEADLINE_PATIENCE,
                ~told,
            )
            .order_by(operations.c.deadline_at)
            .limit(rows_max)
        )
        with self._database.read() as connection:
            found = [read_operation(row) for row in connection.execute(query).mappings()]
        tell = [partial(events.announce, announcement=near(each), ids=self._ids, at=at) for each in found]
        return sum(self._database.write(each) for each in tell)

    def tell_of_doubts(self, *, at: datetime, rows_max: int) -> int:
        """See `ports.Notices`. An age that was missed is not told when the next one is reached."""
        return sum(self._tell_of_doubts(hours, at=at, rows_max=rows_max) for hours in ALERT_HOURS)

    def _tell_of_doubts(self, hours: int, *, at: datetime, rows_max: int) -> int:
        told = exists().where(
            events_table.c.environment == operations.c.environment,
            events_table.c.org_id == operations.c.org_id,
            events_table.c.once == doubts.once("", hours) + operations.c.id,
        )
        next_age = doubts.until_next(hours)
        query = (
            select(operations.c.id)
            .where(
                operations.c.settled_at.is_(None),
                operations.c.doubtful_since <= at - timedelta(hours=hours),
                *([] if next_age is None else [operations.c.doubtful_since > at - next_age]),
                ~told,
            )
            .order_by(operations.c.doubtful_since)
            .limit(rows_max)
        )
        with self._database.read() as connection:
            found = connection.execute(query).scalars().all()
        return sum(self._database.write(partial(self._doubt, id=id, hours=hours, at=at)) for id in found)

    def _doubt(self, connection: Connection, *, id: str, hours: int, at: datetime) -> bool:
        operation = fetch_operation(connection, id, lock=True)
        if operation is None or not operation.in_doubt:
            return False  # settled meanwhile
        told = doubts.unknown_for_long(operation, hours=hours)
        return events.announce(connection, told, ids=self._ids, at=at)

    def _close(self, connection: Connection, *, row: RowMapping, at: datetime) -> bool:
        here = (documents.c.environment == row["environment"]) & (documents.c.irn == row["irn"])
        untold = here & (documents.c.status == "active") & documents.c.closing_told_at.is_(None)
        if connection.execute(update(documents).where(untold).values(closing_told_at=at)).rowcount == 0:
            return False  # cancelled meanwhile
        return events.announce(connection, closing(**row), ids=self._ids, at=at)

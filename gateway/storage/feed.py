"""Events in their order, for those who come and ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from gateway.domain.operations import Environment
from gateway.storage.database import Database
from gateway.storage.tables import events


class SqlFeed:
    """Implements `ports.Feed`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(
        self,
        *,
        environment: Environment,
        org_id: str,
        gstins: Sequence[str],
        types: Sequence[str],
        after: int,
        since: datetime,
        rows_max: int,
    ) -> Sequence[tuple[int, str]]:
        """See `ports.Feed`."""
        query = (
            select(events.c.position, events.c.body)
            .where(
                events.c.environment == environment.value,
                events.c.org_id == org_id,
                events.c.position > after,
                events.c.at >= since,
                events.c.gstin.in_(gstins),
            )
            .order_by(events.c.position)
            .limit(rows_max)
        )
        if types:
            query = query.where(events.c.type.in_(types))
        with self._database.read() as connection:
            return [(row.position, row.body) for row in connection.execute(query)]

"""What was sent, to be looked at again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from sqlalchemy import select, tuple_

from gateway.domain.operations import Environment, Kind, Status
from gateway.ports import Stored
from gateway.storage import blobs
from gateway.storage.database import Database
from gateway.storage.tables import operations

PAGE_ROWS: Final = 200
"""Documents read at once: few round trips, and no more than some 100 MB where each has the largest size."""


class SqlArchive:
    """Implements `ports.Archive`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_period(self, *, environment: Environment, since: date, until: date) -> Iterator[Stored]:
        """See `ports.Archive`."""
        last: tuple[date, str] = (since, "")
        while page := self._page(environment, last, until=until):
            yield from page
            last = (page[-1].doc_date, page[-1].operation_id)

    def _page(self, environment: Environment, after: tuple[date, str], *, until: date) -> list[Stored]:
        row = operations.c
        query = (
            select(row.id, row.gstin, row.doc_no, row.doc_date, row.payload_blob)
            .where(
                row.environment == environment.value,
                row.kind == Kind.IRN_GENERATE.value,
                row.status == Status.SUCCEEDED.value,
                row.doc_date <= until,
                tuple_(row.doc_date, row.id) > after,
            )
            .order_by(row.doc_date, row.id)
            .limit(PAGE_ROWS)
        )
        with self._database.read() as connection:
            return [
                Stored(
                    operation_id=found.id,
                    gstin=found.gstin,
                    doc_no=found.doc_no,
                    doc_date=found.doc_date,
                    payload=blobs.fetch(connection, found.payload_blob),
                )
                for found in connection.execute(query)
            ]

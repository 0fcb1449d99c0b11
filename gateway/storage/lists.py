"""Lists, newest first. Each is found by an index: rare rows have small ones of their own.

Nearly all operations have succeeded, and nearly all documents stand. A list of those walks the seller's index and
passes over the few others; a list of the others walks an index that has them alone. The conditions of these partial
indexes are written out in the queries, because no engine concludes them from a parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, or_, select

from gateway.domain.operations import Kind, Operation, Status
from gateway.ports import ACTIVE, DocumentFilter, Listed, OperationFilter
from gateway.storage.database import Database
from gateway.storage.queries import operation_columns
from gateway.storage.rows import read_operation
from gateway.storage.tables import documents, operations
from gateway.storage.tables.ledger import NOT_ACTIVE
from gateway.storage.tables.work import NOT_GENERATED, NOT_SUCCEEDED


class SqlLists:
    """Implements `ports.Lists`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def documents(self, wanted: DocumentFilter, *, after: tuple[date, str] | None, rows_max: int) -> Sequence[Listed]:
        """See `ports.Lists`."""
        query = (
            select(documents)
            .where(*_documents(wanted), *([] if after is None else [_before(*after)]))
            .order_by(documents.c.doc_date.desc(), documents.c.irn.desc())
            .limit(rows_max)
        )
        return [_listed(row) for row in self._rows(query)]

    def operations(self, wanted: OperationFilter, *, after: str | None, rows_max: int) -> Sequence[Operation]:
        """See `ports.Lists`. Ids sort by their time."""
        query = (
            select(*operation_columns)
            .where(*_operations(wanted), *([] if after is None else [operations.c.id < after]))
            .order_by(operations.c.id.desc())
            .limit(rows_max)
        )
        return [read_operation(row) for row in self._rows(query)]

    def _rows(self, query: Any) -> Sequence[RowMapping]:
        with self._database.read() as connection:
            return connection.execute(query).mappings().all()


def _documents(wanted: DocumentFilter) -> list[ColumnElement[bool]]:
    found = [documents.c.environment == wanted.environment.value, documents.c.gstin == wanted.gstin]
    if wanted.first_day is not None:
        found.append(documents.c.doc_date >= wanted.first_day)
    if wanted.last_day is not None:
        found.append(documents.c.doc_date <= wanted.last_day)
    if wanted.buyer_gstin is not None:
        found.append(documents.c.buyer_gstin == wanted.buyer_gstin)
    if wanted.status is not None:
        found.append(documents.c.status == wanted.status)
        found += [NOT_ACTIVE] if wanted.status != ACTIVE else []
    return found


def _before(doc_date: date, irn: str) -> ColumnElement[bool]:
    """What comes after an entry in the list. The first condition is the one that an index is entered by."""
    same_day = and_(documents.c.doc_date == doc_date, documents.c.irn < irn)
    return and_(documents.c.doc_date <= doc_date, or_(documents.c.doc_date < doc_date, same_day))


def _operations(wanted: OperationFilter) -> list[ColumnElement[bool]]:
    found = [operations.c.environment == wanted.environment.value, operations.c.gstin == wanted.gstin]
    if wanted.status is not None:
        found.append(operations.c.status == wanted.status.value)
        found += [NOT_SUCCEEDED] if wanted.status is not Status.SUCCEEDED else []
    if wanted.kind is not None:
        found.append(operations.c.kind == wanted.kind.value)
        found += [NOT_GENERATED] if wanted.kind is not Kind.IRN_GENERATE else []
    return found


def _listed(row: RowMapping) -> Listed:
    return Listed(
        irn=row["irn"],
        operation_id=row["operation_id"],
        doc_type=row["doc_type"],
        doc_no=row["doc_no"],
        doc_date=row["doc_date"],
        buyer_gstin=row["buyer_gstin"],
        total=Decimal(row["total"]),
        status=row["status"],
        ours=row["ours"],
        ack_no=row["ack_no"],
        ack_at=row["ack_at"],
        ewb_no=row["ewb_no"],
    )

"""Numbers that we hold as not registered: refused, given up, or waiting for longer than work on its way does."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, and_, exists, or_, select

from gateway.domain.calendar import financial_year
from gateway.domain.identifiers import same_document_number
from gateway.domain.operations import Kind, Operation, Status
from gateway.domain.reconciling import LOOKS_BACK, OPEN_FOR
from gateway.ports.reconciling import FreeNumber, Run
from gateway.storage import blobs
from gateway.storage.queries import operation_columns
from gateway.storage.rows import fetch_operation, read_operation
from gateway.storage.tables import documents, identities, operations
from gateway.storage.tables.work import NOT_SUCCEEDED

ENDED: Final = (Status.REJECTED.value, Status.EXPIRED.value, Status.WITHDRAWN.value)
"""The statuses of what ended without an effect."""
_OPEN: Final = (
    Status.QUEUED.value,
    Status.HELD.value,
    Status.INDETERMINATE.value,
    Status.QUARANTINED.value,
    Status.PARKED.value,
)
"""All but `submitting`, of which the portal is being asked just now."""
_ROWS: Final = 50
"""Looked at in one query for one that nobody has taken meanwhile."""


def first(connection: Connection, run: Run) -> FreeNumber | None:
    """The first after the run's cursor. Numbers that an operation of ours has taken since are passed over."""
    cursor = run.cursor
    while rows := connection.execute(_query(run, cursor)).mappings().all():
        for row in rows:
            operation = read_operation(row)
            details = _details(operation)
            if details is not None and _is_free(connection, operation, details):
                payload = blobs.fetch(connection, operation.payload_blob)
                return FreeNumber(operation=operation, details=details, route=operation.route, payload=payload)
        cursor = rows[-1]["id"]
    return None


def newest_end(status: str, of: Any) -> Any:
    """When the newest operation of a taxpayer that ended so did end, as an expression: one look into an index.

    `of` has the columns of its GSTIN and environment.
    """
    mine = (operations.c.environment == of.environment, operations.c.gstin == of.gstin)
    query = select(operations.c.settled_at).where(*mine, NOT_SUCCEEDED, operations.c.status == status)
    return query.order_by(operations.c.id.desc()).limit(1).scalar_subquery()


def is_still(connection: Connection, before: Operation) -> bool:
    """Whether nothing has happened to an operation since it was listed, nor anything of ours to its number."""
    now = fetch_operation(connection, before.id, lock=True)
    if now is None or now.version != before.version:
        return False
    details = _details(now)
    return details is not None and _is_free(connection, now, details)


def _query(run: Run, after: str | None) -> Any:
    ended = and_(
        operations.c.status.in_(ENDED),
        operations.c.attempts > 0,
        operations.c.settled_at > run.until - LOOKS_BACK,
    )
    waiting = and_(operations.c.status.in_(_OPEN), operations.c.created_at <= run.until - OPEN_FOR)
    return (
        select(*operation_columns)
        .where(
            operations.c.environment == run.environment.value,
            operations.c.gstin == run.gstin,
            NOT_SUCCEEDED,
            operations.c.kind == Kind.IRN_GENERATE.value,
            or_(ended, waiting),
            *([] if after is None else [operations.c.id > after]),
        )
        .order_by(operations.c.id)
        .limit(_ROWS)
    )


def _details(operation: Operation) -> tuple[str, str, date] | None:
    """Type, number and date of an operation's document, where it has one."""
    if operation.doc_type is None or operation.doc_no is None or operation.doc_date is None:
        return None
    return operation.doc_type, operation.doc_no, operation.doc_date


def _is_free(connection: Connection, operation: Operation, details: tuple[str, str, date]) -> bool:
    """Whether neither the ledger nor another operation of ours has what it is about."""
    doc_type, doc_no, doc_date = details
    held = exists().where(
        documents.c.environment == operation.environment.value,
        documents.c.irn == operation.irn,
    )
    taken = exists().where(
        identities.c.environment == operation.environment.value,
        identities.c.gstin == operation.gstin,
        identities.c.financial_year == financial_year(doc_date),
        identities.c.doc_type == doc_type,
        identities.c.number_key == same_document_number(doc_no),
        identities.c.operation_id != operation.id,
    )
    return not connection.execute(select(or_(held, taken))).scalar_one()

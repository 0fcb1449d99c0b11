"""Audit records, written in the transaction that they describe."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from gateway.domain.audit import Record
from gateway.storage.database import Database
from gateway.storage.tables import audit


class SqlAuditor:
    """Implements `ports.Auditor`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, *records: Record) -> None:
        """See `ports.Auditor`."""
        self._database.write(lambda connection: append(connection, *records))


def append(connection: Connection, *records: Record) -> None:
    """Write records. They are never changed or removed."""
    if records:
        connection.execute(insert(audit), [_row(record) for record in records])


def of_subject(connection: Connection, subject: str) -> list[dict[str, Any]]:
    """What happened to one thing, in order."""
    query = select(audit).where(audit.c.subject == subject).order_by(audit.c.position)
    return [dict(row) for row in connection.execute(query).mappings()]


def _row(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": record.at,
        "environment": record.environment,
        "org_id": record.org_id,
        "gstin": record.gstin,
        "actor": record.actor,
        "action": record.action.value,
        "subject": record.subject,
        "version": record.version,
        "facts": dict(record.facts),
        "digest": record.digest,
    }

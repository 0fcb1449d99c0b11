"""What is true at the portal, as far as we were told."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select

from gateway.domain.operations import Environment, Operation
from gateway.ports import Document
from gateway.storage import blobs
from gateway.storage.database import Database
from gateway.storage.queries import operation_columns
from gateway.storage.rows import read_document, read_operation
from gateway.storage.tables import documents, identities, operations


class SqlLedger:
    """Implements `ports.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by_irn(self, *, environment: Environment, gstin: str, irn: str) -> Document | None:
        """See `ports.Ledger`."""
        return self._document(
            documents.c.environment == environment.value, documents.c.irn == irn, documents.c.gstin == gstin
        )

    def by_operation(self, operation_id: str) -> Document | None:
        """See `ports.Ledger`."""
        return self._document(documents.c.operation_id == operation_id)

    def operation_on(
        self, *, environment: Environment, gstin: str, financial_year: str, doc_type: str, number_key: str
    ) -> Operation | None:
        """See `ports.Ledger`."""
        query = (
            select(*operation_columns)
            .join_from(identities, operations, identities.c.operation_id == operations.c.id)
            .where(
                identities.c.environment == environment.value,
                identities.c.gstin == gstin,
                identities.c.financial_year == financial_year,
                identities.c.doc_type == doc_type,
                identities.c.number_key == number_key,
            )
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else read_operation(row)

    def operation_of_irn(self, *, environment: Environment, gstin: str, irn: str) -> Operation | None:
        """See `ports.Ledger`."""
        query = (
            select(*operation_columns)
            .where(operations.c.environment == environment.value, operations.c.irn == irn, operations.c.gstin == gstin)
            .order_by(operations.c.created_at.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else read_operation(row)

    def _document(self, *conditions: ColumnElement[bool]) -> Document | None:
        with self._database.read() as connection:
            row = connection.execute(select(documents).where(*conditions)).mappings().one_or_none()
            if row is None:
                return None
            return read_document(row, blobs.fetch(connection, row["signed_invoice_blob"]))

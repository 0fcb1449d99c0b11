"""What is true at the portal, as far as we were told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import ColumnElement, RowMapping, and_, func, select

from gateway.domain.identifiers import same_document_number
from gateway.domain.operations import Environment, Operation
from gateway.domain.outcomes import Registration
from gateway.ports import Document, Relative
from gateway.storage import effects
from gateway.storage.database import Database
from gateway.storage.queries import operation_columns
from gateway.storage.rows import read_document, read_operation
from gateway.storage.tables import documents, eway_bills, identities, note_links, operations

_INVOICE: Final = "INV"
_is_note = and_(documents.c.environment == note_links.c.environment, documents.c.irn == note_links.c.note_irn)


class SqlLedger:
    """Implements `ports.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by_irn(self, *, environment: Environment, gstin: str, irn: str) -> Document | None:
        """See `ports.Ledger`."""
        return self._document(
            documents.c.environment == environment.value, documents.c.irn == irn, documents.c.gstin == gstin
        )

    def is_anothers(self, irn: str, *, environment: Environment, gstin: str) -> bool:
        """See `ports.Ledger`."""
        query = select(documents.c.gstin).where(documents.c.environment == environment.value, documents.c.irn == irn)
        with self._database.read() as connection:
            holder = connection.execute(query).scalar_one_or_none()
        return holder not in (None, gstin)

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

    def notes_of(self, held: Document) -> Sequence[Relative]:
        """See `ports.Ledger`."""
        query = (
            select(documents)
            .join_from(note_links, documents, _is_note)
            .where(
                note_links.c.environment == held.environment.value,
                note_links.c.gstin == held.gstin,
                note_links.c.number_key == same_document_number(held.registration.doc_no),
                note_links.c.doc_date == held.doc_date,
            )
            .order_by(documents.c.ack_at, documents.c.irn)
        )
        with self._database.read() as connection:
            return [_relative(row) for row in connection.execute(query).mappings()]

    def originals_of(self, held: Document) -> Sequence[Relative]:
        """See `ports.Ledger`. A number is compared in upper case, and the invoice of a note is an `INV`."""
        original = and_(
            documents.c.environment == note_links.c.environment,
            documents.c.gstin == note_links.c.gstin,
            documents.c.doc_date == note_links.c.doc_date,
            func.upper(documents.c.doc_no) == note_links.c.number_key,
            documents.c.doc_type == _INVOICE,
        )
        query = (
            select(documents, note_links.c.number_key, note_links.c.doc_date.label("named_date"))
            .join_from(note_links, documents, original, isouter=True)
            .where(note_links.c.environment == held.environment.value, note_links.c.note_irn == held.registration.irn)
            .order_by(note_links.c.doc_date, note_links.c.number_key)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [_relative(row) if row["irn"] is not None else _unknown(row) for row in rows]

    def take_over(self, registered: Registration, *, environment: Environment, org_id: str, at: datetime) -> None:
        """See `ports.Ledger`."""
        self._database.write(
            lambda connection: effects.store_document(
                connection,
                registered,
                environment=environment.value,
                org_id=org_id,
                gstin=registered.seller_gstin,
                operation_id=None,
                at=at,
            )
        )

    def home_of(self, operation: Operation) -> str | None:
        """See `ports.Ledger`."""
        made_by = (
            select(documents.c.operation_id).where(documents.c.irn == operation.irn)
            if operation.irn is not None and operation.subject == operation.irn
            else select(eway_bills.c.operation_id).where(eway_bills.c.number == operation.subject)
        )
        mine = made_by.selected_columns[0].table.c.environment == operation.environment.value
        query = select(operations.c.route).where(operations.c.id == made_by.where(mine).scalar_subquery())
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def _document(self, *conditions: ColumnElement[bool]) -> Document | None:
        with self._database.read() as connection:
            row = connection.execute(select(documents).where(*conditions)).mappings().one_or_none()
            if row is None:
                return None
            return read_document(connection, row)


def _relative(row: RowMapping) -> Relative:
    return Relative(
        doc_type=row["doc_type"],
        doc_no=row["doc_no"],
        doc_date=row["doc_date"],
        irn=row["irn"],
        status=row["status"],
        total=Decimal(row["total"]),
    )


def _unknown(row: RowMapping) -> Relative:
    """A document that a note names and the ledger does not have."""
    return Relative(
        doc_type=None, doc_no=row["number_key"], doc_date=row["named_date"], irn=None, status=None, total=None
    )

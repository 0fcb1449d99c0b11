"""The ledger: documents and e-way bills as they stand at the portal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Protocol

from gateway.domain.operations import Environment, Operation
from gateway.domain.outcomes import Registration

ACTIVE: Final = "active"
CANCELLED: Final = "cancelled"
"""How documents stand in the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A row of the ledger: a document as it stands at the portal. Nobody's operation brought one that was read back.

    `superseded_at` is when we learnt that another portal had the document first, so that this IRN counts no more.
    """

    environment: Environment
    org_id: str
    gstin: str
    operation_id: str | None
    doc_date: date
    cancelled_at: datetime | None
    superseded_at: datetime | None
    ours: bool
    status: str
    registration: Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """A document by which another is explained: a note of an invoice, or the invoice of a note.

    `irn`, `status` and `total` are None where the ledger does not have it.
    """

    doc_type: str | None
    doc_no: str
    doc_date: date
    irn: str | None
    status: str | None
    total: Decimal | None


class Ledger(Protocol):
    """What is true at the portal, as far as we were told."""

    def by_irn(self, *, environment: Environment, gstin: str, irn: str) -> Document | None:
        """One document of a seller."""

    def is_anothers(self, irn: str, *, environment: Environment, gstin: str) -> bool:
        """Whether the ledger has a document of another seller under an IRN, which is one seller's alone."""

    def by_operation(self, operation_id: str) -> Document | None:
        """The document that an operation ended in."""

    def operation_on(
        self, *, environment: Environment, gstin: str, financial_year: str, doc_type: str, number_key: str
    ) -> Operation | None:
        """The operation that holds a number, registered or still under way."""

    def home_of(self, operation: Operation) -> str | None:
        """The route by which the IRN or e-way bill that an operation is about was made; None when we do not know."""

    def notes_of(self, held: Document) -> Sequence[Relative]:
        """The credit and debit notes that refer to a document, oldest first."""

    def originals_of(self, held: Document) -> Sequence[Relative]:
        """The documents that a note refers to."""

    def take_over(self, registered: Registration, *, environment: Environment, org_id: str, at: datetime) -> None:
        """Keep a document that was read back and that no operation brought: the portal soon forgets it."""

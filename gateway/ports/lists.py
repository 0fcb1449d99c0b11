"""Lists of documents and operations, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from gateway.domain.operations import Environment, Kind, Operation, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFilter:
    """Which documents of a seller: by the days on them (both included), their standing and the buyer."""

    environment: Environment
    gstin: str
    first_day: date | None = None
    last_day: date | None = None
    status: str | None = None
    buyer_gstin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFilter:
    """Which operations of a seller."""

    environment: Environment
    gstin: str
    status: Status | None = None
    kind: Kind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A document in a list: enough to recognise it, without its signed texts."""

    irn: str
    operation_id: str | None
    doc_type: str
    doc_no: str
    doc_date: date
    buyer_gstin: str
    total: Decimal
    status: str
    ours: bool
    ack_no: str
    ack_at: datetime
    ewb_no: str | None


class Lists(Protocol):
    """Pages. `after` is the last entry of the page before; every page is found by an index, however deep it lies."""

    def documents(self, wanted: DocumentFilter, *, after: tuple[date, str] | None, rows_max: int) -> Sequence[Listed]:
        """Documents by their date, newest first, and by IRN within a day. `after` is the pair of both."""

    def operations(self, wanted: OperationFilter, *, after: str | None, rows_max: int) -> Sequence[Operation]:
        """Operations, newest first. `after` is an id."""

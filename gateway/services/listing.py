"""Which documents and operations a list shows."""

from __future__ import annotations

from datetime import date
from typing import Final

from gateway.domain.identifiers import UNREGISTERED, is_gstin
from gateway.domain.operations import Kind, Status
from gateway.errors import Invalid
from gateway.ports import ACTIVE, CANCELLED, DocumentFilter, OperationFilter
from gateway.services.principal import Principal

_STANDINGS: Final = (ACTIVE, CANCELLED)


def documents_wanted(
    principal: Principal,
    *,
    first_day: date | None,
    last_day: date | None,
    status: str | None,
    buyer_gstin: str | None,
) -> DocumentFilter:
    """The caller's documents. Raises Invalid."""
    if status is not None and status not in _STANDINGS:
        raise Invalid("status-unknown", "A document is active or cancelled.", help="Ask for one of these, or for all.")
    if buyer_gstin is not None and buyer_gstin != UNREGISTERED and not is_gstin(buyer_gstin):
        raise Invalid("gstin-invalid", "buyer is no GSTIN.", help="Give the buyer's GSTIN, or URP.")
    return DocumentFilter(
        environment=principal.environment,
        gstin=principal.gstin,
        first_day=first_day,
        last_day=last_day,
        status=status,
        buyer_gstin=buyer_gstin,
    )


def operations_wanted(principal: Principal, *, status: str | None, kind: str | None) -> OperationFilter:
    """The caller's operations. Raises Invalid."""
    try:
        return OperationFilter(
            environment=principal.environment,
            gstin=principal.gstin,
            status=None if status is None else Status(status),
            kind=None if kind is None else Kind(kind),
        )
    except ValueError:
        raise Invalid(
            "filter-unknown",
            "There is no such status or kind of operations.",
            help=f"status is one of {', '.join(Status)}; kind is one of {', '.join(Kind)}.",
        ) from None

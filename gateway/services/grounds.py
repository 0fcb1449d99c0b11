"""What a request about an IRN stands on: a document of the ledger, or the operation that is about to register it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.domain import kinds
from gateway.domain.kinds import KINDS
from gateway.domain.operations import Kind, Operation
from gateway.errors import Absent, Lapsed
from gateway.ports import Document
from gateway.services import enquiry
from gateway.services.ports import Ports
from gateway.services.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One of the two. What waits for an operation gets its deadline when that has succeeded."""

    irn: str
    document: Document | None = None
    awaited: Operation | None = None

    def named(self) -> dict[str, Any]:
        """What it says of the document, as the members of a new operation."""
        if self.document is not None:
            registered = self.document.registration
            return {
                "irn": self.irn,
                "doc_type": registered.doc_type,
                "doc_no": registered.doc_no,
                "doc_date": self.document.doc_date,
            }
        if self.awaited is None:
            return {"irn": self.irn}
        return {
            "irn": self.irn,
            "doc_type": self.awaited.doc_type,
            "doc_no": self.awaited.doc_no,
            "doc_date": self.awaited.doc_date,
            "waits_for": self.awaited.id,
        }


def of_irn(irn: str, principal: Principal, *, ports: Ports) -> Ground:
    """What stands under an IRN, asked of the portal if neither is here. Raises Invalid, Absent, Throttled."""
    found = enquiry.by_irn(irn, principal, ports=ports)
    return Ground(irn=irn, document=found.document, awaited=found.operation)


def window(kind: Kind, *, since: datetime | None, at: datetime, **facts: Any) -> datetime | None:
    """The deadline of a kind for something that came to be at `since`. Raises Lapsed when it is over."""
    deadline = kinds.deadline(kind, since=since)
    if deadline is not None and at >= deadline:
        raise Lapsed("window-closed", "The time that the law gives for it is over.", help=KINDS[kind].way_out, **facts)
    return deadline


def must_be_registered(ground: Ground) -> Document:
    """The document, for what cannot wait for it. Raises Absent while it is under way."""
    if ground.document is None:
        raise Absent(
            "not-registered-yet",
            "The document is not registered yet.",
            help=f"Follow /operations/{ground.awaited.id if ground.awaited else ''} until it has succeeded.",
        )
    return ground.document

"""Reading what is known: operations, documents; and reading back from the portal what is not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from gateway.domain.audit import Action, Record
from gateway.domain.calendar import financial_year
from gateway.domain.identifiers import AUDIT_PREFIX, is_document_number, is_irn, same_document_number
from gateway.domain.operations import OPEN, Kind, Operation, Status
from gateway.domain.outcomes import Registration
from gateway.errors import Absent, Invalid
from gateway.ports import Document, Seller
from gateway.services import shield
from gateway.services.ports import Ports
from gateway.services.principal import Principal

DOC_TYPES: Final = frozenset({"INV", "CRN", "DBN"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What stands under an IRN or a number: a document of the ledger, or work under way."""

    document: Document | None = None
    operation: Operation | None = None


def operation(id: str, principal: Principal, *, ports: Ports) -> Operation:
    """One of the caller's operations. Raises Absent, for another's too."""
    found = ports.intake.get(id)
    if found is None or (found.environment, found.org_id, found.gstin) != (
        principal.environment,
        principal.org_id,
        principal.gstin,
    ):
        raise Absent(
            "operation-unknown", "There is no such operation.", help="Check the id and the GSTIN of the token."
        )
    return found


def latest(known: Operation, *, ports: Ports) -> Operation:
    """An operation as it stands now."""
    return ports.intake.get(known.id) or known


def document_of(done: Operation, *, ports: Ports) -> Document | None:
    """The ledger's document that an operation ended in."""
    if done.status not in (Status.SUCCEEDED, Status.CONFLICT):
        return None
    found = ports.ledger.by_operation(done.id)
    if found is None:
        raise RuntimeError(f"{done.id} is {done.status} without a document")
    return found


def by_irn(irn: str, principal: Principal, *, ports: Ports) -> Found:
    """What stands under an IRN, asked of the portal if we do not hold it. Raises Invalid, Absent, Throttled."""
    if not is_irn(irn):
        raise Invalid("irn-malformed", "An IRN has 64 lower-case hexadecimal digits.", help="Check the IRN.")
    held = ports.ledger.by_irn(environment=principal.environment, gstin=principal.gstin, irn=irn)
    if held is not None:
        return Found(document=held)
    under_way = registering(irn, principal, ports=ports)
    if under_way is not None:
        return Found(operation=under_way)
    if ports.ledger.is_anothers(irn, environment=principal.environment, gstin=principal.gstin):
        raise _unknown()
    seller = asking(principal, ports)
    return _read_back(ports.enquiries.read_back(seller, irn=irn), irn, seller, principal, ports)


def registering(irn: str, principal: Principal, *, ports: Ports) -> Operation | None:
    """The operation that is about to register an IRN, if one is."""
    return ports.intake.latest_on(
        environment=principal.environment,
        gstin=principal.gstin,
        kind=Kind.IRN_GENERATE,
        subject=irn,
        statuses=OPEN,
    )


def latest_done(kind: Kind, subject: str, principal: Principal, *, ports: Ports) -> Operation | None:
    """The latest operation of a kind on a subject that has succeeded."""
    return ports.intake.latest_on(
        environment=principal.environment,
        gstin=principal.gstin,
        kind=kind,
        subject=subject,
        statuses=[Status.SUCCEEDED],
    )


def by_details(doc_type: str, doc_no: str, doc_date: date, principal: Principal, *, ports: Ports) -> Found:
    """What stands under a type, number and date. Raises Invalid, Absent, Throttled."""
    if doc_type not in DOC_TYPES or not is_document_number(doc_no):
        raise Invalid(
            "document-details-malformed",
            "The document is named by doc_type (INV, CRN or DBN), doc_no and doc_date.",
            help="Give all three as they are printed on the document; doc_date as yyyy-mm-dd or dd/mm/yyyy.",
        )
    holder = ports.ledger.operation_on(
        environment=principal.environment,
        gstin=principal.gstin,
        financial_year=financial_year(doc_date),
        doc_type=doc_type,
        number_key=same_document_number(doc_no),
    )
    if holder is not None and holder.doc_date == doc_date:
        held = document_of(holder, ports=ports)
        return Found(document=held) if held is not None else Found(operation=holder)
    seller = asking(principal, ports)
    details = (doc_type, doc_no, doc_date)
    return _read_back(ports.enquiries.read_back(seller, details=details), doc_no, seller, principal, ports)


def asking(principal: Principal, ports: Ports) -> Seller:
    """The caller's taxpayer, for a question to the portal. Raises Throttled when its questions were mostly errors."""
    seller = seller_of(principal, ports)
    shield.refuse_stopped(seller, caused_by=shield.READING, ports=ports)
    return seller


def seller_of(principal: Principal, ports: Ports) -> Seller:
    """The taxpayer that a caller speaks for. Raises Absent."""
    seller = ports.directory.seller(environment=principal.environment, gstin=principal.gstin)
    if seller is None:
        raise Absent("gstin-unknown", "The GSTIN of the token is not set up here.", help="Add it: `mohar gstin add`.")
    return seller


def _read_back(
    registered: Registration | None, subject: str, seller: Seller, principal: Principal, ports: Ports
) -> Found:
    """What the portal gave back, kept at once: it forgets a document after two days. No operation is made of it."""
    if registered is None or registered.seller_gstin != principal.gstin:
        raise _unknown()
    at = ports.clock.now()
    ports.ledger.take_over(registered, environment=seller.environment, org_id=seller.org_id, at=at)
    record = Record(
        id=ports.ids.new(AUDIT_PREFIX),
        at=at,
        actor=principal.client_id,
        action=Action.READ_BACK,
        subject=subject,
        environment=seller.environment,
        org_id=seller.org_id,
        gstin=seller.gstin,
        facts={"irn": registered.irn, "route": seller.route},
    )
    ports.auditor.write(record)
    held = ports.ledger.by_irn(environment=seller.environment, gstin=seller.gstin, irn=registered.irn)
    if held is None:
        raise RuntimeError(f"{registered.irn} was taken over and is not in the ledger")
    return Found(document=held)


def _unknown() -> Absent:
    return Absent(
        "document-unknown",
        "Neither the gateway nor the portal has such a document of this seller.",
        help="Check the number, the type and the date; the portal gives a document back for two days only.",
    )

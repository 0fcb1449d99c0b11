"""A document comes in: replayed, checked, admitted, stored, and its lane rung."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.domain import canonical
from gateway.domain.calendar import IST, indian_date
from gateway.domain.faults import Fault
from gateway.domain.identifiers import same_document_number
from gateway.domain.invoice import Invoice
from gateway.domain.operations import Kind, Status
from gateway.domain.rules import Context
from gateway.errors import Clash, Forbidden
from gateway.ports import CANCELLED, NewOperation, Received, Reception, Seller
from gateway.services import admission, examination
from gateway.services.admission import Asked
from gateway.services.examination import Reading
from gateway.services.ports import Ports
from gateway.services.principal import Principal

NOTES: Final = examination.NOTES
INVOICES: Final = frozenset({"INV"})


@dataclass(frozen=True, slots=True)
class Terms:
    """What a call takes: the types of documents, and codes of rules of which the sender says that it is meant so."""

    doc_types: frozenset[str]
    allow: frozenset[str] = frozenset()


def submit(asked: Asked, principal: Principal, *, terms: Terms, ports: Ports) -> Received:
    """Accept a document, or find what it repeats.

    Raises Invalid with all faults, Forbidden for another's seller, Clash for a number with other content or one that is
    burnt, Throttled or Unavailable for a direct call that there is no room for: nothing is stored then.
    """
    reading = examination.read(asked.document)
    if reading.faults:  # before anything is made of it: five megabytes of junk take seconds to digest
        raise examination.invalid(_all_faults(reading, asked, principal, terms, ports))
    digest = canonical.digest(_as_compared(reading.document))
    key, replay = admission.key_of(asked, principal, digest, ports=ports)
    if replay is not None:
        return replace(admission.checked(replay, asked), warnings=tuple(reading.lenient.warnings))
    seller = admission.seller_of(principal, ports=ports)
    payload = canonical.written(reading.document)
    context = _context(reading, terms, seller, size_bytes=len(payload), ports=ports)
    summary = _summary(reading, context)
    new = _new_operation(asked, principal, seller, summary, digest=digest, payload=payload, ports=ports)
    met = admission.accept(new, key, seller, asked, ports=ports, examine=lambda: _check_content(reading, context))
    return _not_burnt(replace(met, warnings=met.warnings or tuple(reading.lenient.warnings)), ports)


def _all_faults(reading: Reading, asked: Asked, principal: Principal, terms: Terms, ports: Ports) -> tuple[Fault, ...]:
    """The faults of form and, as far as a broken form lets them be seen, those of content: all in one answer."""
    seller = admission.seller_of(principal, ports=ports)
    context = _context(reading, terms, seller, size_bytes=len(asked.body), ports=ports)
    return examination.examine(reading, context=context).errors


def _context(reading: Reading, terms: Terms, seller: Seller, *, size_bytes: int, ports: Ports) -> Context:
    return examination.knowledge(
        reading,
        on=indian_date(ports.clock.now()),
        seller=seller,
        route=ports.routebook.route(seller.route),
        ports=ports,
        size_bytes=size_bytes,
        doc_types=terms.doc_types,
        allow=terms.allow,
    )


def _summary(reading: Reading, context: Context) -> Invoice:
    summary = examination.summary(reading)
    if summary is None:
        raise examination.invalid(examination.examine(reading, context=context).errors)
    return summary


def _check_content(reading: Reading, context: Context) -> tuple[Fault, ...]:
    """What there is to warn of. Raises Invalid."""
    examined = examination.examine(reading, context=context)
    if not examined.valid:
        raise examination.invalid(examined.errors)
    return examined.warnings


def _not_burnt(met: Received, ports: Ports) -> Received:
    """The very document may have been cancelled since: then its number is not to be used again."""
    if met.reception is not Reception.SAME_DOCUMENT or met.operation.status is not Status.SUCCEEDED:
        return met
    held = ports.ledger.by_operation(met.operation.id)
    if held is None or held.status != CANCELLED:
        return met
    raise Clash(
        "document-number-burnt",
        f"The document {met.operation.doc_no} is cancelled; its number cannot be used again.",
        help="Give the document a new number, and send it again.",
        operation_id=met.operation.id,
        irn=met.operation.irn,
        portal_code="2278",
    )


def _as_compared(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its number as duplicates are recognised by it: the case of its letters means nothing."""
    details = document["DocDtls"]
    return {**document, "DocDtls": {**details, "No": same_document_number(details["No"])}}


def _new_operation(
    asked: Asked,
    principal: Principal,
    seller: Seller,
    reading: Invoice,
    *,
    digest: str,
    payload: bytes,
    ports: Ports,
) -> NewOperation:
    """The operation that is asked for. Raises Forbidden for another's seller."""
    if reading.seller_gstin != principal.gstin:
        raise Forbidden(
            "seller-not-yours",
            "The seller of the document is not the GSTIN of the access token.",
            help="Get a token for the seller's GSTIN, or correct /SellerDtls/Gstin.",
        )
    return admission.new_operation(
        Kind.IRN_GENERATE,
        asked,
        principal,
        payload=payload,
        digest=digest,
        at=ports.clock.now(),
        subject=reading.irn,
        doc_type=reading.doc_type,
        doc_no=reading.doc_no,
        doc_date=reading.doc_date,
        financial_year=reading.financial_year,
        number_key=reading.number_key,
        irn=reading.irn,
        deadline_at=_deadline(reading, seller),
    )


def _deadline(reading: Invoice, seller: Seller) -> datetime | None:
    """The last moment to report: a limit of 30 days ends with the 29th day after the document's own (GSTN, 2305)."""
    if seller.reporting_days is None:
        return None
    day_after = reading.doc_date + timedelta(days=seller.reporting_days)
    return datetime(day_after.year, day_after.month, day_after.day, tzinfo=IST)

"""A document comes in: replayed, checked, admitted, stored, and its lane rung."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gateway import shape
from gateway.domain import canonical, invoice
from gateway.domain.calendar import IST, write_instant
from gateway.domain.faults import Fault
from gateway.domain.identifiers import UNREGISTERED, gstin_check_digit_holds, same_document_number
from gateway.domain.invoice import Invoice
from gateway.domain.operations import Kind, Operation
from gateway.domain.token_bucket import Limit
from gateway.errors import Clash, Forbidden, Invalid, Throttled, Unavailable
from gateway.ports import Caller, IdempotencyKey, LimiterAwayError, NewOperation, Received, Reception, Route, Seller
from gateway.services import shield
from gateway.services.ports import Ports
from gateway.services.principal import Principal

IDEMPOTENCY_LIFE: Final = timedelta(hours=24)
"""How long a client's own name for a request is remembered. The number on the document is, for ever."""
DOCUMENT_BYTES_MAX: Final = 2 * 1024 * 1024
"""The portal's limit for one document (2 MB, irp schema notes)."""
NOTES: Final = frozenset({"CRN", "DBN"})
INVOICES: Final = frozenset({"INV"})
_PARTIES: Final = (("SellerDtls", "Gstin"), ("BuyerDtls", "Gstin"), ("ShipDtls", "Gstin"), ("TranDtls", "EcmGstin"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client sent. `document` is the parsed body and `body` its bytes, kept as evidence."""

    id: str
    operation_id: str
    method: str
    path: str
    body: bytes
    document: Any
    key: str | None
    direct: bool
    patience_seconds: float
    doc_types: frozenset[str]


def submit(request: Request, principal: Principal, *, ports: Ports) -> Received:
    """Accept a document, or find what it repeats.

    Raises Invalid with all faults, Forbidden for another's seller, Clash for a number with other content, Throttled or
    Unavailable for a direct call that there is no room for: nothing is stored then.
    """
    at = ports.clock.now()
    _check_shape(request.document)  # before anything is made of it: five megabytes of junk take seconds to digest
    digest = canonical.digest(_as_compared(request.document))
    key = _key(request, principal, digest, at=at)
    replay = ports.intake.find_by_key(key, at=at) if key else None
    if replay is not None:
        return _checked(replay, request)
    seller, route = _seller(principal, ports)
    payload = canonical.write(request.document).encode()
    reading = _check_content(
        request.document, size_bytes=len(payload), doc_types=request.doc_types, gstin=principal.gstin, route=route
    )
    new = _new_operation(request, principal, seller, reading, digest=digest, payload=payload)
    shield.refuse_stopped(seller, caused_by=principal.client_id, ports=ports)
    met = ports.intake.find_by_identity(new) if request.direct else None  # what is known needs no room in the limit
    if met is None and request.direct:
        _admit(new, seller, request, ports)
    if met is None or key is not None:  # a new key for a known document is remembered with it
        met = ports.intake.accept(new, key, at=at)
    if met.reception is Reception.ACCEPTED:
        ports.bell.ring(met.operation.lane, direct=met.operation.direct)
    return _checked(met, request)


def check(document: Any, *, size_bytes: int, doc_types: frozenset[str], gstin: str | None, route: Route) -> Invoice:
    """Everything that is wrong with a document that can be known without the portal. Raises Invalid or Forbidden."""
    _check_shape(document)
    return _check_content(document, size_bytes=size_bytes, doc_types=doc_types, gstin=gstin, route=route)


def _check_shape(document: Any) -> None:
    faults = shape.check(document)
    if faults:
        raise _invalid(faults)


def _check_content(
    document: Any, *, size_bytes: int, doc_types: frozenset[str], gstin: str | None, route: Route
) -> Invoice:
    reading = _read(document)
    faults = [*_wrong_type(reading, doc_types), *_check_digits(document, route), *_too_large(size_bytes)]
    if faults:
        raise _invalid(faults)
    if gstin is not None and reading.seller_gstin != gstin:
        raise Forbidden(
            "seller-not-yours",
            "The seller of the document is not the GSTIN of the access token.",
            help="Get a token for the seller's GSTIN, or correct /SellerDtls/Gstin.",
        )
    return reading


def _checked(met: Received, request: Request) -> Received:
    if met.reception is Reception.KEY_REUSED:
        raise Invalid(
            "idempotency-key-reused",
            "This Idempotency-Key was used for another request within the last 24 hours.",
            help="Use a new key for a new document; repeat a request with its key and its document unchanged.",
            operation_id=met.operation.id,
        )
    if met.reception is Reception.OTHER_DOCUMENT:
        raise Clash(
            "document-number-taken",
            f"Another document with the number {met.operation.doc_no} is {_standing(met.operation)}.",
            help=f"See /operations/{met.operation.id}. If this is a different document, give it a new number.",
            operation_id=met.operation.id,
            irn=met.operation.irn,
            request_id=request.id,
        )
    return met


def _as_compared(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its number as duplicates are recognised by it: the case of its letters means nothing."""
    details = document["DocDtls"]
    return {**document, "DocDtls": {**details, "No": same_document_number(details["No"])}}


def _standing(operation: Operation) -> str:
    return "registered" if operation.settled_at is not None else "under way"


def _key(request: Request, principal: Principal, digest: str, *, at: datetime) -> IdempotencyKey | None:
    if request.key is None:
        return None
    fingerprint = canonical.digest([request.method, request.path, principal.gstin, digest])
    return IdempotencyKey(
        client_id=principal.client_id, key=request.key, fingerprint=fingerprint, expires_at=at + IDEMPOTENCY_LIFE
    )


def _seller(principal: Principal, ports: Ports) -> tuple[Seller, Route]:
    seller = ports.directory.seller(environment=principal.environment, gstin=principal.gstin)
    if seller is None:
        raise Forbidden(
            "gstin-unknown",
            f"The GSTIN {principal.gstin} is not set up here.",
            help="Have an operator add it with `mohar gstin add`.",
        )
    return seller, ports.routebook.route(seller.route)


def _new_operation(
    request: Request, principal: Principal, seller: Seller, reading: Invoice, *, digest: str, payload: bytes
) -> NewOperation:
    return NewOperation(
        id=request.operation_id,
        org_id=principal.org_id,
        environment=principal.environment,
        gstin=principal.gstin,
        client_id=principal.client_id,
        kind=Kind.IRN_GENERATE,
        direct=request.direct,
        subject=reading.irn,
        doc_type=reading.doc_type,
        doc_no=reading.doc_no,
        doc_date=reading.doc_date,
        financial_year=reading.financial_year,
        number_key=reading.number_key,
        irn=reading.irn,
        content_digest=digest,
        request=request.body,
        payload=payload,
        request_id=request.id,
        deadline_at=_deadline(reading, seller),
    )


def _deadline(reading: Invoice, seller: Seller) -> datetime | None:
    """The last moment to report: a limit of 30 days ends with the 29th day after the document's own (GSTN, 2305)."""
    if seller.reporting_days is None:
        return None
    day_after = reading.doc_date + timedelta(days=seller.reporting_days)
    return datetime(day_after.year, day_after.month, day_after.day, tzinfo=IST)


def _admit(new: NewOperation, seller: Seller, request: Request, ports: Ports) -> None:
    """Let a direct call in only if the shared limit has room for it within its caller's patience."""
    down = ports.health.down_seconds(seller.route)
    if down:
        raise Unavailable(
            "portal-down",
            "The portal does not answer just now.",
            help="Try again after Retry-After seconds, or send `Prefer: respond-async` and let it be queued.",
            retry_after=down,
            limit_owner="portal",
        )
    route = ports.routebook.route(seller.route)
    caller = Caller(account=route.gsp_account, gstin=new.gstin, direct=True, promise=new.id)
    allowance = ports.enquiries.allowance(seller)
    try:
        wait = ports.limiter.promise(allowance, caller, patience_seconds=request.patience_seconds)
    except LimiterAwayError as error:
        raise Unavailable(
            "limiter-away",
            "The gateway cannot tell whether a call is allowed.",
            help="Try again after Retry-After seconds, or send `Prefer: respond-async` and let it be queued.",
            retry_after=1,
            limit_owner="gateway",
        ) from error
    if wait > request.patience_seconds:
        raise Throttled(
            "limit-reached",
            "The shared limit has no room for a direct call within the wait that was asked for.",
            help="Try again after Retry-After seconds, or send `Prefer: respond-async` and let it be queued.",
            retry_after=max(1, math.ceil(wait)),
            limit_owner="gsp",
            scope=_scope(allowance, ports),
            reset=write_instant(ports.clock.now() + timedelta(seconds=wait)),
        )


def _scope(allowance: Mapping[str, Limit], ports: Ports) -> str:
    """Whose bucket keeps a call waiting longest: the seller's, or that of the whole GSP account."""
    levels = ports.limiter.levels(allowance)
    tightest = max(levels, key=lambda name: levels[name].direct_wait, default="")
    return "account" if tightest.endswith(":account") else "gstin"


def _read(document: Mapping[str, Any]) -> Invoice:
    try:
        return invoice.read(document)
    except ValueError as error:
        fault = Fault(
            "date-not-in-calendar",
            "/DocDtls/Dt",
            f"The document date is no day of the calendar: {error}.",
            "Write the day that is printed on the document, as dd/MM/yyyy.",
            portal_code="2144",
        )
        raise _invalid([fault]) from None


def _wrong_type(reading: Invoice, doc_types: frozenset[str]) -> list[Fault]:
    if reading.doc_type in doc_types:
        return []
    path = "/cdnr" if reading.doc_type in NOTES else "/irn"
    return [
        Fault(
            "wrong-endpoint",
            "/DocDtls/Typ",
            f"A document of type {reading.doc_type} does not belong here.",
            f"Send it to POST {path}.",
        )
    ]


def _check_digits(document: Mapping[str, Any], route: Route) -> list[Fault]:
    """GSTINs whose last character does not fit the others. The portal's own sandbox has such, so a route decides."""
    if not route.enforce_check_digit:
        return []
    values = [(f"/{part}/{name}", document.get(part, {}).get(name)) for part, name in _PARTIES]
    return [
        Fault(
            "gstin-check-digit",
            at,
            f"{value} is no GSTIN: its last character does not fit the others.",
            "Correct the typing error; the GSTIN stands on the party's registration certificate.",
            portal_code="3028",
        )
        for at, value in values
        if value not in (None, UNREGISTERED) and not gstin_check_digit_holds(value)
    ]


def _too_large(size_bytes: int) -> list[Fault]:
    if size_bytes <= DOCUMENT_BYTES_MAX:
        return []
    return [
        Fault(
            "document-too-large",
            "",
            f"The document has {size_bytes} bytes; the portal takes {DOCUMENT_BYTES_MAX}.",
            "Split it into several documents, or shorten descriptions and attachments.",
            portal_code="5002",
        )
    ]


def _invalid(faults: list[Fault]) -> Invalid:
    count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
    return Invalid(
        "document-invalid",
        f"The document has {count}; nothing was sent to the portal.",
        help="Correct every place that `errors` names, then send the document again.",
        faults=faults,
    )

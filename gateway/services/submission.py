"""A document comes in: replayed, checked, admitted, stored, and its lane rung."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.domain import canonical
from gateway.domain.calendar import IST, indian_date, write_instant
from gateway.domain.faults import Fault
from gateway.domain.identifiers import same_document_number
from gateway.domain.invoice import Invoice
from gateway.domain.operations import Kind, Operation
from gateway.domain.rules import Context
from gateway.domain.token_bucket import Limit
from gateway.errors import Clash, Forbidden, Invalid, Throttled, Unavailable
from gateway.ports import Caller, IdempotencyKey, LimiterAwayError, NewOperation, Received, Reception, Route, Seller
from gateway.services import examination, shield
from gateway.services.examination import Reading
from gateway.services.ports import Ports
from gateway.services.principal import Principal

NOTES: Final = examination.NOTES
INVOICES: Final = frozenset({"INV"})
IDEMPOTENCY_LIFE: Final = timedelta(hours=24)
"""How long a client's own name for a request is remembered. The number on the document is, for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client sent. `document` is the parsed body and `body` its bytes, kept as evidence.

    `allow` has codes of rules of which the sender says that the document is meant so.
    """

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
    allow: frozenset[str] = frozenset()


def submit(request: Request, principal: Principal, *, ports: Ports) -> Received:
    """Accept a document, or find what it repeats.

    Raises Invalid with all faults, Forbidden for another's seller, Clash for a number with other content, Throttled or
    Unavailable for a direct call that there is no room for: nothing is stored then.
    """
    at = ports.clock.now()
    reading = examination.read(request.document)
    if reading.faults:  # before anything is made of it: five megabytes of junk take seconds to digest
        raise examination.invalid(_all_faults(reading, request, principal, ports))
    digest = canonical.digest(_as_compared(reading.document))
    key = _key(request, principal, digest, at=at)
    replay = ports.intake.find_by_key(key, at=at) if key else None
    if replay is not None:
        return _checked(replay, request, reading.lenient.warnings)
    seller, route = _seller(principal, ports)
    payload = canonical.write(reading.document).encode()
    context = _context(reading, request, seller, route, size_bytes=len(payload), ports=ports)
    summary = _summary(reading, context)
    new = _new_operation(request, principal, seller, summary, digest=digest, payload=payload)
    met = ports.intake.find_by_identity(new)  # what is known was checked on its day, and needs no room in the limit
    warnings = tuple(reading.lenient.warnings) if met is not None else _check_content(reading, context)
    shield.refuse_stopped(seller, caused_by=principal.client_id, ports=ports)
    if met is None:
        _admit(new, seller, request, ports)
    if met is None or key is not None:  # a new key for a known document is remembered with it
        met = ports.intake.accept(new, key, at=at)
    if met.reception is Reception.ACCEPTED:
        ports.bell.ring(met.operation.lane, direct=met.operation.direct)
    return _checked(met, request, warnings)


def _all_faults(reading: Reading, request: Request, principal: Principal, ports: Ports) -> tuple[Fault, ...]:
    """The faults of form and, as far as a broken form lets them be seen, those of content: all in one answer."""
    seller, route = _seller(principal, ports)
    context = _context(reading, request, seller, route, size_bytes=len(request.body), ports=ports)
    return examination.examine(reading, context=context).errors


def _context(
    reading: Reading, request: Request, seller: Seller, route: Route, *, size_bytes: int, ports: Ports
) -> Context:
    return examination.knowledge(
        reading,
        on=indian_date(ports.clock.now()),
        seller=seller,
        route=route,
        ports=ports,
        size_bytes=size_bytes,
        doc_types=request.doc_types,
        allow=request.allow,
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


def _checked(met: Received, request: Request, warnings: Iterable[Fault]) -> Received:
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
    return replace(met, warnings=tuple(warnings))


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
    """The operation that is asked for. Raises Forbidden for another's seller."""
    if reading.seller_gstin != principal.gstin:
        raise Forbidden(
            "seller-not-yours",
            "The seller of the document is not the GSTIN of the access token.",
            help="Get a token for the seller's GSTIN, or correct /SellerDtls/Gstin.",
        )
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
    if not request.direct:
        return
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

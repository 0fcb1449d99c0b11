"""What every request for a portal passes, whatever its kind: its key, its seller, room in the limit, and its row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any, Final

from gateway.domain import canonical
from gateway.domain.calendar import IST, indian_date, write_instant
from gateway.domain.faults import Fault
from gateway.domain.operations import Kind, Operation
from gateway.errors import Clash, Forbidden, Invalid, Throttled, Unavailable
from gateway.ports import Caller, IdempotencyKey, LimiterAwayError, NewOperation, Received, Reception, Seller, scope_of
from gateway.services import routing, shield
from gateway.services.ports import Ports
from gateway.services.principal import Principal

IDEMPOTENCY_LIFE: Final = timedelta(hours=24)
"""How long a client's own name for a request is remembered. The number on the document is, for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client sent. `document` is the parsed body and `body` its bytes, kept as evidence.

    `retry_refused` asks for a request to be sent that the portal has refused for what it says.
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
    retry_refused: bool = False
    trace_id: str = ""


def key_of(
    asked: Asked, principal: Principal, digest: str, *, ports: Ports
) -> tuple[IdempotencyKey | None, Received | None]:
    """The client's own name for its request, and what that stands for if it was used before."""
    if asked.key is None:
        return None, None
    at = ports.clock.now()
    fingerprint = canonical.digest([asked.method, asked.path, principal.gstin, digest])
    key = IdempotencyKey(
        client_id=principal.client_id, key=asked.key, fingerprint=fingerprint, expires_at=at + IDEMPOTENCY_LIFE
    )
    return key, ports.intake.find_by_key(key, at=at)


def seller_of(principal: Principal, *, ports: Ports) -> Seller:
    """The taxpayer that the caller speaks for. Raises Forbidden."""
    seller = ports.directory.seller(environment=principal.environment, gstin=principal.gstin)
    if seller is None:
        raise Forbidden(
            "gstin-unknown",
            f"The GSTIN {principal.gstin} is not set up here.",
            help="Have an operator add it with `mohar gstin add`.",
        )
    return seller


def new_operation(
    kind: Kind,
    asked: Asked,
    principal: Principal,
    *,
    payload: bytes,
    digest: str,
    at: datetime,
    id: str | None = None,
    **members: Any,
) -> NewOperation:
    """A request as a row to be; `members` name what it is about and until when. `id` is for a step beside it."""
    return NewOperation(
        id=id or asked.operation_id,
        org_id=principal.org_id,
        environment=principal.environment,
        gstin=principal.gstin,
        client_id=principal.client_id,
        kind=kind,
        direct=asked.direct,
        content_digest=digest,
        request=asked.body,
        payload=payload,
        request_id=asked.id,
        trace_id=asked.trace_id,
        refused_since=None if asked.retry_refused else _start_of_day(at),
        **members,
    )


def accept(
    new: NewOperation,
    key: IdempotencyKey | None,
    seller: Seller,
    asked: Asked,
    *,
    ports: Ports,
    before: NewOperation | None = None,
    examine: Callable[[], tuple[Fault, ...]] = tuple,
) -> Received:
    """Store a request, or find what it repeats, and ring. `before` is a step that has to succeed first.

    `examine` looks at what is not known yet and gives warnings: what is known was looked at on its day, needs no room
    in the limit and costs no error. Raises what that raises, Clash, Throttled for a caller who is stopped, Throttled or
    Unavailable where there is no room for a direct call: nothing is stored then.
    """
    met = ports.intake.find_by_identity(new)
    warnings = examine() if met is None else ()
    if met is None:
        shield.refuse_stopped(seller, caused_by=new.client_id, ports=ports, asked=new)
        _admit(new, seller, asked, ports)
    if met is None or key is not None:  # a new key for a known request is remembered with it
        met = ports.intake.accept(new, key, at=ports.clock.now(), before=before)
    if met.reception is Reception.ACCEPTED:
        ports.bell.ring(met.operation.lane, direct=met.operation.direct)
    return replace(checked(met, asked), warnings=warnings)


def checked(met: Received, asked: Asked) -> Received:
    """What was met, unless it contradicts what is asked. Raises Invalid or Clash."""
    if met.reception is Reception.KEY_REUSED:
        raise Invalid(
            "idempotency-key-reused",
            "This Idempotency-Key was used for another request within the last 24 hours.",
            help="Use a new key for a new request; repeat a request with its key and its body unchanged.",
            operation_id=met.operation.id,
        )
    if met.reception is Reception.OTHER_DOCUMENT:
        raise Clash(
            "document-number-taken",
            f"Another document with the number {met.operation.doc_no} is {_standing(met.operation)}.",
            help=f"See /operations/{met.operation.id}. If this is a different document, give it a new number.",
            operation_id=met.operation.id,
            irn=met.operation.irn,
            request_id=asked.id,
        )
    if met.reception is Reception.UNDER_WAY:
        raise Clash(
            "operation-under-way",
            f"The same is being done already, in other words: {met.operation.kind} of {met.operation.subject}.",
            help=f"Wait for /operations/{met.operation.id}, or withdraw it if it was not sent yet.",
            operation_id=met.operation.id,
        )
    return met


def _start_of_day(at: datetime) -> datetime:
    """The portal's lists, rates and rules change with a date, so a refusal answers for the rest of its Indian day."""
    return datetime.combine(indian_date(at), time(), tzinfo=IST)


def _standing(operation: Operation) -> str:
    return "registered" if operation.settled_at is not None else "under way"


def _admit(new: NewOperation, seller: Seller, asked: Asked, ports: Ports) -> None:
    """Let a direct call in only if the shared limit has room for it within its caller's patience."""
    if not asked.direct:
        return
    seller = replace(seller, route=routing.route_of(seller, ports=ports))
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
        wait = ports.limiter.promise(allowance, caller, patience_seconds=asked.patience_seconds)
    except LimiterAwayError as error:
        raise Unavailable(
            "limiter-away",
            "The gateway cannot tell whether a call is allowed.",
            help="Try again after Retry-After seconds, or send `Prefer: respond-async` and let it be queued.",
            retry_after=1,
            limit_owner="gateway",
        ) from error
    if wait > asked.patience_seconds:
        raise Throttled(
            "limit-reached",
            "The shared limit has no room for a direct call within the wait that was asked for.",
            help="Try again after Retry-After seconds, or send `Prefer: respond-async` and let it be queued.",
            retry_after=max(1, math.ceil(wait)),
            limit_owner="gsp",
            scope=scope_of(ports.limiter.levels(allowance)),
            reset=write_instant(ports.clock.now() + timedelta(seconds=wait)),
        )

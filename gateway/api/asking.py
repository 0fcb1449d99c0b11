"""What every call that asks for something of a portal does: read, accept, wait if the caller waits, and answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from fastapi import Request
from fastapi.responses import Response

from gateway import correlation
from gateway.api import body, presenting, problems, results, state
from gateway.api.dependencies import Preference, idempotency_key, preference
from gateway.api.state import State
from gateway.domain.identifiers import OPERATION_PREFIX
from gateway.domain.kinds import KINDS
from gateway.domain.operations import Operation, Status
from gateway.errors import Invalid
from gateway.ports import Received, Reception
from gateway.services import enquiry, limits
from gateway.services.admission import Asked
from gateway.services.ports import Ports
from gateway.services.principal import Principal

Result = TypeVar("Result")

LOOK_SECONDS: Final = 1.0
"""A waiting caller looks for itself so often, because an announcement may be lost."""
_SETTLING: Final = frozenset({Status.QUEUED, Status.SUBMITTING})
"""While it stands so, a direct caller goes on waiting."""
READ_AT_ONCE_BYTES_MAX: Final = 8 * 1024
"""Some fifteen lines of an invoice: 0.1 ms."""
RETRY_REFUSED: Final = "mohar-retry-refused"
_SAID: Final = {"true": True, "false": False, "": False}


async def ask(
    request: Request,
    principal: Principal,
    accept: Callable[[Asked], Received],
    *,
    path: str,
    asks_portal: bool = False,
    optional: bool = False,
) -> Response:
    """Accept what was sent and answer with what became of it.

    `path` is the call's own, whatever a proxy put before it: an Idempotency-Key stands for it too. `optional` takes a
    request without a body for an empty object; `asks_portal` says that accepting may have to read a document back.
    """
    here = state.of(request)
    wish = preference(request, principal)
    asked = await read(request, principal, path=path, optional=optional)
    if not wish.direct:
        return await _in_thread(here, asked, partial(_queue, here, accept, asked), asks_portal=asks_portal)
    async with here.waiters.expecting(asked.operation_id) as news:
        received = await _in_thread(here, asked, partial(accept, asked), asks_portal=asks_portal)
        settled = received.operation
        if settled.id == asked.operation_id:
            settled = await _wait(here, settled, news, wish)
    if settled.id != asked.operation_id:  # a repetition: its operation has an event of its own
        settled = await _follow(here, settled, wish)
    return await here.run(answer, here, settled, received, request.state.request_id)


def _queue(here: State, accept: Callable[[Asked], Received], asked: Asked) -> Response:
    """Accept and answer in one: nobody waits for what comes of it."""
    received = accept(asked)
    return answer(here, received.operation, received, asked.id)


async def _in_thread(here: State, asked: Asked, work: Callable[[], Result], *, asks_portal: bool) -> Result:
    return await (here.ask(work) if asks_portal else here.weigh(asked.body, work))


async def follow(request: Request, principal: Principal, received: Received, asked: Asked) -> Response:
    """The answer to what was accepted already, by somebody who began to listen afterwards."""
    here = state.of(request)
    settled = await _follow(here, received.operation, preference(request, principal))
    return await here.run(answer, here, settled, received, asked.id)


async def read(request: Request, principal: Principal, *, path: str, optional: bool = False) -> Asked:
    """What was sent, and how the caller wants it."""
    here = state.of(request)
    wish = preference(request, principal)
    key = idempotency_key(request)
    raw = b"{}"
    if not (optional and _is_bodiless(request)):
        raw = await body.read(
            request,
            media_type="application/json",
            bytes_max=here.settings.body_bytes_max,
            seconds_max=here.settings.body_seconds_max,
        )
    return Asked(
        id=request.state.request_id,
        operation_id=here.ports.ids.new(OPERATION_PREFIX),
        method=request.method,
        path=path,
        body=raw,
        document=await _parsed(here, raw),
        key=key,
        direct=wish.direct,
        patience_seconds=min(wish.wait_seconds, here.settings.direct_patience_seconds),
        retry_refused=_retry_refused(request),
        trace_id=correlation.trace(),
    )


async def _parsed(here: State, raw: bytes) -> Any:
    """The body as JSON. A small one is read at once: that takes less than the way to a thread and back."""
    if len(raw) <= READ_AT_ONCE_BYTES_MAX:
        return body.parse(raw)
    return await here.weigh(raw, partial(body.parse, raw))


def _is_bodiless(request: Request) -> bool:
    """RFC 9112, section 6: a request has a body where one of the two announces it."""
    return request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers


def _retry_refused(request: Request) -> bool:
    said = request.headers.get(RETRY_REFUSED, "").strip(body.BLANKS).lower()
    if said not in _SAID:
        raise Invalid("header-invalid", "Mohar-Retry-Refused is true or false.", help="Send true, or leave it out.")
    return _SAID[said]


async def _wait(here: State, operation: Operation, news: asyncio.Event, wish: Preference) -> Operation:
    """The operation once it is more than queued or under way, or when the caller's patience is over."""
    if not wish.direct:
        return operation
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + wish.wait_seconds
    while operation.status in _SETTLING and (left := ends_at - loop.time()) > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), min(LOOK_SECONDS, left))
        news.clear()
        operation = await here.run(enquiry.latest, operation, ports=here.ports)
    return operation


async def _follow(here: State, operation: Operation, wish: Preference) -> Operation:
    """An operation that an earlier request began, waited for like the caller's own."""
    async with here.waiters.expecting(operation.id) as news:
        current = await here.run(enquiry.latest, operation, ports=here.ports)  # what was told before we listened
        return await _wait(here, current, news, wish)


def answer(here: State, done: Operation, received: Received, request_id: str) -> Response:
    """How an operation stands, as the answer to whoever asked for it."""
    reception, warnings = received.reception, presenting.warnings(received.warnings)
    headers = _REPLAYS.get(reception, {})
    if done.status is Status.SUCCEEDED:
        result = results.of(done, ports=here.ports)
        status = 200 if reception is Reception.SAME_DOCUMENT else result.status
        return presenting.respond(result.content | warnings, status=status, headers={**headers, **result.headers})
    if done.status in _ENDS:
        return _ended(here, done, request_id, reception)
    return under_way(done, ports=here.ports, headers=headers, more=warnings)


_REPLAYS: Final[Mapping[Reception, Mapping[str, str]]] = {
    Reception.SAME_KEY: {"Idempotent-Replayed": "true"},
    Reception.REFUSED_BEFORE: {"Refusal-Replayed": "true"},
}
_ENDS: Final[Mapping[Status, tuple[int, str]]] = {
    Status.REJECTED: (422, "portal-refused"),
    Status.CONFLICT: (409, "registered-with-other-content"),
    Status.EXPIRED: (422, "window-closed"),
    Status.WITHDRAWN: (409, "withdrawn"),
}


_AFTER_CONFLICT: Final = (
    "Compare with `differences`; give this document a new number, or take the registered one for it."
)


def _ended(here: State, done: Operation, request_id: str, reception: Reception) -> Response:
    headers = _REPLAYS.get(reception, {})
    status, code = _ENDS[done.status]
    facts: dict[str, Any] = {
        "operation_id": done.id,
        "irn": done.irn,
        "portal_code": done.portal_code,
        "differences": results.differences(done, ports=here.ports) if done.status is Status.CONFLICT else None,
        "replayed": True if reception is Reception.REFUSED_BEFORE else None,
        "links": presenting.links(done),
    }
    message = done.portal_message or f"The operation is {done.status}."
    help = _way_on(done)
    return problems.problem(status, code, message, help=help, request_id=request_id, headers=headers, facts=facts)


def _way_on(done: Operation) -> str:
    rules = KINDS[done.kind]
    ways = {
        Status.REJECTED: rules.after_refusal,
        Status.CONFLICT: _AFTER_CONFLICT,
        Status.EXPIRED: rules.way_out,
        Status.WITHDRAWN: "It was taken back before it was sent; send it again if that was a mistake.",
    }
    return ways[done.status].replace("{irn}", done.irn or "")


def under_way(
    operation: Operation, *, ports: Ports, headers: Mapping[str, str] = {}, more: Mapping[str, Any] = {}
) -> Response:
    """The answer of every call for what is not settled yet: where it stands, and where to follow it."""
    content = presenting.operation(operation, place=limits.place_of(operation, ports=ports)) | dict(more)
    return presenting.respond(content, status=202, headers={**headers, "Location": f"/operations/{operation.id}"})

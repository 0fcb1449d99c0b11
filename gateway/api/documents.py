"""POST /irn and /cdnr, and reading documents back."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway import qr
from gateway.api import body, contract, presenting, problems, state
from gateway.api.dependencies import (
    MayRead,
    MayRegister,
    MayRegisterNotes,
    Preference,
    allowed,
    idempotency_key,
    preference,
)
from gateway.api.state import State
from gateway.domain.calendar import read_portal_date
from gateway.domain.identifiers import OPERATION_PREFIX
from gateway.domain.operations import Operation, Status
from gateway.errors import Absent, Invalid
from gateway.ports import Received, Reception
from gateway.services import enquiry, submission
from gateway.services.enquiry import Found
from gateway.services.principal import Principal, Scope

router = APIRouter()

_REGISTERS: Final[dict[str, Any]] = {
    "gives": {200: "RegisteredBefore", 201: "Registered", 202: "UnderWay"},
    "takes": "Document",
    "parameters": ("Idempotency-Key", "Prefer", "allow"),
    "refuses": (409, 413, 415, 422, 429, 503),
}
_READS: Final[dict[str, Any]] = {"scope": Scope.READ, "refuses": (404, 429, 503)}

LOOK_SECONDS: Final = 1.0
"""A waiting caller looks for itself so often, because an announcement may be lost."""
_SETTLING: Final = frozenset({Status.QUEUED, Status.SUBMITTING})
"""While it stands so, a direct caller goes on waiting."""
_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
"""The one form of ISO 8601 that is meant; Python would take weeks and bare digits too."""
_PICTURE: Final = {"Cache-Control": "private, max-age=86400"}


@router.post(
    "/irn",
    summary="Register an invoice",
    tags=["documents"],
    openapi_extra=contract.call(scope=Scope.IRN_WRITE, **_REGISTERS),
)
async def register_invoice(request: Request, principal: MayRegister, allow: str = "") -> Response:
    """Register an INV-01 invoice (`INV`) with the portal and get its IRN, signed copy and signed QR code."""
    return await _submit(request, principal, submission.INVOICES, path="/irn", allow=allow)


@router.post(
    "/cdnr",
    summary="Register a credit or debit note",
    tags=["documents"],
    openapi_extra=contract.call(scope=Scope.CDNR_WRITE, **_REGISTERS),
)
async def register_note(request: Request, principal: MayRegisterNotes, allow: str = "") -> Response:
    """Register an INV-01 credit or debit note (`CRN`, `DBN`)."""
    return await _submit(request, principal, submission.NOTES, path="/cdnr", allow=allow)


@router.get(
    "/irn",
    summary="Find a document by its number",
    tags=["documents"],
    openapi_extra=contract.call(
        {200: "Document", 202: "UnderWay"}, parameters=("doc_type", "doc_no", "doc_date"), **_READS
    ),
)
async def find_document(
    request: Request, principal: MayRead, doc_type: str = "", doc_no: str = "", doc_date: str = ""
) -> Response:
    """A document by type, number and date (yyyy-mm-dd or dd/mm/yyyy). 202 with the operation while it is under way."""
    here = state.of(request)
    details = (doc_type.upper() if doc_type.isascii() else doc_type, doc_no, _date(doc_date))
    return _show(await here.ask(enquiry.by_details, *details, principal, ports=here.ports))


@router.get(
    "/irn/{irn}",
    summary="Get a document by its IRN",
    tags=["documents"],
    openapi_extra=contract.call({200: "Document", 202: "UnderWay"}, **_READS),
)
async def get_document(request: Request, principal: MayRead, irn: str) -> Response:
    """A document by IRN, read back from the portal if the gateway does not hold it."""
    here = state.of(request)
    return _show(await here.ask(enquiry.by_irn, irn, principal, ports=here.ports))


@router.get(
    "/irn/{irn}/qr.png",
    summary="The signed QR code as PNG",
    tags=["documents"],
    openapi_extra=contract.call({200: "QrPng"}, **_READS),
)
async def get_qr_png(request: Request, principal: MayRead, irn: str) -> Response:
    """The signed QR code, ready to be printed on the document."""
    token = await _signed_qr(request, principal, irn)
    return Response(await state.of(request).run(qr.png, token), media_type="image/png", headers=_PICTURE)


@router.get(
    "/irn/{irn}/qr.svg",
    summary="The signed QR code as SVG",
    tags=["documents"],
    openapi_extra=contract.call({200: "QrSvg"}, **_READS),
)
async def get_qr_svg(request: Request, principal: MayRead, irn: str) -> Response:
    """The signed QR code as a vector picture."""
    token = await _signed_qr(request, principal, irn)
    return Response(await state.of(request).run(qr.svg, token), media_type="image/svg+xml", headers=_PICTURE)


async def _submit(
    request: Request, principal: Principal, doc_types: frozenset[str], *, path: str, allow: str
) -> Response:
    """`path` is the call's own, whatever a proxy put before it: an Idempotency-Key stands for it too."""
    here = state.of(request)
    wish = preference(request, principal)
    key, codes = idempotency_key(request), allowed(allow)
    raw = await body.read(
        request,
        media_type="application/json",
        bytes_max=here.settings.body_bytes_max,
        seconds_max=here.settings.body_seconds_max,
    )
    operation_id = here.ports.ids.new(OPERATION_PREFIX)

    def accept() -> Received:
        asked = submission.Request(
            id=request.state.request_id,
            operation_id=operation_id,
            method=request.method,
            path=path,
            body=raw,
            document=body.parse(raw),
            key=key,
            direct=wish.direct,
            patience_seconds=min(wish.wait_seconds, here.settings.direct_patience_seconds),
            doc_types=doc_types,
            allow=codes,
        )
        return submission.submit(asked, principal, ports=here.ports)

    async with here.waiters.expecting(operation_id) as news:
        received = await here.run(accept)
        settled = received.operation
        if settled.id == operation_id:
            settled = await _wait(here, settled, news, wish)
    if settled.id != operation_id:  # a repetition: its operation has an event of its own
        settled = await _follow(here, settled, wish)
    return await here.run(_answer, here, settled, received, request.state.request_id)


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


def _answer(here: State, done: Operation, received: Received, request_id: str) -> Response:
    reception = received.reception
    warnings = presenting.warnings(received.warnings)
    headers = {"Idempotent-Replayed": "true"} if reception is Reception.SAME_KEY else {}
    if done.status is Status.SUCCEEDED:
        held = here.ports.ledger.by_operation(done.id)
        if held is None:
            raise RuntimeError(f"{done.id} succeeded without a document")
        status = 200 if reception is Reception.SAME_DOCUMENT else 201
        location = {"Location": f"/irn/{held.registration.irn}"}
        return presenting.respond(
            presenting.succeeded(done, held) | warnings, status=status, headers=headers | location
        )
    if done.status in _ENDS:
        return _ended(here, done, request_id, headers)
    return _under_way(here, done, headers, warnings)


_ENDS: Final[Mapping[Status, tuple[int, str, str]]] = {
    Status.REJECTED: (
        422,
        "portal-refused",
        "Correct the document and send it again: its number is free. A refused document is never sent unchanged.",
    ),
    Status.CONFLICT: (
        409,
        "registered-with-other-content",
        "Compare with `differences`; give this document a new number, or take the registered one for it.",
    ),
    Status.EXPIRED: (
        422,
        "window-closed",
        "The legal time to report it is over. Ask your adviser how to proceed.",
    ),
    Status.WITHDRAWN: (409, "withdrawn", "It was taken back before it was sent; send it again if that was a mistake."),
}


def _ended(here: State, done: Operation, request_id: str, headers: Mapping[str, str]) -> Response:
    status, code, help = _ENDS[done.status]
    held = here.ports.ledger.by_operation(done.id) if done.status is Status.CONFLICT else None
    facts: dict[str, Any] = {
        "operation_id": done.id,
        "irn": done.irn,
        "portal_code": done.portal_code,
        "differences": list(held.registration.differences) if held is not None else None,
        "links": presenting.links(done),
    }
    message = done.portal_message or f"The operation is {done.status}."
    return problems.problem(status, code, message, help=help, request_id=request_id, headers=headers, facts=facts)


def _under_way(here: State, operation: Operation, headers: Mapping[str, str], warnings: Mapping[str, Any]) -> Response:
    content = presenting.operation(operation, place=enquiry.place_of(operation, ports=here.ports)) | dict(warnings)
    return presenting.respond(content, status=202, headers={**headers, "Location": f"/operations/{operation.id}"})


def _show(found: Found) -> Response:
    if found.document is not None:
        return presenting.respond(presenting.document(found.document))
    if found.read_back is not None:
        return presenting.respond(presenting.read_back(found.read_back))
    if found.operation is None:
        raise RuntimeError("found nothing and did not say so")
    location = {"Location": f"/operations/{found.operation.id}"}
    return presenting.respond(presenting.operation(found.operation), status=202, headers=location)


async def _signed_qr(request: Request, principal: Principal, irn: str) -> str:
    here = state.of(request)
    found = await here.ask(enquiry.by_irn, irn, principal, ports=here.ports)
    registered = found.document.registration if found.document is not None else found.read_back
    if registered is None:
        raise Absent(
            "not-registered-yet",
            "The document is not registered yet, so it has no signed QR code.",
            help="Follow its operation until it has succeeded.",
        )
    return registered.signed_qr


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text) if _ISO_DATE.fullmatch(text) else read_portal_date(text)
    except ValueError:
        raise Invalid("date-malformed", "doc_date is no date.", help="Write it as yyyy-mm-dd or dd/mm/yyyy.") from None

"""POST /irn and /cdnr, and reading documents back."""

from __future__ import annotations

import re
from datetime import date
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway import qr
from gateway.api import asking, contract, paging, presenting, state
from gateway.api.dependencies import MayRead, MayRegister, MayRegisterNotes, allowed
from gateway.domain.calendar import read_portal_date
from gateway.errors import Absent, Invalid
from gateway.services import enquiry, listing, submission
from gateway.services.enquiry import Found
from gateway.services.ports import Ports
from gateway.services.principal import Principal, Scope

router = APIRouter()

_REGISTERS: Final[dict[str, Any]] = {
    "gives": {200: "RegisteredBefore", 201: "Registered", 202: "UnderWay"},
    "takes": "Document",
    "parameters": ("Idempotency-Key", "Prefer", "Mohar-Retry-Refused", "allow"),
    "refuses": (409, 413, 415, 422, 429),
}
_READS: Final[dict[str, Any]] = {"scope": Scope.READ, "refuses": (404,)}

_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
"""The one form of ISO 8601 that is meant; Python would take weeks and bare digits too."""
_DETAILS: Final = frozenset({"doc_type", "doc_no", "doc_date"})
_PICTURE: Final = {"Cache-Control": "private, max-age=86400"}


@router.post(
    "/irn",
    summary="Register an invoice",
    tags=["documents"],
    openapi_extra=contract.call(scope=Scope.IRN_WRITE, **_REGISTERS),
)
async def register_invoice(request: Request, principal: MayRegister, allow: str = "") -> Response:
    """Register an INV-01 invoice (`INV`) with the portal and get its IRN, signed copy and signed QR code."""
    return await _register(request, principal, submission.Terms(submission.INVOICES, allowed(allow)), path="/irn")


@router.post(
    "/cdnr",
    summary="Register a credit or debit note",
    tags=["documents"],
    openapi_extra=contract.call(scope=Scope.CDNR_WRITE, **_REGISTERS),
)
async def register_note(request: Request, principal: MayRegisterNotes, allow: str = "") -> Response:
    """Register an INV-01 credit or debit note (`CRN`, `DBN`)."""
    return await _register(request, principal, submission.Terms(submission.NOTES, allowed(allow)), path="/cdnr")


@router.get(
    "/irn",
    summary="Find a document by its number, or list documents",
    tags=["documents"],
    openapi_extra=contract.call(
        {200: "DocumentOrList", 202: "UnderWay"},
        parameters=("doc_type", "doc_no", "doc_date", "from", "to", "standing", "buyer", "limit", "cursor"),
        **_READS,
    ),
)
async def find_document(request: Request, principal: MayRead) -> Response:
    """A document by type, number and date, or a list, newest first.

    With `doc_type`, `doc_no` and `doc_date`: that document, or 202 with its operation while it is under way. Without
    them: the seller's documents by `from` and `to` (days, both included), `status` and `buyer`, a page at a time.
    """
    here, asked = state.of(request), request.query_params
    if not _DETAILS.isdisjoint(asked):
        doc_type = asked.get("doc_type", "")
        details = (doc_type.upper() if doc_type.isascii() else doc_type, asked.get("doc_no", ""))
        on = _date(asked.get("doc_date", ""), name="doc_date")
        found = await here.ask(enquiry.by_details, *details, on, principal, ports=here.ports)
        return await here.run(_show, found, here.ports)
    page = paging.Page.of(request)
    wanted = listing.documents_wanted(
        principal,
        first_day=_date(asked["from"], name="from") if "from" in asked else None,
        last_day=_date(asked["to"], name="to") if "to" in asked else None,
        status=asked.get("status"),
        buyer_gstin=asked.get("buyer"),
    )
    after = paging.document_after(page)
    rows = await here.run(here.ports.lists.documents, wanted, after=after, rows_max=page.rows_max + 1)
    return page.answer("documents", rows, presenting.listed, mark=paging.document_mark)


@router.get(
    "/irn/{irn}",
    summary="Get a document by its IRN",
    tags=["documents"],
    openapi_extra=contract.call({200: "Document", 202: "UnderWay"}, **_READS),
)
async def get_document(request: Request, principal: MayRead, irn: str) -> Response:
    """A document by IRN, with its e-way bill and its notes, read back from the portal if the gateway does not hold it.

    What is read back is kept, because the portal forgets it after two days.
    """
    here = state.of(request)
    found = await here.ask(enquiry.by_irn, irn, principal, ports=here.ports)
    return await here.run(_show, found, here.ports)


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


async def _register(request: Request, principal: Principal, terms: submission.Terms, *, path: str) -> Response:
    register = partial(submission.submit, principal=principal, terms=terms, ports=state.of(request).ports)
    return await asking.ask(request, principal, register, path=path)


def _show(found: Found, ports: Ports) -> Response:
    held = found.document
    if held is not None:
        bill = ports.bills.of_irn(environment=held.environment, gstin=held.gstin, irn=held.registration.irn)
        related = {"notes": ports.ledger.notes_of(held), "originals": ports.ledger.originals_of(held)}
        return presenting.respond(presenting.document(held, bill=bill, **related))
    if found.operation is None:
        raise RuntimeError("found nothing and did not say so")
    return asking.under_way(found.operation, ports=ports)


async def _signed_qr(request: Request, principal: Principal, irn: str) -> str:
    here = state.of(request)
    found = await here.ask(enquiry.by_irn, irn, principal, ports=here.ports)
    if found.document is None:
        raise Absent(
            "not-registered-yet",
            "The document is not registered yet, so it has no signed QR code.",
            help="Follow its operation until it has succeeded.",
        )
    return found.document.registration.signed_qr


def _date(text: str, *, name: str) -> date:
    try:
        return date.fromisoformat(text) if _ISO_DATE.fullmatch(text) else read_portal_date(text)
    except ValueError:
        raise Invalid("date-malformed", f"{name} is no date.", help="Write it as yyyy-mm-dd or dd/mm/yyyy.") from None

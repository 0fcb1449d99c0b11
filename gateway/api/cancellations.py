"""POST /irn/{irn}/cancel and /reverse."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import asking, contract, presenting, state
from gateway.api.dependencies import MayCancel
from gateway.services import cancellation
from gateway.services.principal import Scope

router = APIRouter()

_TAKES_BACK: Final[dict[str, Any]] = {
    "scope": Scope.IRN_CANCEL,
    "parameters": ("Idempotency-Key", "Prefer", "Mohar-Retry-Refused"),
    "refuses": (404, 409, 413, 415, 422, 429),
}


@router.post(
    "/irn/{irn}/cancel",
    summary="Cancel a document",
    tags=["documents"],
    openapi_extra=contract.call({200: "IrnCancelled", 202: "UnderWay"}, takes="Cancellation", **_TAKES_BACK),
)
async def cancel_document(request: Request, principal: MayCancel, irn: str) -> Response:
    """Cancel an IRN within 24 hours of its acknowledgement. Its number cannot be used again.

    Where the outcome of its registration is not known yet, the cancellation waits for that. With an active e-way
    bill it is refused: cancel that first, or reverse the document.
    """
    here = state.of(request)
    accept = partial(cancellation.cancel, irn, principal=principal, ports=here.ports)
    return await asking.ask(request, principal, accept, path=f"/irn/{irn}/cancel", asks_portal=True)


@router.post(
    "/irn/{irn}/reverse",
    summary="Take a document back by whichever way the law has open",
    tags=["documents"],
    openapi_extra=contract.call({200: "Reversed", 202: "UnderWay"}, takes="Reversal", **_TAKES_BACK),
)
async def reverse_document(request: Request, principal: MayCancel, irn: str) -> Response:
    """Cancel a document's e-way bill and then its IRN; or, after the 24 hours, get a draft of the credit note.

    The steps are operations, and `GET /operations/{id}` of the answer shows them all. A draft is not sent: give it a
    number and send it to POST /cdnr.
    """
    here = state.of(request)
    asked = await asking.read(request, principal, path=f"/irn/{irn}/reverse", optional=True)
    way = await here.ask(cancellation.reverse, irn, asked, principal, ports=here.ports)
    if way.received is None:
        links = {"original": f"/irn/{irn}", "send_to": "/cdnr"}
        return presenting.respond({"way": "credit_note", "irn": irn, "draft": way.draft, "links": links})
    return await asking.follow(request, principal, way.received, asked)

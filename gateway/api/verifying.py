"""POST /verify: whether a portal signed what somebody shows, and whether it still stands."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import body, contract, presenting, state
from gateway.api.dependencies import MayRead
from gateway.domain.calendar import write_instant
from gateway.ports.verifying import Shown, Verified
from gateway.services import verifying
from gateway.services.principal import Scope
from gateway.services.verifying import SELLER, Answered

router = APIRouter()

ENVELOPE_BYTES: Final = 1024
"""Around a token in its JSON object: white space, mostly."""
TOKEN_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of a signed invoice. A document of 2 MB is about 4 MB of it: JSON within JSON, in Base64."""


@router.post(
    "/verify",
    summary="Check a signed invoice or QR code",
    tags=["documents"],
    openapi_extra=contract.call({200: "Verified"}, scope=Scope.READ, takes="SignedToken", refuses=(413, 415)),
)
async def verify_token(request: Request, principal: MayRead) -> Response:
    """Whether a portal signed it, by the keys that are installed here; what it says; whether our ledger knows it.

    Nobody is asked. Our ledger is told of to the seller and the buyer of the document alone.
    """
    here = state.of(request)
    raw = await body.read(
        request,
        media_type="application/json",
        bytes_max=TOKEN_BYTES_MAX + ENVELOPE_BYTES,
        seconds_max=here.settings.body_seconds_max,
    )

    def look() -> Answered:
        return verifying.verify(body.parse(raw), principal, ports=here.ports)

    return presenting.respond(_told(await here.run(look)))


def _told(answered: Answered) -> dict[str, Any]:
    return examined(answered.verified) | {"ledger": _ledger(answered)}


def examined(verified: Verified) -> dict[str, Any]:
    """What a token proves, as it is shown."""
    flaw = verified.flaw
    return {
        "valid": flaw is None,
        "reason": None if flaw is None else {"code": flaw.value, "message": verified.told},
        "issuer": verified.issuer,
        "key_id": verified.key_id,
        "form": verified.shown and verified.shown.form,
        "document": verified.shown and _document(verified.shown),
        "content": verified.content,
    }


def _document(shown: Shown) -> dict[str, Any]:
    return {
        "irn": shown.irn,
        "doc_type": shown.doc_type,
        "doc_no": shown.doc_no,
        "doc_date": shown.doc_date.isoformat(),
        "seller_gstin": shown.seller_gstin,
        "buyer_gstin": shown.buyer_gstin,
        "total": shown.total,
        "lines": shown.lines,
        "ack_no": shown.ack_no,
        "ack_date": shown.ack_at and write_instant(shown.ack_at),
    }


def _ledger(answered: Answered) -> dict[str, Any] | None:
    """How it stands with us; None where the caller is neither its seller nor its buyer."""
    if answered.role is None:
        return None
    held = answered.held
    return {
        "role": answered.role,
        "known": held is not None,
        "status": held and held.status,
        "cancelled_at": held and held.cancelled_at and write_instant(held.cancelled_at),
        "links": {"document": f"/irn/{held.registration.irn}"} if held and answered.role == SELLER else {},
    }

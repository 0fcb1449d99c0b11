"""GET /gstins/{gstin}: what the portal knows of a taxpayer."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import contract, presenting, state
from gateway.api.dependencies import MayRead
from gateway.domain.identifiers import is_gstin
from gateway.errors import Invalid
from gateway.services import enquiry
from gateway.services.principal import Scope

router = APIRouter()


@router.get(
    "/gstins/{gstin}",
    summary="A taxpayer as the portal knows it",
    tags=["taxpayers"],
    openapi_extra=contract.call({200: "Taxpayer"}, scope=Scope.READ, refuses=(404, 429, 503)),
)
async def get_taxpayer(request: Request, principal: MayRead, gstin: str) -> Response:
    """Name, address, type and status of a GSTIN, in the portal's own members (GSTIN master of the IRP)."""
    if not is_gstin(gstin):
        raise Invalid("gstin-malformed", "A GSTIN has 2 digits and 13 digits or capitals.", help="Check the GSTIN.")
    here = state.of(request)
    return presenting.respond(dict(await here.ask(enquiry.taxpayer, gstin, principal, ports=here.ports)))

"""GET /gstins/{gstin}: what the portal knows of a taxpayer."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import contract, presenting, queries, state
from gateway.api.dependencies import MayRead
from gateway.domain.calendar import write_instant
from gateway.domain.identifiers import is_gstin
from gateway.errors import Invalid
from gateway.services import taxpayers
from gateway.services.principal import Scope

router = APIRouter()


@router.get(
    "/gstins/{gstin}",
    summary="A taxpayer as the portal knows it",
    tags=["taxpayers"],
    openapi_extra=contract.call({200: "Taxpayer"}, scope=Scope.READ, parameters=("refresh",), refuses=(404,)),
)
async def get_taxpayer(request: Request, principal: MayRead, gstin: str) -> Response:
    """Name, address, type and status of a GSTIN, in the portal's own members (GSTIN master of the IRP).

    `age` and `fetched_at` tell when the portal said so. An answer is given again for `MOHAR_TAXPAYER_SECONDS`, and for
    as long as the portal cannot be asked, with `stale`. `?refresh=true` asks at once, and has the portal bring its copy
    up to date from the GST register.
    """
    if not is_gstin(gstin):
        raise Invalid("gstin-malformed", "A GSTIN has 2 digits and 13 digits or capitals.", help="Check the GSTIN.")
    here, refresh = state.of(request), queries.refresh(request)
    known = None
    if not refresh:
        fresh_seconds = here.settings.taxpayer_seconds
        known = await here.run(taxpayers.held, gstin, principal, fresh_seconds=fresh_seconds, ports=here.ports)
    if known is None:
        known = await here.ask(taxpayers.ask, gstin, principal, sync=refresh, ports=here.ports)
    told = {"age": known.age_seconds, "fetched_at": write_instant(known.fetched_at), "stale": known.stale}
    return presenting.respond({**known.answer, **told}, headers={"Age": str(known.age_seconds)})

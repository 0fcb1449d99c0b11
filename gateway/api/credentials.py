"""/gstins/{gstin}/credentials: a taxpayer's login at the portal, replaced and tried, never read."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import contract, members, presenting, state
from gateway.api.dependencies import MayAdminister
from gateway.api.members import Text
from gateway.services import administration
from gateway.services.administration import Manager
from gateway.services.principal import Scope

router = APIRouter(prefix="/gstins/{gstin}/credentials", tags=["admin"])


@router.put(
    "",
    summary="Replace a taxpayer's login at the portal",
    openapi_extra=contract.call(
        {200: "Done"}, scope=Scope.ADMIN, takes="AdminCredentials", refuses=(404, 409, 413, 415)
    ),
)
async def put_credentials(request: Request, principal: MayAdminister, gstin: str) -> Response:
    """Sealed, and never readable again; what waited for it goes on by itself."""
    table = {"user_name": Text(characters_max=100), "password": Text(characters_max=100)}
    given = await members.read(request, table)
    here = state.of(request)
    await here.run(administration.replace_credentials, Manager.of(principal), gstin, **given, ports=here.ports)
    return presenting.respond({})


@router.post(
    "/test",
    summary="Try a taxpayer's login at the portal",
    openapi_extra=contract.call({200: "AdminLoginTrial"}, scope=Scope.ADMIN, refuses=(404,)),
)
async def try_credentials(request: Request, principal: MayAdminister, gstin: str) -> Response:
    """Logs in, and tells what the portal said, in its own words. It counts as any other login there."""
    here = state.of(request)
    trial = await here.ask(administration.try_credentials, Manager.of(principal), gstin, ports=here.ports)
    shown = {"accepted": trial.accepted, "portal_code": trial.code, "portal_message": trial.message}
    return presenting.respond(shown | {"milliseconds": trial.milliseconds})

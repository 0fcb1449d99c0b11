"""E-way bills: by IRN, read and cancelled."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from gateway.api import asking, contract, presenting, queries, state
from gateway.api.dependencies import MayMove, MayRead
from gateway.services import ewaybills, road
from gateway.services.principal import Scope

router = APIRouter()

CONSOLIDATED: Final = "consolidated"
"""What stands where a number does in `POST /ewb/consolidated`."""

_CHANGES: Final[dict[str, Any]] = {
    "scope": Scope.EWB_WRITE,
    "parameters": ("Idempotency-Key", "Prefer", "Mohar-Retry-Refused"),
    "refuses": (404, 409, 413, 415, 422, 429),
}


@router.post(
    "/ewb",
    summary="Make an e-way bill, by IRN or without one",
    tags=["e-way bills"],
    openapi_extra=contract.call({200: "EwbBefore", 201: "EwbMade", 202: "UnderWay"}, takes="EwbAsked", **_CHANGES),
)
async def make_eway_bill(request: Request, principal: MayMove) -> Response:
    """Make an e-way bill for a registered invoice, or, where the body names no `Irn`, for any other document.

    Where the registration of an invoice is not known yet, its bill waits for that.
    """
    accept = partial(road.generate, principal=principal, ports=state.of(request).ports)
    return await asking.ask(request, principal, accept, path="/ewb", asks_portal=True)


@router.get(
    "/ewb/{number}",
    summary="Get an e-way bill",
    tags=["e-way bills"],
    openapi_extra=contract.call({200: "Ewb"}, scope=Scope.READ, parameters=("refresh",), refuses=(404,)),
)
async def get_eway_bill(request: Request, principal: MayRead, number: str) -> Response:
    """An e-way bill and what was done to it; asked of the portal with `refresh=true`, or where the gateway has none."""
    if number == CONSOLIDATED:  # a call of its own, which takes other methods
        raise HTTPException(405)
    here = state.of(request)
    refresh = queries.refresh(request)
    found = await here.ask(road.find, number, principal, refresh=refresh, ports=here.ports)
    steps = await here.run(road.steps, found, ports=here.ports)
    return presenting.respond(presenting.bill(found) | {"steps": [presenting.bill_step(each) for each in steps]})


@router.get(
    "/irn/{irn}/ewb",
    summary="Get the e-way bill of a document",
    tags=["e-way bills"],
    openapi_extra=contract.call({200: "Ewb"}, scope=Scope.READ, parameters=("refresh",), refuses=(404,)),
)
async def get_eway_bill_of(request: Request, principal: MayRead, irn: str) -> Response:
    """The e-way bill of an IRN; with `refresh=true`, or where the gateway knows of none, as the portal has it now."""
    here = state.of(request)
    refresh = queries.refresh(request)
    found = await here.ask(ewaybills.of_irn, irn, principal, refresh=refresh, ports=here.ports)
    return presenting.respond(presenting.bill(found))


@router.post(
    "/ewb/{number}/cancel",
    summary="Cancel an e-way bill",
    tags=["e-way bills"],
    openapi_extra=contract.call({200: "EwbCancelled", 202: "UnderWay"}, takes="EwbCancellation", **_CHANGES),
)
async def cancel_eway_bill(request: Request, principal: MayMove, number: str) -> Response:
    """Cancel an e-way bill within 24 hours, unless it was checked on the road."""
    accept = partial(ewaybills.cancel, number, principal=principal, ports=state.of(request).ports)
    return await asking.ask(request, principal, accept, path=f"/ewb/{number}/cancel")

"""E-way bills on the road: listed, changed, ended and put on trip sheets."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import asking, contract, paging, presenting, state
from gateway.api.dependencies import MayMove, MayRead
from gateway.errors import Invalid
from gateway.services import road
from gateway.services.principal import Principal, Scope

router = APIRouter()

_NUMBER: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_ASKS: Final[dict[str, Any]] = {
    "scope": Scope.EWB_WRITE,
    "parameters": ("Idempotency-Key", "Prefer", "Mohar-Retry-Refused"),
    "refuses": (404, 409, 413, 415, 422, 429),
}
_DONE: Final = {200: "EwbChanged", 202: "UnderWay"}
_MADE: Final = {200: "EwbConsolidatedBefore", 201: "EwbConsolidated", 202: "UnderWay"}


async def _change(request: Request, principal: Principal, number: str, name: str) -> Response:
    accept = partial(road.change, number, road.CHANGES[name], principal=principal, ports=state.of(request).ports)
    path = f"/ewb/{number}/{name}"
    return await asking.ask(request, principal, accept, path=path, asks_portal=True, optional=name == "reject")


@router.get(
    "/ewb",
    summary="List e-way bills",
    tags=["e-way bills"],
    openapi_extra=contract.call({200: "Ewbs"}, scope=Scope.READ, parameters=("ewb_standing", "limit", "cursor")),
)
async def list_eway_bills(request: Request, principal: MayRead) -> Response:
    """The taxpayer's e-way bills, the latest number first, by `standing`, a page at a time."""
    here = state.of(request)
    page = paging.Page.of(request)
    rows = await here.run(
        here.ports.bills.list,
        environment=principal.environment,
        gstin=principal.gstin,
        standing=road.wanted(request.query_params.get("standing")),
        before=_after(page),
        rows_max=page.rows_max + 1,
    )
    return page.answer("ewbs", rows, presenting.bill, mark=lambda row: (row.number,))


@router.post(
    "/ewb/consolidated",
    summary="Put e-way bills on one trip sheet",
    tags=["e-way bills"],
    openapi_extra=contract.call(_MADE, takes="EwbConsolidated", **_ASKS),
)
async def consolidate_eway_bills(request: Request, principal: MayMove) -> Response:
    """Make a consolidated e-way bill for bills that travel together in one vehicle."""
    accept = partial(road.consolidate, principal=principal, ports=state.of(request).ports)
    return await asking.ask(request, principal, accept, path="/ewb/consolidated")


@router.post(
    "/ewb/{number}/vehicle",
    summary="Enter or change the vehicle",
    tags=["e-way bills"],
    openapi_extra=contract.call(_DONE, takes="EwbVehicle", **_ASKS),
)
async def change_vehicle(request: Request, principal: MayMove, number: str) -> Response:
    """Part B: by what vehicle, or with what transport document, the goods go on. The first one starts validity."""
    return await _change(request, principal, number, "vehicle")


@router.post(
    "/ewb/{number}/transporter",
    summary="Give the e-way bill to another transporter",
    tags=["e-way bills"],
    openapi_extra=contract.call(_DONE, takes="EwbTransporter", **_ASKS),
)
async def change_transporter(request: Request, principal: MayMove, number: str) -> Response:
    """Name another transporter, as long as the present one has entered no vehicle."""
    return await _change(request, principal, number, "transporter")


@router.post(
    "/ewb/{number}/extend",
    summary="Extend the validity",
    tags=["e-way bills"],
    openapi_extra=contract.call(_DONE, takes="EwbExtension", **_ASKS),
)
async def extend_validity(request: Request, principal: MayMove, number: str) -> Response:
    """A longer validity for the way that is left: from 8 hours before the end to 8 hours after, 360 days in all."""
    return await _change(request, principal, number, "extend")


@router.post(
    "/ewb/{number}/reject",
    summary="Reject another's e-way bill",
    tags=["e-way bills"],
    openapi_extra=contract.call(_DONE, takes="EwbRejection", **_ASKS),
)
async def reject_eway_bill(request: Request, principal: MayMove, number: str) -> Response:
    """As the other party, say within 72 hours that the goods are not yours."""
    return await _change(request, principal, number, "reject")


@router.post(
    "/ewb/{number}/close",
    summary="Close the e-way bill after delivery",
    tags=["e-way bills"],
    openapi_extra=contract.call(_DONE, takes="EwbClosure", **_ASKS),
)
async def close_eway_bill(request: Request, principal: MayMove, number: str) -> Response:
    """Say that the goods have arrived (since August 2026). Its answer is not published: one that is lost is parked."""
    return await _change(request, principal, number, "close")


@router.post(
    "/ewb/{number}/movement",
    summary="Go on by several vehicles",
    tags=["e-way bills"],
    openapi_extra=contract.call(_DONE, takes="EwbMovement", **_ASKS),
)
async def begin_movement(request: Request, principal: MayMove, number: str) -> Response:
    """Begin a movement by several vehicles. The answer has the number of its group."""
    return await _change(request, principal, number, "movement")


@router.post(
    "/ewb/{number}/movement/vehicles",
    summary="Add a vehicle to a movement",
    tags=["e-way bills"],
    openapi_extra=contract.call(_DONE, takes="EwbMovementVehicle", **_ASKS),
)
async def add_to_movement(request: Request, principal: MayMove, number: str) -> Response:
    """Add a vehicle, with the quantity that it carries, to a group."""
    return await _change(request, principal, number, "movement/vehicles")


@router.post(
    "/ewb/{number}/movement/change",
    summary="Change a vehicle of a movement",
    tags=["e-way bills"],
    openapi_extra=contract.call(_DONE, takes="EwbMovementChange", **_ASKS),
)
async def change_in_movement(request: Request, principal: MayMove, number: str) -> Response:
    """Another vehicle in the place of one of a group."""
    return await _change(request, principal, number, "movement/change")


def _after(page: paging.Page) -> str | None:
    if not page.mark:
        return None
    if len(page.mark) == 1 and _NUMBER.fullmatch(page.mark[0]):
        return page.mark[0]
    raise Invalid("cursor-invalid", "That is no cursor of this list.", help="Take `next` from the page before.")

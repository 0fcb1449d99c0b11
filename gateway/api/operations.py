"""GET /operations/{id}: how a piece of work stands."""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import contract, presenting, state
from gateway.api.dependencies import MayRead
from gateway.domain.identifiers import OPERATION_PREFIX
from gateway.domain.operations import Status
from gateway.services import enquiry
from gateway.services.principal import Scope

router = APIRouter()

_ID: Final = re.compile(OPERATION_PREFIX + "[0-9a-z]{26}", re.ASCII)
"""Nothing else is looked for: PostgreSQL refuses to compare with some texts, such as one with a NUL."""


@router.get(
    "/operations/{id}",
    summary="How an operation stands",
    tags=["operations"],
    openapi_extra=contract.call({200: "Operation"}, scope=Scope.READ, refuses=(404,)),
)
async def get_operation(request: Request, principal: MayRead, id: str) -> Response:
    """Status, tries and place in the queue of an operation; with the document once it is registered."""
    here = state.of(request)

    def show() -> dict[str, object]:
        found = enquiry.operation(id if _ID.fullmatch(id) else "", principal, ports=here.ports)
        place = enquiry.place_of(found, ports=here.ports)
        shown = presenting.operation(found, place=place, attempts=here.ports.intake.attempts_of(found.id))
        held = enquiry.document_of(found, ports=here.ports)
        if held is not None and found.status is Status.SUCCEEDED:
            shown["result"] = presenting.succeeded(found, held)
        elif held is not None:
            shown["differences"] = list(held.registration.differences)
        return shown

    return presenting.respond(await here.run(show))

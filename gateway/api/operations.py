"""GET /operations/{id}: how a piece of work stands."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import presenting, state
from gateway.api.dependencies import MayRead
from gateway.domain.operations import Status
from gateway.services import enquiry

router = APIRouter()


@router.get("/operations/{id}", summary="How an operation stands", tags=["operations"])
async def get_operation(request: Request, principal: MayRead, id: str) -> Response:
    """Status, tries and place in the queue of an operation; with the document once it is registered."""
    here = state.of(request)

    def show() -> dict[str, object]:
        found = enquiry.operation(id, principal, ports=here.ports)
        position = here.ports.intake.queued_ahead(found) if found.status is Status.QUEUED else None
        shown = presenting.operation(found, position=position, attempts=here.ports.intake.attempts_of(found.id))
        held = enquiry.document_of(found, ports=here.ports)
        if held is not None and found.status is Status.SUCCEEDED:
            shown["result"] = presenting.succeeded(found, held)
        elif held is not None:
            shown["differences"] = list(held.registration.differences)
        return shown

    return presenting.respond(await here.run(show))

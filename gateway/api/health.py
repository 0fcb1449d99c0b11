"""Whether the process lives, and whether it can work."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import presenting, state

router = APIRouter()


@router.get("/healthz", summary="Is the process alive", tags=["health"])
async def healthz() -> Response:
    """200 while the process answers at all."""
    return presenting.respond({"status": "alive"})


@router.get("/readyz", summary="Can the process work", tags=["health"])
async def readyz(request: Request) -> Response:
    """200 when the database and Redis answer; 503 with what does not."""
    here = state.of(request)
    wrong = await here.run(here.ready)
    if wrong:
        return presenting.respond({"status": "not ready", "wrong": wrong}, status=503)
    return presenting.respond({"status": "ready"})

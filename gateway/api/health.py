"""Whether the process lives, and whether it can work."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import contract, presenting, problems, state

router = APIRouter()
_RETRY_SECONDS: Final = 1
"""Whoever sends no work to a process that is not ready may look again so soon: a look costs little."""


@router.get("/healthz", summary="Is the process alive", tags=["health"], openapi_extra=contract.call({200: "Health"}))
async def healthz() -> Response:
    """200 while the process answers at all."""
    return presenting.respond({"status": "alive"})


@router.get(
    "/readyz",
    summary="Can the process work",
    tags=["health"],
    openapi_extra=contract.call({200: "Health"}),
)
async def readyz(request: Request) -> Response:
    """200 when the database and Redis answer; 503 with what does not, by part."""
    here = state.of(request)
    wrong = await here.run(here.ready)
    if not wrong:
        return presenting.respond({"status": "ready"})
    return problems.problem(
        503,
        "not-ready",
        f"Not ready: {', '.join(sorted(wrong))}.",
        help="`wrong` says for each part what to check.",
        request_id=request.state.request_id,
        facts={"wrong": wrong},
        retry_after=_RETRY_SECONDS,
    )

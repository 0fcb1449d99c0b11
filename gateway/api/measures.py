"""GET /metrics: what Prometheus may ask of this process."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import contract, state

router = APIRouter()

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/metrics", summary="Measures", tags=["health"], openapi_extra=contract.call({200: "Metrics"}))
async def metrics(request: Request) -> Response:
    """Measures in the text format of Prometheus; docs/observability.md tells of each. No label names anybody."""
    here = state.of(request)
    return Response(await here.run(here.measures), media_type=CONTENT_TYPE)

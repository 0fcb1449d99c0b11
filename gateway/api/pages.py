"""GET /openapi.json, and /docs: a page that shows it with nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import openapi, problems

router = APIRouter(include_in_schema=False)

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page runs its own script on its own description, and nothing else in any case."""
TYPES: Final = {
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}
_HEADERS: Final = {"Cache-Control": "no-cache"}
"""Asked for anew after every change, and no more than that is secret."""


@router.get("/openapi.json")
async def get_openapi() -> Response:
    """The OpenAPI document. A test holds the file to the endpoints."""
    described = resources.files("schemas").joinpath(openapi.FILE).read_bytes()
    return Response(described, media_type="application/json", headers=_HEADERS)


@router.get("/docs")
async def get_page() -> Response:
    """The page."""
    headers = _HEADERS | {"Content-Security-Policy": _POLICY}
    return Response(_static("docs.html"), media_type="text/html; charset=utf-8", headers=headers)


@router.get("/docs/{name}")
async def get_part(request: Request, name: str) -> Response:
    """Its style, its script, its mark."""
    if name not in TYPES:
        return problems.of_unknown_path(request.scope["path"], request_id=request.state.request_id)
    return Response(_static(name), media_type=TYPES[name], headers=_HEADERS)


@cache
def _static(name: str) -> bytes:
    return resources.files("gateway.api").joinpath("static", name).read_bytes()

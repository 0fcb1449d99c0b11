"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from gateway import __version__
from gateway.api import (
    admin,
    audit,
    cancellations,
    credentials,
    documents,
    events,
    ewaybills,
    health,
    limits,
    oauth,
    operations,
    pages,
    problems,
    reconciliation,
    road,
    taxpayers,
    validation,
    verifying,
    webhooks,
)
from gateway.api import measures as measures_of_process
from gateway.api.calls import Calls, Observe
from gateway.api.edge import Edge
from gateway.api.state import Expecting, State
from gateway.services.ports import Ports
from gateway.settings import Settings

_CALLS: Final = (
    oauth,
    documents,
    validation,
    verifying,
    cancellations,
    road,
    ewaybills,
    operations,
    reconciliation,
    webhooks,
    events,
    taxpayers,
    limits,
    admin,
    credentials,
    audit,
    health,
    measures_of_process,
    pages,
)
"""The modules whose calls there are, in the order of the description."""
_UNTOLD: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""The framework would send requests and exceptions, with what they say, to wherever its environment names. Ours tells
of a call by its lists of events and measures alone."""


def create(
    *,
    settings: Settings,
    ports: Ports,
    waiters: Callable[[], Expecting],
    ready: Callable[[], dict[str, str]],
    measures: Callable[[], bytes] = bytes,
    observe: Observe | None = None,
) -> FastAPI:
    """An application on these ports. `waiters` is called in its event loop; `ready` tells what is wrong, by part.

    `measures` is what GET /metrics gives, and `observe` measures each call.
    """
    calls = Calls(ports, observe)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        listening = waiters()
        await listening.start()
        app.state.mohar = State(
            settings=settings,
            ports=ports,
            waiters=listening,
            ready=ready,
            threads=CapacityLimiter(settings.api_threads),
            portal_threads=CapacityLimiter(settings.api_portal_threads),
            large=CapacityLimiter(1),
            measures=measures,
        )
        try:
            async with calls.recording():
                yield
        finally:
            await listening.stop()

    app = outline()
    app.router.lifespan_context = lifespan
    problems.install(app)
    app.add_middleware(Edge, ids=ports.ids, calls=calls, settings=settings)
    return app


def outline() -> FastAPI:
    """The calls there are, on nothing: enough to be described, as `openapi.document` does."""
    app = FastAPI(
        title="Mohar",
        version=__version__,
        summary="GSP e-invoicing compliance gateway for Indian GST",
        openapi_url=None,  # the framework's own description cannot know of bodies that are read by hand
        docs_url=None,  # its pages load programs from elsewhere: ours is in `pages`
        redoc_url=None,
        telemetry=_UNTOLD,
        redirect_slashes=False,  # a redirect would send a document to whatever host the request named
    )
    for module in _CALLS:
        app.router.routes.extend(module.router.routes)
    return app

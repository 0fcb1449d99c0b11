"""The ASGI application."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import __version__
from gateway.api import documents, health, oauth, operations, problems, taxpayers
from gateway.api.state import Expecting, State
from gateway.ports import Ids
from gateway.services.ports import Ports
from gateway.settings import Settings

API_VERSION: Final = "2026-11-01"
"""The only version so far. It is dated, so that a client can pin what it was written for."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_REQUEST_PREFIX: Final = "req_"


def create(
    *, settings: Settings, ports: Ports, waiters: Callable[[], Expecting], ready: Callable[[], dict[str, str]]
) -> FastAPI:
    """An application on these ports. `waiters` is called in its event loop; `ready` tells what is wrong, by part."""

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
        )
        try:
            yield
        finally:
            await listening.stop()

    app = FastAPI(
        title="Mohar",
        version=__version__,
        summary="GSP e-invoicing compliance gateway for Indian GST",
        lifespan=lifespan,
    )
    for module in (oauth, documents, operations, taxpayers, health):
        app.include_router(module.router)
    problems.install(app)
    app.add_middleware(Envelope, ids=ports.ids)
    return app


class Envelope:
    """What every answer carries: the request's id and the version of the API."""

    def __init__(self, app: ASGIApp, ids: Ids) -> None:
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the request, pass it on, and mark the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else self._ids.new(_REQUEST_PREFIX)
        scope.setdefault("state", {})["request_id"] = request_id

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["API-Version"] = API_VERSION
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._app(scope, receive, marked)

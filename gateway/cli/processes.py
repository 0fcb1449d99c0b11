"""`mohar api`, configured by MOHAR_* settings."""

from __future__ import annotations

import gc
from functools import partial
from typing import Final

import typer
import uvicorn

from gateway import system
from gateway.api import guard, metering
from gateway.api.app import create
from gateway.api.edge import REQUEST_PREFIX
from gateway.observability import configure
from gateway.settings import Settings
from gateway.wiring import Wiring

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients keep their connections: whoever closes first should not be us, in the middle of a request."""
BACKLOG: Final = 2048
"""Connections that wait to be taken during a burst."""


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(api)


def api() -> None:
    """Answer HTTP: authenticate, validate, accept, and wait for those who wait."""
    system.switch_often()
    settings = Settings()
    configure(settings)
    wiring = Wiring(settings)
    application = create(
        settings=settings,
        ports=wiring.ports,
        waiters=wiring.waiters,
        ready=wiring.wrong,
        measures=wiring.measures,
        observe=wiring.observe_call,
    )
    patience = guard.Patience(head=settings.body_seconds_max)
    gc.collect()
    gc.freeze()  # what is here now stays: to look through it while a large document is read takes a tenth of a second
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        backlog=BACKLOG,
        ws="none",
        http=guard.protocol(
            patience,
            partial(wiring.ids.new, REQUEST_PREFIX),
            connections_max=settings.api_connections_max,
            limit_fields=metering.nobodys_fields(settings),
        ),
    )

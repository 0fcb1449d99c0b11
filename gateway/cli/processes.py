"""`mohar api | worker | sweeper | sandbox | migrate`: one process each, configured by MOHAR_* settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
import uvicorn

from gateway.api.app import create
from gateway.auth.vault import create_master_key
from gateway.cli.output import console
from gateway.observability import configure
from gateway.sandbox import asgi
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.portal import Sandbox
from gateway.settings import Settings
from gateway.storage import migrate as migrations
from gateway.system import SystemClock
from gateway.wiring import Wiring

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients keep their connections: whoever closes first should not be us, in the middle of a request."""
BACKLOG: Final = 2048
"""Connections that wait to be taken during a burst."""
HEADER_BYTES_MAX: Final = 16_384
"""Of one request: an access token has a tenth of it."""


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(api)
    app.command()(worker)
    app.command()(sweeper)
    app.command()(sandbox)
    app.command()(migrate)


def api() -> None:
    """Answer HTTP: authenticate, validate, accept, and wait for those who wait."""
    settings = Settings()
    configure(settings)
    wiring = Wiring(settings)
    application = create(settings=settings, ports=wiring.ports, waiters=wiring.waiters, ready=wiring.wrong)
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        backlog=BACKLOG,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
    )


def worker() -> None:
    """Do the work: RQ workers in threads, draining lanes."""
    _become("run")


def sweeper() -> None:
    """Look after time: expired leases, closed windows, lanes to ring."""
    _become("sweep")


def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on. Nothing but tests should reach it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8400,
    data: Annotated[
        Path | None, typer.Option(help="Folder of its keys and its ledger; without it both are new.")
    ] = None,
    latency_ms: Annotated[int, typer.Option(help="How long every answer takes, in milliseconds.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of its randomness.")] = 0,
) -> None:
    """Play the government's portal. Control it with POST /_control."""
    keys = SandboxKeys.load_or_create(data) if data is not None else SandboxKeys.generate()
    journal = data / "ledger.jsonl" if data is not None else None
    portal = Sandbox(clock=SystemClock(), keys=keys, seed=seed, journal=journal, latency_ms=latency_ms)
    asgi.serve(portal, host=host, port=port)


def migrate() -> None:
    """Bring the database to the present schema. Makes the master key of a new data folder."""
    settings = Settings()
    wiring = Wiring(settings)
    if settings.master_key_file is None:
        create_master_key(settings.master_keys)
    migrations.upgrade(wiring.database)
    console.print(f"The database {wiring.database.url.render_as_string(hide_password=True)} is up to date.")


def _become(process: str) -> None:
    """Go on as one of the `workers` processes, which the gateway's own code does not import."""
    os.execv(sys.executable, [sys.executable, "-m", "workers", process])  # noqa: S606  our own interpreter

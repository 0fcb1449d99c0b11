"""`mohar sandbox`: the government's portal, played by us."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.sandbox import asgi
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.portal import Sandbox
from gateway.system import SystemClock


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sandbox)


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

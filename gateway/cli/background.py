"""`mohar worker` and `mohar sweeper`: this process becomes one of `workers`, which is never imported here."""

from __future__ import annotations

import os
import sys

import typer


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(worker)
    app.command()(sweeper)


def worker() -> None:
    """Do the work: RQ workers in threads, draining lanes."""
    _become("run")


def sweeper() -> None:
    """Look after time: expired leases, closed windows, lanes to ring."""
    _become("sweep")


def _become(process: str) -> None:
    """Go on as one of the `workers` processes."""
    os.execv(sys.executable, [sys.executable, "-m", "workers", process])  # noqa: S606  our own interpreter

"""`mohar demo`: one invoice's way to its IRN, on a gateway and a portal of its own, step by step."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from gateway.cli import interrupts, paper, scenes
from gateway.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_STOPPED, JsonOption, console, errors, print_json
from gateway.cli.remote import Credentials, Gateway, OutcomeUnknownError
from gateway.cli.scenes import Result, Scene
from gateway.cli.steps import Steps, stopwatch
from gateway.cli.up import LOOK_SECONDS, Stack
from gateway.sandbox.master import ACTIVE_SELLER
from gateway.system import SystemClock

THREADS: Final = {
    "MOHAR_WORKER_DIRECT_THREADS": "2",
    "MOHAR_WORKER_BULK_THREADS": "2",
    "MOHAR_WORKER_WEBHOOK_THREADS": "1",
    "MOHAR_WORKER_TRIAL_THREADS": "1",
}
"""One client posts one document at a time: few threads start and stop sooner."""
_CREDENTIALS_FILE: Final = "client.json"


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    file: Annotated[
        Path | None,
        typer.Option(help="Register this INV-01 document instead of the example.", exists=True, dir_okay=False),
    ] = None,
    *,
    as_json: JsonOption = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the gateway running until Ctrl-C.")] = False,
) -> None:
    """Register one invoice and show every step: on a gateway and a portal of its own, with no network.

    Its event is received on this machine and verified. It is then sent once more (and recognised), and once with
    mistakes (and explained). Everything is made in a
    temporary folder and removed at the end. Exit codes: 0 registered and verified, 1 not, 3 wrongly configured.
    """
    interrupts.install()
    _forget_settings()
    show = Steps(None if as_json else console)
    result = Result()
    try:
        with _folder() as folder:
            _run(folder, file, show, result, keep=keep)
    except (OutcomeUnknownError, httpx.HTTPError) as error:
        errors.print(f"[bold red]demo-broken[/]: A process of the demo did not answer ({type(error).__name__}).")
        raise typer.Exit(EXIT_FAILED) from error
    except KeyboardInterrupt:
        if not result.kept:
            errors.print("stopped; nothing is left of it")
            raise typer.Exit(EXIT_STOPPED) from None
    raise typer.Exit(EXIT_DONE if result.good else EXIT_FAILED)


def _run(folder: Path, file: Path | None, show: Steps, result: Result, *, keep: bool) -> None:
    show.show("[bold]One invoice's way to its IRN[/]")
    with (
        stopwatch(time.monotonic) as elapsed_ms,
        show.waiting("starting a gateway and a portal") as started,
        Stack(folder, extra=THREADS) as stack,
    ):
        started()
        show.done("stack", f"sandbox portal, api, worker, sweeper, Redis and SQLite, in {folder}", elapsed_ms())
        document = paper.example(SystemClock().now()) if file is None else paper.read(file)
        seller = document.seller or ACTIVE_SELLER.gstin
        credentials = _client(stack, folder / _CREDENTIALS_FILE, seller)
        with Gateway(credentials) as gateway:
            scenes.play(Scene(stack, gateway, document, show), seller, result)
        kept = folder / _CREDENTIALS_FILE if keep else None
        _tell(show, result, credentials, kept)
        if keep:
            _stay(stack, result)


def _client(stack: Stack, file: Path, seller: str) -> Credentials:
    known = stack.credentials(file, gstin=seller)
    return Credentials(base_url=stack.base_url, client_id=known["client_id"], client_secret=known["client_secret"])


def _tell(show: Steps, result: Result, credentials: Credentials, kept: Path | None) -> None:
    if kept is not None:
        result.running = {"base_url": credentials.base_url, "credentials": str(kept)}
    if show.console is None:
        print_json(result.as_json())
    else:
        _tell_next(show, credentials, kept)


def _tell_next(show: Steps, credentials: Credentials, kept: Path | None) -> None:
    show.heading("What to try next")
    if kept is None:
        show.show("  mohar demo --file invoice.json   the same with a document of your own")
        show.show("  mohar demo --keep                leave it running, to call it yourself")
        return
    user = f"{credentials.client_id}:{credentials.client_secret}"
    url = f"{credentials.base_url}/oauth/token"
    _unwrapped(f"  curl -u {shlex.quote(user)} -d grant_type=client_credentials {url}")
    _unwrapped(f"  mohar irn submit invoice.json --credentials {shlex.quote(str(kept))}")
    show.show(f"It runs at {credentials.base_url} (documentation: /docs). Ctrl-C stops it and removes everything.")


def _unwrapped(line: str) -> None:
    """A command to be copied: one line, however long."""
    console.print(line, soft_wrap=True, markup=False)


def _stay(stack: Stack, result: Result) -> None:
    result.kept = True
    sys.stdout.flush()
    while True:
        time.sleep(LOOK_SECONDS)
        stack.watch()


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder of its own, removed whatever happens."""
    made: list[Path] = []
    try:
        with interrupts.whole():
            made.append(Path(tempfile.mkdtemp(prefix="mohar-demo-")))
        yield made[0]
    finally:
        with interrupts.whole():
            for folder in made:
                shutil.rmtree(folder, ignore_errors=True)


def _forget_settings() -> None:
    """The demo must not touch a database or a Redis that the environment names."""
    for name in [name for name in os.environ if name.startswith("MOHAR_")]:
        del os.environ[name]

"""The command `mohar`: processes, set-up, and the main job for people and for programs."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError

from gateway.cli import calls, demo, doctor, generate, processes, routes, setup, up
from gateway.cli.children import die_with_parent
from gateway.cli.output import fail
from gateway.errors import Misconfigured, MoharError

app = typer.Typer(
    name="mohar",
    help="Mohar: an invoice in, an IRN back, nothing lost or registered twice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (demo, up, processes, setup, routes, calls, doctor, generate):
    module.install(app)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 it did not succeed, 2 wrongly called, 3 wrongly configured, 4 still under way, 5 try later,
    130 stopped.
    """
    die_with_parent()
    try:
        app()
    except MoharError as error:
        sys.exit(fail(error))
    except ValidationError as error:
        sys.exit(fail(_bad_setting(error)))


def _bad_setting(error: ValidationError) -> Misconfigured:
    flaws = [f"MOHAR_{str(flaw['loc'][0]).upper()}: {flaw['msg']}" for flaw in error.errors() if flaw["loc"]]
    return Misconfigured(
        "setting-invalid", f"{'; '.join(flaws) or error.title}.", help="Correct it; README.md lists all settings."
    )

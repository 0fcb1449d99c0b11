"""The command `mohar`: processes, set-up, and the main job for people and for programs."""

from __future__ import annotations

import sys

import typer

from gateway.cli import processes, up
from gateway.cli.children import die_with_parent
from gateway.cli.output import fail
from gateway.errors import MoharError

app = typer.Typer(
    name="mohar",
    help="Mohar: an invoice in, an IRN back, nothing lost or registered twice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (up, processes):
    module.install(app)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 it did not succeed, 2 wrongly called, 3 wrongly configured."""
    die_with_parent()
    try:
        app()
    except MoharError as error:
        sys.exit(fail(error))

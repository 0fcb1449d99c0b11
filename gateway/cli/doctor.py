"""`mohar doctor`: what is configured, what answers, and what is wrong with the fix."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from gateway.cli import checks
from gateway.cli.checks import Check, Level
from gateway.cli.output import EXIT_DONE, EXIT_FAILED, console, print_json
from gateway.settings import Settings
from gateway.wiring import Wiring

CALL_SECONDS: Final = 5
"""A portal that needs longer for a sign of life is in trouble; the doctor does not wait for it as a worker does."""
_NAME_COLUMNS: Final = 16
_MARKS: Final = {Level.OK: "[green]✓[/]", Level.WARNING: "[yellow]![/]", Level.WRONG: "[red]✗[/]"}


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
) -> None:
    """Look at settings, database, Redis, processes, routes, sellers and unsettled work. Nothing is changed.

    Reads the same MOHAR_* settings as the processes do. Exit codes: 0 nothing is wrong, 1 something is.
    """
    settings = Settings()
    impatient = settings.model_copy(update={"call_seconds": min(settings.call_seconds, CALL_SECONDS)})
    with closing(Wiring(settings)) as wiring, closing(Wiring(impatient)) as probing:
        found = list(checks.run(wiring, probing=probing))
    if as_json:
        print_json({"ok": _is_well(found), "checks": [check.as_json() for check in found]})
    else:
        _show(found)
    raise typer.Exit(EXIT_DONE if _is_well(found) else EXIT_FAILED)


def _is_well(found: Sequence[Check]) -> bool:
    return all(check.level is not Level.WRONG for check in found)


def _show(found: Sequence[Check]) -> None:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(width=_NAME_COLUMNS, style="bold", overflow="fold")
    grid.add_column(overflow="fold")
    for check in found:
        fix = f"\n[dim]fix:[/] {escape(check.fix)}" if check.fix else ""
        grid.add_row(_MARKS[check.level], escape(check.name), escape(check.message) + fix)
    console.print(grid)
    wrong = sum(check.level is Level.WRONG for check in found)
    warnings = sum(check.level is Level.WARNING for check in found)
    console.print()
    console.print(f"{len(found)} checks: {wrong} wrong, {warnings} to look at.")

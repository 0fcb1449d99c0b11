"""`mohar invariants`: whether what always holds of the tables still does, while the gateway works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from gateway.cli.local import opened
from gateway.cli.output import EXIT_FAILED, JsonOption, console, print_json
from gateway.domain.invariants import ELSEWHERE, INVARIANTS
from gateway.ports.invariants import Found


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command("invariants")(show_invariants)


def show_invariants(
    newest: Annotated[
        int | None, typer.Option(min=1, help="Look at so many of the newest rows of each kind, not at all of them.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Whether what always holds still does: exit code 0 if so, 1 where something is broken. Changes nothing."""
    with opened() as wiring:
        found = wiring.ports.invariants.check(newest=newest, at=wiring.clock.now())
    if as_json:
        print_json({"invariants": [_as_json(each) for each in found], "not_told_here": dict(ELSEWHERE)})
    else:
        _print(found)
    if any(each.violations for each in found):
        raise typer.Exit(EXIT_FAILED)


def _as_json(found: Found) -> dict[str, Any]:
    rule = INVARIANTS[found.name]
    broken = found.violations > 0
    return {
        "name": found.name.value,
        "says": rule.says,
        "holds": not broken,
        "violations": found.violations,
        "examples": [{"id": each.subject, "message": each.text} for each in found.examples],
        "fix": rule.fix if broken else None,
    }


def _print(found: Sequence[Found]) -> None:
    for each in found:
        rule = INVARIANTS[each.name]
        if each.violations == 0:
            console.print(f"[green]holds[/]  {each.name}: {escape(rule.says)}", soft_wrap=True)
            continue
        console.print(f"[bold red]broken[/] {each.name}, {each.violations} times: {escape(rule.says)}", soft_wrap=True)
        for example in each.examples:
            console.print(f"       {escape(example.subject)}: {escape(example.text)}", soft_wrap=True)
        console.print(f"       {escape(rule.fix)}", soft_wrap=True)
    for says, why in ELSEWHERE.items():
        console.print(f"[dim]not told here: {escape(says)}: {escape(why)}[/]", soft_wrap=True)

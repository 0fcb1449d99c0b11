"""What the commands print: rich text for people on a terminal, JSON for programs, errors with what to do next."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.domain import canonical
from gateway.errors import Misconfigured, MoharError, Throttled, Unauthorised

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_MISCONFIGURED: Final = 3
EXIT_UNDER_WAY: Final = 4
EXIT_TRY_LATER: Final = 5
EXIT_STOPPED: Final = 130
"""Ctrl-C, as shells have it."""
FILE_COLUMNS: Final = 100
"""Width of what goes into a file or a pipe: nobody's window is too narrow for it."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

console = Console(highlight=False, width=None if sys.stdout.isatty() else FILE_COLUMNS)
errors = Console(stderr=True, highlight=False)


def print_json(content: Any) -> None:
    """One JSON object on a line of standard output."""
    sys.stdout.write(canonical.write(content) + "\n")
    sys.stdout.flush()


def fail(error: MoharError) -> int:
    """Say what is wrong and what to do; the exit code for it."""
    errors.print(f"[bold red]{escape(error.code)}[/]: {escape(error.message)}", soft_wrap=True)
    errors.print(f"  {escape(error.help)}", soft_wrap=True)
    return exit_code(error)


def exit_code(error: MoharError) -> int:
    """What an error tells a program: mend the set-up, try later, or it did not succeed."""
    if isinstance(error, (Misconfigured, Unauthorised)):
        return EXIT_MISCONFIGURED
    return EXIT_TRY_LATER if isinstance(error, Throttled) else EXIT_FAILED


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A plain table: a line under its head, nothing around it. Cells are text, not markup."""
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name, overflow="fold")
    for row in rows:
        made.add_row(*(escape(cell) for cell in row))
    return made


def fault_table(faults: Iterable[Mapping[str, Any]]) -> Table:
    """The faults of a problem answer: where, our code and below it the portal's, what, and what to do."""
    made = table(
        ("where", "code", "what is wrong", "what to do"),
        [(str(each["at"]) or "/", _codes(each), str(each["message"]), str(each["help"])) for each in faults],
    )
    made.columns[1].no_wrap = True  # it is what is looked up in docs/rules.md
    return made


def _codes(fault: Mapping[str, Any]) -> str:
    told = fault.get("portal_code")
    return f"{fault['code']}\n({told})" if told else str(fault["code"])

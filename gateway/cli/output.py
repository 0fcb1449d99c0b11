"""What the commands print: rich text for people on a terminal, JSON for programs, errors with what to do next."""

from __future__ import annotations

import sys
from typing import Any, Final

from rich.console import Console

from gateway.domain import canonical
from gateway.errors import Misconfigured, MoharError

EXIT_FAILED: Final = 1
EXIT_MISCONFIGURED: Final = 3

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def print_json(content: Any) -> None:
    """One JSON object on a line of standard output."""
    sys.stdout.write(canonical.write(content) + "\n")
    sys.stdout.flush()


def fail(error: MoharError) -> int:
    """Say what is wrong and what to do; the exit code for it."""
    errors.print(f"[bold red]{error.code}[/]: {error.message}")
    errors.print(f"  {error.help}")
    return EXIT_MISCONFIGURED if isinstance(error, Misconfigured) else EXIT_FAILED

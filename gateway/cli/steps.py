"""A list of steps on the terminal, printed one by one as they happen, in columns that stay where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

COLUMNS_MAX: Final = 110
"""Wider lines are hard to follow from a step to its time."""
_MARK_COLUMNS: Final = 2
_LABEL_COLUMNS: Final = 12
_TIME_COLUMNS: Final = 9
_LAKH_DIGITS: Final = 3


class Steps:
    """Prints to a console, or nowhere when there is none."""

    def __init__(self, console: Console | None) -> None:
        self.console = console

    def done(self, label: str, text: str, elapsed_ms: float | None = None) -> None:
        """One step that went well, with how long it took in milliseconds."""
        self._row("[green]✓[/]", label, Text(text), elapsed_ms)

    def failed(self, label: str, text: str, elapsed_ms: float | None = None) -> None:
        """One that did not, or that was refused as it should be."""
        self._row("[red]✗[/]", label, Text(text), elapsed_ms)

    def heading(self, text: str) -> None:
        """What comes now."""
        self.show(Text())
        self.show(Text(text, style="bold"))

    def show(self, what: RenderableType) -> None:
        """Anything else."""
        if self.console is not None:
            self.console.print(what)

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[], None]]:
        """Move something while nothing can be shown. Gives a function that ends it before the block does."""
        if self.console is None or not self.console.is_terminal:
            yield lambda: None
            return
        with self.console.status(text) as status:
            yield status.stop

    def _row(self, mark: str, label: str, text: Text, elapsed_ms: float | None) -> None:
        if self.console is None:
            return
        row = Table.grid(expand=True, padding=(0, 1, 0, 0))
        row.add_column(width=_MARK_COLUMNS - 1)
        row.add_column(width=_LABEL_COLUMNS - 1, no_wrap=True)
        row.add_column(ratio=1, overflow="fold")
        cells: list[RenderableType] = [mark, f"[bold]{label}[/]", text]
        if elapsed_ms is not None:
            row.add_column(width=_TIME_COLUMNS, justify="right", style="dim", no_wrap=True)
            cells.append(f"{elapsed_ms:,.0f} ms")
        row.add_row(*cells)
        self.console.print(row, width=min(self.console.width, COLUMNS_MAX))


@contextmanager
def stopwatch(monotonic: Callable[[], float]) -> Iterator[Callable[[], float]]:
    """Gives a function that tells the milliseconds since the block began."""
    began = monotonic()
    yield lambda: (monotonic() - began) * 1000


def rupees(amount: Decimal | int) -> str:
    """An amount as India writes it: ₹1,93,137.00."""
    whole, _, paise = f"{amount:.2f}".partition(".")
    head, tail = whole[:-_LAKH_DIGITS], whole[-_LAKH_DIGITS:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)]
    return f"₹{','.join([*reversed(pairs), tail])}.{paise}"

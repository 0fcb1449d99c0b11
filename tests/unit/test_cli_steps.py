"""Steps on a terminal."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from rich.console import Console

from gateway.cli.steps import COLUMNS_MAX, Steps, rupees, stopwatch


def lines_of(width: int, text: str, elapsed_ms: float | None) -> list[str]:
    """A step as it is printed on so many columns."""
    console = Console(file=io.StringIO(), width=width)
    Steps(console).done("label", text, elapsed_ms)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_times_stand_in_one_column(width: int) -> None:
    """Short texts and long ones end their first line in the time, at the same place."""
    short, long = lines_of(width, "text", 12.4), lines_of(width, "many words " * 20, 1234.5)
    assert short[0].rstrip().endswith("12 ms")
    assert long[0].rstrip().endswith("1,234 ms")
    assert len(short[0].rstrip()) == len(long[0].rstrip()) <= min(width, COLUMNS_MAX)


def test_an_irn_without_a_time_fits_on_eighty_columns() -> None:
    """64 digits are printed in one piece, to be copied."""
    assert len(lines_of(80, "0123456789abcdef" * 4, None)) == 1


def test_text_is_not_markup() -> None:
    """What the portal says may have brackets."""
    assert "[bold]" in lines_of(80, "[bold] is text", None)[0]


def test_steps_without_a_console_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json there is the object and nothing else."""
    show = Steps(None)
    show.done("label", "text")
    show.failed("label", "text")
    show.heading("text")
    with show.waiting("text") as stop:
        stop()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (Decimal(0), "₹0.00"),
        (Decimal("999.9"), "₹999.90"),
        (Decimal(1000), "₹1,000.00"),
        (Decimal("193137.00"), "₹1,93,137.00"),
        (Decimal("12345678.05"), "₹1,23,45,678.05"),
        (1000000, "₹10,00,000.00"),
    ],
)
def test_amounts_are_grouped_as_in_india(amount: Decimal | int, written: str) -> None:
    """Thousands, then lakhs and crores."""
    assert rupees(amount) == written


def test_a_stopwatch_tells_milliseconds() -> None:
    """Of the clock that it is given."""
    times = iter([1.0, 1.25])
    with stopwatch(lambda: next(times)) as elapsed_ms:
        assert elapsed_ms() == 250

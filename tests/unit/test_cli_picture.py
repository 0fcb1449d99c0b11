"""The signed QR code on a terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from rich.console import Console

from gateway import qr
from gateway.cli import picture

TOKEN = "eyJhbGciOiJSUzI1NiJ9." + "Qm9vayBvZiB0ZXN0cyA0Mi4" * 40 + ".c2lnbmF0dXJl"
HALVES = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
PIXELS = 3
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def photographed(lines: list[str], *, ink: int, paper: int) -> str:
    """What a camera reads in lines of half blocks: each half one square, painted in ink where the block is."""
    rows = [[HALVES[character][half] for character in line] for line in lines for half in (0, 1)]
    image = Image.new("L", (len(rows[0]), len(rows)))
    image.putdata([ink if painted else paper for row in rows for painted in row])
    found = zxingcpp.read_barcodes(
        image.resize((image.width * PIXELS, image.height * PIXELS), Image.Resampling.NEAREST)
    )
    return found[0].text if found else ""


def terminal(columns: int, lines: int = 100) -> Console:
    """A terminal of that size that takes all colours."""
    return Console(
        file=io.StringIO(), force_terminal=True, width=columns, height=lines, color_system="truecolor", no_color=False
    )


def printed(console: Console) -> str:
    """What came out."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_camera_reads_the_lines_of_the_code() -> None:
    """Light ink on a dark terminal gives the code with its own polarity."""
    assert photographed(qr.lines(TOKEN), ink=255, paper=0) == TOKEN


def test_a_terminal_gets_both_colours_by_name() -> None:
    """White on black whatever the terminal's own colours are, in every line, and readable so."""
    console = terminal(200)
    picture.show(TOKEN, console)
    lines = printed(console).splitlines()
    assert all(line.startswith("\x1b[38;2;255;255;255;48;2;0;0;0m") for line in lines)
    assert photographed([ESCAPES.sub("", line) for line in lines], ink=255, paper=0) == TOKEN


def test_the_quiet_zone_is_printed() -> None:
    """Four light modules on every side, as ISO/IEC 18004 asks for."""
    lines = qr.lines(TOKEN)
    assert set(lines[0] + lines[1] + lines[-2]) == {"█"}
    assert all(line.startswith("████") and line.endswith("████") for line in lines)


def test_a_file_gets_no_escape_codes() -> None:
    """Into a pipe or a file go the blocks alone, however narrow it is said to be."""
    console = Console(file=io.StringIO(), width=60)
    picture.show(TOKEN, console)
    assert "\x1b" not in printed(console)
    assert photographed(printed(console).splitlines(), ink=255, paper=0) == TOKEN


def test_a_narrow_terminal_is_told_how_wide_it_must_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No broken code is printed: the width it needs, and the path of a picture that can be read."""
    monkeypatch.chdir(tmp_path)
    console = terminal(80)
    picture.show(TOKEN, console)
    assert str(len(qr.lines(TOKEN)[0])) in printed(console)
    assert str(picture.FILE) in printed(console).replace("\n", "")
    with Image.open(tmp_path / picture.FILE) as image:
        assert zxingcpp.read_barcodes(image)[0].text == TOKEN


def test_a_low_terminal_gets_a_picture_besides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code that scrolls away cannot be photographed, so there is a file too."""
    monkeypatch.chdir(tmp_path)
    console = terminal(200, lines=30)
    picture.show(TOKEN, console)
    assert (tmp_path / picture.FILE).exists()


def test_a_folder_that_cannot_be_written_to_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture then goes where temporary files go."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / picture.FILE.parent).write_text("in the way")
    picture.show(TOKEN, terminal(80))
    assert len(list(tmp_path.glob("mohar-qr-*.png"))) == 1

"""The signed QR code in a terminal, or as a file where the terminal is too small for it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.style import Style
from rich.text import Text

from gateway import qr

FILE: Final = Path(".demo") / "qr.png"
"""Below the working folder; the repository ignores that folder, and `make clean` removes it."""
LIGHT_ON_DARK: Final = Style(color="rgb(255,255,255)", bgcolor="rgb(0,0,0)")
"""Both colours are named, so that the code has its own polarity whatever the terminal's colours are."""
_LINES_BESIDE: Final = 2


def show(token: str, console: Console) -> None:
    """Print the code where it fits; write it to a file too where no window shows all of it at once."""
    lines = qr.lines(token)
    columns = len(lines[0])
    if not console.is_terminal:
        # A file has no width and no colours: the blocks stand for the light modules.
        console.print("\n".join(lines), soft_wrap=True, markup=False)
        return
    if columns > console.width:
        console.print(
            f"  It needs a window of {columns} columns; this one has {console.width}. As a picture: {_write(token)}"
        )
        return
    for line in lines:
        console.print(Text(line, style=LIGHT_ON_DARK, no_wrap=True))
    if len(lines) + _LINES_BESIDE > console.height:
        console.print(f"  It has {len(lines)} lines; this window shows {console.height}. As a picture: {_write(token)}")


def _write(token: str) -> Path:
    try:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_bytes(qr.png(token))
    except OSError:  # a working folder that may not be written to
        with tempfile.NamedTemporaryFile(prefix="mohar-qr-", suffix=".png", delete=False) as file:
            file.write(qr.png(token))
            return Path(file.name)
    return FILE

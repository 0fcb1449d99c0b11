"""An SQLite database copied while processes write to it, and put back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.storage.database import OWNER_ONLY

PAGES_AT_ONCE: Final = 1000
"""About 4 MB: between two portions writers have their turn."""


def copy(source: Path, target: Path) -> None:
    """Copy a database, as it is at one moment, into a new file. Raises FileExistsError, or ValueError when damaged."""
    if target.exists():
        raise FileExistsError(target)
    draft = target.with_name(f"{target.name}.part")
    draft.unlink(missing_ok=True)
    draft.touch(mode=OWNER_ONLY)
    with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(draft)) as made:
        origin.backup(made, pages=PAGES_AT_ONCE)
        flaws = made.execute("PRAGMA integrity_check").fetchall()
    if flaws != [("ok",)]:
        draft.unlink()
        raise ValueError(f"{source} is damaged: {flaws[0][0]}")
    draft.rename(target)

"""A gateway looked at from beside: what a request has left behind, cheaply enough to be asked after each one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from gateway.storage.tables import metadata
from tests.support_api import Stack

LOOKED_AT: Final = frozenset(metadata.tables) - {"audit", "audit_unsealed"}
"""All tables but those that tell of a call, a refused one too: a record of it is no trace of what it asked for."""
USE: Final = "last_used_at"
"""Of an API key: known to the minute, whatever the key was used for."""
NOW_AND_THEN: Final = {"milliseconds": 10}
"""Between two requests, so that no limit has its say."""


class Watch:
    """The database and the portal, looked at from beside: what a request has changed, and what it has asked."""

    def __init__(self, stack: Stack, path: Path) -> None:
        self._stack = stack
        self._connection = sqlite3.connect(path)
        self._version = -1
        self._rows: Mapping[str, Any] = {}
        self.changed()

    def changed(self) -> frozenset[str]:
        """The tables whose rows are others than when this was last asked."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return frozenset()
        before, self._version, self._rows = self._rows, version, {name: self._all(name) for name in LOOKED_AT}
        return frozenset(name for name, rows in self._rows.items() if rows != before.get(name))

    def _all(self, table: str) -> Any:
        columns = ", ".join(f'"{each.name}"' for each in metadata.tables[table].columns if each.name != USE)
        return self._connection.execute(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608  names of ours

    def asked(self, send: Callable[[], httpx.Response]) -> tuple[httpx.Response, frozenset[str], frozenset[str]]:
        """An answer, the tables that changed for it and the calls at the portal."""
        self.changed()
        since = self._stack.clock.step(**NOW_AND_THEN).isoformat()
        answer = send()
        lines = self._stack.portal.get("/_calls", params={"since": since}).content.splitlines()
        return answer, self.changed(), frozenset(json.loads(line)["operation"] for line in lines)

    def close(self) -> None:
        """Look away."""
        self._connection.close()

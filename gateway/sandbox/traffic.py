"""What came in: the log of calls, and the limits on their number."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from gateway.sandbox.ledger import json_lines

CALLS_KEPT: Final = 1_000_000
"""Calls in the log. About 300 bytes each; a run of a benchmark fits, a run of a week does not fill the memory."""

MINUTE_SECONDS: Final = 60.0


@dataclass(slots=True, kw_only=True)
class CallEntry:
    """One call. `code` is what the portal decided: `ok`, its error code, or nothing when it was not served.

    `fault` is what was done to it, `landed_at` when a late request was served after all, `elapsed_ms` the delay that
    the portal put before its answer.
    """

    at: datetime
    gstin: str
    operation: str
    code: str | None = None
    fault: str | None = None
    irn: str | None = None
    elapsed_ms: int = 0
    landed_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """One line of `GET /_calls`, without what is not known."""
        known: dict[str, Any] = {
            "at": self.at.isoformat(timespec="microseconds"),
            "gstin": self.gstin,
            "operation": self.operation,
            "code": self.code,
        }
        if self.fault is not None:
            known["fault"] = self.fault
        if self.irn is not None:
            known["irn"] = self.irn
        if self.landed_at is not None:
            known["landed_at"] = self.landed_at.isoformat(timespec="microseconds")
        return known | {"elapsed_ms": self.elapsed_ms}


@dataclass(slots=True)
class CallLog:
    """The last calls, oldest first; older ones fall out."""

    _entries: deque[CallEntry] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))

    def add(self, entry: CallEntry) -> CallEntry:
        """Log a call."""
        self._entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget all calls."""
        self._entries.clear()

    def lines(self, *, since: datetime | None = None) -> bytes:
        """The calls from `since` on as JSON lines."""
        return json_lines(entry.as_json() for entry in self._entries if since is None or entry.at >= since)


@dataclass(slots=True)
class Rates:
    """Calls of the last minute by name. Times are seconds of a clock that never steps."""

    _seen: dict[str, deque[float]] = field(default_factory=dict)

    def wait_seconds(self, name: str, limit: int | None, *, at: float) -> float:
        """How long until one more call of that name is within its limit per minute; 0 when it is now."""
        if limit is None:
            return 0.0
        seen = self._seen.setdefault(name, deque())
        while seen and seen[0] <= at - MINUTE_SECONDS:
            seen.popleft()
        return 0.0 if len(seen) < limit else seen[-limit] + MINUTE_SECONDS - at

    def count(self, name: str, limit: int | None, *, at: float) -> None:
        """Count a call of that name. Nothing is kept where there is no limit."""
        if limit is not None:
            self._seen.setdefault(name, deque()).append(at)

    def clear(self) -> None:
        """Forget all counts."""
        self._seen.clear()

"""What the use cases need from the world, as Protocols. Adapters implement them; `gateway.wiring` chooses."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time, the only source of it below the processes."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps, for deadlines within a process."""

    def sleep(self, seconds: float) -> None:
        """Wait. A test's clock moves on instead."""

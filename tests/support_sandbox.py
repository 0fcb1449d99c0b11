"""What the tests of the sandbox share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass
class SettableClock:
    """Implements `ports.Clock`. It stands still until somebody sleeps, and a test may set it to any instant."""

    at: datetime
    seconds: float = 0.0

    def now(self) -> datetime:
        """The present instant of the test."""
        return self.at

    def monotonic(self) -> float:
        """Seconds that were slept."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.seconds += seconds
        self.at += timedelta(seconds=seconds)

"""What can happen to an operation, and what it then becomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.operations import HoldCause, Status


class Event(StrEnum):
    """What can happen to an operation."""

    ATTEMPT_BEGAN = "attempt began"
    REGISTERED = "registered"
    CONFLICTED = "conflicted"
    REFUSED = "refused"
    REFUSED_IN_DOUBT = "refused in doubt"
    STILL_QUARANTINED = "still quarantined"
    QUARANTINE_OVER = "quarantine over"
    POSTPONED = "postponed"
    LOST = "lost"
    PUT_ON_HOLD = "put on hold"
    GIVEN_UP = "given up"
    RESUMED = "resumed"
    WITHDRAWN = "withdrawn"
    WINDOW_CLOSED = "window closed"
    TOO_LATE = "too late"
    QUARANTINE_OUTLASTED = "quarantine over, window closed"
    NEEDLESS = "needless"
    DISOWNED = "found without effect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a row becomes. Whatever it does not name stays as it is."""

    event: Event
    status: Status
    due_at: datetime | None
    doubtful_since: datetime | None
    quarantined_since: datetime | None = None
    quarantine_looks: int = 0
    hold_cause: HoldCause | None = None
    run_alone: bool = False
    crashes_alone: int = 0

"""How long an operation may stay unknown before somebody is told, and how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from gateway.domain.calendar import write_instant
from gateway.domain.events import Announcement, EventType, about
from gateway.domain.operations import Operation

ALERT_HOURS: Final = (1, 12, 40)
"""Ages of a doubt at which it is told. An outage of an hour is worth a look; after twelve a person should have decided;
at forty the portal still shows the document, for eight hours more."""


def until_next(hours: int) -> timedelta | None:
    """How old a doubt is when the next age is told instead; None after the last."""
    later = [each for each in ALERT_HOURS if each > hours]
    return timedelta(hours=later[0]) if later else None


def once(operation_id: str, hours: int) -> str:
    """The name under which an age of an operation is told a single time."""
    return f"{EventType.OPERATION_UNKNOWN_FOR_LONG}:{hours}:{operation_id}"


def unknown_for_long(operation: Operation, *, hours: int) -> Announcement:
    """That nobody knows for so many hours what became of an operation, which is in doubt."""
    since, due_at = operation.doubtful_since, operation.due_at
    return Announcement(
        type=EventType.OPERATION_UNKNOWN_FOR_LONG,
        environment=operation.environment,
        org_id=operation.org_id,
        gstin=operation.gstin,
        subject=operation.irn or operation.subject,
        data=about(operation)
        | {
            "doubt": {
                "since": since and write_instant(since),
                "hours": hours,
                "next_attempt_at": due_at and write_instant(due_at),
            }
        },
        once=once(operation.id, hours),
    )

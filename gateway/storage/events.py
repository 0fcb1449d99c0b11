"""Events, written in the transaction of what they tell."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, insert, select

from gateway.domain import canonical
from gateway.domain.events import PAYLOAD_BYTES_MAX, Announcement, body, of_transition
from gateway.domain.identifiers import EVENT_PREFIX
from gateway.domain.operations import Operation
from gateway.domain.outcomes import Outcome
from gateway.ports import Ids
from gateway.storage.tables import events, feeds
from gateway.storage.upsert import counted_up

_TOLD: Final = select(events.c.id).where(
    events.c.environment == bindparam("environment"),
    events.c.org_id == bindparam("org_id"),
    events.c.once == bindparam("once"),
)
_LAST_OF_SUBJECT: Final = select(func.coalesce(func.max(events.c.sequence), 0)).where(
    events.c.environment == bindparam("environment"), events.c.subject == bindparam("subject")
)
_INSERT: Final = insert(events)


def announce(connection: Connection, announcement: Announcement, *, ids: Ids, at: datetime) -> bool:
    """Write an event in the transaction of what it tells; false when it was told `once` already.

    Call it last: from here to the commit no other event of the organisation gets a position, so that whoever reads on
    from a position has seen all before it.
    """
    feed = {"environment": announcement.environment, "org_id": announcement.org_id}
    position = counted_up(connection, feeds, feed, column="position")
    if announcement.once is not None and connection.execute(_TOLD, feed | {"once": announcement.once}).first():
        return False
    about = {"environment": announcement.environment, "subject": announcement.subject}
    sequence = connection.execute(_LAST_OF_SUBJECT, about).scalar_one() + 1
    connection.execute(_INSERT, _row(announcement, ids.new(EVENT_PREFIX), position, sequence, at))
    return True


def announce_transition(
    connection: Connection,
    before: Operation,
    after: Operation,
    outcome: Outcome | None = None,
    *,
    ids: Ids,
    at: datetime,
) -> None:
    """Write what a transition tells receivers, if it tells them anything."""
    announcement = of_transition(before, after, outcome)
    if announcement is not None:
        announce(connection, announcement, ids=ids, at=at)


def _row(announcement: Announcement, id: str, position: int, sequence: int, at: datetime) -> dict[str, Any]:
    text = canonical.write(body(announcement, id=id, sequence=sequence, at=at))
    if len(text.encode()) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"an event {announcement.type} of {len(text)} characters is no thin one")
    operation_id, version = announcement.operation or (None, None)
    return {
        "id": id,
        "environment": announcement.environment,
        "org_id": announcement.org_id,
        "position": position,
        "gstin": announcement.gstin,
        "type": announcement.type.value,
        "subject": announcement.subject,
        "sequence": sequence,
        "operation_id": operation_id,
        "version": version,
        "once": announcement.once,
        "at": at,
        "body": text,
    }

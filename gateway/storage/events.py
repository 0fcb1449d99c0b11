"""Events, written in the transaction of what they tell."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, insert, select

from gateway.domain import canonical
from gateway.domain.events import PAYLOAD_BYTES_MAX, Announcement, body, of_transition
from gateway.domain.identifiers import DELIVERY_PREFIX, EVENT_PREFIX
from gateway.domain.operations import Operation
from gateway.domain.outcomes import Outcome
from gateway.ports import Ids
from gateway.storage import replays
from gateway.storage.tables import clients, deliveries, events, feeds, grants, webhook_sellers, webhooks
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
_INSERT_DELIVERY: Final = insert(deliveries)
_SUBSCRIBED: Final = (
    select(webhooks.c.id, webhooks.c.types, grants.c.scopes)
    .join(webhook_sellers, webhook_sellers.c.webhook_id == webhooks.c.id)
    .join(clients, clients.c.id == webhooks.c.client_id)
    .join(grants, (grants.c.client_id == webhooks.c.client_id) & (grants.c.gstin == webhook_sellers.c.gstin))
    .where(
        webhook_sellers.c.gstin == bindparam("gstin"),
        webhooks.c.environment == bindparam("environment"),
        webhooks.c.org_id == bindparam("org_id"),
        webhooks.c.disabled_cause.is_(None),
        webhooks.c.deleted_at.is_(None),
        clients.c.revoked_at.is_(None),
        grants.c.revoked_at.is_(None),
    )
)
SCOPE: Final = "webhooks"
"""What a client's grant must have for its endpoints to be sent anything; the name of the scope of a token."""


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
    row = _row(announcement, ids.new(EVENT_PREFIX), position, sequence, at)
    connection.execute(_INSERT, row)
    _send(connection, row, ids=ids, at=at)
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


def _send(connection: Connection, event: dict[str, Any], *, ids: Ids, at: datetime) -> None:
    """A delivery for each endpoint that wants the event at this moment, by its client's grant as it is now."""
    wanted = {name: event[name] for name in ("environment", "org_id", "gstin")}
    rows = [
        replays.row(id, event, id=ids.new(DELIVERY_PREFIX), at=at)
        for id, types, scopes in connection.execute(_SUBSCRIBED, wanted)
        if (not types or event["type"] in types) and SCOPE in scopes.split() and id != event["subject"]
    ]
    if rows:
        connection.execute(_INSERT_DELIVERY, rows)


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

"""Deliveries that are sent again at their owner's wish."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from gateway.domain.deliveries import DeliveryStatus
from gateway.domain.identifiers import DELIVERY_PREFIX
from gateway.ports import Ids, Selection
from gateway.storage.delivery_queries import PENDING
from gateway.storage.tables import deliveries, events, webhook_sellers, webhooks

_AGAIN: dict[str, Any] = {
    "status": DeliveryStatus.PENDING.value,
    "failures": 0,
    "losses": 0,
    "settled_at": None,
}
"""The schedule begins anew; attempts go on being counted."""


def replay(connection: Connection, webhook_id: str, selection: Selection, *, ids: Ids, at: datetime) -> int:
    """Make due what the selection names and nobody is sending just now; how many rows."""
    chosen = _chosen(connection, webhook_id, selection)
    again = update(deliveries).where(deliveries.c.id.in_(chosen)).values(_AGAIN | {"due_at": at})
    connection.execute(again)
    if selection.delivery_id is not None or selection.statuses:
        return len(chosen)
    never_sent = _never_sent(connection, webhook_id, selection)[: selection.rows_max - len(chosen)]
    rows = [row(webhook_id, event, id=ids.new(DELIVERY_PREFIX), at=at) for event in never_sent]
    if rows:
        connection.execute(insert(deliveries), rows)
    return len(chosen) + len(rows)


def row(webhook_id: str, event: Any, *, id: str, at: datetime) -> dict[str, Any]:
    """A new delivery of an event (`id`, `position`, `subject`) to an endpoint, due at once."""
    return {
        "id": id,
        "webhook_id": webhook_id,
        "event_id": event["id"],
        "position": event["position"],
        "subject": event["subject"],
        "status": DeliveryStatus.PENDING.value,
        "due_at": at,
        "created_at": at,
    }


def _chosen(connection: Connection, webhook_id: str, selection: Selection) -> list[str]:
    query = (
        select(deliveries.c.id)
        .join(events, events.c.id == deliveries.c.event_id)
        .where(deliveries.c.webhook_id == webhook_id, deliveries.c.status != PENDING)
        .order_by(deliveries.c.position)
        .limit(selection.rows_max)
    )
    if selection.delivery_id is not None:
        query = query.where(deliveries.c.id == selection.delivery_id)
    if selection.statuses:
        query = query.where(deliveries.c.status.in_([status.value for status in selection.statuses]))
    return list(connection.execute(_within(query, selection)).scalars())


def _never_sent(connection: Connection, webhook_id: str, selection: Selection) -> list[Any]:
    """Events of a time that the endpoint would have been sent, had it been there or enabled."""
    types = connection.execute(select(webhooks.c.types).where(webhooks.c.id == webhook_id)).scalar_one()
    sent = select(deliveries.c.event_id).where(deliveries.c.webhook_id == webhook_id)
    query = (
        select(events.c.id, events.c.position, events.c.subject)
        .join(webhooks, (webhooks.c.environment == events.c.environment) & (webhooks.c.org_id == events.c.org_id))
        .join(webhook_sellers, webhook_sellers.c.gstin == events.c.gstin)
        .where(webhooks.c.id == webhook_id, webhook_sellers.c.webhook_id == webhook_id, events.c.id.not_in(sent))
        .order_by(events.c.position)
        .limit(selection.rows_max)
    )
    if types:
        query = query.where(events.c.type.in_(types))
    return list(connection.execute(_within(query, selection)).mappings())


def _within(query: Any, selection: Selection) -> Any:
    if selection.since is not None:
        query = query.where(events.c.at >= selection.since)
    if selection.until is not None:
        query = query.where(events.c.at < selection.until)
    return query

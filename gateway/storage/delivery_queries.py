"""The statements of the way to an endpoint, built once, and the words that partial indexes go by."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, exists, func, insert, literal_column, or_, select, update

from gateway.domain.deliveries import DeliveryStatus
from gateway.storage.tables import deliveries, delivery_attempts, events, lanes, operations, webhooks

PENDING: Final[ColumnElement[str]] = literal_column(f"'{DeliveryStatus.PENDING}'")
DEAD: Final[ColumnElement[str]] = literal_column(f"'{DeliveryStatus.DEAD}'")
"""Written out, because an index over pending or dead rows is not found by a parameter."""
WAITING: Final = deliveries.c.due_at.isnot(None) & deliveries.c.lease_until.is_(None)
"""Rows that something will happen to by itself, and that nobody has in hand."""
QUIET: Final[dict[str, Any]] = {
    "status": DeliveryStatus.CANCELLED.value,
    "due_at": None,
    "lease_token": None,
    "lease_until": None,
    "lease_owner": None,
}
"""What a cancelled row becomes; whoever has it in hand finds that out when it records."""

WEBHOOK: Final = (
    select(
        webhooks.c.id,
        webhooks.c.environment,
        webhooks.c.url,
        webhooks.c.policy,
        webhooks.c.headers_sealed,
        webhooks.c.prompt_since,
        webhooks.c.updated_at,
    )
    .join(lanes, lanes.c.lane == bindparam("lane"))
    .where(
        webhooks.c.id == bindparam("webhook"),
        webhooks.c.disabled_cause.is_(None),
        webhooks.c.deleted_at.is_(None),
        or_(lanes.c.bulk_blocked_until.is_(None), lanes.c.bulk_blocked_until <= bindparam("at")),
    )
    .with_for_update(of=lanes)
)
"""An endpoint that may be sent things now, its lane locked: claims of one lane come one after the other."""

_earlier = deliveries.alias()
_in_its_way = exists().where(
    _earlier.c.webhook_id == deliveries.c.webhook_id,
    _earlier.c.subject == deliveries.c.subject,
    _earlier.c.position < deliveries.c.position,
    _earlier.c.status == PENDING,
    or_(_earlier.c.failures == 0, _earlier.c.lease_until.isnot(None)),
)
_under_way = deliveries.alias()
_theirs = (_under_way.c.webhook_id == bindparam("webhook")) & _under_way.c.lease_until.isnot(None)
_room = select(func.count()).where(_theirs).scalar_subquery() < bindparam("leases_max")
DUE: Final = (
    select(
        deliveries.c.id,
        deliveries.c.webhook_id,
        deliveries.c.event_id,
        deliveries.c.status,
        deliveries.c.attempts,
        deliveries.c.failures,
        deliveries.c.losses,
        events.c.body,
        operations.c.request_id,
        operations.c.trace_id,
    )
    .join(events, events.c.id == deliveries.c.event_id)
    .outerjoin(operations, operations.c.id == events.c.operation_id)
    .where(
        deliveries.c.webhook_id == bindparam("webhook"),
        deliveries.c.due_at <= bindparam("at"),
        WAITING,
        ~_in_its_way,
        _room,
    )
    .order_by(deliveries.c.due_at, deliveries.c.position)
    .limit(2)
    .with_for_update(skip_locked=True, of=deliveries)
)
"""The next row of an endpoint to send and the one after it. A row waits while an earlier event of the same subject is
under way or was not tried yet; one that failed is overtaken. None while enough requests are under way."""

LEASE: Final = update(deliveries).where(deliveries.c.id == bindparam("held_id"))
"""Lease a row that this transaction has locked."""

HELD: Final = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("held_id"), deliveries.c.lease_token == bindparam("held_token"))
    .returning(
        deliveries.c.id,
        deliveries.c.webhook_id,
        deliveries.c.event_id,
        deliveries.c.status,
        deliveries.c.attempts,
        deliveries.c.last_status,
        deliveries.c.last_error,
    )
)
"""Change a row if it is still held by this token. No row: it is not."""

INSERT_ATTEMPT: Final = insert(delivery_attempts)
"""A try at an endpoint."""

END_ATTEMPT: Final = update(delivery_attempts).where(delivery_attempts.c.id == bindparam("ended_id"))
"""What a try meant."""

LOCK_WEBHOOK: Final = (
    select(webhooks.c.id, webhooks.c.policy)
    .where(webhooks.c.id == bindparam("webhook"))
    .with_for_update(key_share=True)
)
"""An endpoint, locked. Whoever changes it with its deliveries locks it first, so that nobody waits in a ring."""

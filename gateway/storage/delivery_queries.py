"""The statements of the way to an endpoint, built once, and the words that partial indexes go by."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, exists, func, literal_column, or_, select

from gateway.domain.deliveries import DeliveryStatus
from gateway.storage.tables import deliveries, events, webhooks

PENDING: Final[ColumnElement[str]] = literal_column(f"'{DeliveryStatus.PENDING}'")
"""Written out, because an index over pending rows is not found by a parameter."""
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

WEBHOOK: Final = select(webhooks).where(
    webhooks.c.id == bindparam("webhook"), webhooks.c.disabled_cause.is_(None), webhooks.c.deleted_at.is_(None)
)
"""An endpoint that is sent things."""

_earlier = deliveries.alias()
_in_its_way = exists().where(
    _earlier.c.webhook_id == deliveries.c.webhook_id,
    _earlier.c.subject == deliveries.c.subject,
    _earlier.c.position < deliveries.c.position,
    _earlier.c.status == PENDING,
    or_(_earlier.c.failures == 0, _earlier.c.lease_until.isnot(None)),
)
DUE: Final = (
    select(deliveries, events.c.body)
    .join(events, events.c.id == deliveries.c.event_id)
    .where(
        deliveries.c.webhook_id == bindparam("webhook"), deliveries.c.due_at <= bindparam("at"), WAITING, ~_in_its_way
    )
    .order_by(deliveries.c.due_at, deliveries.c.position)
    .limit(2)
    .with_for_update(skip_locked=True, of=deliveries)
)
"""The next row of an endpoint to send and the one after it. A row waits while an earlier event of the same subject is
under way or was not tried yet; one that failed is overtaken."""

LEASED: Final = select(func.count()).where(
    deliveries.c.webhook_id == bindparam("webhook"), deliveries.c.lease_until.isnot(None)
)
"""How many requests to an endpoint are under way."""

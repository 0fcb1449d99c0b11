"""Rows of an endpoint, for whoever needs more than one of its tables in one transaction."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection, RowMapping, or_, select, update

from gateway.domain.deliveries import DisabledCause
from gateway.ports import Vault
from gateway.storage.delivery_queries import PENDING, QUIET
from gateway.storage.tables import deliveries, webhook_secrets, webhooks


def headers(webhook: RowMapping, *, vault: Vault) -> dict[str, str]:
    """The client's own headers, opened."""
    sealed = webhook["headers_sealed"]
    if sealed is None:
        return {}
    opened: dict[str, str] = json.loads(vault.open(sealed, context=headers_context(webhook["id"])))
    return opened


def secrets(connection: Connection, id: str, *, vault: Vault, at: datetime) -> tuple[str, ...]:
    """The live secrets, opened, newest first."""
    live = or_(webhook_secrets.c.expires_at.is_(None), webhook_secrets.c.expires_at > at)
    query = select(webhook_secrets.c.id, webhook_secrets.c.secret_sealed).where(
        webhook_secrets.c.webhook_id == id, live
    )
    rows = connection.execute(query.order_by(webhook_secrets.c.created_at.desc())).all()
    return tuple(vault.open(row.secret_sealed, context=secret_context(row.id)).decode() for row in rows)


def disable(connection: Connection, id: str, cause: DisabledCause, *, at: datetime) -> int:
    """Send an endpoint nothing more; how much that waited is cancelled."""
    values = {"disabled_cause": cause.value, "updated_at": at}
    connection.execute(update(webhooks).where(webhooks.c.id == id).values(values))
    return cancel_pending(connection, id, at=at)


def cancel_pending(connection: Connection, id: str, *, at: datetime) -> int:
    """Cancel whatever waits for an endpoint or is on its way to it; how much that was."""
    waits = (deliveries.c.webhook_id == id) & (deliveries.c.status == PENDING)
    return connection.execute(update(deliveries).where(waits).values(QUIET | {"settled_at": at})).rowcount


def secret_context(id: str) -> str:
    """What a sealed secret is bound to."""
    return f"webhook_secrets|secret|{id}"


def headers_context(id: str) -> str:
    """What sealed headers are bound to."""
    return f"webhooks|headers|{id}"

"""Receivers of events, and what each is sent."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from gateway.storage.tables.base import environment_column, id_column, metadata
from gateway.storage.types import Instant

webhooks = Table(
    "webhooks",
    metadata,
    id_column(),
    environment_column(),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("client_id", ForeignKey("clients.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("url", String(2000), nullable=False),
    Column("types", JSON, nullable=False),  # an empty list: all of them
    Column("policy", String(20), nullable=False),
    Column("headers_sealed", LargeBinary),  # the client's own: they may carry its secrets
    Column("disabled_cause", String(20)),  # null: enabled
    Column("failing_since", Instant),  # null: the last attempt succeeded, or there was none
    Column("prompt_since", Instant),  # null: the last attempt failed or was slow, or there was none
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("deleted_at", Instant),
)

webhook_sellers = Table(
    "webhook_sellers",
    metadata,
    Column("webhook_id", ForeignKey("webhooks.id"), primary_key=True),
    Column("gstin", String(15), primary_key=True),
)
Index("webhook_sellers_gstin", webhook_sellers.c.gstin)

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    id_column(),
    Column("webhook_id", ForeignKey("webhooks.id"), nullable=False, index=True),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),  # null: the newest one
)

deliveries = Table(
    "deliveries",
    metadata,
    id_column(),
    Column("webhook_id", ForeignKey("webhooks.id"), nullable=False),
    Column("event_id", ForeignKey("events.id"), nullable=False),
    Column("position", BigInteger, nullable=False),  # of the event
    Column("subject", String(80), nullable=False),  # of the event
    Column("status", String(10), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("failures", Integer, nullable=False, default=0),  # in a row, since it was last begun anew
    Column("losses", Integer, nullable=False, default=0),  # attempts in a row whose process died
    Column("last_status", Integer),
    Column("last_error", String(40)),
    Column("due_at", Instant),  # null: nothing will happen by itself
    Column("lease_token", String(40)),
    Column("lease_until", Instant),
    Column("lease_owner", String(80)),
    Column("created_at", Instant, nullable=False),
    Column("settled_at", Instant),
    UniqueConstraint("event_id", "webhook_id"),
)
_waiting = deliveries.c.due_at.isnot(None) & deliveries.c.lease_until.is_(None)
_leased = deliveries.c.lease_until.isnot(None)
_pending = deliveries.c.status == "pending"
_dead = deliveries.c.status == "dead"
Index(
    "deliveries_claim",
    deliveries.c.webhook_id,
    deliveries.c.due_at,
    deliveries.c.position,
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)
Index("deliveries_due", deliveries.c.due_at, sqlite_where=_waiting, postgresql_where=_waiting)
Index("deliveries_leases", deliveries.c.lease_until, sqlite_where=_leased, postgresql_where=_leased)
Index("deliveries_leases_webhook", deliveries.c.webhook_id, sqlite_where=_leased, postgresql_where=_leased)
Index(
    "deliveries_order",
    deliveries.c.webhook_id,
    deliveries.c.subject,
    deliveries.c.position,
    sqlite_where=_pending,
    postgresql_where=_pending,
)
Index("deliveries_dead", deliveries.c.settled_at, sqlite_where=_dead, postgresql_where=_dead)
Index("deliveries_list", deliveries.c.webhook_id, deliveries.c.position)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    id_column(),
    Column("delivery_id", ForeignKey("deliveries.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("worker", String(80), nullable=False),
    Column("url", String(2000), nullable=False),  # where it went; the webhook's may have changed since
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),  # null: under way, or its process died
    Column("verdict", String(20)),
    Column("status", Integer),
    Column("error", String(40)),
    Column("excerpt", Text),
    Column("duration_ms", Integer),
    UniqueConstraint("delivery_id", "number"),
)

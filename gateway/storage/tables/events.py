"""Events, and the counters that put them in an order in which none can be missed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from gateway.storage.tables.base import environment_column, id_column, metadata
from gateway.storage.types import Instant

feeds = Table(
    "feeds",
    metadata,
    Column("environment", String(4), primary_key=True),
    Column("org_id", ForeignKey("organisations.id"), primary_key=True),
    Column("position", BigInteger, nullable=False),  # of its last event; locked from there to the commit
)

events = Table(
    "events",
    metadata,
    id_column(),
    environment_column(),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("type", String(40), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("operation_id", ForeignKey("operations.id")),  # null: no transition of an operation
    Column("version", Integer),
    Column("once", String(120)),  # null: the operation and its version make it the only one, or nothing has to
    Column("at", Instant, nullable=False, index=True),
    Column("body", Text, nullable=False),  # JSON, as it is sent
    UniqueConstraint("environment", "org_id", "position"),
    UniqueConstraint("operation_id", "version"),
    UniqueConstraint("environment", "org_id", "once"),
)
Index("events_subject", events.c.environment, events.c.subject, events.c.sequence, unique=True)

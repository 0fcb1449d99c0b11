"""The ledger against the portals: a run for each taxpayer and day, and what was found."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Date, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from gateway.storage.tables.base import environment_column, id_column, metadata
from gateway.storage.types import Instant

reconciliations = Table(
    "reconciliations",
    metadata,
    id_column(),
    environment_column(),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("day", Date, nullable=False),  # of India
    Column("until", Instant, nullable=False),  # documents that were acknowledged later are another run's
    Column("phase", String(10), nullable=False),
    Column("cursor", String(120)),  # what was looked at last; null: nothing of this phase yet
    Column(
        "tries", Integer, nullable=False, default=0
    ),  # answers without sense to the present question; below 0: more are borne
    Column("checked", Integer, nullable=False, default=0),
    Column("looked_up", Integer, nullable=False, default=0),
    Column("unread", Integer, nullable=False, default=0),
    Column("found", Integer, nullable=False, default=0),
    Column("waiting", Text),  # why it waits until it is due
    Column("opened_at", Instant, nullable=False),
    Column("due_at", Instant),  # null: it has ended
    Column("ended_at", Instant),
    Column("lease_token", String(40)),
    Column("lease_until", Instant),
    Column("lease_owner", String(80)),
    UniqueConstraint("environment", "gstin", "day"),
)
_open = reconciliations.c.due_at.isnot(None)
Index("reconciliations_due", reconciliations.c.due_at, sqlite_where=_open, postgresql_where=_open)

reconciliation_findings = Table(
    "reconciliation_findings",
    metadata,
    id_column(),
    Column("run_id", ForeignKey("reconciliations.id"), nullable=False, index=True),
    Column("environment", String(4), nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("once", String(120), nullable=False),  # under which it is found a single time, whatever run looks
    Column("kind", String(20), nullable=False),
    Column("irn", String(64), nullable=False),
    Column("doc_type", String(3)),
    Column("doc_no", String(16)),
    Column("doc_date", Date),
    Column("operation_id", ForeignKey("operations.id")),  # whose number it is about
    Column("differences", JSON),  # the digest of a sealed body, or an empty list
    Column("found_at", Instant, nullable=False),
    UniqueConstraint("environment", "gstin", "once"),
)

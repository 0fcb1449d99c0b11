"""Evidence: bodies as they came, and the record of who did what."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Integer, LargeBinary, String, Table

from gateway.storage.tables.base import metadata
from gateway.storage.types import Instant, Serial

blobs = Table(
    "blobs",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the bytes as they came
    Column("body", LargeBinary, nullable=False),  # zlib, sealed under a body key
    Column("created_at", Instant, nullable=False),
)

body_keys = Table(
    "body_keys",
    metadata,
    Column("key_id", String(8), primary_key=True),
    Column("key_sealed", LargeBinary, nullable=False),  # under the master key
    Column("created_at", Instant, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("position", Serial, primary_key=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("at", Instant, nullable=False),
    Column("environment", String(4)),
    Column("org_id", String(40)),
    Column("gstin", String(15)),
    Column("actor", String(80), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("version", Integer),
    Column("facts", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
)
Index("audit_subject", audit.c.subject, audit.c.position)

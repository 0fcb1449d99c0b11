"""Seals over audit records: numbered leaves, signed roots, and the keys that sign them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from gateway.storage.tables.base import id_column, metadata
from gateway.storage.types import Instant, Serial

audit_unsealed = Table(
    "audit_unsealed",
    metadata,
    Column("position", Serial, primary_key=True, autoincrement=False),  # written by a trigger beside each record
)

audit_seals = Table(
    "audit_seals",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=False),
    Column("first_leaf", Serial, nullable=False),
    Column("size", Integer, nullable=False),
    Column("root", String(64), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("key_id", ForeignKey("audit_keys.key_id"), nullable=False),
    Column("signature", String(128), nullable=False),  # Ed25519, hexadecimal
)

audit_leaves = Table(
    "audit_leaves",
    metadata,
    Column("leaf_index", Serial, primary_key=True, autoincrement=False),
    Column("record_id", String(40), nullable=False, unique=True),  # outlives the record, which has an age limit
    Column("series", String(64), nullable=False),
    Column("ordinal", Serial, nullable=False),  # within the series, from 1
    Column("hash", String(64), nullable=False),
    Column("seal", ForeignKey("audit_seals.number"), nullable=False),
)
Index("audit_leaves_series", audit_leaves.c.series, audit_leaves.c.leaf_index)

audit_series = Table(
    "audit_series",
    metadata,
    Column("series", String(64), primary_key=True),
    Column("records", Serial, nullable=False),  # how many are sealed
)

audit_keys = Table(
    "audit_keys",
    metadata,
    id_column("key_id"),
    Column("private_sealed", LargeBinary, nullable=False),
    Column("public_pem", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

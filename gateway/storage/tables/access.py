"""Who may call: organisations, taxpayers, programs, and what each may."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table, Text

from gateway.storage.tables.base import id_column, metadata
from gateway.storage.types import Instant

organisations = Table(
    "organisations",
    metadata,
    id_column(),
    Column("name", String(200), nullable=False),
    Column("created_at", Instant, nullable=False),
)

gstins = Table(
    "gstins",
    metadata,
    Column("environment", String(4), primary_key=True),
    Column("gstin", String(15), primary_key=True),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("route", String(40), nullable=False),
    Column("reporting_days", Integer),  # null: no reporting limit applies to this taxpayer
    Column("created_at", Instant, nullable=False),
)

clients = Table(
    "clients",
    metadata,
    id_column(),
    Column("environment", String(4), nullable=False),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("secret_digest", LargeBinary, nullable=False),  # keyed: HMAC-SHA-256 with a pepper
    Column("respond_async", Boolean, nullable=False, default=False),  # the in-product flow is its default
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),  # null: live
)

grants = Table(
    "grants",
    metadata,
    Column("client_id", ForeignKey("clients.id"), primary_key=True),
    Column("gstin", String(15), primary_key=True),
    Column("scopes", String(200), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

token_keys = Table(
    "token_keys",
    metadata,
    id_column("kid"),
    Column("private_sealed", LargeBinary, nullable=False),
    Column("public_pem", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

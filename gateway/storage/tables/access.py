"""Who may call: organisations, taxpayers, programs, and what each may."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table, Text

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
    Column("other_routes", JSON),  # where to go when the preferred one is down, in this order; null: nowhere
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
    Column("former_secret_digest", LargeBinary),  # the one before, while programs change over to the new one
    Column("former_secret_until", Instant),
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
    Column("retired_at", Instant),  # from then on its tokens are no longer good
)

client_keys = Table(
    "client_keys",
    metadata,
    Column("client_id", ForeignKey("clients.id"), primary_key=True),
    Column("kid", String(64), primary_key=True),
    Column("algorithm", String(8), nullable=False),  # fixed with the key: a token never chooses its own
    Column("public_pem", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

client_assertions = Table(
    "client_assertions",  # ids of assertions that were used: each is good once
    metadata,
    Column("client_id", String(40), primary_key=True),
    Column("jti", String(64), primary_key=True),  # its SHA-256: what a client calls it may be of any form
    Column("expires_at", Instant, nullable=False, index=True),
)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("token_id", String(64), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    id_column(),
    Column("environment", String(4), nullable=False),
    Column("org_id", ForeignKey("organisations.id"), nullable=False, index=True),
    Column("client_id", ForeignKey("clients.id"), nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("name", String(200), nullable=False),
    Column("read_only", Boolean, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),  # keyed, like a client's secret
    Column("hint", String(20), nullable=False),  # its form and its last characters, for people
    Column("scopes", String(200), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),  # to the minute
)

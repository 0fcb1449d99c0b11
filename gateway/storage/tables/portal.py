"""The way to a portal: routes, keys, logins and sessions."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
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

routes = Table(
    "routes",
    metadata,
    Column("name", String(40), primary_key=True),
    environment_column(),
    Column("base_url", String(300), nullable=False),
    Column("gsp_account", String(80), nullable=False),  # whose limit all its callers share
    Column("client_id", String(200), nullable=False),
    Column("client_secret_sealed", LargeBinary, nullable=False),
    Column("enforce_check_digit", Boolean, nullable=False),
    Column("pace", String(20), nullable=False),
    Column("limits", JSON, nullable=False),  # by what each limits, a `token_bucket.Limit`
    Column("relogin_seconds_min", Integer, nullable=False),  # between two logins of an account
    Column("ewb_base_url", String(300), nullable=False),  # of the e-way bill system; empty: below base_url
    Column("portal", String(20), nullable=False, server_default=""),  # as its sisters know it: NIC1, NIC2
    Column("headers_sealed", LargeBinary),  # what a GSP wants besides; null: nothing
    Column("created_at", Instant, nullable=False),  # as it is now: a change makes it anew
)

portal_keys = Table(
    "portal_keys",
    metadata,
    Column("route", ForeignKey("routes.name"), primary_key=True),
    Column("purpose", String(10), primary_key=True),  # 'login' or 'signing'
    Column("kid", String(64), primary_key=True),
    Column("pem", Text, nullable=False),
    Column("added_at", Instant, nullable=False),
)

portal_accounts = Table(
    "portal_accounts",
    metadata,
    id_column(),
    Column("environment", String(4), nullable=False),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("route", ForeignKey("routes.name"), nullable=False),
    Column("credentials_sealed", LargeBinary, nullable=False),
    Column("refused_code", Text),  # null: as far as we know the portal takes them
    Column("changed_at", Instant, nullable=False),
    UniqueConstraint("environment", "gstin", "route"),
)

taxpayers = Table(  # what a portal told of them, for each organisation that asked
    "taxpayers",
    metadata,
    Column("environment", String(4), primary_key=True),
    Column("org_id", ForeignKey("organisations.id"), primary_key=True),
    Column("gstin", String(15), primary_key=True),
    Column("answer", Text, nullable=False),
    Column("fetched_at", Instant, nullable=False),
)
Index("taxpayers_fetched", taxpayers.c.fetched_at)

portal_sessions = Table(
    "portal_sessions",
    metadata,
    Column("account_id", ForeignKey("portal_accounts.id"), primary_key=True),
    Column("system", String(20), primary_key=True),  # 'einvoice'; the e-way bill system has its own
    Column("generation", Integer, nullable=False),
    Column("session_sealed", LargeBinary),  # token and session key in one piece: never one without the other
    Column("expires_at", Instant),
    Column("renewed_at", Instant),
    Column("paused_until", Instant),  # no login before, of the credentials that were entered at `paused_for`
    Column("paused_for", Instant),
    Column("paused_code", Text),  # null: not refused, only too soon
    Column("paused_message", Text),
    Column("lease_token", String(40)),
    Column("lease_until", Instant),
)

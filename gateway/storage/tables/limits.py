"""What the portals count against us, so that we count it too."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, Index, Integer, String, Table

from gateway.storage.tables.base import environment_column, metadata
from gateway.storage.types import Instant, Serial

portal_errors = Table(
    "portal_errors",
    metadata,
    Column("environment", environment_column().type, primary_key=True),
    Column("scope", String(10), primary_key=True),  # 'gstin' or 'client', as the portals count
    Column("name", String(200), primary_key=True),  # the GSTIN, or the client id at the portal
    Column("day", Date, primary_key=True),  # of India
    Column("caused_by", String(60), primary_key=True),  # empty: all of them, the row that is locked first
    Column("errors", Integer, nullable=False),
)

portal_logins = Table(
    "portal_logins",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account_id", ForeignKey("portal_accounts.id"), nullable=False),
    Column("at", Instant, nullable=False),  # rows past the window are removed by the next login
)
Index("portal_logins_account", portal_logins.c.account_id, portal_logins.c.at)

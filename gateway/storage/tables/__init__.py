"""Every table, and why it is one. Every time is an Instant; every amount is text, as it was written."""

from gateway.storage.tables.access import (
    api_keys,
    client_assertions,
    client_keys,
    clients,
    grants,
    gstins,
    organisations,
    revoked_tokens,
    token_keys,
)
from gateway.storage.tables.base import metadata
from gateway.storage.tables.events import events, feeds
from gateway.storage.tables.evidence import audit, blobs, body_keys
from gateway.storage.tables.ledger import documents, eway_bills, note_links
from gateway.storage.tables.limits import portal_errors, portal_logins
from gateway.storage.tables.portal import portal_accounts, portal_keys, portal_sessions, routes, taxpayers
from gateway.storage.tables.reconciling import reconciliation_findings, reconciliations
from gateway.storage.tables.road import eway_bill_steps
from gateway.storage.tables.seals import audit_keys, audit_leaves, audit_seals, audit_series, audit_unsealed
from gateway.storage.tables.webhooks import (
    deliveries,
    delivery_attempts,
    webhook_secrets,
    webhook_sellers,
    webhooks,
)
from gateway.storage.tables.work import attempts, idempotency_keys, identities, lanes, leaders, operations

__all__ = [
    "api_keys",
    "attempts",
    "audit",
    "audit_keys",
    "audit_leaves",
    "audit_seals",
    "audit_series",
    "audit_unsealed",
    "blobs",
    "body_keys",
    "client_assertions",
    "client_keys",
    "clients",
    "deliveries",
    "delivery_attempts",
    "documents",
    "events",
    "eway_bill_steps",
    "eway_bills",
    "feeds",
    "grants",
    "gstins",
    "idempotency_keys",
    "identities",
    "lanes",
    "leaders",
    "metadata",
    "note_links",
    "operations",
    "organisations",
    "portal_accounts",
    "portal_errors",
    "portal_keys",
    "portal_logins",
    "portal_sessions",
    "reconciliation_findings",
    "reconciliations",
    "revoked_tokens",
    "routes",
    "taxpayers",
    "token_keys",
    "webhook_secrets",
    "webhook_sellers",
    "webhooks",
]

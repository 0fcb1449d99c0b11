"""Audit records: who did what to which thing, when; and the digest that fixes one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """The closed vocabulary of actions, `subject:verb`."""

    OPERATION_ACCEPTED = "operation:accept"
    OPERATION_CLOSED = "operation:close"
    OPERATION_RESUMED = "operation:resume"
    OPERATION_JUDGED = "operation:judge"
    ATTEMPT_BEGAN = "attempt:begin"
    ATTEMPT_SETTLED = "attempt:settle"
    LEASE_ENDED = "lease:end"
    ORGANISATION_ADDED = "organisation:add"
    GSTIN_ADDED = "gstin:add"
    CREDENTIALS_CHANGED = "credentials:change"
    CREDENTIALS_TRIED = "credentials:try"
    CREDENTIALS_REFUSED = "credentials:refuse"
    CLIENT_ADDED = "client:add"
    CLIENT_REVOKED = "client:revoke"
    CLIENT_SECRET_CHANGED = "client_secret:change"  # noqa: S105  an action's name
    CLIENT_SECRET_ENDED = "client_secret:end"  # noqa: S105  an action's name
    CLIENT_KEY_ADDED = "client_key:add"
    CLIENT_KEY_REVOKED = "client_key:revoke"
    GRANT_CHANGED = "grant:change"
    GRANT_WITHDRAWN = "grant:withdraw"
    API_KEY_ADDED = "api_key:add"
    API_KEY_REVOKED = "api_key:revoke"
    TOKEN_REVOKED = "token:revoke"  # noqa: S105  an action's name
    TOKEN_KEY_CHANGED = "token_key:change"  # noqa: S105  an action's name
    MASTER_KEY_CHANGED = "master_key:change"
    ROUTE_CHANGED = "route:change"
    PORTAL_KEY_ADDED = "portal_key:add"
    SESSION_RENEWED = "session:renew"
    READ_BACK = "document:read_back"
    RECONCILED = "document:reconcile"
    RECONCILIATION_ASKED = "reconciliation:ask"
    WEBHOOK_ADDED = "webhook:add"
    WEBHOOK_CHANGED = "webhook:change"
    WEBHOOK_ENABLED = "webhook:enable"
    WEBHOOK_DISABLED = "webhook:disable"
    WEBHOOK_DELETED = "webhook:delete"
    WEBHOOK_ROTATED = "webhook:rotate"
    WEBHOOK_TESTED = "webhook:test"
    DELIVERY_EXHAUSTED = "delivery:exhaust"
    DELIVERIES_REPLAYED = "delivery:replay"
    SEAL_KEY_ADDED = "seal_key:add"
    CALLS_RECEIVED = "calls:receive"
    EVIDENCE_EXPORTED = "evidence:export"


def months_before(at: datetime, *, months: int) -> datetime:
    """The same day so many months earlier, or the last of that month if it is shorter."""
    years, month = divmod(at.year * 12 + at.month - 1 - months, 12)
    first = at.replace(year=years, month=month + 1, day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=min(at.day, (following - first).days) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One audit record. `facts` are small, free of secrets and of document content: digests stand for bodies."""

    id: str
    at: datetime
    actor: str
    action: Action
    subject: str
    environment: str | None = None
    org_id: str | None = None
    gstin: str | None = None
    version: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over every member, in one form: changing any of them changes it."""
        members = [
            self.id,
            self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            self.actor,
            self.action,
            self.subject,
            self.environment,
            self.org_id,
            self.gstin,
            self.version,
            self.facts,
        ]
        text = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

"""Every table, and why it is one. Every time is an Instant; every amount is text, as it was written."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from gateway.storage.types import Instant, Serial

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def _id(name: str = "id") -> Column[str]:
    return Column(name, String(40), primary_key=True)


def _environment() -> Column[str]:
    known = CheckConstraint("environment IN ('test', 'live')", name="environment")
    return Column("environment", String(4), known, nullable=False)


# Who may call ---------------------------------------------------------------------------------------------------------

organisations = Table(
    "organisations",
    metadata,
    _id(),
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
    _id(),
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
    _id("kid"),
    Column("private_sealed", LargeBinary, nullable=False),
    Column("public_pem", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# The way to a portal --------------------------------------------------------------------------------------------------

routes = Table(
    "routes",
    metadata,
    Column("name", String(40), primary_key=True),
    _environment(),
    Column("base_url", String(300), nullable=False),
    Column("gsp_account", String(80), nullable=False),  # whose limit all its callers share
    Column("client_id", String(200), nullable=False),
    Column("client_secret_sealed", LargeBinary, nullable=False),
    Column("enforce_check_digit", Boolean, nullable=False),
    Column("pace", String(20), nullable=False),
    Column("limits", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
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
    _id(),
    Column("environment", String(4), nullable=False),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("route", ForeignKey("routes.name"), nullable=False),
    Column("credentials_sealed", LargeBinary, nullable=False),
    Column("refused_code", Text),  # null: as far as we know the portal takes them
    Column("changed_at", Instant, nullable=False),
    UniqueConstraint("environment", "gstin", "route"),
)

portal_sessions = Table(
    "portal_sessions",
    metadata,
    Column("account_id", ForeignKey("portal_accounts.id"), primary_key=True),
    Column("system", String(20), primary_key=True),  # 'einvoice'; the e-way bill system has its own
    Column("generation", Integer, nullable=False),
    Column("session_sealed", LargeBinary),  # token and session key in one piece: never one without the other
    Column("expires_at", Instant),
    Column("renewed_at", Instant),
    Column("lease_token", String(40)),
    Column("lease_until", Instant),
)

# Work -----------------------------------------------------------------------------------------------------------------

operations = Table(
    "operations",
    metadata,
    _id(),
    _environment(),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("client_id", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("status", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("lane", String(60), nullable=False),
    Column("direct", Boolean, nullable=False),
    Column("doc_type", String(3), nullable=False),
    Column("doc_no", String(16), nullable=False),
    Column("doc_date", Date, nullable=False),
    Column("irn", String(64), nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("request_blob", String(64), nullable=False),
    Column("payload_blob", String(64), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("route", String(40)),  # null until the first attempt; kept while in doubt
    Column("attempts", Integer, nullable=False, default=0),
    Column("doubtful_since", Instant),
    Column("quarantined_since", Instant),
    Column("quarantine_looks", Integer, nullable=False, default=0),
    Column("hold_cause", String(30)),
    Column("kept_answer_blob", String(64)),  # an answer whose signing key was unknown when it came
    Column("portal_code", Text),  # all the codes of an answer: a document may be refused for many reasons
    Column("portal_message", Text),
    Column("due_at", Instant),  # null: nothing will happen by itself
    Column("deadline_at", Instant, nullable=False),
    Column("lease_token", String(40)),
    Column("lease_until", Instant),
    Column("lease_owner", String(80)),
    Column("run_alone", Boolean, nullable=False, default=False),
    Column("crashes_alone", Integer, nullable=False, default=0),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("settled_at", Instant),
)
_waiting = operations.c.due_at.isnot(None) & operations.c.lease_until.is_(None)
Index(
    "operations_claim",
    operations.c.lane,
    operations.c.direct,
    operations.c.deadline_at,
    operations.c.created_at,
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)
Index("operations_due", operations.c.due_at, sqlite_where=_waiting, postgresql_where=_waiting)
_leased = operations.c.lease_until.isnot(None)
Index("operations_leases", operations.c.lease_until, sqlite_where=_leased, postgresql_where=_leased)
Index("operations_leases_lane", operations.c.lane, sqlite_where=_leased, postgresql_where=_leased)
Index("operations_irn", operations.c.environment, operations.c.irn)

attempts = Table(
    "attempts",
    metadata,
    _id(),
    Column("operation_id", ForeignKey("operations.id"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("route", String(40), nullable=False),
    Column("worker", String(80), nullable=False),
    Column("in_doubt", Boolean, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),  # null: under way, or its process died
    Column("meaning", String(20)),
    Column("certainty", String(20)),
    Column("portal_code", Text),
    Column("message", Text),
    Column("evidence_blob", String(64)),
    UniqueConstraint("operation_id", "number"),
)

identities = Table(
    "identities",
    metadata,
    Column("environment", String(4), primary_key=True),
    Column("gstin", String(15), primary_key=True),
    Column("financial_year", String(7), primary_key=True),
    Column("doc_type", String(3), primary_key=True),
    Column("number_key", String(16), primary_key=True),  # upper case: numbers differ by more than letter-case
    Column("operation_id", ForeignKey("operations.id"), nullable=False),
    Column("content_digest", String(64), nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("client_id", String(40), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("operation_id", ForeignKey("operations.id"), nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

lanes = Table(
    "lanes",
    metadata,
    Column("lane", String(60), primary_key=True),
    Column("direct_blocked_until", Instant),  # out of permits until then: not rung before
    Column("bulk_blocked_until", Instant),
)

leaders = Table(
    "leaders",
    metadata,
    Column("role", String(40), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("until", Instant, nullable=False),
)

# What is true at the portal -------------------------------------------------------------------------------------------

documents = Table(
    "documents",
    metadata,
    Column("environment", String(4), primary_key=True),
    Column("irn", String(64), primary_key=True),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("operation_id", ForeignKey("operations.id"), nullable=False, index=True),
    Column("doc_type", String(3), nullable=False),
    Column("doc_no", String(16), nullable=False),
    Column("doc_date", Date, nullable=False),
    Column("buyer_gstin", String(15), nullable=False),
    Column("total", String(20), nullable=False),
    Column("status", String(10), nullable=False),  # 'active' or 'cancelled' at the portal
    Column("ours", Boolean, nullable=False),  # false: the content that somebody else registered under this number
    Column("ack_no", String(20), nullable=False),
    Column("ack_at", Instant, nullable=False),
    Column("signed_invoice_blob", String(64), nullable=False),
    Column("signed_qr", Text, nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("differences", JSON),
    Column("ewb_no", String(20)),
    Column("ewb_made_at", Instant),
    Column("ewb_valid_until", Instant),
    Column("ewb_errors", JSON),
    Column("ewb_remarks", Text),
    Column("recorded_at", Instant, nullable=False),
)
Index(
    "documents_details",
    documents.c.environment,
    documents.c.gstin,
    documents.c.doc_type,
    documents.c.doc_no,
    documents.c.doc_date,
)

# Evidence -------------------------------------------------------------------------------------------------------------

blobs = Table(
    "blobs",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the bytes as they came
    Column("body", LargeBinary, nullable=False),  # zlib
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

"""Work: operations, the tries at them, and what makes them safe to repeat."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from gateway.storage.tables.base import environment_column, id_column, metadata
from gateway.storage.types import Instant

operations = Table(
    "operations",
    metadata,
    id_column(),
    environment_column(),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("client_id", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("status", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("lane", String(60), nullable=False),
    Column("direct", Boolean, nullable=False),
    Column("subject", String(64), nullable=False),  # the IRN, or the number of the e-way bill, that it is done to
    Column("doc_type", String(3)),
    Column("doc_no", String(16)),
    Column("doc_date", Date),
    Column("irn", String(64)),
    Column("waits_for", ForeignKey("operations.id")),  # without whose success this one makes no sense
    Column("content_digest", String(64), nullable=False),
    Column("request_blob", String(64), nullable=False),
    Column("payload_blob", String(64), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("trace_id", String(32), nullable=False, server_default=""),
    Column("route", String(40)),  # null until the first attempt; kept while in doubt
    Column("attempts", Integer, nullable=False, default=0),
    Column("doubtful_since", Instant),
    Column("quarantined_since", Instant),
    Column("quarantine_looks", Integer, nullable=False, default=0),
    Column("hold_cause", String(30)),
    Column("kept_answer_blob", String(64)),  # an answer whose signing key was unknown when it came
    Column("lasting_refusal", Boolean, nullable=False, default=False),  # the same would be refused again
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
    operations.c.due_at,  # so that rows which are not due are passed over within the index
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)
TIMED = operations.c.due_at < text("'9999-12-31 00:00:00+00'")
"""Of every row that has a due time. It stands in one index and in the questions for due rows alone, so that no other
takes that index: before its first ANALYZE, PostgreSQL would read all of a lane by it and sort, to find the first in
another order."""
_timed = TIMED & operations.c.lease_until.is_(None)
Index(
    "operations_due",
    operations.c.lane,
    operations.c.direct,
    operations.c.due_at,
    sqlite_where=_timed,
    postgresql_where=_timed,
)
_leased = operations.c.lease_until.isnot(None)
Index("operations_leases", operations.c.lease_until, sqlite_where=_leased, postgresql_where=_leased)
Index("operations_leases_lane", operations.c.lane, sqlite_where=_leased, postgresql_where=_leased)
_open = operations.c.settled_at.is_(None)
Index("operations_deadline", operations.c.deadline_at, sqlite_where=_open, postgresql_where=_open)
Index(
    "operations_standing",
    operations.c.kind,
    operations.c.status,
    operations.c.settled_at,  # so that SQLite counts within the index: its condition alone does not spare it the table
    sqlite_where=_open,
    postgresql_where=_open,
)
_doubtful = operations.c.doubtful_since.isnot(None)
Index("operations_doubt", operations.c.doubtful_since, sqlite_where=_doubtful, postgresql_where=_doubtful)
_held = operations.c.hold_cause.isnot(None)
Index(
    "operations_held",
    operations.c.hold_cause,
    operations.c.environment,
    operations.c.gstin,
    sqlite_where=_held,
    postgresql_where=_held,
)
Index("operations_irn", operations.c.environment, operations.c.irn)
_of_subject = (operations.c.environment, operations.c.gstin, operations.c.kind, operations.c.subject)
Index("operations_open", *_of_subject, unique=True, sqlite_where=_open, postgresql_where=_open)
Index("operations_subject", *_of_subject, operations.c.id)
_waits = operations.c.waits_for.isnot(None)
Index("operations_waits_for", operations.c.waits_for, sqlite_where=_waits, postgresql_where=_waits)

_of_seller = (operations.c.environment, operations.c.gstin)
Index("operations_listed", *_of_seller, operations.c.id)
NOT_SUCCEEDED = operations.c.status != text("'succeeded'")
NOT_GENERATED = operations.c.kind != text("'irn.generate'")
"""Of few operations: what lists of these are found by. A partial index needs its condition without a parameter."""
Index(
    "operations_listed_status",
    *_of_seller,
    operations.c.status,
    operations.c.id,
    sqlite_where=NOT_SUCCEEDED,
    postgresql_where=NOT_SUCCEEDED,
)
Index(
    "operations_listed_kind",
    *_of_seller,
    operations.c.kind,
    operations.c.id,
    sqlite_where=NOT_GENERATED,
    postgresql_where=NOT_GENERATED,
)

attempts = Table(
    "attempts",
    metadata,
    id_column(),
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

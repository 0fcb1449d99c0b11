"""The first schema."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant, Serial

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.create_table(
        "audit",
        sa.Column("position", Serial, nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("environment", sa.String(length=4), nullable=True),
        sa.Column("org_id", sa.String(length=40), nullable=True),
        sa.Column("gstin", sa.String(length=15), nullable=True),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("audit_pkey")),
        sa.UniqueConstraint("id", name=op.f("audit_id_key")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("audit_subject", ["subject", "position"], unique=False)

    op.create_table(
        "blobs",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("blobs_pkey")),
    )
    op.create_table(
        "lanes",
        sa.Column("lane", sa.String(length=60), nullable=False),
        sa.Column("direct_blocked_until", Instant(), nullable=True),
        sa.Column("bulk_blocked_until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("lane", name=op.f("lanes_pkey")),
    )
    op.create_table(
        "leaders",
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("role", name=op.f("leaders_pkey")),
    )
    op.create_table(
        "organisations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("organisations_pkey")),
    )
    op.create_table(
        "routes",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("base_url", sa.String(length=300), nullable=False),
        sa.Column("gsp_account", sa.String(length=80), nullable=False),
        sa.Column("client_id", sa.String(length=200), nullable=False),
        sa.Column("client_secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("enforce_check_digit", sa.Boolean(), nullable=False),
        sa.Column("pace", sa.String(length=20), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("routes_pkey")),
        sa.CheckConstraint("environment IN ('test', 'live')", name=op.f("routes_environment")),
    )
    op.create_table(
        "token_keys",
        sa.Column("kid", sa.String(length=40), nullable=False),
        sa.Column("private_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("public_pem", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("token_keys_pkey")),
    )
    op.create_table(
        "clients",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("org_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False),
        sa.Column("respond_async", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name=op.f("clients_org_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("clients_pkey")),
    )
    op.create_table(
        "gstins",
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("gstin", sa.String(length=15), nullable=False),
        sa.Column("org_id", sa.String(length=40), nullable=False),
        sa.Column("route", sa.String(length=40), nullable=False),
        sa.Column("reporting_days", sa.Integer(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name=op.f("gstins_org_id_fkey")),
        sa.PrimaryKeyConstraint("environment", "gstin", name=op.f("gstins_pkey")),
    )
    op.create_table(
        "operations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("org_id", sa.String(length=40), nullable=False),
        sa.Column("gstin", sa.String(length=15), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lane", sa.String(length=60), nullable=False),
        sa.Column("direct", sa.Boolean(), nullable=False),
        sa.Column("doc_type", sa.String(length=3), nullable=False),
        sa.Column("doc_no", sa.String(length=16), nullable=False),
        sa.Column("doc_date", sa.Date(), nullable=False),
        sa.Column("irn", sa.String(length=64), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("request_blob", sa.String(length=64), nullable=False),
        sa.Column("payload_blob", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("route", sa.String(length=40), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("doubtful_since", Instant(), nullable=True),
        sa.Column("quarantined_since", Instant(), nullable=True),
        sa.Column("quarantine_looks", sa.Integer(), nullable=False),
        sa.Column("hold_cause", sa.String(length=30), nullable=True),
        sa.Column("kept_answer_blob", sa.String(length=64), nullable=True),
        sa.Column("portal_code", sa.Text(), nullable=True),
        sa.Column("portal_message", sa.Text(), nullable=True),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("deadline_at", Instant(), nullable=False),
        sa.Column("lease_token", sa.String(length=40), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("lease_owner", sa.String(length=80), nullable=True),
        sa.Column("run_alone", sa.Boolean(), nullable=False),
        sa.Column("crashes_alone", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name=op.f("operations_org_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("operations_pkey")),
        sa.CheckConstraint("environment IN ('test', 'live')", name=op.f("operations_environment")),
    )
    with op.batch_alter_table("operations", schema=None) as batch_op:
        batch_op.create_index(
            "operations_claim",
            ["lane", "direct", "deadline_at", "created_at"],
            unique=False,
            sqlite_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
        )
        batch_op.create_index(
            "operations_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
        )
        batch_op.create_index("operations_irn", ["environment", "irn"], unique=False)
        batch_op.create_index(
            "operations_leases",
            ["lease_until"],
            unique=False,
            sqlite_where=sa.text("lease_until IS NOT NULL"),
            postgresql_where=sa.text("lease_until IS NOT NULL"),
        )
        batch_op.create_index(
            "operations_leases_lane",
            ["lane"],
            unique=False,
            sqlite_where=sa.text("lease_until IS NOT NULL"),
            postgresql_where=sa.text("lease_until IS NOT NULL"),
        )

    op.create_table(
        "portal_accounts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("org_id", sa.String(length=40), nullable=False),
        sa.Column("gstin", sa.String(length=15), nullable=False),
        sa.Column("route", sa.String(length=40), nullable=False),
        sa.Column("credentials_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("refused_code", sa.Text(), nullable=True),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name=op.f("portal_accounts_org_id_fkey")),
        sa.ForeignKeyConstraint(["route"], ["routes.name"], name=op.f("portal_accounts_route_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("portal_accounts_pkey")),
        sa.UniqueConstraint("environment", "gstin", "route", name=op.f("portal_accounts_environment_gstin_route_key")),
    )
    op.create_table(
        "portal_keys",
        sa.Column("route", sa.String(length=40), nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("added_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["route"], ["routes.name"], name=op.f("portal_keys_route_fkey")),
        sa.PrimaryKeyConstraint("route", "purpose", "kid", name=op.f("portal_keys_pkey")),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("operation_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("route", sa.String(length=40), nullable=False),
        sa.Column("worker", sa.String(length=80), nullable=False),
        sa.Column("in_doubt", sa.Boolean(), nullable=False),
        sa.Column("began_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("meaning", sa.String(length=20), nullable=True),
        sa.Column("certainty", sa.String(length=20), nullable=True),
        sa.Column("portal_code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("evidence_blob", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("attempts_operation_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("attempts_pkey")),
        sa.UniqueConstraint("operation_id", "number", name=op.f("attempts_operation_id_number_key")),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("attempts_operation_id"), ["operation_id"], unique=False)

    op.create_table(
        "documents",
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("irn", sa.String(length=64), nullable=False),
        sa.Column("org_id", sa.String(length=40), nullable=False),
        sa.Column("gstin", sa.String(length=15), nullable=False),
        sa.Column("operation_id", sa.String(length=40), nullable=False),
        sa.Column("doc_type", sa.String(length=3), nullable=False),
        sa.Column("doc_no", sa.String(length=16), nullable=False),
        sa.Column("doc_date", sa.Date(), nullable=False),
        sa.Column("buyer_gstin", sa.String(length=15), nullable=False),
        sa.Column("total", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("ours", sa.Boolean(), nullable=False),
        sa.Column("ack_no", sa.String(length=20), nullable=False),
        sa.Column("ack_at", Instant(), nullable=False),
        sa.Column("signed_invoice_blob", sa.String(length=64), nullable=False),
        sa.Column("signed_qr", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("differences", sa.JSON(), nullable=True),
        sa.Column("ewb_no", sa.String(length=20), nullable=True),
        sa.Column("ewb_made_at", Instant(), nullable=True),
        sa.Column("ewb_valid_until", Instant(), nullable=True),
        sa.Column("ewb_errors", sa.JSON(), nullable=True),
        sa.Column("ewb_remarks", sa.Text(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("documents_operation_id_fkey")),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name=op.f("documents_org_id_fkey")),
        sa.PrimaryKeyConstraint("environment", "irn", name=op.f("documents_pkey")),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index(
            "documents_details", ["environment", "gstin", "doc_type", "doc_no", "doc_date"], unique=False
        )
        batch_op.create_index(batch_op.f("documents_operation_id"), ["operation_id"], unique=False)

    op.create_table(
        "grants",
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("gstin", sa.String(length=15), nullable=False),
        sa.Column("scopes", sa.String(length=200), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("grants_client_id_fkey")),
        sa.PrimaryKeyConstraint("client_id", "gstin", name=op.f("grants_pkey")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("operation_id", sa.String(length=40), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("idempotency_keys_operation_id_fkey")),
        sa.PrimaryKeyConstraint("client_id", "key", name=op.f("idempotency_keys_pkey")),
    )
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("idempotency_keys_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "identities",
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("gstin", sa.String(length=15), nullable=False),
        sa.Column("financial_year", sa.String(length=7), nullable=False),
        sa.Column("doc_type", sa.String(length=3), nullable=False),
        sa.Column("number_key", sa.String(length=16), nullable=False),
        sa.Column("operation_id", sa.String(length=40), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("identities_operation_id_fkey")),
        sa.PrimaryKeyConstraint(
            "environment", "gstin", "financial_year", "doc_type", "number_key", name=op.f("identities_pkey")
        ),
    )
    op.create_table(
        "portal_sessions",
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("system", sa.String(length=20), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("session_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("renewed_at", Instant(), nullable=True),
        sa.Column("lease_token", sa.String(length=40), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["portal_accounts.id"], name=op.f("portal_sessions_account_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", "system", name=op.f("portal_sessions_pkey")),
    )


def downgrade() -> None:
    """Back to the old one."""
    op.drop_table("portal_sessions")
    op.drop_table("identities")
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("idempotency_keys_expires_at"))

    op.drop_table("idempotency_keys")
    op.drop_table("grants")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("documents_operation_id"))
        batch_op.drop_index("documents_details")

    op.drop_table("documents")
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("attempts_operation_id"))

    op.drop_table("attempts")
    op.drop_table("portal_keys")
    op.drop_table("portal_accounts")
    with op.batch_alter_table("operations", schema=None) as batch_op:
        batch_op.drop_index(
            "operations_leases_lane",
            sqlite_where=sa.text("lease_until IS NOT NULL"),
            postgresql_where=sa.text("lease_until IS NOT NULL"),
        )
        batch_op.drop_index(
            "operations_leases",
            sqlite_where=sa.text("lease_until IS NOT NULL"),
            postgresql_where=sa.text("lease_until IS NOT NULL"),
        )
        batch_op.drop_index("operations_irn")
        batch_op.drop_index(
            "operations_due",
            sqlite_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
        )
        batch_op.drop_index(
            "operations_claim",
            sqlite_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
        )

    op.drop_table("operations")
    op.drop_table("gstins")
    op.drop_table("clients")
    op.drop_table("token_keys")
    op.drop_table("routes")
    op.drop_table("organisations")
    op.drop_table("leaders")
    op.drop_table("lanes")
    op.drop_table("blobs")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index("audit_subject")

    op.drop_table("audit")

"""Receivers of events, and deliveries to them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("org_id", sa.String(length=40), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("policy", sa.String(length=20), nullable=False),
        sa.Column("headers_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("disabled_cause", sa.String(length=20), nullable=True),
        sa.Column("failing_since", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("deleted_at", Instant(), nullable=True),
        sa.CheckConstraint("environment IN ('test', 'live')", name=op.f("webhooks_environment")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("webhooks_client_id_fkey")),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name=op.f("webhooks_org_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("webhooks_pkey")),
    )
    with op.batch_alter_table("webhooks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("webhooks_client_id"), ["client_id"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("webhook_id", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(length=40), nullable=True),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("lease_token", sa.String(length=40), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("lease_owner", sa.String(length=80), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("deliveries_event_id_fkey")),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("deliveries_webhook_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("deliveries_pkey")),
        sa.UniqueConstraint("event_id", "webhook_id", name=op.f("deliveries_event_id_webhook_id_key")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(
            "deliveries_claim",
            ["webhook_id", "due_at", "position"],
            unique=False,
            sqlite_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
        )
        batch_op.create_index(
            "deliveries_dead",
            ["settled_at"],
            unique=False,
            sqlite_where=sa.text("status = 'dead'"),
            postgresql_where=sa.text("status = 'dead'"),
        )
        batch_op.create_index(
            "deliveries_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
        )
        batch_op.create_index(
            "deliveries_leases",
            ["lease_until"],
            unique=False,
            sqlite_where=sa.text("lease_until IS NOT NULL"),
            postgresql_where=sa.text("lease_until IS NOT NULL"),
        )
        batch_op.create_index(
            "deliveries_leases_webhook",
            ["webhook_id"],
            unique=False,
            sqlite_where=sa.text("lease_until IS NOT NULL"),
            postgresql_where=sa.text("lease_until IS NOT NULL"),
        )
        batch_op.create_index("deliveries_list", ["webhook_id", "position"], unique=False)
        batch_op.create_index(
            "deliveries_order",
            ["webhook_id", "subject", "position"],
            unique=False,
            sqlite_where=sa.text("status = 'pending'"),
            postgresql_where=sa.text("status = 'pending'"),
        )

    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("webhook_id", sa.String(length=40), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("webhook_secrets_webhook_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_secrets_pkey")),
    )
    with op.batch_alter_table("webhook_secrets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("webhook_secrets_webhook_id"), ["webhook_id"], unique=False)

    op.create_table(
        "webhook_sellers",
        sa.Column("webhook_id", sa.String(length=40), nullable=False),
        sa.Column("gstin", sa.String(length=15), nullable=False),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("webhook_sellers_webhook_id_fkey")),
        sa.PrimaryKeyConstraint("webhook_id", "gstin", name=op.f("webhook_sellers_pkey")),
    )
    with op.batch_alter_table("webhook_sellers", schema=None) as batch_op:
        batch_op.create_index("webhook_sellers_gstin", ["gstin"], unique=False)

    op.create_table(
        "delivery_attempts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("delivery_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=80), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("began_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("verdict", sa.String(length=20), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=40), nullable=True),
        sa.Column("excerpt", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("delivery_attempts_delivery_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("delivery_attempts_pkey")),
        sa.UniqueConstraint("delivery_id", "number", name=op.f("delivery_attempts_delivery_id_number_key")),
    )


def downgrade() -> None:
    """Back to the old one."""
    op.drop_table("delivery_attempts")
    with op.batch_alter_table("webhook_sellers", schema=None) as batch_op:
        batch_op.drop_index("webhook_sellers_gstin")

    op.drop_table("webhook_sellers")
    with op.batch_alter_table("webhook_secrets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("webhook_secrets_webhook_id"))

    op.drop_table("webhook_secrets")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index(
            "deliveries_order",
            sqlite_where=sa.text("status = 'pending'"),
            postgresql_where=sa.text("status = 'pending'"),
        )
        batch_op.drop_index("deliveries_list")
        batch_op.drop_index(
            "deliveries_leases_webhook",
            sqlite_where=sa.text("lease_until IS NOT NULL"),
            postgresql_where=sa.text("lease_until IS NOT NULL"),
        )
        batch_op.drop_index(
            "deliveries_leases",
            sqlite_where=sa.text("lease_until IS NOT NULL"),
            postgresql_where=sa.text("lease_until IS NOT NULL"),
        )
        batch_op.drop_index(
            "deliveries_due",
            sqlite_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
        )
        batch_op.drop_index(
            "deliveries_dead", sqlite_where=sa.text("status = 'dead'"), postgresql_where=sa.text("status = 'dead'")
        )
        batch_op.drop_index(
            "deliveries_claim",
            sqlite_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL AND lease_until IS NULL"),
        )

    op.drop_table("deliveries")
    with op.batch_alter_table("webhooks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("webhooks_client_id"))

    op.drop_table("webhooks")

"""Runs of the reconciliation, what they find, and documents that another portal had first."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.add_column("documents", sa.Column("superseded_at", Instant(), nullable=True))
    op.create_index("documents_acknowledged", "documents", ["environment", "gstin", "ack_at", "irn"])
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("environment", sa.String(4), nullable=False),
        sa.Column("org_id", sa.String(40), nullable=False),
        sa.Column("gstin", sa.String(15), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.Column("phase", sa.String(10), nullable=False),
        sa.Column("cursor", sa.String(120), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTERS),
        sa.Column("waiting", sa.Text(), nullable=True),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("lease_token", sa.String(40), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("lease_owner", sa.String(80), nullable=True),
        sa.CheckConstraint("environment IN ('test', 'live')", name=op.f("reconciliations_environment")),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name=op.f("reconciliations_org_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("reconciliations_pkey")),
        sa.UniqueConstraint("environment", "gstin", "day", name=op.f("reconciliations_environment_gstin_day_key")),
    )
    due = sa.text("due_at IS NOT NULL")
    op.create_index("reconciliations_due", "reconciliations", ["due_at"], sqlite_where=due, postgresql_where=due)
    op.create_table(
        "reconciliation_findings",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("environment", sa.String(4), nullable=False),
        sa.Column("gstin", sa.String(15), nullable=False),
        sa.Column("once", sa.String(120), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("irn", sa.String(64), nullable=False),
        sa.Column("doc_type", sa.String(3), nullable=True),
        sa.Column("doc_no", sa.String(16), nullable=True),
        sa.Column("doc_date", sa.Date(), nullable=True),
        sa.Column("operation_id", sa.String(40), nullable=True),
        sa.Column("differences", sa.JSON(), nullable=True),
        sa.Column("found_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operations.id"], name=op.f("reconciliation_findings_operation_id_fkey")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["reconciliations.id"], name=op.f("reconciliation_findings_run_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("reconciliation_findings_pkey")),
        sa.UniqueConstraint(
            "environment", "gstin", "once", name=op.f("reconciliation_findings_environment_gstin_once_key")
        ),
    )
    op.create_index(op.f("reconciliation_findings_run_id"), "reconciliation_findings", ["run_id"])


def downgrade() -> None:
    """Back to the old one."""
    op.drop_table("reconciliation_findings")
    op.drop_table("reconciliations")
    op.drop_index("documents_acknowledged", table_name="documents")
    op.drop_column("documents", "superseded_at")


_COUNTERS = ("tries", "checked", "looked_up", "unread", "found")

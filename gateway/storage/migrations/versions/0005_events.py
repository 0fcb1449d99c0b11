"""Events and their feeds."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.create_table(
        "feeds",
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("org_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name=op.f("feeds_org_id_fkey")),
        sa.PrimaryKeyConstraint("environment", "org_id", name=op.f("feeds_pkey")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("org_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("gstin", sa.String(length=15), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("operation_id", sa.String(length=40), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("once", sa.String(length=120), nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.CheckConstraint("environment IN ('test', 'live')", name=op.f("events_environment")),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("events_operation_id_fkey")),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name=op.f("events_org_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("events_pkey")),
        sa.UniqueConstraint("environment", "org_id", "once", name=op.f("events_environment_org_id_once_key")),
        sa.UniqueConstraint("environment", "org_id", "position", name=op.f("events_environment_org_id_position_key")),
        sa.UniqueConstraint("operation_id", "version", name=op.f("events_operation_id_version_key")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("events_at"), ["at"], unique=False)
        batch_op.create_index("events_subject", ["environment", "subject", "sequence"], unique=True)


def downgrade() -> None:
    """Back to the old one."""
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index("events_subject")
        batch_op.drop_index(batch_op.f("events_at"))

    op.drop_table("events")
    op.drop_table("feeds")

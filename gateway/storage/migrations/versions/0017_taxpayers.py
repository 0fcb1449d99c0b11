"""What portals told of taxpayers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.create_table(
        "taxpayers",
        sa.Column("environment", sa.String(length=4), primary_key=True),
        sa.Column("org_id", sa.String(length=40), sa.ForeignKey("organisations.id"), primary_key=True),
        sa.Column("gstin", sa.String(length=15), primary_key=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("fetched_at", Instant(), nullable=False),
    )


def downgrade() -> None:
    """Back to the old one."""
    op.drop_table("taxpayers")

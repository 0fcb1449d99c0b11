"""The trace that a request belongs to (W3C Trace Context), beside its name."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.add_column("operations", sa.Column("trace_id", sa.String(length=32), nullable=False, server_default=""))


def downgrade() -> None:
    """Back to the old one."""
    op.drop_column("operations", "trace_id")

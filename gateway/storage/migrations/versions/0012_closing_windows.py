"""That the time to cancel a document is nearly over is told once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.add_column("documents", sa.Column("closing_told_at", Instant(), nullable=True))
    op.create_index(
        "documents_closing",
        "documents",
        ["ack_at"],
        unique=False,
        sqlite_where=sa.text("closing_told_at IS NULL"),
        postgresql_where=sa.text("closing_told_at IS NULL"),
    )


def downgrade() -> None:
    """Back to the old one."""
    op.drop_index("documents_closing", table_name="documents")
    op.drop_column("documents", "closing_told_at")

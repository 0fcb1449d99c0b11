"""What was told of taxpayers is found by its age: it is not kept for ever."""

from collections.abc import Sequence

from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.create_index("taxpayers_fetched", "taxpayers", ["fetched_at"])


def downgrade() -> None:
    """Back to the old one."""
    op.drop_index("taxpayers_fetched", table_name="taxpayers")

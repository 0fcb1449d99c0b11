"""Old doubts are found by an index: the sweeper asks for them every minute."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_DOUBTFUL = sa.text("doubtful_since IS NOT NULL")


def upgrade() -> None:
    """To the new schema."""
    op.create_index(
        "operations_doubt", "operations", ["doubtful_since"], sqlite_where=_DOUBTFUL, postgresql_where=_DOUBTFUL
    )


def downgrade() -> None:
    """Back to the old one."""
    op.drop_index("operations_doubt", table_name="operations")

"""Open operations are counted within an index: measures ask for it every ten seconds."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OPEN = sa.text("settled_at IS NULL")


def upgrade() -> None:
    """To the new schema."""
    op.create_index(
        "operations_standing",
        "operations",
        ["kind", "status", "settled_at"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def downgrade() -> None:
    """Back to the old one."""
    op.drop_index("operations_standing", table_name="operations")

"""What the sweeper asks of operations is found by indexes, and only questions for due rows take that over due times."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_DUE = ["lane", "direct", "due_at"]
_INDEXES = {
    "operations_due": (_DUE, "due_at < '9999-12-31 00:00:00+00' AND lease_until IS NULL"),
    "operations_deadline": (["deadline_at"], "settled_at IS NULL"),
    "operations_held": (["hold_cause", "environment", "gstin"], "hold_cause IS NOT NULL"),
}


def upgrade() -> None:
    """To the new schema."""
    op.drop_index("operations_due", table_name="operations")
    for name, (columns, condition) in _INDEXES.items():
        _create(name, columns, condition)


def downgrade() -> None:
    """Back to the old one."""
    for name in _INDEXES:
        op.drop_index(name, table_name="operations")
    _create("operations_due", _DUE, "due_at IS NOT NULL AND lease_until IS NULL")


def _create(name: str, columns: Sequence[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "operations", columns, sqlite_where=where, postgresql_where=where)

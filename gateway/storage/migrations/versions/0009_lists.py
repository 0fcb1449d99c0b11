"""Indexes for lists, newest first."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OF_SELLER = ["environment", "gstin"]
_RARE = {
    "operations_listed_status": ("operations", ["status", "id"], "status != 'succeeded'"),
    "operations_listed_kind": ("operations", ["kind", "id"], "kind != 'irn.generate'"),
    "documents_listed_status": ("documents", ["doc_date", "irn"], "status != 'active'"),
}


def upgrade() -> None:
    """To the new schema."""
    op.create_index("operations_listed", "operations", [*_OF_SELLER, "id"])
    op.create_index("documents_listed", "documents", [*_OF_SELLER, "doc_date", "irn"])
    op.create_index("documents_listed_buyer", "documents", [*_OF_SELLER, "buyer_gstin", "doc_date", "irn"])
    for name, (table, columns, condition) in _RARE.items():
        where = sa.text(condition)
        op.create_index(name, table, [*_OF_SELLER, *columns], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Back to the old one."""
    for name, (table, *_) in _RARE.items():
        op.drop_index(name, table_name=table)
    op.drop_index("documents_listed_buyer", table_name="documents")
    op.drop_index("documents_listed", table_name="documents")
    op.drop_index("operations_listed", table_name="operations")

"""Errors and logins that the portals count, pauses that all processes see, and indexes that serve the claim."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant, Serial

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WAITING = sa.text("due_at IS NOT NULL AND lease_until IS NULL")
_PAUSES = (
    ("paused_until", Instant()),
    ("paused_for", Instant()),
    ("paused_code", sa.Text()),
    ("paused_message", sa.Text()),
)


def upgrade() -> None:
    """To the new schema."""
    op.create_table(
        "portal_errors",
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("caused_by", sa.String(length=60), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "scope", "name", "day", "caused_by", name=op.f("portal_errors_pkey")),
    )
    op.create_table(
        "portal_logins",
        sa.Column("id", Serial, nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["portal_accounts.id"], name=op.f("portal_logins_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("portal_logins_pkey")),
    )
    op.create_index("portal_logins_account", "portal_logins", ["account_id", "at"])
    for name, kind in _PAUSES:
        op.add_column("portal_sessions", sa.Column(name, kind, nullable=True))
    op.drop_index("operations_claim", table_name="operations")
    op.drop_index("operations_due", table_name="operations")
    _index("operations_claim", ["lane", "direct", "deadline_at", "created_at", "due_at"])
    _index("operations_due", ["lane", "direct", "due_at"])


def downgrade() -> None:
    """Back to the schema before."""
    op.drop_index("operations_claim", table_name="operations")
    op.drop_index("operations_due", table_name="operations")
    _index("operations_claim", ["lane", "direct", "deadline_at", "created_at"])
    _index("operations_due", ["due_at"])
    for name, _ in _PAUSES:
        op.drop_column("portal_sessions", name)
    op.drop_index("portal_logins_account", table_name="portal_logins")
    op.drop_table("portal_logins")
    op.drop_table("portal_errors")


def _index(name: str, columns: list[str]) -> None:
    op.create_index(name, "operations", columns, sqlite_where=_WAITING, postgresql_where=_WAITING)

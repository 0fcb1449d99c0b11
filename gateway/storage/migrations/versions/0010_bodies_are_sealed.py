"""Bodies are sealed under keys of their own. Those from before stay readable as they are."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.create_table(
        "body_keys",
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("key_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("body_keys_pkey")),
    )


def downgrade() -> None:
    """Back to the old one. What was sealed cannot be read without its key: take a backup first."""
    op.drop_table("body_keys")

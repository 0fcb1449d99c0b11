"""Since when a receiver takes its messages promptly."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.add_column("webhooks", sa.Column("prompt_since", Instant(), nullable=True))


def downgrade() -> None:
    """Back to the old one."""
    op.drop_column("webhooks", "prompt_since")

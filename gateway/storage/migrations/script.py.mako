"""${message}."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant, Serial

revision: str = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Back to the old one."""
    ${downgrades if downgrades else "pass"}

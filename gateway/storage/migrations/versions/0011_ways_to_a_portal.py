"""Ways to a portal: its name among sisters, a GSP's headers, and a taxpayer's other routes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.add_column("routes", sa.Column("portal", sa.String(length=20), nullable=False, server_default=""))
    op.add_column("routes", sa.Column("headers_sealed", sa.LargeBinary(), nullable=True))
    op.add_column("gstins", sa.Column("other_routes", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Back to the old one."""
    with op.batch_alter_table("gstins") as batch:
        batch.drop_column("other_routes")
    with op.batch_alter_table("routes") as batch:
        batch.drop_column("headers_sealed")
        batch.drop_column("portal")

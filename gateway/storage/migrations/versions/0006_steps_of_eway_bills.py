"""Steps of e-way bills, and bills without an IRN."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ADDED = (
    "computed_until",
    "doc_type",
    "doc_no",
    "doc_date",
    "vehicle_no",
    "transporter_id",
    "trip_sheet",
    "differences",
    "end_told",
)
_ACTIVE = sa.text("status = 'active'")


def upgrade() -> None:
    """To the new schema."""
    op.create_table(
        "eway_bill_steps",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("operation_id", sa.String(length=40), nullable=False),
        sa.Column("step", sa.String(length=20), nullable=False),
        sa.Column("at", Instant(), nullable=True),
        sa.Column("valid_until", Instant(), nullable=True),
        sa.Column("computed_until", Instant(), nullable=True),
        sa.Column("vehicle_no", sa.String(length=20), nullable=True),
        sa.Column("transporter_id", sa.String(length=15), nullable=True),
        sa.Column("trip_sheet", sa.String(length=20), nullable=True),
        sa.Column("movement_group", sa.String(length=10), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("eway_bill_steps_operation_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("eway_bill_steps_pkey")),
    )
    with op.batch_alter_table("eway_bill_steps", schema=None) as batch_op:
        batch_op.create_index("eway_bill_steps_bill", ["environment", "number", "id"], unique=False)
    with op.batch_alter_table("eway_bills", schema=None) as batch_op:
        batch_op.add_column(sa.Column("computed_until", Instant(), nullable=True))
        batch_op.add_column(sa.Column("doc_type", sa.String(length=3), nullable=True))
        batch_op.add_column(sa.Column("doc_no", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("doc_date", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("vehicle_no", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("transporter_id", sa.String(length=15), nullable=True))
        batch_op.add_column(sa.Column("trip_sheet", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("differences", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("end_told", Instant(), nullable=True))
    with op.batch_alter_table("eway_bills", schema=None) as batch_op:
        batch_op.create_index(
            "eway_bills_ends", ["valid_until"], unique=False, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE
        )
        batch_op.create_index("eway_bills_gstin", ["environment", "gstin", "number"], unique=False)


def downgrade() -> None:
    """Back to the schema before."""
    with op.batch_alter_table("eway_bills", schema=None) as batch_op:
        batch_op.drop_index("eway_bills_gstin")
        batch_op.drop_index("eway_bills_ends", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE)
    with op.batch_alter_table("eway_bills", schema=None) as batch_op:
        for name in reversed(_ADDED):
            batch_op.drop_column(name)
    with op.batch_alter_table("eway_bill_steps", schema=None) as batch_op:
        batch_op.drop_index("eway_bill_steps_bill")
    op.drop_table("eway_bill_steps")

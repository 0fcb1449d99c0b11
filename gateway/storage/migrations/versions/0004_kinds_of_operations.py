"""Kinds of operations: what each is done to, what it waits for, and what they leave in the ledger."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OPEN = sa.text("settled_at IS NULL")
_WAITS = sa.text("waits_for IS NOT NULL")
_OF_SUBJECT = ["environment", "gstin", "kind", "subject"]


def upgrade() -> None:
    """To the new schema."""
    with op.batch_alter_table("operations") as operations:
        operations.add_column(sa.Column("subject", sa.String(length=64), nullable=True))
        operations.add_column(sa.Column("waits_for", sa.String(length=40), nullable=True))
        operations.add_column(sa.Column("lasting_refusal", sa.Boolean(), nullable=True))
    op.execute("UPDATE operations SET subject = irn, lasting_refusal = false")
    with op.batch_alter_table("operations") as operations:
        operations.alter_column("subject", existing_type=sa.String(length=64), nullable=False)
        operations.alter_column("lasting_refusal", existing_type=sa.Boolean(), nullable=False)
        operations.alter_column("doc_type", existing_type=sa.String(length=3), nullable=True)
        operations.alter_column("doc_no", existing_type=sa.String(length=16), nullable=True)
        operations.alter_column("doc_date", existing_type=sa.Date(), nullable=True)
        operations.alter_column("irn", existing_type=sa.String(length=64), nullable=True)
        operations.create_foreign_key(op.f("operations_waits_for_fkey"), "operations", ["waits_for"], ["id"])
        operations.create_index("operations_open", _OF_SUBJECT, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
        operations.create_index("operations_subject", [*_OF_SUBJECT, "id"])
        operations.create_index("operations_waits_for", ["waits_for"], sqlite_where=_WAITS, postgresql_where=_WAITS)
    with op.batch_alter_table("documents") as documents:
        documents.alter_column("operation_id", existing_type=sa.String(length=40), nullable=True)
        documents.add_column(sa.Column("cancelled_at", Instant(), nullable=True))
    op.create_table(
        "eway_bills",
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("org_id", sa.String(length=40), nullable=False),
        sa.Column("gstin", sa.String(length=15), nullable=False),
        sa.Column("irn", sa.String(length=64), nullable=True),
        sa.Column("operation_id", sa.String(length=40), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("made_at", Instant(), nullable=True),
        sa.Column("valid_until", Instant(), nullable=True),
        sa.Column("remarks", sa.Text(), nullable=True),
        sa.Column("cancelled_at", Instant(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("eway_bills_operation_id_fkey")),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name=op.f("eway_bills_org_id_fkey")),
        sa.PrimaryKeyConstraint("environment", "number", name=op.f("eway_bills_pkey")),
    )
    op.create_index("eway_bills_irn", "eway_bills", ["environment", "irn"])
    op.create_index(op.f("eway_bills_operation_id"), "eway_bills", ["operation_id"])
    op.execute(
        "INSERT INTO eway_bills (environment, number, org_id, gstin, irn, operation_id, status, made_at, valid_until, "
        "remarks, recorded_at) SELECT environment, ewb_no, org_id, gstin, irn, operation_id, 'active', ewb_made_at, "
        "ewb_valid_until, ewb_remarks, recorded_at FROM documents WHERE ewb_no IS NOT NULL"
    )
    op.create_table(
        "note_links",
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("note_irn", sa.String(length=64), nullable=False),
        sa.Column("gstin", sa.String(length=15), nullable=False),
        sa.Column("number_key", sa.String(length=16), nullable=False),
        sa.Column("doc_date", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "note_irn", "number_key", "doc_date", name=op.f("note_links_pkey")),
    )
    op.create_index("note_links_original", "note_links", ["environment", "gstin", "number_key"])


def downgrade() -> None:
    """Back to the old one. Raises what the engine raises when there are operations that the old one cannot hold."""
    op.drop_table("note_links")
    op.drop_table("eway_bills")
    with op.batch_alter_table("documents") as documents:
        documents.drop_column("cancelled_at")
        documents.alter_column("operation_id", existing_type=sa.String(length=40), nullable=False)
    with op.batch_alter_table("operations") as operations:
        operations.drop_index("operations_waits_for")
        operations.drop_index("operations_subject")
        operations.drop_index("operations_open")
        operations.drop_constraint(op.f("operations_waits_for_fkey"), type_="foreignkey")
        operations.drop_column("lasting_refusal")
        operations.drop_column("waits_for")
        operations.drop_column("subject")
        for name, type_ in (("doc_type", sa.String(3)), ("doc_no", sa.String(16)), ("doc_date", sa.Date())):
            operations.alter_column(name, existing_type=type_, nullable=False)
        operations.alter_column("irn", existing_type=sa.String(length=64), nullable=False)

"""Seals over the audit log, and triggers that make it one to which lines are added and in which nothing else happens.

A record may be deleted once it is older than 72 months by the database's own clock; its leaf stays for ever, so that
seals and proofs hold. The triggers bind whoever writes through SQL; the owner of the tables could drop them, so that
on PostgreSQL the processes had better not be the owner (docs/audit.md has the grants).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant, Serial

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


_MONTHS = 72
"""Section 36 of the CGST Act: records are kept for 72 months, so that none is deleted before."""
_KEPT = ("audit_seals", "audit_leaves", "audit_keys")
"""Tables of which no row is ever changed or deleted."""
_UPDATES = {"audit_keys": "UPDATE OF key_id, public_pem, created_at"}
"""What alone may change: the sealed half of a signing key, when the master key is changed."""

_SQLITE = (
    (
        "CREATE TRIGGER audit_unsealed_fill AFTER INSERT ON audit BEGIN "
        "INSERT INTO audit_unsealed (position) VALUES (NEW.position); END"
    ),
    "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END",
    (
        "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit "
        f"WHEN OLD.at > datetime('now', '-{_MONTHS} months') BEGIN "
        "SELECT RAISE(ABORT, 'audit is append-only'); END"
    ),
    *(
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {clause} ON {table} BEGIN "
        f"SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in _KEPT
        for verb, clause in (("update", _UPDATES.get(table, "UPDATE")), ("delete", "DELETE"))
    ),
)
_POSTGRESQL = (
    (
        "CREATE FUNCTION audit_unsealed_fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO audit_unsealed (position) VALUES (NEW.position); RETURN NULL; END $$"
    ),
    (
        "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME; END $$"
    ),
    (
        "CREATE FUNCTION audit_refuse_young() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF OLD.at > now() - interval '{_MONTHS} months' "
        "THEN RAISE EXCEPTION 'audit is append-only'; END IF; RETURN OLD; END $$"
    ),
    "CREATE TRIGGER audit_unsealed_fill AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_unsealed_fill()",
    "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse_young()",
    "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_refuse()",
    *(
        f"CREATE TRIGGER {table}_no_change BEFORE {_UPDATES.get(table, 'UPDATE')} OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION audit_refuse()"
        for table in _KEPT
    ),
    *(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION audit_refuse()"
        for table in _KEPT
    ),
)


def upgrade() -> None:
    """To the new schema."""
    op.create_table(
        "audit_unsealed",
        sa.Column("position", Serial, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("audit_unsealed_pkey")),
    )
    op.create_table(
        "audit_keys",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("private_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("public_pem", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("audit_keys_pkey")),
    )
    op.create_table(
        "audit_seals",
        sa.Column("number", Serial, autoincrement=False, nullable=False),
        sa.Column("first_leaf", Serial, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["audit_keys.key_id"], name=op.f("audit_seals_key_id_fkey")),
        sa.PrimaryKeyConstraint("number", name=op.f("audit_seals_pkey")),
    )
    op.create_table(
        "audit_leaves",
        sa.Column("leaf_index", Serial, autoincrement=False, nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("series", sa.String(length=64), nullable=False),
        sa.Column("ordinal", Serial, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("seal", Serial, nullable=False),
        sa.ForeignKeyConstraint(["seal"], ["audit_seals.number"], name=op.f("audit_leaves_seal_fkey")),
        sa.PrimaryKeyConstraint("leaf_index", name=op.f("audit_leaves_pkey")),
        sa.UniqueConstraint("record_id", name=op.f("audit_leaves_record_id_key")),
    )
    op.create_index("audit_leaves_series", "audit_leaves", ["series", "leaf_index"], unique=False)
    op.create_table(
        "audit_series",
        sa.Column("series", sa.String(length=64), nullable=False),
        sa.Column("records", Serial, nullable=False),
        sa.PrimaryKeyConstraint("series", name=op.f("audit_series_pkey")),
    )
    op.execute("INSERT INTO audit_unsealed (position) SELECT position FROM audit")
    _guard(op.get_bind())


def downgrade() -> None:
    """Back to the old one."""
    _unguard(op.get_bind())
    op.drop_table("audit_series")
    op.drop_index("audit_leaves_series", table_name="audit_leaves")
    op.drop_table("audit_leaves")
    op.drop_table("audit_seals")
    op.drop_table("audit_keys")
    op.drop_table("audit_unsealed")


def _guard(connection: sa.Connection) -> None:
    """Put the triggers there."""
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL:
        connection.exec_driver_sql(statement)


def _unguard(connection: sa.Connection) -> None:
    """Take those away that hang on tables which stay; the others go with their tables."""
    if connection.dialect.name == "sqlite":
        for name in ("audit_unsealed_fill", "audit_no_update", "audit_no_delete"):
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        for table in _KEPT:  # DROP TABLE deletes its rows, and would meet them
            for verb in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER {table}_no_{verb}")
        return
    for name in ("audit_unsealed_fill", "audit_refuse", "audit_refuse_young"):
        connection.exec_driver_sql(f"DROP FUNCTION {name}() CASCADE")

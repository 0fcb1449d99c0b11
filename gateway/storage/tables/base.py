"""What all tables share: the metadata and its names, and columns that recur."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, MetaData, String

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def id_column(name: str = "id") -> Column[str]:
    """The primary key of a thing that has an id of its own."""
    return Column(name, String(40), primary_key=True)


def environment_column() -> Column[str]:
    """Test or live, and nothing else."""
    known = CheckConstraint("environment IN ('test', 'live')", name="environment")
    return Column("environment", String(4), known, nullable=False)

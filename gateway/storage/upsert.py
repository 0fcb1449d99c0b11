"""INSERT … ON CONFLICT, which SQLAlchemy spells by engine."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    """Insert a row unless one of its key is there."""
    connection.execute(_insert(connection, table).values(row).on_conflict_do_nothing())


def insert_or_replace(connection: Connection, table: Table, row: dict[str, Any], *, keys: list[str]) -> None:
    """Insert a row, or overwrite the one with the same key."""
    statement = _insert(connection, table).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=row))


def _insert(connection: Connection, table: Table) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)

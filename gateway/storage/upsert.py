"""INSERT … ON CONFLICT, which SQLAlchemy spells by engine."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert a row unless one of its key is there; whether it was."""
    return connection.execute(_missing(connection.dialect.name, table), row).rowcount == 1


def insert_or_replace(connection: Connection, table: Table, row: dict[str, Any], *, keys: tuple[str, ...]) -> None:
    """Insert a row, or overwrite the one with the same key."""
    connection.execute(_replacing(connection.dialect.name, table, tuple(row), keys), row)


def counted_up(connection: Connection, table: Table, keys: dict[str, Any], *, column: str, by: int = 1) -> int:
    """Add to the counter of that key, which begins at 0, and keep others from it until the commit."""
    statement = _counting(connection.dialect.name, table, tuple(keys), column)
    return int(connection.execute(statement, keys | {column: by}).scalar_one())


@lru_cache
def _missing(dialect: str, table: Table) -> Any:
    return _insert(dialect, table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


@lru_cache
def _replacing(dialect: str, table: Table, columns: tuple[str, ...], keys: tuple[str, ...]) -> Any:
    statement = _insert(dialect, table)
    return statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in columns}
    )


@lru_cache
def _counting(dialect: str, table: Table, keys: tuple[str, ...], column: str) -> Any:
    counted, statement = table.c[column], _insert(dialect, table)
    added = {column: counted + statement.excluded[column]}
    return statement.on_conflict_do_update(index_elements=keys, set_=added).returning(counted)


def _insert(dialect: str, table: Table) -> Any:
    return (sqlite if dialect == "sqlite" else postgresql).insert(table)

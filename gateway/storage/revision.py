"""Which schema a database has. The library that changes schemas takes 9 MB, so that only what changes one loads it."""

from __future__ import annotations

from importlib import resources

from sqlalchemy import column as named
from sqlalchemy import inspect, select, table

from gateway.storage.database import Database

_VERSIONS = table("alembic_version", named("version_num"))


def head() -> str:
    """The schema that this code was written for: the number of the last migration."""
    versions = resources.files("gateway.storage") / "migrations" / "versions"
    return max(file.name.partition("_")[0] for file in versions.iterdir() if file.name[0].isdigit())


def is_current(database: Database) -> bool:
    """Whether the schema is the one that this code was written for."""
    with database.read() as connection:
        if not inspect(connection).has_table(_VERSIONS.name):
            return False
        return connection.execute(select(_VERSIONS.c.version_num)).scalars().all() == [head()]

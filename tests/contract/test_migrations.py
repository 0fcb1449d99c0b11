"""Migrations: from nothing to the schema that the code was written for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, inspect, text

from gateway.storage import migrate, revision, tables
from gateway.storage.database import Database
from tests import support
from tests.contract.storage_kit import Server, Storage

_UPGRADE = "import sys; from gateway.storage import database, migrate; migrate.upgrade(database.Database(sys.argv[1]))"


@pytest.fixture
def empty(server: Server) -> Iterator[Callable[[], Database]]:
    """Gives databases without tables."""
    made: list[Database] = []

    def give() -> Database:
        made.append(server.empty())
        return made[-1]

    yield give
    for database in made:
        database.close()


def _schema(database: Database) -> dict[str, Any]:
    """All that an engine knows of its tables, in one order."""
    inspector = inspect(database.engine)
    asked = ("get_foreign_keys", "get_unique_constraints", "get_indexes", "get_check_constraints")
    return {
        table: {
            "columns": sorted(_plain(each) for each in inspector.get_columns(table)),
            "primary key": _plain(inspector.get_pk_constraint(table)),
            **{what: sorted(_plain(each) for each in getattr(inspector, what)(table)) for what in asked},
        }
        for table in sorted(inspector.get_table_names())
        if table != "alembic_version"
    }


def _plain(part: Any) -> str:
    """A part as text: clauses as their SQL, members in one order."""
    members = {name: _plain(value) if isinstance(value, dict) else str(value) for name, value in part.items()}
    return repr(sorted(members.items()))


def test_migrations_give_the_schema_of_the_tables(empty: Callable[[], Database]) -> None:
    """Columns, keys, indexes and checks are those of `storage.tables`, on each engine."""
    migrated, declared = empty(), empty()
    migrate.upgrade(migrated)
    tables.metadata.create_all(declared.engine)
    assert _schema(migrated) == _schema(declared)
    assert set(_schema(migrated)) == set(tables.metadata.tables)


def test_a_second_upgrade_changes_nothing(storage: Storage) -> None:
    """Running the migrations at every start is safe: rows and schema stay."""
    before, rows = _schema(storage.database), storage.everything()
    migrate.upgrade(storage.database)
    assert (_schema(storage.database), storage.everything()) == (before, rows)


def test_a_database_knows_whether_it_is_current(empty: Callable[[], Database]) -> None:
    """Without migrations it is not, after them it is."""
    database = empty()
    assert not revision.is_current(database)
    migrate.upgrade(database)
    assert revision.is_current(database)


def test_several_processes_may_upgrade_at_once(empty: Callable[[], Database]) -> None:
    """Two processes that start together both succeed, and the schema is made once."""
    database = empty()
    command = [sys.executable, "-c", _UPGRADE, database.url.render_as_string(hide_password=False)]
    root = Path(__file__).parents[2]
    started = [subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE) for _ in range(2)]  # noqa: S603  ours
    complaints = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], complaints
    assert revision.is_current(database)


def test_what_stood_among_the_limits_of_a_route_gets_columns(storage: Storage) -> None:
    """A route of an older schema keeps its second address and its pause between logins, and goes back with them."""
    route = support.route(ewb_base_url="https://bills.test", relogin_seconds_min=7)
    storage.routebook.put_route(route, record=support.record("aud_1"))
    storage.database.rebuild(partial(_go_back, to="0018"))
    with storage.database.read() as connection:
        limits = connection.execute(text("SELECT limits FROM routes")).scalar_one()
    limits = json.loads(limits) if isinstance(limits, str) else limits
    assert limits.keys() - route.limits.keys() == {"ewb_base_url", "relogin_seconds_min"}
    migrate.upgrade(storage.database)
    assert storage.routebook.routes() == [route]


def _go_back(connection: Connection, *, to: str) -> None:
    config = migrate._config()
    config.attributes["connection"] = connection
    command.downgrade(config, to)

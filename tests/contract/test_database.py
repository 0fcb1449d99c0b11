"""The two ways to use a database: read, and write all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from gateway.domain.calendar import IST
from gateway.storage.database import WRITE_TRIES_MAX, Database
from gateway.storage.tables import leaders, organisations, routes
from tests.contract.storage_kit import at_once
from tests.support import START

THREADS = 12


def _add(connection: Connection, role: str = "counter", until: datetime = START) -> None:
    connection.execute(insert(leaders).values(role=role, holder="0", until=until))


def _until(database: Database, role: str = "counter") -> datetime | None:
    with database.read() as connection:
        return connection.execute(select(leaders.c.until).where(leaders.c.role == role)).scalar_one_or_none()


def _count_on(connection: Connection) -> None:
    mine = leaders.c.role == "counter"
    query = select(leaders.c.holder).where(mine).with_for_update()
    holder = connection.execute(query).scalar_one()
    connection.execute(update(leaders).where(mine).values(holder=str(int(holder) + 1)))


def _count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(leaders.c.holder)).scalar_one())


def test_a_write_is_there_for_the_next_reader(database: Database) -> None:
    """When `write` returns, it is committed."""
    database.write(_add)
    assert _until(database) == START


def test_a_write_that_fails_never_happened(database: Database) -> None:
    """Whatever the exception, nothing of the transaction is left, and the next write goes through."""

    def fails(connection: Connection) -> None:
        _add(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write(fails)
    assert _until(database) is None
    database.write(_add)


def test_a_reader_sees_what_is_committed_and_waits_for_nobody(database: Database) -> None:
    """In the middle of a write another connection reads the state before it."""

    def peeks(connection: Connection) -> datetime | None:
        _add(connection)
        return _until(database)

    assert database.write(peeks) is None


def test_writers_lose_no_update(database: Database) -> None:
    """Threads that count on the same row at once all count."""
    database.write(_add)
    at_once([partial(database.write, _count_on)] * THREADS)
    assert _count(database) == THREADS


def test_writers_of_several_processes_lose_no_update(database: Database) -> None:
    """Two connections to one database, as two processes have them, take turns without an error."""
    database.write(_add)
    other = Database(database.url.render_as_string(hide_password=False))
    at_once([partial(each.write, _count_on) for each in (database, other) for _ in range(THREADS // 2)])
    other.close()
    assert _count(database) == THREADS


def test_no_foreign_program_writes_in_the_middle_of_a_write(database: Database) -> None:
    """An embedded database is locked from the first moment of a write, not from its first change."""
    if not database.is_sqlite:
        pytest.skip("a server orders its writers by rows")
    foreign = sqlite3.connect(str(database.url.database), timeout=0, isolation_level=None)

    def work(_: Connection) -> None:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            foreign.execute("BEGIN IMMEDIATE")

    database.write(work)
    foreign.execute("BEGIN IMMEDIATE")
    foreign.close()


class _BrokenOffError(Exception):
    """What a driver raises, with its state."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def _breaking_off(times: int, sqlstate: str) -> tuple[Callable[[Connection], int], list[int]]:
    tries: list[int] = []

    def work(connection: Connection) -> int:
        tries.append(len(tries))
        _add(connection, role=f"try {len(tries)}")
        if len(tries) <= times:
            raise OperationalError("statement", {}, _BrokenOffError(sqlstate))
        return len(tries)

    return work, tries


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_transaction_that_was_broken_off_is_tried_again(database: Database, sqlstate: str) -> None:
    """Serialization failures and deadlocks are nobody's fault; of the tries that failed nothing is left."""
    work, tries = _breaking_off(WRITE_TRIES_MAX - 1, sqlstate)
    assert database.write(work) == len(tries) == WRITE_TRIES_MAX
    assert _until(database, f"try {WRITE_TRIES_MAX}") == START
    assert _until(database, "try 1") is None


def test_tries_end_somewhere(database: Database) -> None:
    """After the last one the error is the caller's."""
    work, tries = _breaking_off(WRITE_TRIES_MAX, "40001")
    with pytest.raises(OperationalError):
        database.write(work)
    assert len(tries) == WRITE_TRIES_MAX


def test_another_error_of_the_engine_is_not_tried_again(database: Database) -> None:
    """A full disk does not get better by trying."""
    work, tries = _breaking_off(1, "53100")
    with pytest.raises(OperationalError):
        database.write(work)
    assert len(tries) == 1


@pytest.mark.parametrize(
    "at",
    [
        START,
        START + timedelta(microseconds=1),
        START.astimezone(IST),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
        datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
    ids=str,
)
def test_an_instant_comes_back_in_utc(database: Database, at: datetime) -> None:
    """To the microsecond, aware, whatever the zone that it was written in."""
    database.write(partial(_add, until=at))
    read = _until(database)
    assert read == at
    assert read is not None
    assert read.tzinfo is UTC


def test_a_naive_time_is_refused(database: Database) -> None:
    """Nobody can know what it means."""
    with pytest.raises(StatementError, match="zone"):
        database.write(partial(_add, until=START.replace(tzinfo=None)))


def test_instants_are_compared_as_instants(database: Database) -> None:
    """A microsecond is a difference, and a whole second sorts among fractions."""
    for microseconds in (0, 1, 999_999):
        at = START + timedelta(microseconds=microseconds)
        database.write(partial(_add, role=f"{microseconds}", until=at))
    with database.read() as connection:
        past = select(leaders.c.role).where(leaders.c.until < START + timedelta(microseconds=1))
        assert connection.execute(past).scalars().all() == ["0"]
        ordered = select(leaders.c.role).order_by(leaders.c.until.desc())
        assert connection.execute(ordered).scalars().all() == ["999999", "1", "0"]


@pytest.mark.parametrize("environment", ["prod", "", None])
def test_there_are_two_environments(database: Database, environment: str | None) -> None:
    """No row is of a third, or of none."""
    row = {
        "name": "r",
        "environment": environment,
        "base_url": "http://portal",
        "gsp_account": "a",
        "client_id": "c",
        "client_secret_sealed": b"s",
        "enforce_check_digit": True,
        "pace": "brisk",
        "limits": {},
        "relogin_seconds_min": 60,
        "ewb_base_url": "",
        "created_at": START,
    }
    with pytest.raises(IntegrityError):
        database.write(lambda connection: connection.execute(insert(routes).values(row)))
    row["environment"] = "live"
    database.write(lambda connection: connection.execute(insert(routes).values(row)))


def test_a_name_in_any_script_comes_back(database: Database) -> None:
    """Text is kept as it was written."""
    name = "\u0938\u0930\u0938\u094d\u0935\u0924\u0940 & S\u00f6hne \U0001f4da"
    row = {"id": "org_2", "name": name, "created_at": START}
    database.write(lambda connection: connection.execute(insert(organisations).values(row)))
    with database.read() as connection:
        assert connection.execute(select(organisations.c.name)).scalar_one() == name

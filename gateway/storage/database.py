"""A connection to SQL, and the two ways to use it: `read` and `write`."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError

CONNECTIONS_MAX: Final = 66
"""Connections of one process: one for each of its threads (60 in a worker, 48 in an api), and room."""
SQLITE_BUSY_SECONDS: Final = 10
"""How long SQLite waits for its own lock; with ours in front of it, only a foreign program can make it wait."""
WRITE_TRIES_MAX: Final = 5
"""Tries at one transaction that the engine broke off for another's sake (serialization failure, deadlock)."""

OWNER_ONLY: Final = 0o600
"""Of a new database and what lies beside it. Who may read it knows who sold what to whom; who may as much as open the
lock may hold it, and nobody writes any more."""

_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    f"busy_timeout={SQLITE_BUSY_SECONDS * 1000}",
    "cache_size=-512",  # kB for each connection: the system's own cache serves them all
)
_SERVER_LIMITS: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_SERVER_OPTIONS: Final = "-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=30s"
"""A frozen process must not hold a lane's row, nor a vanished server a thread, for longer."""
_WRITES: Final = "mohar_writes"
_BROKEN_OFF: Final = frozenset({"40001", "40P01"})

Result = TypeVar("Result")


class Database:
    """SQLite or PostgreSQL, by URL. Threads may share it; a process that forks makes its own."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _server_engine(url)
        self._lock = _WriteLock(str(self.url.database)) if self.is_sqlite else None
        if self._lock is not None:
            with self._lock.held(urgent=False):  # the first turns the write-ahead log on: for that SQLite never waits
                self.engine.connect().close()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries."""
        with self.engine.connect() as connection:
            yield connection

    def write(self, work: Callable[[Connection], Result], *, urgent: bool = False) -> Result:
        """Run `work` in one transaction and commit it; after an exception nothing has happened.

        `work` may be run again, up to WRITE_TRIES_MAX times, so its only effect is on the connection. What a caller
        waits for is `urgent`: it does not stand behind all the queued work that wants to write too.
        """
        for tries_left in reversed(range(WRITE_TRIES_MAX)):
            try:
                return self._write_once(work, urgent=urgent)
            except OperationalError as error:
                if tries_left == 0 or getattr(error.orig, "sqlstate", None) not in _BROKEN_OFF:
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def _write_once(self, work: Callable[[Connection], Result], *, urgent: bool) -> Result:
        if self._lock is None:
            with self.engine.begin() as connection:
                return work(connection)
        with self.engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with self._lock.held(urgent=urgent), connection.begin():
                return work(connection)

    def rebuild(self, work: Callable[[Connection], Result]) -> Result:
        """As `write`, for what changes tables. SQLite makes a changed one anew, and what refers to it must not mind.

        References are checked before the commit. Raises RuntimeError when one of them leads nowhere.
        """
        if self._lock is None:
            return self.write(work)
        with self.engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            driver = connection.connection.driver_connection
            _set_references(driver, enforced=False)
            try:
                with self._lock.held(urgent=False), connection.begin():
                    result = work(connection)
                    if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                        raise RuntimeError("a changed table left references that lead nowhere")
                return result
            finally:
                _set_references(driver, enforced=True)

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()
        if self._lock is not None:
            self._lock.close()


class _WriteLock:
    """One writer at a time. SQLite itself would have them poll.

    Of all that is not urgent, one writer at a time comes through the gate to stand before the seat. So what is urgent
    shares its turns with one other, however many threads of however many processes want to write.
    """

    def __init__(self, database: str) -> None:
        _make(Path(database))  # SQLite gives its other files the rights of this one
        self._gate = _FileLock(Path(f"{database}.gate"))
        self._seat = _FileLock(Path(f"{database}.lock"))

    @contextmanager
    def held(self, *, urgent: bool) -> Iterator[None]:
        """While this is open, nobody else writes."""
        if urgent:
            self._seat.acquire()
        else:
            self._gate.acquire()
            try:
                self._seat.acquire()
            finally:
                self._gate.release()
        try:
            yield
        finally:
            self._seat.release()

    def close(self) -> None:
        self._gate.close()
        self._seat.close()


class _FileLock:
    """Threads queue on a lock, processes on a locked file."""

    def __init__(self, path: Path) -> None:
        self._threads = threading.Lock()
        _make(path)
        self._file = path.open("wb")

    def acquire(self) -> None:
        self._threads.acquire()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except BaseException:
            self._threads.release()
            raise

    def release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._threads.release()

    def close(self) -> None:
        self._file.close()


def _make(file: Path) -> None:
    """An empty file for its owner alone, unless there is one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=OWNER_ONLY)


def _server_engine(url: str) -> Engine:
    return create_engine(
        url,
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=_SERVER_LIMITS | {"options": f"{_options(url)} {_SERVER_OPTIONS}".strip()},
    )


def _options(url: str) -> str:
    """What the URL itself asks of the server, such as a search path: ours come on top of it, not in its place."""
    given = make_url(url).query.get("options", "")
    return given if isinstance(given, str) else " ".join(given)


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(
        url,
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late: we say it
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _set_references(driver: Any, *, enforced: bool) -> None:
    """Outside of a transaction, because within one it does nothing."""
    driver.execute(f"PRAGMA foreign_keys={'ON' if enforced else 'OFF'}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

"""The gateway's own database, opened by the commands that set it up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import Misconfigured
from gateway.settings import Settings
from gateway.storage import revision
from gateway.wiring import Wiring


@contextmanager
def opened(*, needs_redis: bool = False) -> Iterator[Wiring]:
    """A wiring on a migrated database. Raises Misconfigured with what to do where there is none.

    `needs_redis` is for what takes permits. All else works on the folder of a gateway that is stopped, too.
    """
    settings = Settings()
    _refuse_missing_file(settings)
    wiring = Wiring(settings, needs_redis=needs_redis)
    try:
        _refuse_old_schema(wiring)
        yield wiring
    finally:
        wiring.close()


def missing_file(settings: Settings) -> Path | None:
    """The SQLite file, where it is one and is not there. To connect would make an empty one."""
    url = make_url(settings.database)
    if url.get_backend_name() != "sqlite" or url.database is None or Path(url.database).exists():
        return None
    return Path(url.database)


def _refuse_missing_file(settings: Settings) -> None:
    file = missing_file(settings)
    if file is not None:
        raise Misconfigured(
            "database-missing",
            f"There is no database {file}.",
            help="Set MOHAR_DATA_DIR to the folder of `mohar up --data`, or MOHAR_DATABASE_URL to the database; "
            "`mohar migrate` makes a new one.",
        )


def _refuse_old_schema(wiring: Wiring) -> None:
    try:
        current = revision.is_current(wiring.database)
    except SQLAlchemyError as error:
        raise Misconfigured(
            "database-away",
            f"The database does not answer ({type(error).__name__}).",
            help="Check MOHAR_DATABASE_URL.",
        ) from error
    if not current:
        raise Misconfigured(
            "schema-old", "The database has not the present schema.", help="Run `mohar migrate` once, then try again."
        )

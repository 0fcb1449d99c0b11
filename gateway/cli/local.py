"""The gateway's own database, opened by the commands that set it up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import Misconfigured
from gateway.settings import Settings
from gateway.storage import migrate
from gateway.wiring import Wiring


@contextmanager
def opened() -> Iterator[Wiring]:
    """A wiring on a migrated database. Raises Misconfigured with what to do where there is none."""
    settings = Settings()
    _refuse_missing_folder(settings)
    wiring = Wiring(settings)
    try:
        _refuse_old_schema(wiring)
        yield wiring
    finally:
        wiring.close()


def _refuse_missing_folder(settings: Settings) -> None:
    if not settings.database_url and not settings.data_dir.is_dir():
        raise Misconfigured(
            "data-folder-missing",
            f"There is no data folder {settings.data_dir.absolute()}.",
            help="Set MOHAR_DATA_DIR to the folder of `mohar up --data`, or MOHAR_DATABASE_URL to the database.",
        )


def _refuse_old_schema(wiring: Wiring) -> None:
    try:
        current = migrate.is_current(wiring.database)
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

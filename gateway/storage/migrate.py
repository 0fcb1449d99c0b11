"""Bring a database to the present schema."""

from __future__ import annotations

from importlib import resources

from alembic import command
from alembic.config import Config

from gateway.storage.database import Database
from gateway.storage.revision import is_current


def upgrade(database: Database) -> None:
    """Run the migrations that are missing. Safe to run at every start, and by several processes at once."""
    config = _config()
    if is_current(database):
        return

    def work(connection: object) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    database.rebuild(work)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("gateway.storage") / "migrations"))
    return config

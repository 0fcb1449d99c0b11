"""`mohar migrate`, configured by MOHAR_* settings."""

from __future__ import annotations

import typer

from gateway.auth.vault import create_master_key
from gateway.cli.output import console
from gateway.settings import Settings
from gateway.storage import migrate as migrations
from gateway.wiring import Wiring


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)


def migrate() -> None:
    """Bring the database to the present schema. Makes the master key of a new data folder."""
    settings = Settings()
    wiring = Wiring(settings)
    if settings.master_key_file is None:
        create_master_key(settings.master_keys)
    migrations.upgrade(wiring.database)
    console.print(f"The database {wiring.database.url.render_as_string(hide_password=True)} is up to date.")

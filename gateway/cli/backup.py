"""`mohar backup` and `mohar restore`: the embedded database, while it is in use. PostgreSQL has tools of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from sqlalchemy import make_url

from gateway.cli.local import missing_file
from gateway.cli.output import console
from gateway.errors import Invalid, Misconfigured
from gateway.settings import Settings
from gateway.storage import backup as copies

KEY_MODE: Final = 0o600
DATABASE: Final = "mohar.db"
KEYS: Final = "master.key"


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the copy.")],
    *,
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Leave the master keys out, and keep them elsewhere.")
    ] = False,
) -> None:
    """Copy the database, as it is at one moment, and the master keys. Processes may go on meanwhile.

    Whoever has both can read every login: keep them apart, or seal the folder.
    """
    settings = Settings()
    source = _database(settings)
    if missing_file(settings) is not None:
        raise Misconfigured("database-missing", f"There is no database {source}.", help="Set MOHAR_DATA_DIR to it.")
    _refuse_what_is_there(folder / DATABASE)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        copies.copy(source, folder / DATABASE)
    except ValueError as error:
        raise Misconfigured("database-damaged", f"{error}.", help="Restore an earlier backup.") from error
    if not without_key:
        _copy_keys(settings.master_keys, folder / KEYS)
    console.print(
        f"{escape(str(folder / DATABASE))} written{'' if without_key else ', with the master keys beside it'}."
    )


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `mohar backup` made.", exists=True, file_okay=False)],
) -> None:
    """Put a backup into a data folder that has no database. Stop all processes first; Redis may be empty.

    Operations that were settled after the backup are not known any more: their documents are found again at the portal.
    """
    settings = Settings()
    target = _database(settings)
    _refuse_what_is_there(target)
    keys = folder / KEYS
    if not keys.exists() and not settings.master_keys.exists():
        raise Misconfigured(
            "master-key-missing",
            "The backup has no master keys, and there are none here.",
            help=f"Put them at {settings.master_keys} first: without them no login can be read.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    copies.copy(folder / DATABASE, target)
    if keys.exists() and not settings.master_keys.exists():
        _copy_keys(keys, settings.master_keys)
    console.print(f"{escape(str(target))} restored. Run `mohar migrate`, then `mohar doctor`.")


def _database(settings: Settings) -> Path:
    url = make_url(settings.database)
    if url.get_backend_name() != "sqlite" or url.database is None:
        raise Misconfigured(
            "database-not-embedded",
            "This command is for the embedded database.",
            help="For PostgreSQL use pg_dump and pg_restore: docs/operations.md has the commands.",
        )
    return Path(url.database)


def _refuse_what_is_there(file: Path) -> None:
    if file.exists():
        raise Invalid("file-exists", f"{file} is there already.", help="Name a new folder, or move the file away.")


def _copy_keys(source: Path, target: Path) -> None:
    target.touch(mode=KEY_MODE)
    shutil.copyfile(source, target)

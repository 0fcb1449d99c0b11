"""`mohar backup` and `mohar restore`: a moment of the database, taken while it is written to, and put back."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway import cli
from gateway.errors import MoharError
from gateway.services import sweeping
from gateway.settings import Settings
from gateway.storage import migrate, revision
from gateway.storage.audit import SqlAuditor
from gateway.storage.database import Database
from gateway.wiring import Wiring
from tests.support import record
from tests.support_api import Stack, document


def mohar(*arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(cli.build("backup"), arguments)


def readable_by_others(folder: Path) -> list[str]:
    """Files that more than their owner may read. Another user of the machine is no user of the gateway."""
    return sorted(file.name for file in folder.iterdir() if file.stat().st_mode & 0o077)


def code(ran: Result) -> str:
    """The code of the error that a command ended with."""
    assert isinstance(ran.exception, MoharError), ran.output
    return ran.exception.code


def test_a_backup_is_restored(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken in the midst of work; what was registered until then, and every login, is there in the new folder."""
    told = stack.post(document()).json()
    sweeping.seal_all(holder="test", ports=stack.ports)
    monkeypatch.setenv("MOHAR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MOHAR_REDIS_URL", "redis://127.0.0.1:1")
    copy, fresh = tmp_path / "backup", tmp_path / "fresh"
    assert mohar("backup", str(copy)).exit_code == 0
    assert readable_by_others(copy) == []
    stack.post(document(No="AFTER/1"))

    monkeypatch.setenv("MOHAR_DATA_DIR", str(fresh))
    assert mohar("restore", str(copy)).exit_code == 0
    wiring = Wiring(Settings())
    assert revision.is_current(wiring.database)
    found = wiring.ports.intake.get(told["id"])
    assert found is not None
    assert wiring.ports.intake.get("op_after") is None
    assert wiring.ports.ledger.by_operation(told["id"]) is not None, "its body is opened with the keys of the backup"
    assert wiring.ports.routebook.route("sandbox").client_secret
    assert readable_by_others(fresh) == []
    wiring.close()


def test_nothing_is_overwritten(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a backup nor a database that is there."""
    assert stack.clients
    monkeypatch.setenv("MOHAR_DATA_DIR", str(tmp_path))
    assert mohar("backup", str(tmp_path / "b")).exit_code == 0
    assert code(mohar("backup", str(tmp_path / "b"))) == "file-exists"
    assert code(mohar("restore", str(tmp_path / "b"))) == "file-exists"


def test_without_keys_nothing_is_restored(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup without keys needs them to be there."""
    assert stack.clients
    monkeypatch.setenv("MOHAR_DATA_DIR", str(tmp_path))
    assert mohar("backup", str(tmp_path / "b"), "--without-key").exit_code == 0
    assert not (tmp_path / "b" / "master.key").exists()
    monkeypatch.setenv("MOHAR_DATA_DIR", str(tmp_path / "fresh"))
    assert code(mohar("restore", str(tmp_path / "b"))) == "master-key-missing"


def test_a_server_has_its_own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For PostgreSQL the command says what to use."""
    monkeypatch.setenv("MOHAR_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert code(mohar("backup", str(tmp_path / "b"))) == "database-not-embedded"


@pytest.mark.postgres
def test_the_documented_way_for_postgresql(tmp_path: Path) -> None:
    """pg_dump and pg_restore bring the tables back, and the triggers of the audit log with them."""
    url = os.environ.get("MOHAR_TEST_POSTGRES_URL", "")
    if not url or shutil.which("pg_dump") is None or shutil.which("pg_restore") is None:
        pytest.skip("needs MOHAR_TEST_POSTGRES_URL, pg_dump and pg_restore")
    admin = Database(url)
    plain = admin.url.set(drivername="postgresql")
    names = ("mohar_drill_before", "mohar_drill_after")
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in names:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    before, after = (Database(admin.url.set(database=name).render_as_string(hide_password=False)) for name in names)
    try:
        migrate.upgrade(before)
        SqlAuditor(before).write(record("aud_1"))
        dump = str(tmp_path / "mohar.dump")
        source, target = (plain.set(database=name).render_as_string(hide_password=False) for name in names)
        subprocess.run(["pg_dump", "--format=custom", f"--file={dump}", source], check=True)  # noqa: S603, S607  ours
        subprocess.run(["pg_restore", "--exit-on-error", f"--dbname={target}", dump], check=True)  # noqa: S603, S607  ours
        assert revision.is_current(after)
        with pytest.raises(Exception, match="append-only"):
            after.write(lambda connection: connection.exec_driver_sql("UPDATE audit SET actor = 'nobody'"))
    finally:
        before.close()
        after.close()
        with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for name in names:
                connection.exec_driver_sql(f"DROP DATABASE {name}")
        admin.close()

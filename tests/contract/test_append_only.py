"""The audit log takes new lines and nothing else, by triggers and by grants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, Executable, delete, insert, text, update
from sqlalchemy.exc import DBAPIError

from gateway.storage.database import Database
from gateway.storage.tables import audit, audit_keys, audit_leaves, audit_seals, audit_unsealed
from tests.contract.storage_kit import Storage
from tests.repository import ROOT
from tests.support import START, record

LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)
RECENT = datetime(2999, 1, 1, tzinfo=UTC)
"""Young by every clock that a test is ever run by."""
KEY = {"key_id": "key", "private_sealed": b"x", "public_pem": "x", "created_at": START}
SEAL = {"number": 1, "first_leaf": 0, "size": 1, "root": "r", "previous": "p", "at": START, "key_id": "key"}
LEAF = {"leaf_index": 0, "record_id": "aud_1", "series": "//", "ordinal": 1, "hash": "h", "seal": 1}
ROLE = "mohar_grant_drill"


@pytest.fixture
def furnished(storage: Storage) -> Storage:
    """A log with a record, a seal, a leaf and a key."""
    storage.auditor.write(record("aud_1", at=RECENT))

    def work(connection: Connection) -> None:
        connection.execute(insert(audit_keys), KEY)
        connection.execute(insert(audit_seals), SEAL | {"signature": "s"})
        connection.execute(insert(audit_leaves), LEAF)

    storage.database.write(work)
    return storage


FORBIDDEN = {
    "a record changed": update(audit).values(actor="nobody"),
    "a record deleted": delete(audit),
    "a leaf changed": update(audit_leaves).values(hash="other"),
    "a leaf deleted": delete(audit_leaves),
    "a seal changed": update(audit_seals).values(root="other"),
    "a seal deleted": delete(audit_seals).where(audit_seals.c.number == 1),
    "a key changed": update(audit_keys).values(public_pem="other"),
    "a key deleted": delete(audit_keys),
}


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_was_written_stays(furnished: Storage, statement: Executable) -> None:
    """No statement changes or deletes a record, a leaf, a seal or a key."""
    before = furnished.everything()
    with pytest.raises(DBAPIError):
        furnished.database.write(lambda connection: connection.execute(statement))
    assert furnished.everything() == before


def test_a_record_past_its_age_may_go(storage: Storage) -> None:
    """After 72 months by the database's own clock a record may be deleted, and not before."""
    storage.auditor.write(record("aud_old", at=LONG_AGO), record("aud_young", at=RECENT))
    statement = delete(audit).where(audit.c.id == "aud_old")
    storage.database.write(lambda connection: connection.execute(statement))
    assert "aud_old" not in {row["id"] for row in storage.rows(audit)}
    assert "aud_young" in {row["id"] for row in storage.rows(audit)}


def test_each_record_waits_for_its_seal(storage: Storage) -> None:
    """Whoever writes a record, and however, it is on the list of what has to be sealed."""
    storage.auditor.write(*(record(f"aud_{number}") for number in range(3)))
    positions = {row["position"] for row in storage.rows(audit)}
    assert {row["position"] for row in storage.rows(audit_unsealed)} == positions


@pytest.fixture
def granted(furnished: Storage) -> Iterator[Callable[[Executable], None]]:
    """Runs statements as a role that has the grants of docs/audit.md and nothing more."""
    if furnished.database.is_sqlite:
        pytest.skip("SQLite has no grants: who may open the file may do everything")
    database = furnished.database
    grants = _documented_grants()

    def prepare(connection: Connection) -> None:
        schema = connection.execute(text("SELECT current_schema()")).scalar_one()
        for each in grants:
            connection.execute(text(each.format(role=ROLE, schema=schema)))

    _drop_role(database)
    database.write(prepare)

    def run(statement: Executable) -> None:
        def work(connection: Connection) -> None:
            connection.execute(text(f"SET LOCAL ROLE {ROLE}"))
            connection.execute(statement)

        database.write(work)

    yield run
    _drop_role(database)


def _documented_grants() -> list[str]:
    """The statements of the documentation, for a role and a schema of ours."""
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    block = (
        page.split("```sql\n")[1]
        .split("```")[0]
        .replace("mohar_app", "{role}")
        .replace("SCHEMA public", "SCHEMA {schema}")
    )
    return [each.strip() for each in block.split(";") if each.strip()]


def _drop_role(database: Database) -> None:
    def work(connection: Connection) -> None:
        there = connection.execute(text(f"SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'")).scalar()  # noqa: S608  a constant of ours
        if there:
            connection.execute(text(f"DROP OWNED BY {ROLE}"))
            connection.execute(text(f"DROP ROLE {ROLE}"))

    database.write(work)


@pytest.mark.parametrize(
    "statement",
    [
        *FORBIDDEN.values(),
        text("TRUNCATE audit"),
        text("TRUNCATE audit_leaves"),
        text("ALTER TABLE audit DISABLE TRIGGER ALL"),
        text("SET LOCAL session_replication_role = replica"),
        text("DROP TRIGGER audit_no_update ON audit"),
        text("DROP TABLE audit_leaves"),
    ],
    ids=str,
)
def test_the_grants_leave_no_way_around(granted: Callable[[Executable], None], statement: Executable) -> None:
    """With the documented grants a process can neither change what is written nor take the triggers away."""
    with pytest.raises(DBAPIError):
        granted(statement)


def test_the_grants_are_enough(granted: Callable[[Executable], None], furnished: Storage) -> None:
    """With them the log can be written, read, sealed and reaped."""
    furnished.auditor.write(record("aud_old", at=LONG_AGO))
    granted(
        text(
            "INSERT INTO audit (id, at, actor, action, subject, facts, digest) "
            "VALUES ('aud_9', now(), 'a', 'b', 'c', '{}', 'd')"
        )
    )
    granted(text("SELECT count(*) FROM audit_unsealed"))
    granted(delete(audit).where(audit.c.id == "aud_old"))
    granted(delete(audit_unsealed))

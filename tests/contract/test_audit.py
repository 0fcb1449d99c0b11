"""`ports.Auditor`, and the records that every change writes along with itself."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Connection, update
from sqlalchemy.exc import IntegrityError

from gateway.domain.audit import Action, Record
from gateway.domain.operations import Environment
from gateway.domain.outcomes import Meaning
from gateway.domain.settlement import Event
from gateway.storage import audit
from gateway.storage.tables import audit as audit_rows
from tests.contract.storage_kit import WORKER, Storage
from tests.support import CLIENT, GSTIN, ORG, START, new_operation, record

FULL: dict[str, Any] = {
    "environment": Environment.LIVE.value,
    "org_id": ORG,
    "gstin": GSTIN,
    "version": 7,
    "facts": {"z": 1, "a": ["ü", None, True, {"n": "1.10"}], "status": Event.REGISTERED},
}


class _BreakOffError(Exception):
    """Ends a transaction half-way."""


def as_record(row: dict[str, Any]) -> Record:
    """The record that a row tells of."""
    members = {name: row[name] for name in row if name not in ("position", "digest", "action")}
    return Record(action=Action(row["action"]), **members)


def test_a_record_is_read_back_whole(storage: Storage) -> None:
    """Every member is in its column."""
    storage.auditor.write(record("aud_1", **FULL))
    row = storage.rows(audit_rows)[-1]
    assert {name: row[name] for name in FULL} == FULL
    assert (row["id"], row["at"], row["actor"], row["subject"]) == ("aud_1", START, "operator", "sandbox")


def test_digests_recompute_from_their_rows(storage: Storage) -> None:
    """Whoever reads the table can tell whether a row was changed."""
    storage.auditor.write(record("aud_1", **FULL), record("aud_2"))
    storage.come_to(Meaning.UNKNOWN, Meaning.REGISTERED)
    rows = storage.rows(audit_rows)
    assert len(rows) > 6
    assert [as_record(row).digest for row in rows] == [row["digest"] for row in rows]


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "nobody"},
        {"subject": "x"},
        {"version": 8},
        {"gstin": None},
        {"facts": {}},
        {"at": START.replace(microsecond=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_row_is_found_out(storage: Storage, change: dict[str, Any]) -> None:
    """No column can be changed without the digest telling."""
    storage.auditor.write(record("aud_1", **FULL))
    statement = update(audit_rows).where(audit_rows.c.id == "aud_1").values(**change)
    storage.by_force(statement)
    row = storage.rows(audit_rows)[-1]
    assert as_record(row).digest != row["digest"]


def test_a_time_is_an_instant(storage: Storage) -> None:
    """Written in any zone and to the microsecond, it is read back, and digested, as the same instant."""
    india = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=india)
    storage.auditor.write(record("aud_1", at=at))
    row = storage.rows(audit_rows)[-1]
    assert row["at"] == at
    assert as_record(row).digest == row["digest"]


def test_positions_count_up(storage: Storage) -> None:
    """Records stand in the order in which they were written."""
    storage.auditor.write(*(record(f"aud_{number}") for number in range(5)))
    positions = [row["position"] for row in storage.rows(audit_rows)]
    assert positions == sorted(set(positions))


def test_nothing_to_write_is_nothing_written(storage: Storage) -> None:
    """A batch may be empty."""
    before = storage.rows(audit_rows)
    storage.auditor.write()
    assert storage.rows(audit_rows) == before


def test_all_records_of_a_write_or_none(storage: Storage) -> None:
    """When one of them cannot be written, the others are not there either."""
    before = storage.rows(audit_rows)
    with pytest.raises(IntegrityError):
        storage.auditor.write(record("aud_1"), record("aud_1"))
    assert storage.rows(audit_rows) == before


def test_after_a_rollback_there_is_neither_change_nor_record(storage: Storage) -> None:
    """Both are one transaction."""
    before = storage.everything()

    def fail(connection: Connection) -> None:
        audit.append(connection, record("aud_1"))
        raise _BreakOffError

    with pytest.raises(_BreakOffError):
        storage.database.write(fail)
    assert storage.everything() == before


def test_a_change_whose_record_cannot_be_written_does_not_happen(storage: Storage) -> None:
    """Neither an organisation, nor an operation, nor a step of one, is there without its record."""
    with pytest.raises(IntegrityError):
        storage.directory.add_organisation(id="org_2", name="Second", record=record("aud_org"))
    assert len(storage.directory.organisations()) == 1
    storage.accept()
    attempt = storage.begin()
    before = storage.everything()
    storage.work._ids = storage.auditor._ids = _Same()  # type: ignore[assignment, attr-defined]  # ids that are taken
    with pytest.raises(IntegrityError):
        storage.settle(attempt, Meaning.REGISTERED)
    assert storage.everything() == before


class _Same:
    """Ids of which each was used before."""

    def new(self, prefix: str) -> str:
        """See `ports.Ids`."""
        return f"{prefix}org"


def test_a_life_is_told_in_order(storage: Storage) -> None:
    """Accepted, tried, lost, tried again, registered: one record each, with the version that it led to."""
    row = storage.come_to(Meaning.UNKNOWN, Meaning.REGISTERED)
    with storage.database.read() as connection:
        told = audit.of_subject(connection, row.id)
    assert [(each["action"], each["version"]) for each in told] == [
        (Action.OPERATION_ACCEPTED, 1),
        (Action.ATTEMPT_BEGAN, 2),
        (Action.ATTEMPT_SETTLED, 3),
        (Action.ATTEMPT_BEGAN, 4),
        (Action.ATTEMPT_SETTLED, 5),
    ]
    assert [each["actor"] for each in told] == [CLIENT, *[WORKER] * 4]
    assert told[-1]["facts"]["event"] == Event.REGISTERED
    assert [each["facts"].get("in_doubt") for each in told] == [None, False, None, True, None]


@pytest.mark.parametrize("meaning", list(Meaning))
def test_no_step_goes_without_its_record(storage: Storage, meaning: Meaning) -> None:
    """The version of a row is the version of its last record, whatever an attempt told."""
    row = storage.come_to(Meaning.UNKNOWN, meaning)
    with storage.database.read() as connection:
        told = audit.of_subject(connection, row.id)
    assert [each["version"] for each in told] == list(range(1, row.version + 1))


def test_facts_hold_no_document(storage: Storage) -> None:
    """Digests stand for bodies: neither a payload nor an answer is in a record."""
    storage.come_to(Meaning.UNKNOWN, new=new_operation(payload=b'{"Secret":"canary-1"}'))
    storage.settle(storage.begin(_due(storage)), Meaning.UNKNOWN, evidence=b"canary-2", message="canary-3")
    assert "canary" not in repr(storage.rows(audit_rows))


def _due(storage: Storage) -> Any:
    storage.clock.step(days=1)
    return storage.claim()

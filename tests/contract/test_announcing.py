"""Events are written with what they tell, once, and in an order in which none can be missed."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from gateway.domain.events import Announcement, EventType
from gateway.domain.operations import HoldCause, Status
from gateway.domain.outcomes import Meaning
from gateway.domain.settlement import Event
from gateway.storage import events, tables
from tests import support_events
from tests.contract.storage_kit import Storage, at_once
from tests.support import GSTIN, ORG, ROUTE, account, new_operation, record, registration, route


def told(storage: Storage) -> list[dict[str, Any]]:
    """The events there are, in their order, each in the form of its schema."""
    rows = sorted(storage.rows(tables.events), key=lambda row: row["position"])
    for row in rows:
        event = json.loads(row["body"])
        support_events.check(event)
        assert (event["id"], event["type"], event["sequence"]) == (row["id"], row["type"], row["sequence"])
    return rows


def announcement(**members: Any) -> Announcement:
    """An event that no transition tells."""
    filled: dict[str, Any] = {
        "type": EventType.CREDENTIAL_INVALID,
        "environment": "test",
        "org_id": ORG,
        "gstin": GSTIN,
        "subject": "acc_1",
        "data": {"account_id": "acc_1", "route": ROUTE, "portal_code": "3028"},
    }
    return Announcement(**filled | members)


def announce(storage: Storage, **members: Any) -> bool:
    """Write it in a transaction of its own."""
    return storage.database.write(
        lambda connection: events.announce(connection, announcement(**members), ids=storage.ids, at=storage.clock.now())
    )


@pytest.mark.parametrize(
    ("meaning", "named"),
    [
        (Meaning.REGISTERED, "irn.generated"),
        (Meaning.REFUSED, "irn.rejected"),
        (Meaning.CONFLICT, "irn.conflict"),
        (Meaning.HELD, "operation.held"),
        (Meaning.UNREADABLE, "operation.parked"),
    ],
)
def test_an_outcome_has_its_event(storage: Storage, meaning: Meaning, named: str) -> None:
    """One row, for the version of the operation that it tells of, at the moment of the outcome."""
    after = storage.come_to(meaning)
    [row] = told(storage)
    assert (row["type"], row["operation_id"], row["version"], row["at"]) == (
        named,
        after.id,
        after.version,
        after.updated_at,
    )
    assert (row["environment"], row["org_id"], row["gstin"], row["subject"]) == ("test", ORG, GSTIN, after.irn)


def test_an_attempt_without_an_outcome_has_no_event(storage: Storage) -> None:
    """Being tried again is no news."""
    storage.come_to(Meaning.UNKNOWN, Meaning.UNKNOWN, Meaning.UNREACHED)
    assert told(storage) == []


def test_an_event_is_written_with_its_outcome_or_not_at_all(storage: Storage) -> None:
    """When the event cannot be written, the outcome is not recorded either."""
    storage.accept()
    attempt = storage.begin()
    taken = {"type": EventType.IRN_EXPIRED, "subject": "x", "operation": (attempt.operation.id, 3)}
    assert announce(storage, **taken)
    before = storage.everything()
    with pytest.raises(Exception, match=r"(?i)unique"):
        storage.settle(attempt, Meaning.REFUSED)
    assert storage.everything() == before


def test_a_lost_lease_tells_nothing(storage: Storage) -> None:
    """A worker that slept past its lease cannot announce what another found out."""
    storage.accept()
    attempt = storage.begin()
    storage.clock.step(seconds=200)
    assert storage.upkeep.end_expired_leases(at=storage.clock.now(), rows_max=10) == 1
    with pytest.raises(Exception, match=attempt.operation.id):
        storage.settle(attempt, Meaning.REFUSED)
    assert told(storage) == []


def test_a_hold_that_goes_on_is_told_once(storage: Storage) -> None:
    """Probes that find the same cause announce nothing; the end does."""
    storage.come_to(Meaning.HELD, Meaning.HELD, Meaning.HELD, Meaning.REGISTERED)
    assert [row["type"] for row in told(storage)] == ["operation.held", "irn.generated"]
    assert [row["sequence"] for row in told(storage)] == [1, 2]


def test_what_time_and_people_do_is_told(storage: Storage) -> None:
    """A closed window and a withdrawal."""
    late = storage.accept(new_operation("A/1", deadline_at=storage.clock.now() + timedelta(hours=1)))
    taken_back = storage.accept(new_operation("A/2"))
    storage.upkeep.close(taken_back.id, Event.WITHDRAWN, actor="cli_1", at=storage.clock.now())
    storage.clock.step(hours=2)
    assert storage.upkeep.close_windows(at=storage.clock.now(), rows_max=10) == 1
    assert [(row["type"], row["operation_id"]) for row in told(storage)] == [
        ("operation.withdrawn", taken_back.id),
        ("irn.expired", late.id),
    ]


def test_an_operation_that_crashes_its_process_is_told_when_it_is_parked(storage: Storage) -> None:
    """After the third crash on its own a person has to look, and learns of it."""
    operation = storage.accept()
    for _ in range(4):
        storage.begin()
        storage.clock.step(seconds=200)
        storage.upkeep.end_expired_leases(at=storage.clock.now(), rows_max=10)
    assert storage.get(operation.id).status is Status.PARKED
    assert [row["type"] for row in told(storage)] == ["operation.parked"]


def test_a_refused_login_is_told_until_it_is_changed(storage: Storage) -> None:
    """Several workers that find it refused tell it once; refused again after a change, it is told again."""
    storage.routebook.put_route(route(), record=record("aud_route"))
    storage.routebook.put_account(account(), org_id=ORG, record=record("aud_1"))
    for number in (2, 3):
        storage.routebook.refuse_account("acc_1", code="3028", record=record(f"aud_{number}"))
    assert [(row["type"], row["subject"]) for row in told(storage)] == [("credential.invalid", "acc_1")]
    storage.routebook.put_account(account(password="another"), org_id=ORG, record=record("aud_4"))
    storage.routebook.refuse_account("acc_1", code="3028", record=record("aud_5"))
    assert [row["sequence"] for row in told(storage)] == [1, 2]


def test_what_is_told_once_is_told_once(storage: Storage) -> None:
    """By name, whoever tells it, and however many at the same moment."""
    tell = partial(announce, storage, once="window:1")
    assert sorted(at_once([tell] * 4)) == [False, False, False, True]
    assert announce(storage, once="window:2")
    assert len(told(storage)) == 2


def test_events_of_a_subject_are_counted_without_a_gap(storage: Storage) -> None:
    """1, 2, 3 …, also when several are written at the same moment; another subject has its own count."""
    at_once([partial(announce, storage) for _ in range(8)])
    announce(storage, subject="acc_2", data={"account_id": "acc_2", "route": ROUTE, "portal_code": None})
    rows = told(storage)
    assert [row["sequence"] for row in rows if row["subject"] == "acc_1"] == list(range(1, 9))
    assert [row["sequence"] for row in rows if row["subject"] == "acc_2"] == [1]


@pytest.mark.postgres
def test_positions_are_committed_in_their_order(storage: Storage) -> None:
    """While an event is not committed no later one is: whoever reads on from a position misses nothing."""
    if storage.database.is_sqlite:
        pytest.skip("one writer at a time: there is nothing to overtake")
    tell = partial(events.announce, ids=storage.ids, at=storage.clock.now())
    with storage.database.engine.connect() as first, storage.database.engine.connect() as second:
        with first.begin():
            tell(first, announcement())
            second.execute(text("SET lock_timeout = '50ms'"))
            with pytest.raises(Exception, match="lock timeout"):
                tell(second, announcement(subject="acc_2"))
            second.rollback()
        with second.begin():
            tell(second, announcement(subject="acc_2"))
    assert [
        (row["subject"], row["position"]) for row in sorted(storage.rows(tables.events), key=lambda row: row["at"])
    ] == [
        ("acc_1", 1),
        ("acc_2", 2),
    ]


def test_an_event_that_is_no_thin_one_is_refused(storage: Storage) -> None:
    """A bug, found before a receiver finds it."""
    with pytest.raises(ValueError, match="no thin one"):
        announce(storage, data={"text": "x" * 20_000})


def test_a_conflict_names_where_the_two_differ(storage: Storage) -> None:
    """By pointers alone: the contents stay with the operation."""
    new = new_operation()
    differences = ({"at": "/ValDtls/TotInvVal", "sent": "1", "registered": "2"},)
    storage.accept(new)
    storage.settle(storage.begin(), Meaning.CONFLICT, result=registration(new, differences=differences))
    [row] = told(storage)
    assert json.loads(row["body"])["data"]["differs_at"] == ["/ValDtls/TotInvVal"]


def test_a_cause_that_changes_is_news(storage: Storage) -> None:
    """Held for one reason, then for another."""
    operation = storage.accept()
    for cause in (HoldCause.QUOTA, HoldCause.ACCOUNT):
        storage.clock.step(hours=2)
        storage.settle(storage.begin(), Meaning.HELD, hold_cause=cause)
    causes = [json.loads(row["body"])["data"]["hold"]["cause"] for row in told(storage)]
    assert causes == ["quota", "account"]
    assert {row["operation_id"] for row in told(storage)} == {operation.id}

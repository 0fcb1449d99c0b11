"""What time brings is told once, and only where it still matters."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from gateway.domain.outcomes import Meaning
from gateway.storage import tables
from gateway.storage.notices import SqlNotices
from tests import support_events
from tests.contract.storage_kit import Storage, at_once
from tests.support import START, new_operation, registration


@pytest.fixture
def notices(storage: Storage) -> SqlNotices:
    """What tells, on the same database."""
    return SqlNotices(storage.database, storage.ids)


def told(storage: Storage, named: str) -> list[dict[str, Any]]:
    """The events of a type, each as its schema has it."""
    found = [json.loads(row["body"]) for row in storage.rows(tables.events) if row["type"] == named]
    for event in found:
        support_events.check(event)
    return found


def registered(storage: Storage, doc_no: str = "A/1", **members: Any) -> None:
    """A document that was acknowledged at START."""
    new = new_operation(doc_no)
    storage.accept(new)
    storage.settle(storage.begin(), Meaning.REGISTERED, result=registration(new, **members))


def test_a_closing_window_is_told_two_hours_before(storage: Storage, notices: SqlNotices) -> None:
    """To the moment, and once."""
    registered(storage)
    closes = START + timedelta(hours=24)
    tell = partial(notices.tell_of_cancel_windows, rows_max=10)
    assert tell(at=closes - timedelta(hours=2, seconds=1)) == 0
    assert tell(at=closes - timedelta(hours=2)) == 1
    assert tell(at=closes - timedelta(hours=1)) == 0
    [event] = told(storage, "irn.cancel_window_closing")
    assert event["data"]["cancel_until"] == "2026-11-21T12:00:00+05:30"
    assert event["sequence"] == 2


def test_a_closed_window_is_not_told(storage: Storage, notices: SqlNotices) -> None:
    """When nobody looked in time, it is too late to tell."""
    registered(storage)
    assert notices.tell_of_cancel_windows(at=START + timedelta(hours=24), rows_max=10) == 0


def test_a_cancelled_document_is_not_told_of(storage: Storage, notices: SqlNotices) -> None:
    """Nor one that somebody else registered."""
    registered(storage, cancelled=True)
    registered(storage, "A/2", differences=({"at": "/x", "sent": "1", "registered": "2"},))
    assert notices.tell_of_cancel_windows(at=START + timedelta(hours=23), rows_max=10) == 0


def test_two_sweepers_tell_once(storage: Storage, notices: SqlNotices) -> None:
    """Also at the same moment."""
    registered(storage)
    tell = partial(notices.tell_of_cancel_windows, at=START + timedelta(hours=23), rows_max=10)
    assert sorted(at_once([tell] * 3)) == [0, 0, 1]
    assert len(told(storage, "irn.cancel_window_closing")) == 1


def test_a_near_deadline_is_told_a_day_before(storage: Storage, notices: SqlNotices) -> None:
    """Of what still waits, held for a login for example, once."""
    deadline = START + timedelta(days=3)
    storage.come_to(Meaning.HELD, new=new_operation(deadline_at=deadline))
    tell = partial(notices.tell_of_deadlines, rows_max=10)
    assert tell(at=deadline - timedelta(hours=24, seconds=1)) == 0
    assert tell(at=deadline - timedelta(hours=24)) == 1
    assert tell(at=deadline - timedelta(hours=1)) == 0
    [event] = told(storage, "irn.reporting_deadline_near")
    assert event["data"]["report_until"] == "2026-11-23T12:00:00+05:30"
    assert event["data"]["operation"]["status"] == "held"


@pytest.mark.parametrize("meaning", [Meaning.REGISTERED, Meaning.REFUSED])
def test_what_is_settled_has_no_deadline(storage: Storage, notices: SqlNotices, meaning: Meaning) -> None:
    """Nor has what came in a moment ago and is on its way."""
    deadline = START + timedelta(hours=5)
    storage.come_to(meaning, new=new_operation(deadline_at=deadline))
    storage.clock.step(hours=1)
    storage.accept(new_operation("A/2", deadline_at=deadline))
    assert notices.tell_of_deadlines(at=storage.clock.now(), rows_max=10) == 0
    storage.clock.step(minutes=1)
    assert notices.tell_of_deadlines(at=storage.clock.now(), rows_max=10) == 1


def test_a_doubt_is_told_at_one_twelve_and_forty_hours(storage: Storage, notices: SqlNotices) -> None:
    """Each age once, to the second; an age that was missed is not told late."""
    storage.come_to(Meaning.UNKNOWN)
    tell = partial(notices.tell_of_doubts, rows_max=10)
    counts = [
        tell(at=START + timedelta(hours=1, seconds=-1)),
        tell(at=START + timedelta(hours=1)),
        tell(at=START + timedelta(hours=11)),
        tell(at=START + timedelta(hours=41)),
        tell(at=START + timedelta(hours=47)),
    ]
    assert counts == [0, 1, 0, 1, 0]
    first, second = told(storage, "operation.unknown_for_long")
    assert (first["data"]["doubt"]["hours"], second["data"]["doubt"]["hours"]) == (1, 40)
    assert first["data"]["doubt"]["since"] == "2026-11-20T12:00:00+05:30"
    assert first["data"]["operation"]["status"] == "indeterminate"


def test_what_is_certain_is_no_doubt(storage: Storage, notices: SqlNotices) -> None:
    """Held for days, or settled since."""
    storage.come_to(Meaning.HELD, new=new_operation("A/2"))
    storage.come_to(Meaning.UNKNOWN, Meaning.REGISTERED)
    assert notices.tell_of_doubts(at=START + timedelta(hours=2), rows_max=10) == 0


def test_two_sweepers_tell_of_a_doubt_once(storage: Storage, notices: SqlNotices) -> None:
    """Also at the same moment."""
    storage.come_to(Meaning.UNKNOWN)
    tell = partial(notices.tell_of_doubts, at=START + timedelta(hours=2), rows_max=10)
    assert sum(at_once([tell] * 3)) == 1
    assert len(told(storage, "operation.unknown_for_long")) == 1

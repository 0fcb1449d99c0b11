"""Whose day it is, and what a second look at the portal has found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gateway.domain import lanes, reconciling
from gateway.domain.operations import Environment
from gateway.domain.outcomes import Meaning, Outcome, Registration
from gateway.domain.reconciling import FindingKind, Phase, ReconcileLane
from tests import support_events
from tests.support import GSTIN, ORG, new_operation, outcome, registration
from tests.unit.test_events import written

HELD = registration(new_operation())
DIFFERENCE = ({"at": "/AckNo", "sent": "1", "registered": "2"},)


def seen(meaning: Meaning = Meaning.REGISTERED, **members: Any) -> Outcome:
    """An answer to a second look."""
    return outcome(meaning, result=replace(HELD, **members))


def kinds(held: Registration, answer: Outcome) -> list[FindingKind]:
    """What is found."""
    return [each.kind for each in reconciling.of_document(held, answer)]


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 11, 20, 19, 59, 59, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 20, 20, 0, tzinfo=UTC), date(2026, 11, 21)),
        (datetime(2026, 11, 20, 18, 30, tzinfo=UTC), date(2026, 11, 20)),
    ],
)
def test_a_day_begins_at_half_past_one_in_india(at: datetime, day: date) -> None:
    """Until then the run of the day before is the latest."""
    assert reconciling.day_of(at) == day


def test_a_run_that_is_asked_for_looks_up_to_the_end_of_its_day_or_now() -> None:
    """Whichever is earlier."""
    noon = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
    assert reconciling.until(date(2026, 11, 20), at=noon) == noon
    assert reconciling.until(date(2026, 11, 19), at=noon) == datetime(2026, 11, 19, 18, 30, tzinfo=UTC)


def test_phases_come_in_their_order_and_end() -> None:
    """Documents, numbers, lists."""
    assert [each.next for each in Phase] == [Phase.NUMBERS, Phase.REJECTED, Phase.DONE, Phase.DONE]


def test_a_lane_is_read_from_its_name() -> None:
    """As a doorbell has it."""
    lane = ReconcileLane(Environment.LIVE, GSTIN)
    assert lanes.read(str(lane)) == lane
    with pytest.raises(ValueError, match="unpack"):
        lanes.read("reconcile:live")


def test_what_stands_as_we_hold_it_is_no_finding() -> None:
    """Active or cancelled, on both sides."""
    assert kinds(HELD, seen()) == []
    assert kinds(replace(HELD, cancelled=True), seen(cancelled=True)) == []


@pytest.mark.parametrize(
    ("held", "answer", "expected"),
    [
        (HELD, seen(cancelled=True), [FindingKind.CANCELLED_ELSEWHERE]),
        (HELD, seen(rejected=True), [FindingKind.SUPERSEDED]),
        (replace(HELD, cancelled=True), seen(rejected=True), [FindingKind.SUPERSEDED]),
        (replace(HELD, cancelled=True), seen(), [FindingKind.DRIFT]),
        (HELD, seen(Meaning.CONFLICT, differences=DIFFERENCE), [FindingKind.DRIFT]),
        (HELD, outcome(Meaning.ABSENT), [FindingKind.DRIFT]),
        (
            HELD,
            seen(Meaning.CONFLICT, cancelled=True, differences=DIFFERENCE),
            [FindingKind.CANCELLED_ELSEWHERE, FindingKind.DRIFT],
        ),
    ],
)
def test_what_stands_otherwise_is_one(held: Registration, answer: Outcome, expected: list[FindingKind]) -> None:
    """Its status, its content, or that it is not there."""
    assert kinds(held, answer) == expected


@pytest.mark.parametrize("meaning", sorted(set(Meaning) - {Meaning.REGISTERED, Meaning.CONFLICT, Meaning.ABSENT}))
def test_an_answer_that_does_not_tell_is_no_finding(meaning: Meaning) -> None:
    """Silence, throttles, unknown signatures: neither of a document nor of a number."""
    assert kinds(HELD, outcome(meaning)) == []
    assert reconciling.of_number(outcome(meaning), operation_id="op_1", in_doubt=False) == ()


def test_a_number_that_is_free_with_us_and_taken_there_is_drift() -> None:
    """With what we sent, or with something else; unless it may be our own attempt that is in doubt."""
    same, other = seen(), seen(Meaning.CONFLICT, differences=DIFFERENCE)
    [found] = reconciling.of_number(same, operation_id="op_1", in_doubt=False)
    assert found.differences == ({"at": "", "sent": None, "registered": HELD.irn},)
    assert (found.kind, found.operation_id, found.doc_no) == (FindingKind.DRIFT, "op_1", HELD.doc_no)
    assert reconciling.of_number(same, operation_id="op_1", in_doubt=True) == ()
    assert reconciling.of_number(other, operation_id="op_1", in_doubt=True)[0].differences == DIFFERENCE
    assert reconciling.of_number(outcome(Meaning.ABSENT), operation_id="op_1", in_doubt=False) == ()


def test_another_difference_is_another_finding() -> None:
    """The same one is found once; each name fits its column."""
    many = tuple({"at": f"/ItemList/{index}", "sent": "x" * 500, "registered": None} for index in range(1000))
    found = [
        *reconciling.of_document(HELD, seen(cancelled=True, rejected=True)),
        *reconciling.of_document(HELD, seen(Meaning.CONFLICT, differences=DIFFERENCE)),
        *reconciling.of_document(HELD, seen(Meaning.CONFLICT, differences=many)),
    ]
    again = reconciling.of_document(HELD, seen(Meaning.CONFLICT, differences=DIFFERENCE))
    assert len({each.key for each in found}) == 4
    assert again[0].key in {each.key for each in found}
    for each in found:
        told = reconciling.announcement(
            each, environment=Environment.TEST, org_id=ORG, gstin=GSTIN, run_id="rec_" + "0" * 26
        )
        assert told.once is not None
        assert len(told.once) <= 120
        support_events.check(written(told))


def test_a_document_that_is_gone_is_told_as_absent() -> None:
    """So that nobody looks for a field."""
    [gone] = reconciling.of_document(HELD, outcome(Meaning.ABSENT))
    told = reconciling.announcement(gone, environment=Environment.TEST, org_id=ORG, gstin=GSTIN, run_id="rec_1")
    assert (told.data["absent"], told.data["differs_at"], told.data["operation"]) == (True, [""], None)


def test_the_cursor_sorts_by_acknowledgement() -> None:
    """Then by IRN, as the run goes."""
    later = replace(HELD, ack_at=HELD.ack_at + timedelta(seconds=1), irn="0" * 64)
    assert reconciling.document_cursor(HELD) < reconciling.document_cursor(later)
    assert len(reconciling.document_cursor(HELD)) <= 120

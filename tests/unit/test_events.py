"""What receivers are told of operations."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from jsonschema import ValidationError

from gateway.domain import canonical, events
from gateway.domain.events import ANNOUNCED, PAYLOAD_BYTES_MAX, Announcement, EventType
from gateway.domain.operations import HoldCause, Kind, Operation, Status
from gateway.domain.outcomes import Cancellation, EwayBill, Meaning, Outcome
from tests import support_events
from tests.support import GSTIN, START, new_operation, operation, outcome, registration

LONG = 'पोर्टल का उत्तर बहुत लंबा है \\ " \n' * 1000
"""A portal's sentence as nobody wants it: long, not ASCII, and full of what JSON has to escape."""


def told(status: Status, came: Outcome | None = None, kind: Kind = Kind.IRN_GENERATE, **members: Any) -> dict[str, Any]:
    """The event of a transition to `status`, as it is read."""
    before = operation(status=Status.SUBMITTING, version=2, kind=kind)
    announcement = events.of_transition(before, replace(before, status=status, version=3, **members), came)
    assert announcement is not None
    return written(announcement)


def written(announcement: Announcement) -> dict[str, Any]:
    """An event as a receiver reads it."""
    body = events.body(announcement, id="evt_" + "0" * 26, sequence=1, at=START)
    text = canonical.write(body)
    assert len(text.encode()) <= PAYLOAD_BYTES_MAX
    read: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return read


def registered(**members: Any) -> Outcome:
    """A registration that tells as much as one can."""
    ewb = EwayBill(errors=tuple((str(code), LONG) for code in range(500)))
    return outcome(Meaning.REGISTERED, result=registration(new_operation(), ewb=ewb, **members))


def conflicting() -> Outcome:
    """A conflict in every member."""
    differences = tuple({"at": f"/ItemList/{index}/TotAmt", "sent": LONG, "registered": LONG} for index in range(1000))
    return outcome(Meaning.CONFLICT, result=registration(new_operation(), differences=differences))


@pytest.mark.parametrize(
    ("status", "named", "came"),
    [
        (Status.SUCCEEDED, EventType.IRN_GENERATED, registered()),
        (Status.REJECTED, EventType.IRN_REJECTED, None),
        (Status.CONFLICT, EventType.IRN_CONFLICT, conflicting()),
        (Status.EXPIRED, EventType.IRN_EXPIRED, None),
        (Status.HELD, EventType.OPERATION_HELD, None),
        (Status.PARKED, EventType.OPERATION_PARKED, None),
        (Status.WITHDRAWN, EventType.OPERATION_WITHDRAWN, None),
    ],
)
def test_every_outcome_is_told_as_its_schema_has_it(status: Status, named: EventType, came: Outcome | None) -> None:
    """And stays thin, whatever the portal had to say."""
    event = told(status, came, hold_cause=HoldCause.QUOTA, portal_code=LONG, portal_message=LONG)
    assert event["type"] == named
    assert event["data"]["operation"] == {
        "id": operation().id,
        "kind": "irn.generate",
        "status": status,
        "version": 3,
        "subject": operation().subject,
    }
    support_events.check(event)


def test_an_event_says_what_was_registered() -> None:
    """Number, date, buyer and amount, to the last digit."""
    event = told(Status.SUCCEEDED, registered(total=Decimal("99999999999999.99")))
    assert event["data"]["registration"] == {
        "ack_no": "112610000000017",
        "ack_date": "2026-11-20T12:00:00+05:30",
        "buyer_gstin": registration(new_operation()).buyer_gstin,
        "total": Decimal("99999999999999.99"),
    }
    assert event["data"]["links"]["document"] == f"/irn/{operation().irn}"


def test_an_e_way_bill_that_came_along_is_told() -> None:
    """With its number, or with the codes of the refusal."""
    made = EwayBill(number="391000000011", made_at=START, valid_until=START)
    with_bill = told(Status.SUCCEEDED, outcome(Meaning.REGISTERED, result=registration(new_operation(), ewb=made)))
    refused = told(Status.SUCCEEDED, registered())
    assert (with_bill["data"]["ewb"]["status"], with_bill["data"]["ewb"]["number"]) == ("generated", "391000000011")
    assert (refused["data"]["ewb"]["status"], refused["data"]["ewb"]["portal_code"][:4]) == ("failed", "0,1,")
    support_events.check(with_bill)


def test_what_is_under_way_is_not_told() -> None:
    """Neither the beginning of an attempt nor a doubt is an outcome."""
    before = operation(status=Status.SUBMITTING)
    for status in (Status.QUEUED, Status.SUBMITTING, Status.INDETERMINATE, Status.QUARANTINED):
        assert events.of_transition(before, replace(before, status=status)) is None


def test_a_hold_is_told_once() -> None:
    """A probe that finds the same cause is no news; another cause is."""
    held = operation(status=Status.HELD, hold_cause=HoldCause.QUOTA)
    probing = replace(held, status=Status.SUBMITTING)

    def again(cause: HoldCause) -> Announcement | None:
        return events.of_transition(probing, replace(held, hold_cause=cause))

    assert again(HoldCause.QUOTA) is None
    assert again(HoldCause.ACCOUNT) is not None


def test_every_kind_tells_of_every_end() -> None:
    """No status in which the gateway leaves an operation goes by in silence."""
    ends = {Status.SUCCEEDED, Status.REJECTED, Status.EXPIRED, Status.WITHDRAWN, Status.HELD, Status.PARKED}
    silent = [(kind, status) for kind, status in product(Kind, ends) if events.announced(kind, status) is None]
    assert silent == []


def test_every_type_has_a_schema_and_every_schema_a_type() -> None:
    """What is listed is what is sent."""
    assert set(support_events.schemas()) - {"common"} == set(EventType)


@pytest.mark.parametrize(("kind", "status"), ANNOUNCED)
def test_what_the_table_announces_is_as_its_schema_has_it(kind: Kind, status: Status) -> None:
    """For every kind, also where no document is known."""
    came = {
        Kind.IRN_GENERATE: registered(),
        Kind.EWB_GENERATE: Outcome(meaning=Meaning.REGISTERED, result=EwayBill(number="391000000011", made_at=START)),
    }.get(kind, Outcome(meaning=Meaning.REGISTERED, result=Cancellation(at=START)))
    support_events.check(told(status, came, kind))
    if kind is not Kind.IRN_GENERATE:
        support_events.check(told(status, came, kind, irn=None, doc_type=None, doc_no=None, doc_date=None))


@pytest.mark.parametrize(
    ("member", "value"), [("type", "irn.cancelled"), ("sequence", 0), ("gstin", GSTIN.lower()), ("secret", "x")]
)
def test_a_schema_bites(member: str, value: object) -> None:
    """An event of another form is refused by it."""
    event = told(Status.EXPIRED)
    support_events.check(event)
    with pytest.raises(ValidationError):
        support_events.validator("irn.expired").validate(event | {member: value})


def test_whatever_a_schema_asks_for_is_there() -> None:
    """An event without one of its members is refused."""
    event = told(Status.REJECTED)
    for name in event:
        with pytest.raises(ValidationError):
            support_events.validator("irn.rejected").validate({key: event[key] for key in event if key != name})


def test_an_operation_is_named_as_it_is_read() -> None:
    """The document's members bear the names that GET /operations gives them."""
    row: Operation = operation()
    assert events.about(row)["document"] == {
        "irn": row.irn,
        "doc_type": "INV",
        "doc_no": "A/1",
        "doc_date": "2026-11-10",
        "seller_gstin": GSTIN,
    }

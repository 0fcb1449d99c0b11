"""Operations that wait for another: never sent before it has succeeded, and never left behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.domain import kinds
from gateway.domain.operations import Kind, Operation, Status
from gateway.domain.outcomes import Cancellation, Meaning
from gateway.domain.settlement import Event
from gateway.ports import NewOperation, Reception
from gateway.storage.tables import audit
from tests.contract.storage_kit import Storage
from tests.support import START, new_operation, registration

DOCUMENT = new_operation()


def cancellation(**members: Any) -> NewOperation:
    """A cancellation of the document above."""
    about: dict[str, Any] = {"id": "op_cancel", "kind": Kind.IRN_CANCEL, "subject": DOCUMENT.irn}
    return new_operation(**about | members)


def waiting(storage: Storage) -> Operation:
    """A cancellation that waits for a registration which was accepted before."""
    registering = storage.accept()
    return storage.accept(cancellation(waits_for=registering.id))


def test_what_waits_is_not_claimed(storage: Storage) -> None:
    """It has no due time, and no worker gets it, until what it waits for is done."""
    assert waiting(storage).due_at is None
    assert storage.claimed().operation.kind is Kind.IRN_GENERATE
    assert storage.claim() is None


def test_it_goes_on_after_a_success(storage: Storage) -> None:
    """Due at once, with the deadline that follows from the acknowledgement."""
    before = waiting(storage)
    storage.clock.step(minutes=3)
    storage.settle(storage.begin(), Meaning.REGISTERED, result=registration(DOCUMENT, ack_at=START))
    woken = storage.get(before.id)
    assert (woken.status, woken.due_at) == (Status.QUEUED, storage.clock.now())
    assert woken.deadline_at == kinds.deadline(Kind.IRN_CANCEL, since=START)
    assert storage.claimed().operation.id == before.id


@pytest.mark.parametrize("meaning", [Meaning.REFUSED, Meaning.CONFLICT, Meaning.TOO_LATE])
def test_it_ends_with_what_it_waited_for(storage: Storage, meaning: Meaning) -> None:
    """After any other end it makes no sense: withdrawn, on record, and so is what waits for it in turn."""
    before = waiting(storage)
    last = storage.accept(cancellation(id="op_last", kind=Kind.EWB_CANCEL, waits_for=before.id))
    storage.settle(storage.begin(), meaning)
    for id in (before.id, last.id):
        ended = storage.get(id)
        assert (ended.status, ended.settled_at) == (Status.WITHDRAWN, storage.clock.now())
        told = [row for row in storage.rows(audit) if row["subject"] == id]
        assert [row["version"] for row in told] == [1, 2]
        assert told[-1]["facts"]["event"] == Event.NEEDLESS


@pytest.mark.parametrize("meaning", [Meaning.UNKNOWN, Meaning.HELD, Meaning.UNREADABLE, Meaning.THROTTLED])
def test_it_goes_on_waiting_while_nothing_is_certain(storage: Storage, meaning: Meaning) -> None:
    """Doubt, a hold and a person's case are no ends."""
    before = waiting(storage)
    storage.settle(storage.begin(), meaning)
    assert storage.get(before.id) == before


def test_a_withdrawal_takes_it_along(storage: Storage) -> None:
    """Also where no worker settles it, but a person."""
    before = waiting(storage)
    assert before.waits_for is not None
    storage.upkeep.close(before.waits_for, Event.WITHDRAWN, actor="person", at=storage.clock.now())
    assert storage.get(before.id).status is Status.WITHDRAWN


def test_nothing_waits_for_what_is_settled(storage: Storage) -> None:
    """Between the caller's look and the storing it was settled: nothing is stored, and the caller looks again."""
    done = storage.come_to(Meaning.REGISTERED)
    met = storage.intake.accept(cancellation(waits_for=done.id), None, at=storage.clock.now())
    assert (met.reception, met.operation.id) == (Reception.GROUND_MOVED, done.id)
    assert storage.intake.get("op_cancel") is None


def test_one_of_a_kind_is_open_on_a_subject(storage: Storage) -> None:
    """The same words meet the open one, other words are told of it; after its end there is room again."""
    first = storage.accept(cancellation())
    same = storage.intake.accept(cancellation(id="op_2"), None, at=storage.clock.now())
    assert (same.reception, same.operation.id) == (Reception.SAME_DOCUMENT, first.id)
    other = storage.intake.accept(cancellation(id="op_3", payload=b"{}"), None, at=storage.clock.now())
    assert (other.reception, other.operation.id) == (Reception.UNDER_WAY, first.id)
    storage.settle(storage.begin(), Meaning.REGISTERED, result=Cancellation(at=START))
    again = storage.intake.accept(cancellation(id="op_4", payload=b"{}"), None, at=storage.clock.now())
    assert again.reception is Reception.ACCEPTED


def test_a_step_before_is_stored_with_it(storage: Storage) -> None:
    """Both in one transaction, the second waiting for the first; one that is open already is waited for."""
    step = cancellation(id="op_step", kind=Kind.EWB_CANCEL, subject="101000000001")
    met = storage.intake.accept(cancellation(), None, at=storage.clock.now(), before=step)
    assert (met.reception, met.operation.waits_for) == (Reception.ACCEPTED, "op_step")
    storage.upkeep.close("op_cancel", Event.WITHDRAWN, actor="person", at=storage.clock.now())
    later = storage.intake.accept(
        cancellation(id="op_5"),
        None,
        at=storage.clock.now(),
        before=cancellation(id="op_6", kind=Kind.EWB_CANCEL, subject="101000000001"),
    )
    assert later.operation.waits_for == "op_step"


def test_a_lasting_refusal_answers_for_a_while(storage: Storage) -> None:
    """The very same is not stored again while the refusal counts; other words are, and so is the same later."""
    storage.accept()
    refused = storage.settle(storage.begin(), Meaning.REFUSED, lasting=True)
    again = new_operation(id="op_2", refused_since=START - timedelta(hours=1))
    met = storage.intake.accept(again, None, at=storage.clock.now())
    assert (met.reception, met.operation.id) == (Reception.REFUSED_BEFORE, refused.id)
    later = new_operation(id="op_3", refused_since=storage.clock.step(days=1))
    assert storage.intake.accept(later, None, at=storage.clock.now()).reception is Reception.ACCEPTED

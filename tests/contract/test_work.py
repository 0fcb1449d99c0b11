"""How workers get hold of operations, and lose them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from gateway.domain.operations import Environment, Lane, Operation, Status
from gateway.domain.outcomes import Meaning
from gateway.ports import Attempt, Claim, LeaseLostError
from gateway.storage.queries import LONGEST_DUE_MAX, NEAREST_MAX
from tests.contract.storage_kit import LEASE, WORKER, Storage, at_once
from tests.support import GSTIN, LANE, OTHER_GSTIN, START, new_operation

# Claims ---------------------------------------------------------------------------------------------------------------


def test_the_nearest_deadline_comes_first_then_the_oldest(storage: Storage) -> None:
    """Rows of a lane are claimed by legal deadline, those without one last, and by age among equals."""
    expected = ["soon", "later, older", "later, younger", "never, older", "never, younger"]
    deadlines = [1, 2, 2, None, None]
    for index in (3, 1, 4, 2, 0):  # stored in another order, the elder of two before the younger
        days = deadlines[index]
        storage.accept(
            new_operation(f"A/{index + 1}", id=expected[index], deadline_at=days and START + timedelta(days=days))
        )
        storage.clock.sleep(1)
    assert [storage.claimed().operation.id for _ in expected] == expected
    assert storage.claim() is None


def test_nothing_is_claimed_past_its_deadline_but_what_is_in_doubt(storage: Storage) -> None:
    """To the moment: too late is never sent, while a document that may be registered is still looked up."""
    deadline = START + timedelta(hours=1)
    doubtful = storage.come_to(Meaning.UNKNOWN, new=new_operation("A/1", deadline_at=deadline))
    waiting = storage.accept(new_operation("A/2", deadline_at=deadline))
    storage.clock.sleep((deadline - storage.clock.now()).total_seconds() - 0.001)
    claims = [storage.claimed(), storage.claimed()]
    assert {claim.operation.id for claim in claims} == {doubtful.id, waiting.id}
    for claim in claims:
        storage.work.release(claim, due_at=START)
    storage.clock.sleep(0.001)
    assert storage.claimed().operation.id == doubtful.id
    assert storage.claim() is None


def test_the_nearest_deadline_comes_first_of_any_number(storage: Storage) -> None:
    """However many have been due for longer: a cancellation is not late because a seller has much to register."""
    ids = storage.fill_lane(later=10, due=2 * LONGEST_DUE_MAX)
    urgent = ids[10]  # of those that are due it became so last
    storage.change(urgent, deadline_at=START + timedelta(minutes=10))
    first, second = storage.claimed(), storage.claimed()
    assert (first.operation.id, first.more, second.operation.id) == (urgent, True, ids[11])


def test_behind_many_that_are_not_due_the_longest_due_come_first(storage: Storage) -> None:
    """A lane that is too long to be looked through is claimed from: the oldest of those that are due for longest."""
    ids = storage.fill_lane(later=NEAREST_MAX, due=2 * LONGEST_DUE_MAX)
    assert storage.claimed().operation.id == ids[-LONGEST_DUE_MAX]


def test_a_claim_tells_whether_more_is_due(storage: Storage) -> None:
    """The last due row says that there is no other."""
    storage.accept(new_operation("A/1"))
    storage.accept(new_operation("A/2"))
    assert [storage.claimed().more, storage.claimed().more] == [True, False]


def test_a_claim_has_its_row_for_the_time_of_its_lease(storage: Storage) -> None:
    """Token, end and owner of the lease stand on the row; nobody else gets it meanwhile."""
    operation = storage.accept()
    claim = storage.claimed()
    row = storage.row(operation.id)
    assert claim.operation == operation
    assert (row["lease_token"], row["lease_until"], row["lease_owner"]) == (claim.token, START + LEASE, WORKER)
    assert claim.lease_until == START + LEASE
    assert storage.claim() is None


@pytest.mark.parametrize(
    ("lane", "direct"),
    [(Lane(Environment.LIVE, GSTIN), False), (Lane(Environment.TEST, OTHER_GSTIN), False), (LANE, True)],
    ids=["environment", "seller", "class"],
)
def test_a_claim_stays_in_its_lane_and_class(storage: Storage, lane: Lane, direct: bool) -> None:  # noqa: FBT001  a class of calls
    """Another environment's, another seller's and the other class's rows are not touched."""
    storage.accept()
    storage.accept(new_operation("A/9", environment=lane.environment, gstin=lane.gstin, direct=direct))
    claim = storage.claim(lane, direct=direct)
    assert claim is not None
    assert (claim.operation.lane, claim.operation.direct, claim.more) == (lane, direct, False)


def test_an_unknown_lane_has_nothing(storage: Storage) -> None:
    """A bell for a lane that never had work finds none."""
    assert storage.claim(Lane(Environment.LIVE, OTHER_GSTIN)) is None


def test_what_is_not_due_is_not_claimed(storage: Storage) -> None:
    """A row waits for its time, to the moment."""
    operation = storage.come_to(Meaning.UNREACHED)
    assert operation.due_at is not None
    wait = (operation.due_at - storage.clock.now()).total_seconds()
    storage.clock.sleep(wait - 0.001)
    assert storage.claim() is None
    storage.clock.sleep(0.001)
    assert storage.claimed().operation == operation


@pytest.mark.parametrize(
    ("meanings", "status"),
    [
        ((Meaning.UNREACHED,), Status.QUEUED),
        ((Meaning.UNKNOWN,), Status.INDETERMINATE),
        ((Meaning.UNKNOWN, Meaning.REFUSED), Status.QUARANTINED),
        ((Meaning.HELD,), Status.HELD),
    ],
)
def test_whatever_waits_is_claimed_when_it_is_due(
    storage: Storage, meanings: tuple[Meaning, ...], status: Status
) -> None:
    """Queued, indeterminate, quarantined and held operations come back by themselves."""
    operation = storage.come_to(*meanings)
    assert operation.status is status
    storage.clock.sleep(24 * 3600)
    assert storage.claimed().operation == operation


@pytest.mark.parametrize("meaning", [Meaning.REGISTERED, Meaning.CONFLICT, Meaning.REFUSED, Meaning.UNREADABLE])
def test_whatever_has_ended_or_waits_for_a_person_is_not_claimed(storage: Storage, meaning: Meaning) -> None:
    """Terminal and parked operations never come back by themselves."""
    storage.come_to(meaning)
    storage.clock.sleep(365 * 24 * 3600)
    assert storage.claim() is None


def test_a_lane_has_so_many_leases_at_once(storage: Storage) -> None:
    """At the bound nothing more is claimed, however much is due; a row given back makes room. Classes count apart."""
    for index in range(4):
        storage.accept(new_operation(f"A/{index + 1}"))
    storage.accept(new_operation("D/1", direct=True))
    first = storage.claim(leases_max=2)
    assert storage.claim(leases_max=2) is not None
    assert storage.claim(leases_max=2) is None
    assert storage.claim(direct=True, leases_max=1) is not None
    assert first is not None
    storage.work.release(first, due_at=START)
    assert storage.claim(leases_max=2) is not None


def test_claims_at_the_same_moment_never_share_a_row(storage: Storage) -> None:
    """Twelve workers at once get as many rows as there may be leases, each another one."""
    for index in range(8):
        storage.accept(new_operation(f"A/{index + 1}"))
    claims = [each for each in at_once([partial(storage.claim, leases_max=5)] * 12) if each is not None]
    assert len({claim.operation.id for claim in claims}) == len(claims) == 5
    assert len({claim.token for claim in claims}) == 5


@pytest.mark.parametrize("direct", [True, False])
def test_a_lane_out_of_permits_rests(storage: Storage, direct: bool) -> None:  # noqa: FBT001  a class of calls
    """A blocked class of a lane is left alone until its time, to the moment; the other class goes on."""
    storage.accept(new_operation("A/1", direct=direct))
    storage.accept(new_operation("A/2", direct=not direct))
    storage.work.block_lane(LANE, direct=direct, until=START + timedelta(seconds=30))
    assert storage.claim(direct=direct) is None
    assert storage.claim(direct=not direct) is not None
    storage.clock.sleep(29.999)
    assert storage.claim(direct=direct) is None
    storage.clock.sleep(0.001)
    assert storage.claim(direct=direct) is not None


# Leases ---------------------------------------------------------------------------------------------------------------


def test_a_lease_can_be_lengthened(storage: Storage) -> None:
    """The claim goes on with the same token until the new end."""
    operation = storage.accept()
    claim = storage.claimed()
    longer = storage.work.renew(claim, until=START + timedelta(minutes=5))
    assert (longer.token, longer.lease_until) == (claim.token, START + timedelta(minutes=5))
    assert storage.row(operation.id)["lease_until"] == longer.lease_until


def test_a_row_that_is_given_back_is_untouched(storage: Storage) -> None:
    """Status, version and attempts are as before; it is due again when its worker said so."""
    operation = storage.accept()
    storage.work.release(storage.claimed(), due_at=START + timedelta(seconds=5))
    assert storage.get(operation.id) == replace(operation, due_at=START + timedelta(seconds=5))
    assert storage.claim() is None
    storage.clock.sleep(5)
    assert storage.claimed().operation.id == operation.id


def test_a_row_that_is_given_back_may_say_what_it_waits_for(storage: Storage) -> None:
    """In place of the portal's words, without an attempt."""
    operation = storage.accept()
    storage.work.release(storage.claimed(), due_at=START, code="clocks-apart", message="They differ.")
    assert storage.get(operation.id) == replace(operation, portal_code="clocks-apart", portal_message="They differ.")
    assert storage.claimed().operation.attempts == 0


def _begin_again(storage: Storage, claim: Claim, attempt: Attempt | None) -> None:  # noqa: ARG001  one of four alike
    storage.begin(claim)


def _renew(storage: Storage, claim: Claim, attempt: Attempt | None) -> None:  # noqa: ARG001  one of four alike
    storage.work.renew(claim, until=START + timedelta(days=1))


def _release(storage: Storage, claim: Claim, attempt: Attempt | None) -> None:  # noqa: ARG001  one of four alike
    storage.work.release(claim, due_at=START)


def _record(storage: Storage, claim: Claim, attempt: Attempt | None) -> None:  # noqa: ARG001  one of four alike
    assert attempt is not None
    storage.settle(attempt, Meaning.REGISTERED, evidence=b"what came too late")


Write = Callable[[Storage, Claim, Attempt | None], None]
WRITES = [_begin_again, _renew, _release, _record]


def _nobody_has_it(storage: Storage, operation: Operation) -> None:
    """The sweeper took the row back."""


def _another_has_it(storage: Storage, operation: Operation) -> None:
    """Another worker claimed the row."""
    assert storage.claimed().operation.id == operation.id


def _another_began(storage: Storage, operation: Operation) -> None:
    """Another worker is in the middle of an attempt at the row."""
    assert storage.begin().operation.id == operation.id


def _another_settled(storage: Storage, operation: Operation) -> None:
    """Another worker has settled the row."""
    assert storage.settle(storage.begin(), Meaning.REGISTERED).id == operation.id


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("meanwhile", [_nobody_has_it, _another_has_it, _another_began, _another_settled])
def test_a_write_with_an_old_token_changes_nothing(
    storage: Storage, write: Write, meanwhile: Callable[[Storage, Operation], None]
) -> None:
    """A worker that slept past its lease learns so, and not one row of any table is different afterwards."""
    operation = storage.accept()
    claim = storage.claimed()
    attempt = storage.begin(claim) if write is _record else None
    storage.clock.sleep(LEASE.total_seconds() + 1)
    assert storage.upkeep.end_expired_leases(at=storage.clock.now(), rows_max=10) == 1
    meanwhile(storage, operation)
    before = storage.everything()
    with pytest.raises(LeaseLostError):
        write(storage, claim, attempt)
    assert storage.everything() == before


@pytest.mark.parametrize("write", [_renew, _release, _record])
def test_a_settled_attempt_is_not_settled_twice(storage: Storage, write: Write) -> None:
    """The lease ends with the record of the outcome."""
    storage.accept()
    attempt = storage.begin()
    storage.settle(attempt, Meaning.UNKNOWN)
    before = storage.everything()
    with pytest.raises(LeaseLostError):
        write(storage, attempt.claim, attempt)
    assert storage.everything() == before

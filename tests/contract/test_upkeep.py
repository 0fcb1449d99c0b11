"""How time moves operations, or a person."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.lifecycle import CRASHES_ALONE_MAX, ForbiddenTransitionError
from gateway.domain.operations import Status
from gateway.domain.outcomes import Meaning
from gateway.domain.settlement import Event
from gateway.errors import Absent
from gateway.ports import LeaseLostError
from gateway.storage.tables import attempts, audit, identities
from tests.contract.storage_kit import LEASE, WORKER, Storage, at_once
from tests.support import START, new_operation

ROWS_MAX = 100


def _audited(storage: Storage, action: str) -> list[dict[str, Any]]:
    return [row for row in storage.rows(audit) if row["action"] == action]


def _end_leases(storage: Storage, *, after: timedelta = LEASE + timedelta(seconds=1)) -> int:
    storage.clock.sleep(after.total_seconds())
    return storage.upkeep.end_expired_leases(at=storage.clock.now(), rows_max=ROWS_MAX)


# Leases that end ------------------------------------------------------------------------------------------------------


def test_a_lease_that_lasts_is_left_alone(storage: Storage) -> None:
    """To the moment: nothing is taken from a worker before its lease is over."""
    storage.accept()
    storage.begin()
    before = storage.everything()
    assert _end_leases(storage, after=LEASE) == 0
    assert storage.everything() == before
    assert _end_leases(storage, after=timedelta(microseconds=1)) == 1


def test_a_lease_that_ends_before_the_attempt_gives_the_row_back(storage: Storage) -> None:
    """Nothing was sent, so nothing is in doubt and no crash is laid at its door."""
    operation = storage.accept()
    storage.claimed()
    assert _end_leases(storage) == 1
    assert storage.get(operation.id) == operation
    assert storage.rows(attempts) == []
    assert storage.claimed().operation.id == operation.id


def test_a_lease_that_ends_during_an_attempt_leaves_doubt(storage: Storage) -> None:
    """The request may have left: indeterminate since the attempt began, due at once, to be run alone, and audited."""
    operation = storage.accept()
    storage.begin()
    assert _end_leases(storage) == 1
    now = storage.clock.now()
    after = storage.get(operation.id)
    assert (after.status, after.version, after.doubtful_since, after.due_at) == (Status.INDETERMINATE, 3, START, now)
    assert (after.run_alone, after.crashes_alone, after.attempts) == (True, 0, 1)
    [record] = _audited(storage, "lease:end")
    assert (record["subject"], record["actor"], record["version"]) == (operation.id, WORKER, 3)
    assert storage.claimed().operation == after


def test_the_attempt_of_a_dead_process_stays_open(storage: Storage) -> None:
    """What it came to is not invented: the try has no end and no meaning."""
    storage.accept()
    storage.begin()
    _end_leases(storage)
    [tried] = storage.rows(attempts)
    assert (tried["ended_at"], tried["meaning"]) == (None, None)


def test_three_crashes_alone_park_an_operation(storage: Storage) -> None:
    """The first crash, beside others, is not counted; the third one alone calls for a person."""
    operation = storage.accept()
    seen = []
    for _ in range(CRASHES_ALONE_MAX + 1):
        storage.begin()
        _end_leases(storage)
        after = storage.get(operation.id)
        seen.append((after.status, after.crashes_alone))
    assert seen == [
        (Status.INDETERMINATE, 0),
        (Status.INDETERMINATE, 1),
        (Status.INDETERMINATE, 2),
        (Status.PARKED, 3),
    ]
    assert storage.claim() is None
    assert storage.get(operation.id).in_doubt


def test_an_outcome_forgives_the_crashes_before_it(storage: Storage) -> None:
    """After an attempt that ended, an operation runs beside others again, and counts from nothing."""
    operation = storage.accept()
    for _ in range(2):
        storage.begin()
        _end_leases(storage)
    settled = storage.settle(storage.begin(), Meaning.UNKNOWN)
    assert (settled.id, settled.run_alone, settled.crashes_alone) == (operation.id, False, 0)


def test_a_crash_does_not_end_a_quarantine(storage: Storage) -> None:
    """Quarantined before, quarantined after, with its looks."""
    quarantined = storage.come_to(Meaning.UNKNOWN, Meaning.REFUSED, Meaning.ABSENT)
    storage.clock.sleep(24 * 3600)
    storage.begin()
    _end_leases(storage)
    after = storage.get(quarantined.id)
    assert (after.status, after.quarantined_since, after.quarantine_looks) == (
        Status.QUARANTINED,
        quarantined.quarantined_since,
        1,
    )


def test_so_many_leases_end_in_one_go(storage: Storage) -> None:
    """A sweep stays short; what is left over is for the next."""
    for index in range(5):
        storage.accept(new_operation(f"A/{index + 1}"))
        storage.claimed()
    storage.clock.sleep(LEASE.total_seconds() + 1)
    ended = [storage.upkeep.end_expired_leases(at=storage.clock.now(), rows_max=2) for _ in range(4)]
    assert ended == [2, 2, 1, 0]


def test_a_lease_that_was_lengthened_meanwhile_does_not_end(storage: Storage) -> None:
    """The end of a lease is looked at again when the row is locked."""
    operation = storage.accept()
    claim = storage.claimed()
    storage.work.renew(claim, until=START + timedelta(hours=1))
    assert _end_leases(storage) == 0
    assert storage.begin(claim).operation.id == operation.id


# A person -------------------------------------------------------------------------------------------------------------


def test_a_waiting_operation_is_withdrawn(storage: Storage) -> None:
    """Terminal, its number free, and on record as the doing of whoever asked."""
    operation = storage.accept()
    storage.clock.sleep(5)
    closed = storage.upkeep.close(operation.id, Event.WITHDRAWN, actor="cli_1", at=storage.clock.now())
    assert (closed.status, closed.version, closed.due_at) == (Status.WITHDRAWN, 2, None)
    assert closed.settled_at == storage.clock.now()
    assert storage.rows(identities) == []
    [record] = _audited(storage, "operation:close")
    assert (record["actor"], record["version"]) == ("cli_1", 2)
    assert storage.claim() is None


def test_a_withdrawal_takes_the_row_from_a_worker_that_has_not_begun(storage: Storage) -> None:
    """The worker finds its lease gone, and sends nothing."""
    operation = storage.accept()
    claim = storage.claimed()
    storage.upkeep.close(operation.id, Event.WITHDRAWN, actor="cli_1", at=START)
    with pytest.raises(LeaseLostError):
        storage.begin(claim)
    assert storage.rows(attempts) == []


@pytest.mark.parametrize("event", [Event.WITHDRAWN, Event.WINDOW_CLOSED])
@pytest.mark.parametrize("meaning", [Meaning.UNKNOWN, Meaning.UNVERIFIED, Meaning.REGISTERED, Meaning.UNREADABLE, None])
def test_what_may_have_reached_the_portal_is_not_closed(
    storage: Storage, event: Event, meaning: Meaning | None
) -> None:
    """In doubt, ended or under way: refused, and nothing changes."""
    operation = storage.accept()
    attempt = storage.begin()
    if meaning is not None:
        storage.settle(attempt, meaning)
    before = storage.everything()
    with pytest.raises(ForbiddenTransitionError):
        storage.upkeep.close(operation.id, event, actor="cli_1", at=START)
    assert storage.everything() == before


def test_a_parked_operation_is_resumed_through_a_look_up(storage: Storage) -> None:
    """In doubt and due at once, on record as the doing of whoever asked."""
    parked = storage.come_to(Meaning.UNREADABLE)
    assert parked.status is Status.PARKED
    storage.clock.sleep(3600)
    resumed = storage.upkeep.resume(parked.id, actor="operator", at=storage.clock.now())
    assert (resumed.status, resumed.due_at) == (Status.INDETERMINATE, storage.clock.now())
    assert resumed.doubtful_since == parked.doubtful_since is not None
    [record] = _audited(storage, "operation:resume")
    assert (record["actor"], record["version"]) == ("operator", resumed.version)
    assert storage.claimed().operation == resumed


def test_only_what_is_parked_is_resumed(storage: Storage) -> None:
    """Anything else moves by itself, or not at all; nothing changes."""
    operation = storage.accept()
    before = storage.everything()
    with pytest.raises(ForbiddenTransitionError):
        storage.upkeep.resume(operation.id, actor="operator", at=START)
    assert storage.everything() == before


def test_an_unknown_operation_is_neither_closed_nor_resumed(storage: Storage) -> None:
    """There is no such thing."""
    with pytest.raises(Absent):
        storage.upkeep.close("op_unknown", Event.WITHDRAWN, actor="cli_1", at=START)
    with pytest.raises(Absent):
        storage.upkeep.resume("op_unknown", actor="operator", at=START)


def test_a_withdrawal_and_a_worker_at_the_same_moment_have_one_winner(storage: Storage) -> None:
    """Either it was withdrawn and nothing is sent, or the attempt began and it is not withdrawn."""
    for index in range(6):
        operation = storage.accept(new_operation(f"A/{index + 1}"))
        claim = storage.claimed()

        def withdraw(id: str = operation.id) -> str:
            try:
                return storage.upkeep.close(id, Event.WITHDRAWN, actor="cli_1", at=START).status
            except ForbiddenTransitionError:
                return "too late"

        def begin(claim: Any = claim) -> str:
            try:
                return storage.begin(claim).operation.status
            except LeaseLostError:
                return "too late"

        assert Counter(at_once([withdraw, begin]))["too late"] == 1

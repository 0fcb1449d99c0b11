"""`ports.Queues`: how much waits in each lane."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.outcomes import Meaning
from gateway.ports import QueueLength
from gateway.storage import queries
from gateway.storage.queues import KEPT_SECONDS_MIN, SqlQueues
from tests.contract.storage_kit import Storage
from tests.support import LANE, ROUTE, START, new_operation, record, route, seller


@pytest.fixture
def queues(storage: Storage) -> SqlQueues:
    """Of a lane in which three documents and a direct call wait."""
    for number in range(3):
        storage.accept(new_operation(f"Q/{number}"))
    storage.accept(new_operation("D/1", direct=True))
    return SqlQueues(storage.database, storage.clock, leases_max={True: 2, False: 4})


def waiting(queues: SqlQueues) -> dict[bool, int]:
    """How many, by whether they are direct."""
    return {each.direct: each.waiting for each in queues.lengths()}


def test_what_waits_is_counted_by_class(queues: SqlQueues) -> None:
    """With the instant from which on the first of them is due."""
    assert sorted(queues.lengths(), key=lambda each: each.direct) == [
        QueueLength(lane=LANE, account=None, direct=False, waiting=3, due=3, due_at=START),
        QueueLength(lane=LANE, account=None, direct=True, waiting=1, due=1, due_at=START),
    ]


def test_whose_limit_a_lane_shares_is_told_with_it(storage: Storage, queues: SqlQueues) -> None:
    """By its taxpayer's route; a lane whose taxpayer or route is gone shares nobody's."""
    storage.directory.put_seller(seller(), record=record("aud_seller"))
    assert {each.account for each in queues.lengths()} == {None}
    storage.routebook.put_route(route(), record=record("aud_route"))
    storage.clock.sleep(KEPT_SECONDS_MIN)
    assert {each.account for each in queues.lengths()} == {route().gsp_account}


def test_what_is_put_off_waits_and_is_not_due(storage: Storage, queues: SqlQueues) -> None:
    """Whoever is told a turn has it before those: they are counted apart."""
    storage.work.release(storage.claimed(), due_at=START + timedelta(hours=9))
    assert {each.direct: (each.waiting, each.due) for each in queues.lengths()} == {False: (3, 2), True: (1, 1)}


def test_what_is_held_until_there_is_a_permit_still_waits(storage: Storage, queues: SqlQueues) -> None:
    """Each of them needs its turn; whoever is told a turn behind them would be told one too early."""
    storage.claimed()
    storage.claimed(direct=True)
    assert waiting(queues) == {False: 3, True: 1}


def test_what_was_sent_waits_no_more(storage: Storage, queues: SqlQueues) -> None:
    """Neither while its answer is outstanding nor once it is settled. Counts are a moment old."""
    attempt = storage.begin()
    assert waiting(queues) == {False: 2, True: 1}
    storage.settle(attempt, Meaning.REGISTERED)
    storage.begin(storage.claimed(direct=True))
    assert waiting(queues) == {False: 2, True: 1}
    storage.clock.sleep(KEPT_SECONDS_MIN)
    assert waiting(queues) == {False: 2}


def test_the_speed_of_a_portal_is_that_of_the_latest_tries(storage: Storage, queues: SqlQueues) -> None:
    """The middle of what they took, over those that a lane may have at once; nothing is said of a route without tries.

    So one that timed out says little, and one under way nothing.
    """
    assert queues.seconds_each(ROUTE, direct=False) == 0
    for seconds in (2, 30, 4):
        attempt = storage.begin()
        storage.clock.sleep(seconds)
        storage.settle(attempt, Meaning.REGISTERED)
    storage.begin(storage.claimed(direct=True))
    assert queues.seconds_each(ROUTE, direct=False) == 4 / 4
    assert queues.seconds_each(ROUTE, direct=True) == 4 / 2
    assert queues.seconds_each("another", direct=False) == 0


def test_a_portal_that_became_slow_is_told_as_such(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the newest tries alone."""
    monkeypatch.setattr(queries, "LATEST_TRIES", queries.LATEST_TRIES.limit(3))
    queues = SqlQueues(storage.database, storage.clock, leases_max={True: 1, False: 1})
    for number, seconds in enumerate([1] * 4 + [9] * 2):
        storage.accept(new_operation(f"S/{number}"))
        attempt = storage.begin()
        storage.clock.sleep(seconds)
        storage.settle(attempt, Meaning.REGISTERED)
    assert queues.seconds_each(ROUTE, direct=False) == 9

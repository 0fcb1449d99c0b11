"""`ports.Queues`: how much waits in each lane."""

from __future__ import annotations

import pytest

from gateway.domain.outcomes import Meaning
from gateway.ports import QueueLength
from gateway.storage.queues import KEPT_SECONDS_MIN, SqlQueues
from tests.contract.storage_kit import Storage
from tests.support import LANE, START, new_operation, record, route, seller


@pytest.fixture
def queues(storage: Storage) -> SqlQueues:
    """Of a lane in which three documents and a direct call wait."""
    for number in range(3):
        storage.accept(new_operation(f"Q/{number}"))
    storage.accept(new_operation("D/1", direct=True))
    return SqlQueues(storage.database, storage.clock.monotonic)


def waiting(queues: SqlQueues) -> dict[bool, int]:
    """How many, by whether they are direct."""
    return {each.direct: each.waiting for each in queues.lengths()}


def test_what_waits_is_counted_by_class(queues: SqlQueues) -> None:
    """With the instant from which on the first of them is due."""
    assert sorted(queues.lengths(), key=lambda each: each.direct) == [
        QueueLength(lane=LANE, account=None, direct=False, waiting=3, due_at=START),
        QueueLength(lane=LANE, account=None, direct=True, waiting=1, due_at=START),
    ]


def test_whose_limit_a_lane_shares_is_told_with_it(storage: Storage, queues: SqlQueues) -> None:
    """By its taxpayer's route; a lane whose taxpayer or route is gone shares nobody's."""
    storage.directory.put_seller(seller(), record=record("aud_seller"))
    assert {each.account for each in queues.lengths()} == {None}
    storage.routebook.put_route(route(), record=record("aud_route"))
    storage.clock.sleep(KEPT_SECONDS_MIN)
    assert {each.account for each in queues.lengths()} == {route().gsp_account}


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

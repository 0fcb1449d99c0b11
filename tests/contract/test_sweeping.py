"""What the sweeper finds: windows that closed, lanes to ring, holds to end, keys to forget."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert

from gateway.domain.deliveries import EndpointLane
from gateway.domain.operations import Environment, HoldCause, Lane, Status
from gateway.domain.outcomes import Meaning
from gateway.storage.tables import audit, identities, lanes, operations
from tests.contract.storage_kit import Storage, at_once
from tests.support import GSTIN, LANE, OTHER_GSTIN, START, idempotency_key, new_operation, record, route

ROWS_MAX = 100


# Windows --------------------------------------------------------------------------------------------------------------


def test_what_waits_past_its_deadline_expires(storage: Storage) -> None:
    """To the moment; its number is free again, and the sweeper is on record."""
    deadline = START + timedelta(days=1)
    operation = storage.accept(new_operation(deadline_at=deadline))
    assert storage.upkeep.close_windows(at=deadline, rows_max=ROWS_MAX) == 0
    late = deadline + timedelta(microseconds=1)
    assert storage.upkeep.close_windows(at=late, rows_max=ROWS_MAX) == 1
    expired = storage.get(operation.id)
    assert (expired.status, expired.settled_at, expired.due_at) == (Status.EXPIRED, late, None)
    assert storage.rows(identities) == []
    [record] = [row for row in storage.rows(audit) if row["action"] == "operation:close"]
    assert (record["actor"], record["facts"]["status"]) == ("sweeper", "expired")


def test_a_held_operation_expires_too(storage: Storage) -> None:
    """Waiting for credentials does not stop the law's clock."""
    held = storage.come_to(Meaning.HELD, new=new_operation(deadline_at=START + timedelta(hours=1)))
    assert storage.upkeep.close_windows(at=START + timedelta(hours=2), rows_max=ROWS_MAX) == 1
    assert storage.get(held.id).status is Status.EXPIRED


@pytest.mark.parametrize(
    "meanings", [(Meaning.UNKNOWN,), (Meaning.UNVERIFIED,), (Meaning.UNKNOWN, Meaning.REFUSED), (Meaning.UNREADABLE,)]
)
def test_what_is_in_doubt_never_expires(storage: Storage, meanings: tuple[Meaning, ...]) -> None:
    """It may be registered: looking up goes on past the deadline."""
    storage.come_to(*meanings, new=new_operation(deadline_at=START + timedelta(hours=1)))
    before = storage.everything()
    assert storage.upkeep.close_windows(at=START + timedelta(days=9), rows_max=ROWS_MAX) == 0
    assert storage.everything() == before


def test_what_is_in_a_workers_hand_does_not_expire(storage: Storage) -> None:
    """A row that is leased is its worker's, begun or not."""
    storage.accept(new_operation(deadline_at=START + timedelta(hours=1)))
    claim = storage.claimed()
    late = START + timedelta(days=9)
    assert storage.upkeep.close_windows(at=late, rows_max=ROWS_MAX) == 0
    storage.begin(claim)
    assert storage.upkeep.close_windows(at=late, rows_max=ROWS_MAX) == 0


def test_without_a_deadline_nothing_expires(storage: Storage) -> None:
    """A taxpayer without a reporting limit may wait for years."""
    storage.accept(new_operation(deadline_at=None))
    assert storage.upkeep.close_windows(at=START + timedelta(days=3650), rows_max=ROWS_MAX) == 0


def test_what_may_not_expire_does_not_stand_in_the_way(storage: Storage) -> None:
    """A sweep of one row finds the one that may expire behind those that may not."""
    soon = START + timedelta(hours=1)
    for index in range(3):
        storage.come_to(Meaning.UNVERIFIED, new=new_operation(f"A/{index + 1}", deadline_at=soon))
    waiting = storage.accept(new_operation("A/9", deadline_at=soon))
    assert storage.upkeep.close_windows(at=START + timedelta(days=9), rows_max=1) == 1
    assert storage.get(waiting.id).status is Status.EXPIRED


def test_so_many_windows_close_in_one_go(storage: Storage) -> None:
    """A sweep stays short; what is left over is for the next."""
    for index in range(3):
        storage.accept(new_operation(f"A/{index + 1}", deadline_at=START))
    late = START + timedelta(days=1)
    assert [storage.upkeep.close_windows(at=late, rows_max=2) for _ in range(3)] == [2, 1, 0]


# Lanes ----------------------------------------------------------------------------------------------------------------


def _due(storage: Storage) -> set[tuple[Lane, bool]]:
    lanes = storage.upkeep.due_lanes(at=storage.clock.now())
    assert len(lanes) == len(set(lanes))
    return set(lanes)


def test_due_lanes_are_those_with_due_rows(storage: Storage) -> None:
    """Each lane and class once; what is leased, later or over does not count."""
    other = Lane(Environment.TEST, OTHER_GSTIN)
    live = Lane(Environment.LIVE, GSTIN)
    storage.accept(new_operation("A/1"))
    storage.accept(new_operation("A/2"))
    storage.accept(new_operation("A/3", direct=True))
    storage.accept(new_operation("A/4", gstin=OTHER_GSTIN))
    storage.accept(new_operation("A/5", environment=Environment.LIVE))
    assert _due(storage) == {(LANE, False), (LANE, True), (other, False), (live, False)}
    storage.claimed()
    storage.settle(storage.begin(storage.claimed(direct=True)), Meaning.UNKNOWN)
    storage.settle(storage.begin(storage.claim(other)), Meaning.REGISTERED)
    assert _due(storage) == {(LANE, False), (live, False)}
    storage.clock.sleep(3600)
    assert _due(storage) == {(LANE, False), (LANE, True), (live, False)}


@pytest.mark.parametrize("direct", [True, False])
def test_a_blocked_lane_is_not_due_before_its_time(storage: Storage, direct: bool) -> None:  # noqa: FBT001  a class
    """The class that is out of permits is not rung until there are some; the other one is."""
    storage.accept(new_operation("A/1", direct=direct))
    storage.accept(new_operation("A/2", direct=not direct))
    storage.work.block_lane(LANE, direct=direct, until=START + timedelta(seconds=30))
    assert _due(storage) == {(LANE, not direct)}
    storage.clock.sleep(30)
    assert _due(storage) == {(LANE, direct), (LANE, not direct)}


def test_nothing_due_is_no_lane(storage: Storage) -> None:
    """An idle gateway rings nobody."""
    assert _due(storage) == set()


# Holds ----------------------------------------------------------------------------------------------------------------


def _held(storage: Storage, doc_no: str, cause: HoldCause, **members: Any) -> str:
    operation = storage.accept(new_operation(doc_no, **members))
    claim = storage.claim(operation.lane)
    held = storage.settle(storage.begin(claim), Meaning.HELD, hold_cause=cause)
    assert held.status is Status.HELD
    return held.id


def test_held_operations_wake_when_their_cause_may_be_gone(storage: Storage) -> None:
    """Those of the seller, the environment and the causes that were named become due; no others."""
    woken = {
        _held(storage, "A/1", HoldCause.CREDENTIALS),
        _held(storage, "A/2", HoldCause.ACCOUNT),
    }
    asleep = {
        _held(storage, "A/3", HoldCause.QUOTA),
        _held(storage, "A/4", HoldCause.CREDENTIALS, gstin=OTHER_GSTIN),
        _held(storage, "A/5", HoldCause.CREDENTIALS, environment=Environment.LIVE),
        storage.come_to(Meaning.UNKNOWN, new=new_operation("A/6")).id,
    }
    storage.clock.sleep(0.5)
    now = storage.clock.now()
    causes = (HoldCause.CREDENTIALS, HoldCause.ACCOUNT)
    count = storage.upkeep.wake_held(environment=Environment.TEST, gstin=GSTIN, causes=causes, at=now)
    assert count == 2
    assert {row["id"] for row in storage.rows(operations) if row["due_at"] == now} == woken
    assert not woken & asleep


def test_a_cause_of_all_sellers_wakes_all_of_them(storage: Storage) -> None:
    """Without a GSTIN every seller of the environment is meant."""
    _held(storage, "A/1", HoldCause.QUOTA)
    _held(storage, "A/2", HoldCause.QUOTA, gstin=OTHER_GSTIN)
    _held(storage, "A/3", HoldCause.QUOTA, environment=Environment.LIVE)
    count = storage.upkeep.wake_held(environment=Environment.TEST, gstin=None, causes=[HoldCause.QUOTA], at=START)
    assert count == 2


def test_no_cause_wakes_nobody(storage: Storage) -> None:
    """An empty list of causes is no cause."""
    _held(storage, "A/1", HoldCause.QUOTA)
    assert storage.upkeep.wake_held(environment=Environment.TEST, gstin=None, causes=[], at=START) == 0


def test_lanes_are_freed_when_a_route_was_changed(storage: Storage) -> None:
    """Whoever waits for a permit asks again, of either class; a receiver's lane waits for something else."""
    storage.accept(new_operation("A/1"))
    lane, endpoint = Lane(Environment.TEST, GSTIN), EndpointLane("whk_1")
    far = START + timedelta(minutes=30)

    def until() -> dict[str, tuple[Any, Any]]:
        return {row["lane"]: (row["direct_blocked_until"], row["bulk_blocked_until"]) for row in storage.rows(lanes)}

    waiting = insert(lanes).values(lane=endpoint.row, bulk_blocked_until=far)
    storage.database.write(lambda connection: connection.execute(waiting))
    for direct in (True, False):
        storage.work.block_lane(lane, direct=direct, until=far)
    storage.routebook.put_route(route(), record=record("aud_1"))
    assert storage.upkeep.free_lanes(changed_since=START + timedelta(seconds=1), at=START) == 0
    assert until()[str(lane)] == (far, far)
    assert storage.upkeep.free_lanes(changed_since=START, at=START) == 1
    assert until() == {str(lane): (None, None), endpoint.row: (None, far)}


# Leading and reaping --------------------------------------------------------------------------------------------------


def _lead(storage: Storage, holder: str, role: str = "sweeper", *, life_seconds: int = 10) -> bool:
    now = storage.clock.now()
    return storage.upkeep.lead(role, holder=holder, at=now, until=now + timedelta(seconds=life_seconds))


def test_one_leads_and_the_others_stand_by(storage: Storage) -> None:
    """The leader renews, others wait, and after its silence another takes over, to the moment."""
    assert _lead(storage, "a")
    assert not _lead(storage, "b")
    storage.clock.sleep(9)
    assert _lead(storage, "a")
    storage.clock.sleep(9.999)
    assert not _lead(storage, "b")
    storage.clock.sleep(0.001)
    assert _lead(storage, "b")
    assert not _lead(storage, "a")


def test_roles_are_led_apart(storage: Storage) -> None:
    """Leading one role is nothing in another."""
    assert _lead(storage, "a", "sweeper")
    assert _lead(storage, "b", "sealer")


def test_a_race_for_the_lead_has_one_winner(storage: Storage) -> None:
    """Ten that ask at the same moment: one leads, at first and when a leader has gone silent."""
    for _ in range(2):
        results = at_once([partial(_lead, storage, f"holder-{each}") for each in range(10)])
        assert Counter(results) == {True: 1, False: 9}
        storage.clock.sleep(60)


def test_keys_past_their_life_are_reaped(storage: Storage) -> None:
    """To the moment, and none before; operations and numbers stay."""
    storage.accept(new_operation("A/1"), idempotency_key("k1", expires_at=START + timedelta(hours=1)))
    storage.accept(new_operation("A/2"), idempotency_key("k2", expires_at=START + timedelta(hours=2)))
    hours = (0, 1, 1, 3)
    assert [storage.upkeep.reap(at=START + timedelta(hours=each), rows_max=9) for each in hours] == [0, 1, 0, 1]
    assert len(storage.rows(operations)) == len(storage.rows(identities)) == 2

"""Workers that die at any moment of a delivery: what receivers noted themselves, against what the rows say.

Each event is delivered, by the receiver's own log, or dead with all its attempts on record and somebody told. The long
kill loop proves the same of processes (tests/integration); here a crash is an exception that nobody catches.
"""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import Final, cast

import pytest

from gateway.domain.audit import Action
from gateway.domain.deliveries import POLICIES, EndpointLane, Verdict
from gateway.jobs.memory import MemoryBell
from gateway.ports import Answer, Dispatch
from gateway.services import delivering
from gateway.services.delivering import DeliveryPolicy
from gateway.services.ports import Ports
from gateway.storage import tables
from tests.contract.delivery_kit import Receivers
from tests.contract.storage_kit import Storage
from tests.support_hooks import answer

POLICY: Final = DeliveryPolicy(worker="worker-1", lease_seconds=45, quantum_seconds=3.0, leases_max=2)
EVENTS: Final = 6
NAMES: Final = ("well", "moody", "dead")
WAITS: Final = POLICIES["default"].waits
CRASHES: Final = 0.3


class Killed(BaseException):
    """The process ends here."""


class Wire:
    """Receivers with a log each, and workers that die over sending, before a message arrives or after it did."""

    def __init__(self, chance: random.Random) -> None:
        self.log: dict[str, Counter[str]] = {name: Counter() for name in NAMES}
        self.taken: set[tuple[str, str]] = set()
        self.killed = 0
        self._chance = chance

    def send(self, dispatch: Dispatch) -> Answer:
        """See `ports.Sender`."""
        name, id = dispatch.url.rpartition("/")[2], dispatch.message_id
        self._live(CRASHES / 2)
        self.log[name][id] += 1
        takes = name == "well" or (name == "moody" and self._chance.random() < 0.4)
        if takes:
            self.taken.add((name, id))
        self._live(CRASHES / 2)
        return answer(Verdict.DELIVERED if takes else Verdict.FAILED)

    def _live(self, risk: float) -> None:
        if self._chance.random() < risk:
            self.killed += 1
            raise Killed


@pytest.mark.parametrize("seed", [1, 2])
def test_every_event_is_delivered_or_dead_with_all_its_attempts(storage: Storage, seed: int) -> None:
    """Whatever dies, and however often: the rows agree with what the receivers noted."""
    receivers, wire = Receivers(storage), Wire(random.Random(seed))  # noqa: S311  a seed
    for name in NAMES:
        receivers.add(f"whk_{name}", url=f"https://erp.example/{name}", types=("irn.generated",))
    for _ in range(EVENTS):
        receivers.happen()
    while any(row["status"] == "pending" for row in receivers.rows()):
        _go_on(receivers, wire)
    _agree(receivers, wire)
    assert wire.killed >= EVENTS


def _go_on(receivers: Receivers, wire: Wire) -> None:
    """Drain every lane as a worker would that may die over it, and let the time pass until something is due."""
    storage = receivers.storage
    parts = SimpleNamespace(
        bell=MemoryBell(), deliveries=storage.deliveries, sender=wire, clock=storage.clock, ids=storage.ids
    )
    for lane in storage.deliveries.due_lanes(at=storage.clock.now()):
        try:
            delivering.drain(lane, ports=cast("Ports", parts), policy=POLICY, stopping=lambda: False)
        except Killed:
            continue
    wakes = [row["lease_until"] or row["due_at"] for row in receivers.rows() if row["due_at"] is not None]
    if wakes:
        storage.clock.sleep(max(1.0, (min(wakes) - storage.clock.now()).total_seconds()))
    storage.deliveries.end_expired_leases(at=storage.clock.now(), rows_max=100)


def _agree(receivers: Receivers, wire: Wire) -> None:
    storage = receivers.storage
    told = {each["subject"] for each in storage.rows(tables.audit) if each["action"] == Action.DELIVERY_EXHAUSTED}
    tries = receivers.attempts()
    assert len(receivers.rows()) == EVENTS * len(NAMES)
    for row in receivers.rows():
        name, id = EndpointLane(row["webhook_id"]).endpoint_id.removeprefix("whk_"), row["event_id"]
        mine = [each for each in tries if each["delivery_id"] == row["id"]]
        assert [each["number"] for each in mine] == list(range(1, row["attempts"] + 1))
        assert all(each["ended_at"] is not None for each in mine)
        assert sum(each["verdict"] is not None for each in mine) <= wire.log[name][id] <= len(mine)
        if row["status"] == "delivered":
            assert (name, id) in wire.taken
        else:
            assert (row["status"], row["failures"]) == ("dead", len(WAITS) + 1)
            assert row["id"] in told
        assert (row["id"] in told) == (row["status"] == "dead")
    assert {row["status"] for row in receivers.rows() if row["webhook_id"] == "whk_well"} == {"delivered"}
    assert {row["status"] for row in receivers.rows() if row["webhook_id"] == "whk_dead"} == {"dead"}

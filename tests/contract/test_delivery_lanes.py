"""Bulkheads: prompt endpoints have threads of their own, and all others hold up nobody but each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.domain.deliveries import PROMPT_MS_MAX, DeliveryStatus, EndpointLane, Verdict
from gateway.jobs.memory import MemoryBell
from gateway.ports import Answer, Dispatch, Sent
from gateway.services import delivering
from gateway.services.delivering import Aside, DeliveryPolicy
from gateway.services.ports import Ports
from tests.contract.delivery_kit import HOOK, LEASE, Receivers
from tests.contract.storage_kit import Storage
from tests.support_hooks import FakeSender, answer

PROMPT, TRIAL = EndpointLane(HOOK, prompt=True), EndpointLane(HOOK)
POLICY = DeliveryPolicy(worker="worker-1", lease_seconds=45, quantum_seconds=3.0, leases_max=2)


class TimedSender(FakeSender):
    """Answers so many milliseconds later."""

    duration_ms = 12

    def send(self, dispatch: Dispatch) -> Answer:
        """See `ports.Sender`."""
        super().send(dispatch)
        return answer(self.answers(dispatch), duration_ms=self.duration_ms)


@pytest.fixture
def receivers(storage: Storage) -> Receivers:
    """A client with an endpoint that was never heard from."""
    made = Receivers(storage)
    made.add()
    return made


@pytest.fixture
def sender() -> TimedSender:
    """Receivers that answer as they are told."""
    return TimedSender()


class Stalling:
    """Stands for the threads that wait for whoever stalls: the answer comes when the test lets it."""

    def __init__(self) -> None:
        self.answers: list[Callable[[], object]] = []

    def run(self, work: Callable[[], Sent], later: Callable[[Sent], object]) -> Sent | None:
        """See `services.delivering.Aside`."""
        self.answers.append(lambda: later(work()))
        return None


def drained(
    receivers: Receivers, sender: FakeSender, lane: EndpointLane, aside: Aside | None = None
) -> tuple[int, list[EndpointLane]]:
    """How much a drain sent, and which lanes were rung meanwhile."""
    storage, bell = receivers.storage, MemoryBell()
    world = SimpleNamespace(
        bell=bell, deliveries=storage.deliveries, sender=sender, clock=storage.clock, ids=storage.ids
    )
    done = delivering.drain(lane, ports=cast("Ports", world), policy=POLICY, stopping=lambda: False, aside=aside)
    return done, [cast("EndpointLane", rung) for rung, _ in bell.rung]


def test_a_lane_is_left_while_its_endpoint_stalls(receivers: Receivers, sender: TimedSender) -> None:
    """Its thread is free for others at once; when the answer comes it is recorded, and the endpoint is on trial."""
    receivers.hear()
    for _ in range(2):
        receivers.happen()
    sender.duration_ms, aside = PROMPT_MS_MAX + 1, Stalling()
    assert drained(receivers, sender, PROMPT, aside) == (0, [PROMPT])
    waiting = DeliveryStatus.PENDING.value
    assert [row["status"] for row in receivers.rows()][1:] == [waiting, waiting]
    [answered] = aside.answers
    answered()
    assert [row["status"] for row in receivers.rows()][1:] == [DeliveryStatus.DELIVERED.value, waiting]
    assert receivers.storage.deliveries.due_lanes(at=receivers.storage.clock.now()) == [TRIAL]


def test_nobody_stands_aside_for_an_endpoint_on_trial(receivers: Receivers, sender: TimedSender) -> None:
    """Those hold up each other, by the number of their threads, and no more."""
    receivers.happen()
    aside = Stalling()
    assert drained(receivers, sender, TRIAL, aside)[0] == 1
    assert aside.answers == []


def test_a_new_endpoint_is_on_trial_and_one_message_proves_it(receivers: Receivers, sender: TimedSender) -> None:
    """What waits besides is left to the lane that it then has."""
    operations = [receivers.happen() for _ in range(3)]
    assert receivers.storage.deliveries.lanes_of(operations[0]) == [TRIAL]
    assert drained(receivers, sender, TRIAL) == (1, [TRIAL, PROMPT])
    at = receivers.storage.clock.now()
    assert receivers.storage.deliveries.due_lanes(at=at) == [PROMPT]
    assert drained(receivers, sender, PROMPT) == (2, [PROMPT])
    assert {row["status"] for row in receivers.rows()} == {DeliveryStatus.DELIVERED.value}


@pytest.mark.parametrize("flaw", ["a failure", "slowness"])
def test_an_endpoint_that_gets_worse_is_moved_at_once(receivers: Receivers, sender: TimedSender, flaw: str) -> None:
    """After one message, by failing or by being slow; then the lane of the prompt takes nothing for it."""
    receivers.hear()
    for _ in range(3):
        receivers.happen()
    if flaw == "a failure":
        sender.answers = lambda _: Verdict.FAILED
    else:
        sender.duration_ms = PROMPT_MS_MAX + 1
    assert drained(receivers, sender, PROMPT) == (1, [PROMPT, TRIAL])
    assert receivers.storage.deliveries.due_lanes(at=receivers.storage.clock.now()) == [TRIAL]
    assert drained(receivers, sender, PROMPT) == (0, [])
    assert len(sender.sent) == 1


def test_an_endpoint_on_trial_is_sent_one_message_at_a_time(receivers: Receivers) -> None:
    """As long as it is: then as many as are allowed."""
    for _ in range(4):
        receivers.happen()
    first = receivers.taken()
    assert receivers.take() is None
    receivers.settle(first, Verdict.DELIVERED, duration_ms=PROMPT_MS_MAX + 1)
    second = receivers.taken()
    assert receivers.take() is None
    receivers.settle(second, Verdict.DELIVERED, duration_ms=PROMPT_MS_MAX)
    assert [receivers.take() is not None for _ in range(3)] == [True, True, False]


def test_a_new_url_is_on_trial_again(receivers: Receivers) -> None:
    """What the old one did says nothing of it."""
    receivers.hear()
    known = receivers.storage.endpoints.get(HOOK)
    assert known is not None
    moved = replace(known, url="https://new.example/")
    receivers.storage.endpoints.change(moved, record=receivers.record())
    operation = receivers.happen()
    assert receivers.storage.deliveries.lanes_of(operation) == [TRIAL]


def test_a_worker_that_dies_is_no_mark_against_the_endpoint(receivers: Receivers) -> None:
    """Its lane stays that of the prompt."""
    receivers.hear()
    receivers.happen()
    receivers.taken()
    receivers.storage.clock.sleep(LEASE.total_seconds() + 1)
    at = receivers.storage.clock.now()
    receivers.storage.deliveries.end_expired_leases(at=at, rows_max=10)
    assert receivers.storage.deliveries.due_lanes(at=at) == [PROMPT]

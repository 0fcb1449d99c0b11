"""One try at one endpoint, and the drain of its lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Protocol

from gateway import correlation
from gateway.domain import deliveries
from gateway.domain.deliveries import CHANCES, POLICIES, EndpointLane
from gateway.domain.events import announced
from gateway.domain.operations import Operation
from gateway.ports import DeliveryAttempt, Sent
from gateway.services import draining
from gateway.services.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """How an endpoint's lane is drained. All of it are settings, where the reasons stand."""

    worker: str
    lease_seconds: int
    quantum_seconds: float
    leases_max: int


class Aside(Protocol):
    """Threads for receivers that turn out to stall, so that they hold up no prompt one."""

    def run(self, work: Callable[[], Sent], later: Callable[[Sent], object]) -> Sent | None:
        """What `work` gives; None where it takes longer than a prompt receiver does, and `later` is called with it."""


def drain(
    lane: EndpointLane,
    *,
    ports: Ports,
    policy: DeliveryPolicy,
    stopping: Callable[[], bool],
    aside: Aside | None = None,
) -> int:
    """Send what is due to an endpoint until there is nothing, no time, or it is told to stop; how much was sent.

    The lane of a prompt endpoint is left as soon as that stalls, if there is `aside` to wait for its answer.
    """
    hand = _Hand(lane, ports, policy, aside if lane.prompt else None)
    done = draining.drain(
        lane,
        direct=False,
        take=hand.take,
        work=hand.work,
        quantum_seconds=policy.quantum_seconds,
        ports=ports,
        stopping=stopping,
        leave=hand.leave,
    )
    if hand.moved:
        done += 1
        hand.ring_other()
    return done


def deliver(attempt: DeliveryAttempt, *, ports: Ports) -> Sent:
    """Send once; what came of it has still to be recorded."""
    with correlation.about(attempt.request_id, trace=attempt.trace_id):
        answer = ports.sender.send(attempt.dispatch)
    at = ports.clock.now()
    progress = deliveries.settle(
        attempt.delivery,
        answer.verdict,
        policy=POLICIES[attempt.policy],
        chance=int(ports.ids.fraction() * CHANCES),
        at=at,
        retry_after_seconds=answer.retry_after_seconds,
    )
    return Sent(attempt=attempt, answer=answer, progress=progress, at=at)


@dataclass(slots=True)
class _Hand:
    """What one drain holds: what was sent is recorded with the taking of the next, in one commit."""

    lane: EndpointLane
    ports: Ports
    policy: DeliveryPolicy
    aside: Aside | None
    sent: Sent | None = None
    moved: bool = False

    def take(self) -> DeliveryAttempt | None:
        at = self.ports.clock.now()
        sent, self.sent = self.sent, None
        return self.ports.deliveries.take(
            self.lane,
            worker=self.policy.worker,
            at=at,
            lease_until=at + timedelta(seconds=self.policy.lease_seconds),
            leases_max=self.policy.leases_max,
            after=sent,
        )

    def work(self, attempt: DeliveryAttempt) -> bool:
        """Send, and go on unless the endpoint belongs into its other lane from now on, or its answer is waited for."""
        send = partial(deliver, attempt, ports=self.ports)
        self.sent = send() if self.aside is None else self.aside.run(send, self.end_late)
        if self.sent is None:
            return False
        answer = self.sent.answer
        self.moved = self.lane.prompt != deliveries.is_prompt(answer.verdict, duration_ms=answer.duration_ms)
        return not self.moved

    def leave(self) -> None:
        if self.sent is not None:
            self.ports.deliveries.record(self.sent)

    def end_late(self, sent: Sent) -> None:
        """Record what came after the lane was left: whoever stalls is on trial."""
        self.ports.deliveries.record(sent)
        self.ring_other()

    def ring_other(self) -> None:
        """What waits for the endpoint goes on in its other lane."""
        self.ports.bell.ring(replace(self.lane, prompt=not self.lane.prompt), direct=False)


def ring_for(operation: Operation, *, ports: Ports) -> None:
    """Ring the endpoints that are told of an operation's present state. The sweeper would, a moment later."""
    if announced(operation.kind, operation.status) is None:
        return
    for lane in ports.deliveries.lanes_of(operation):
        ports.bell.ring(lane, direct=False)

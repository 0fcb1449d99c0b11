"""One try at one endpoint, and the drain of its lane."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gateway.domain import deliveries
from gateway.domain.deliveries import CHANCES, POLICIES, EndpointLane
from gateway.domain.events import announced
from gateway.domain.operations import Operation
from gateway.ports import DeliveryAttempt
from gateway.services import draining
from gateway.services.ports import Ports

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """How an endpoint's lane is drained. All of it are settings, where the reasons stand."""

    worker: str
    lease_seconds: int
    quantum_seconds: float
    leases_max: int


def drain(lane: EndpointLane, *, ports: Ports, policy: DeliveryPolicy, stopping: Callable[[], bool]) -> int:
    """Send what is due to an endpoint until there is nothing, no time, or it is told to stop; how much was sent."""
    return draining.drain(
        lane,
        direct=False,
        take=lambda: _take(lane, ports=ports, policy=policy),
        work=lambda attempt: deliver(attempt, ports=ports),
        quantum_seconds=policy.quantum_seconds,
        ports=ports,
        stopping=stopping,
    )


def deliver(attempt: DeliveryAttempt, *, ports: Ports) -> bool:
    """Send once, and record whatever is then known. True: the endpoint may be sent more."""
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
    if not ports.deliveries.record(attempt, progress, answer, at=at):
        log.warning(
            "delivery is no longer ours, its receiver may get it again", extra={"delivery": attempt.delivery.id}
        )
    return True


def ring_for(operation: Operation, *, ports: Ports) -> None:
    """Ring the endpoints that are told of an operation's present state. The sweeper would, a moment later."""
    if announced(operation.kind, operation.status) is None:
        return
    for lane in ports.deliveries.lanes_of(operation):
        ports.bell.ring(lane, direct=False)


def _take(lane: EndpointLane, *, ports: Ports, policy: DeliveryPolicy) -> DeliveryAttempt | None:
    at = ports.clock.now()
    return ports.deliveries.take(
        lane,
        worker=policy.worker,
        at=at,
        lease_until=at + timedelta(seconds=policy.lease_seconds),
        leases_max=policy.leases_max,
    )

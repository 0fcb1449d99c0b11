"""One attempt at one operation, and the drain of a lane."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from gateway import correlation
from gateway.domain import lifecycle
from gateway.domain.operations import HoldCause, Lane, Operation
from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.retries import PACES, STANDARD, Pace
from gateway.domain.settlement import Settlement
from gateway.errors import Misconfigured
from gateway.ports import Attempt, Claim, Conversation, LeaseLostError, NoPermit, PutOff
from gateway.services import delivering, draining, routing, shield
from gateway.services.ports import Ports
from gateway.services.routing import Way

log = logging.getLogger(__name__)

RECORD_TRIES_MAX: Final = 20
RECORD_PAUSE_SECONDS: Final = 0.5
"""Tries to write an outcome down while the database is away: ten seconds in all, within what a lease has left."""
_OF_THE_ACCOUNT: Final = frozenset({HoldCause.ACCOUNT, HoldCause.QUOTA})


class Gate(Protocol):
    """Lets many run side by side, or one alone."""

    def together(self) -> AbstractContextManager[None]:
        """Run beside others."""

    def alone(self) -> AbstractContextManager[None]:
        """Run while nothing else in this process does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainPolicy:
    """How a lane is drained. All of it are settings, where the reasons stand."""

    worker: str
    lease_seconds: int
    lease_left_seconds_min: int
    quantum_seconds: float
    direct_leases_max: int
    bulk_leases_max: int


def drain(
    lane: Lane, *, direct: bool, ports: Ports, policy: DrainPolicy, gate: Gate, stopping: Callable[[], bool]
) -> int:
    """Work off a seller's due rows until there are none, no permit, no time, or it is told to stop; how many."""
    return draining.drain(
        lane,
        direct=direct,
        take=lambda: _claim(lane, direct=direct, ports=ports, policy=policy),
        work=lambda claim: _run(claim, ports=ports, policy=policy, gate=gate),
        quantum_seconds=policy.quantum_seconds,
        ports=ports,
        stopping=stopping,
    )


def execute(claim: Claim, *, ports: Ports, policy: DrainPolicy) -> Operation | NoPermit | PutOff:
    """Make one attempt at one operation, and record whatever is then known. Raises LeaseLostError."""
    operation = claim.operation
    way = routing.way_of(operation, ports=ports)
    route = way.route
    wait = routing.wait_seconds(route, ports=ports)
    if wait > 0:
        return PutOff(wait) if way.pinned else NoPermit(wait)
    conversation = _converse(operation, way, ports=ports)
    if isinstance(conversation, NoPermit):
        return conversation
    keep_lease = _lease_keeper(claim, ports=ports, policy=policy)
    put_off = conversation.put_off(operation, keep_lease=keep_lease)
    if put_off is not None:
        return put_off
    attempt = ports.work.begin_attempt(claim, route=route, worker=policy.worker, at=ports.clock.now())
    outcome = _outcome(attempt, conversation, keep_lease=keep_lease)
    routing.note_health(route, outcome, ports=ports)
    outcome = routing.sooner_elsewhere(operation, route, outcome, ports=ports)
    at = ports.clock.now()
    settlement = lifecycle.settle(attempt.operation, outcome, at=at, pace=_pace(route, ports))
    settled = _record(attempt, settlement, outcome, at=at, ports=ports)
    if settled.hold_cause in _OF_THE_ACCOUNT and settled.due_at is not None:
        _block_lane(settled, until=settled.due_at, ports=ports)
    ports.bell.settled(settled)
    delivering.ring_for(settled, ports=ports)
    return settled


def _claim(lane: Lane, *, direct: bool, ports: Ports, policy: DrainPolicy) -> Claim | None:
    at = ports.clock.now()
    return ports.work.claim(
        lane,
        direct=direct,
        owner=policy.worker,
        at=at,
        lease_until=at + timedelta(seconds=policy.lease_seconds),
        leases_max=policy.direct_leases_max if direct else policy.bulk_leases_max,
    )


def _run(claim: Claim, *, ports: Ports, policy: DrainPolicy, gate: Gate) -> bool:
    """Whether going on with this lane makes sense."""
    operation = claim.operation
    try:
        put_off = shield.wait_until(operation, ports=ports)
        if put_off is not None:
            ports.work.release(claim, due_at=put_off)
            return True
        with (
            correlation.about(operation.request_id, trace=operation.trace_id),
            gate.alone() if operation.run_alone else gate.together(),
        ):
            result = execute(claim, ports=ports, policy=policy)
        if isinstance(result, PutOff):
            due_at = ports.clock.now() + timedelta(seconds=result.wait_seconds)
            ports.work.release(claim, due_at=due_at, code=result.code, message=result.message)
        elif isinstance(result, NoPermit):
            until = ports.clock.now() + timedelta(seconds=result.wait_seconds)
            ports.work.block_lane(operation.lane, direct=operation.direct, until=until)
            ports.work.release(claim, due_at=ports.clock.now())
            left = until - ports.clock.now()
            ports.bell.ring_in(operation.lane, direct=operation.direct, seconds=max(0.0, left.total_seconds()))
            return False
    except LeaseLostError:
        log.warning("lease lost, another worker goes on", extra={"operation": operation.id})
    return True


def _outcome(attempt: Attempt, conversation: Conversation, *, keep_lease: Callable[[], None]) -> Outcome:
    """What came of it. Whatever goes wrong on our side after the attempt began is an outcome too, never silence."""
    try:
        outcome = _ask(attempt, conversation, keep_lease=keep_lease)
    except LeaseLostError:
        raise
    except Misconfigured as error:
        outcome = _unconfigured(error)
    except Exception as error:
        log.exception("attempt failed", extra={"operation": attempt.operation.id, "attempt": attempt.id})
        message = f"The gateway failed over the answer: {type(error).__name__}."
        outcome = Outcome(meaning=Meaning.UNKNOWN, message=message)
    return replace(outcome, errors_told=conversation.errors_told)


def _record(attempt: Attempt, settlement: Settlement, outcome: Outcome, *, at: datetime, ports: Ports) -> Operation:
    """Write down what is known. A database that blinks is waited for: what the portal said must not be asked again."""
    for tries_left in reversed(range(RECORD_TRIES_MAX)):
        try:
            return ports.work.record(attempt, settlement, outcome, at=at)
        except LeaseLostError:
            raise
        except Exception:
            if tries_left == 0:
                raise
            log.exception("outcome not recorded yet", extra={"operation": attempt.operation.id})
            ports.clock.sleep(RECORD_PAUSE_SECONDS)
    raise AssertionError("unreachable: the last try returns or raises")


def _block_lane(operation: Operation, *, until: datetime, ports: Ports) -> None:
    """Let one document find out whether its seller's account is well again, and not every one of them."""
    for direct in (True, False):
        ports.work.block_lane(operation.lane, direct=direct, until=until)


def _ask(attempt: Attempt, conversation: Conversation, *, keep_lease: Callable[[], None]) -> Outcome:
    """Look up first when in doubt; send when it is absent, or was never sent, and may be sent."""
    if attempt.operation.in_doubt:
        found = conversation.look_up(attempt, keep_lease=keep_lease)
        if found.meaning is not Meaning.ABSENT or not attempt.operation.may_send:
            return found
    return conversation.call(attempt, keep_lease=keep_lease)


def _converse(operation: Operation, way: Way, *, ports: Ports) -> Conversation | NoPermit:
    try:
        return ports.portals.converse(operation, route=way.route, home=way.home)
    except Misconfigured as error:
        return _Unconfigured(error)


class _Unconfigured:
    """A conversation that a broken set-up keeps from taking place."""

    errors_told = 0

    def __init__(self, error: Misconfigured) -> None:
        self._outcome = _unconfigured(error)

    def put_off(self, operation: Operation, *, keep_lease: Callable[[], None]) -> None:
        """It is held, which is said by an attempt."""

    def call(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:  # noqa: ARG002  a port's signature
        return self._outcome

    look_up = call


def _unconfigured(error: Misconfigured) -> Outcome:
    """Held until the set-up is mended."""
    message = f"{error.message} {error.help}"
    return Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.ACCOUNT, code=error.code, message=message)


def _lease_keeper(claim: Claim, *, ports: Ports, policy: DrainPolicy) -> Callable[[], None]:
    """What is called before every wire call: enough of the lease must be left for all of it, or it is renewed."""
    held = claim

    def keep() -> None:
        nonlocal held
        at = ports.clock.now()
        if (held.lease_until - at).total_seconds() < policy.lease_left_seconds_min:
            held = ports.work.renew(held, until=at + timedelta(seconds=policy.lease_seconds))

    return keep


def _pace(route: str, ports: Ports) -> Pace:
    try:
        return PACES.get(ports.routebook.route(route).pace, STANDARD)
    except Misconfigured:
        return STANDARD

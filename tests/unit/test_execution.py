"""One attempt, whatever goes wrong in it: an outcome is recorded, and recorded once it can be."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.domain.operations import HoldCause, Operation, Status
from gateway.domain.outcomes import Meaning, Outcome
from gateway.errors import Misconfigured
from gateway.ports import Attempt, Claim, LeaseLostError, NoPermit, PutOff
from gateway.services import execution
from gateway.services.execution import RECORD_TRIES_MAX, DrainPolicy
from tests import support

POLICY = DrainPolicy(
    worker="w",
    lease_seconds=90,
    lease_left_seconds_min=40,
    quantum_seconds=3,
    direct_leases_max=8,
    bulk_leases_max=8,
)


class Conversation:
    """A conversation that does one thing, whatever is asked of it, after an answer that was an error."""

    errors_told = 1

    def __init__(self, act: Callable[[], Outcome]) -> None:
        self._act = act

    def put_off(self, operation: Operation, *, keep_lease: Callable[[], None]) -> None:
        """It may begin."""

    def call(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:
        """Do it."""
        del attempt, keep_lease
        return self._act()

    look_up = call


class World:
    """Ports of which only what an attempt needs is there, and a list of what was recorded."""

    def __init__(self, act: Callable[[], Outcome] | Exception, *, record_fails: int = 0) -> None:
        self.clock = support.FakeClock()
        self.recorded: list[tuple[Status, Outcome]] = []
        self.blocked: list[bool] = []
        self._record_fails = record_fails
        self._act = act
        self.ports: Any = SimpleNamespace(
            clock=self.clock,
            work=SimpleNamespace(begin_attempt=self._begin, record=self._record, block_lane=self._block),
            portals=SimpleNamespace(converse=self._converse),
            directory=SimpleNamespace(seller=lambda **_: support.seller()),
            routebook=SimpleNamespace(route=lambda _: support.route()),
            health=SimpleNamespace(
                failed=lambda _: None, answered=lambda _: None, admit=lambda _: 0.0, is_open=lambda _: False
            ),
            bell=SimpleNamespace(settled=lambda _: None),
            deliveries=SimpleNamespace(lanes_of=lambda _: []),
        )

    def run(self) -> Operation | NoPermit | PutOff:
        """One attempt."""
        claim = Claim(support.operation(), "token", self.clock.now(), more=False)
        return execution.execute(claim, ports=self.ports, policy=POLICY)

    def _converse(self, operation: Operation, *, route: str, home: str | None) -> Conversation:
        del operation, route, home
        if isinstance(self._act, Exception):
            raise self._act
        return Conversation(self._act)

    def _begin(self, claim: Claim, **_: Any) -> Attempt:
        operation = support.operation(status=Status.SUBMITTING, attempts=1)
        return Attempt(
            id="att_1", number=1, worker="w", operation=operation, claim=claim, route="r", payload=b"", kept_answer=None
        )

    def _record(self, attempt: Attempt, settlement: Any, outcome: Outcome, **_: Any) -> Operation:
        if self._record_fails:
            self._record_fails -= 1
            raise ConnectionError("the database is away")
        self.recorded.append((settlement.status, outcome))
        held = {"hold_cause": settlement.hold_cause, "due_at": settlement.due_at, "status": settlement.status}
        return support.operation(id=attempt.operation.id, **held)

    def _block(self, _lane: Any, *, direct: bool, **_: Any) -> None:
        self.blocked.append(direct)


def _raising(error: Exception) -> Callable[[], Outcome]:
    def act() -> Outcome:
        raise error

    return act


def test_a_surprise_after_the_attempt_began_is_an_unknown_outcome() -> None:
    """An answer that our own code stumbles over leaves the row in doubt at once, and not after a lease."""
    world = World(_raising(OverflowError("year 0")))
    world.run()
    [(status, outcome)] = world.recorded
    assert (status, outcome.meaning) == (Status.INDETERMINATE, Meaning.UNKNOWN)
    assert "OverflowError" in (outcome.message or "")


@pytest.mark.parametrize(
    "act",
    [
        lambda: Outcome(meaning=Meaning.TOO_LATE),
        _raising(OverflowError("year 0")),
        _raising(Misconfigured("login-key-missing", "There is no login key.", help="Add it.")),
    ],
    ids=["too late for its send", "surprise", "set-up"],
)
def test_errors_are_counted_however_an_attempt_ends(act: Callable[[], Outcome]) -> None:
    """The portal counts what it answered before the end, to a look-up or a login, and so do we."""
    world = World(act)
    world.run()
    assert [outcome.errors_told for _, outcome in world.recorded] == [Conversation.errors_told]


@pytest.mark.parametrize("where", ["converse", "call"])
def test_a_broken_set_up_holds_the_work(where: str) -> None:
    """A missing key or a bad setting is nobody's document's fault, wherever it shows; its lane waits with it."""
    error = Misconfigured("login-key-missing", "There is no login key.", help="Add it.")
    world = World(error if where == "converse" else _raising(error))
    world.run()
    [(status, outcome)] = world.recorded
    assert (status, outcome.hold_cause, outcome.code) == (Status.HELD, HoldCause.ACCOUNT, "login-key-missing")
    assert sorted(world.blocked) == [False, True]


def test_a_lost_lease_ends_the_attempt() -> None:
    """Whoever lost the row records nothing."""
    world = World(_raising(LeaseLostError("op_1")))
    with pytest.raises(LeaseLostError):
        world.run()
    assert world.recorded == []


def test_a_database_that_blinks_is_waited_for() -> None:
    """What the portal said is not thrown away because it could not be written down at once."""
    world = World(lambda: Outcome(meaning=Meaning.REFUSED, code="2172"), record_fails=RECORD_TRIES_MAX - 1)
    world.run()
    assert [status for status, _ in world.recorded] == [Status.REJECTED]


def test_a_database_that_stays_away_is_given_up() -> None:
    """Then the lease ends, and the row is looked up."""
    world = World(lambda: Outcome(meaning=Meaning.REFUSED), record_fails=RECORD_TRIES_MAX)
    with pytest.raises(ConnectionError):
        world.run()
    assert world.recorded == []

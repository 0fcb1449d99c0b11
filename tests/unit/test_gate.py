"""Many side by side, or one alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import pytest

from workers.gate import Gate

PATIENCE_SECONDS = 120.0
"""Far more than anything here takes; reached only when a promise is broken."""
GLANCE_SECONDS = 0.02
"""Long enough to see that something does not happen."""


class Visitor:
    """A thread that enters a gate, says so, and leaves when it is told to."""

    def __init__(self, enter: Callable[[], AbstractContextManager[None]], pool: ThreadPoolExecutor) -> None:
        self.inside = threading.Event()
        self._leave = threading.Event()
        self._future: Future[None] = pool.submit(self._visit, enter)

    def _visit(self, enter: Callable[[], AbstractContextManager[None]]) -> None:
        with enter():
            self.inside.set()
            assert self._leave.wait(PATIENCE_SECONDS)

    def entered(self) -> bool:
        """Whether it got in."""
        return self.inside.wait(PATIENCE_SECONDS)

    def is_kept_out(self) -> bool:
        """Whether it is still outside after a glance."""
        return not self.inside.wait(GLANCE_SECONDS)

    def leave(self) -> None:
        """Go, and wait until it has gone."""
        self._leave.set()
        self._future.result(PATIENCE_SECONDS)


@pytest.fixture
def visit() -> Iterator[Callable[[Callable[[], AbstractContextManager[None]]], Visitor]]:
    """Sends visitors, each in a thread of its own."""
    visitors: list[Visitor] = []
    with ThreadPoolExecutor(8) as pool:

        def send(enter: Callable[[], AbstractContextManager[None]]) -> Visitor:
            visitors.append(Visitor(enter, pool))
            return visitors[-1]

        yield send
        for visitor in visitors:
            visitor._leave.set()


def _waits_to_be_alone(gate: Gate, visitor: Visitor) -> bool:
    """Whether the visitor has come as far as the gate, and stands before it."""
    return any(visitor.is_kept_out() and gate._wanting_alone > 0 for _ in range(250))


Visit = Callable[[Callable[[], AbstractContextManager[None]]], Visitor]


def test_many_run_side_by_side(visit: Visit) -> None:
    """Nobody waits for anybody while nobody wants to be alone."""
    gate = Gate()
    assert all(each.entered() for each in [visit(gate.together) for _ in range(5)])


def test_whoever_is_alone_waits_for_all_others_to_leave(visit: Visit) -> None:
    """One enters alone only when the last of the others has gone."""
    gate = Gate()
    first, second = visit(gate.together), visit(gate.together)
    assert first.entered()
    assert second.entered()
    alone = visit(gate.alone)
    first.leave()
    assert alone.is_kept_out()
    second.leave()
    assert alone.entered()


def test_whoever_is_alone_keeps_everybody_out(visit: Visit) -> None:
    """Neither others nor another one alone get in before it leaves; then they do."""
    gate = Gate()
    alone = visit(gate.alone)
    assert alone.entered()
    other, next_alone = visit(gate.together), visit(gate.alone)
    assert _waits_to_be_alone(gate, next_alone)
    assert other.is_kept_out()
    alone.leave()
    assert next_alone.entered()
    assert other.is_kept_out()
    next_alone.leave()
    assert other.entered()


def test_newcomers_do_not_starve_whoever_wants_to_be_alone(visit: Visit) -> None:
    """Who comes after the one that waits to be alone goes in after it."""
    gate = Gate()
    first = visit(gate.together)
    assert first.entered()
    alone = visit(gate.alone)
    assert _waits_to_be_alone(gate, alone)
    newcomer = visit(gate.together)
    assert newcomer.is_kept_out()
    first.leave()
    assert alone.entered()
    assert newcomer.is_kept_out()
    alone.leave()
    assert newcomer.entered()


@pytest.mark.parametrize("name", ["together", "alone"])
def test_an_exception_leaves_the_gate_open(visit: Visit, name: str) -> None:
    """Whoever fails inside has left all the same."""
    gate = Gate()

    @contextmanager
    def failing() -> Iterator[None]:
        with getattr(gate, name)():
            raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError), failing():
        pass
    assert visit(gate.alone).entered()

"""Where a simulated process may die, be overtaken or lose its breath: at every place where it touches the world."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

GUARDED = {
    "intake": ("accept",),
    "work": ("claim", "renew", "release", "block_lane", "begin_attempt", "record"),
    "upkeep": ("lead", "end_expired_leases", "close_windows", "reap", "wake_relogged", "close", "resume"),
    "routebook": ("lease_session", "begin_login", "pause_logins", "store_session", "release_session", "refuse_account"),
    "bell": ("ring", "answered", "settled", "mend"),
}
"""What changes something outside the process, by port. Before and after each of them is a boundary."""

RECONCILING = {"reconciliations": ("claim", "renew", "record")}
"""The same of a run of the reconciliation, in the worlds that have some."""


class SimulatedCrash(BaseException):
    """The process is killed here. No `except Exception` may survive it, as none survives SIGKILL."""


class AtTheGateError(BaseException):
    """A thread waits for another of its process, and so long that its lease ends."""


class Victim(Protocol):
    """A process to which something may happen."""

    dead: bool

    def reach(self, point: str) -> None:
        """A boundary. Raises SimulatedCrash if the process dies there, or is dead already."""


class Guarded:
    """A port whose every change of the world is a boundary: two, before and after."""

    def __init__(self, port: Any, name: str, victim: Victim) -> None:
        self._port = port
        self._name = name
        self._victim = victim

    def __getattr__(self, name: str) -> Any:
        """The port's own member; a method that changes something with its boundaries around it."""
        real = getattr(self._port, name)
        if name not in (GUARDED | RECONCILING)[self._name]:
            return real

        def guarded(*args: Any, **kwargs: Any) -> Any:
            self._victim.reach(f"{self._name}.{name}:before")
            result = real(*args, **kwargs)
            self._victim.reach(f"{self._name}.{name}:after")
            return result

        return guarded


class Peril(Protocol):
    """Decides what happens at a boundary."""

    def at(self, point: str) -> str:
        """`crash`, `overtaken` or nothing."""


class Peace:
    """Nothing happens; what was passed is counted."""

    def __init__(self) -> None:
        self.passed: list[str] = []

    def at(self, point: str) -> str:
        """See `Peril`."""
        self.passed.append(point)
        return ""


@dataclass(slots=True)
class Chance:
    """Each boundary is the last with one probability, and one where others get ahead with another."""

    rng: random.Random
    crash: float
    overtaken: float

    def at(self, point: str) -> str:  # noqa: ARG002  a protocol's signature
        """See `Peril`."""
        draw = self.rng.random()
        return "crash" if draw < self.crash else "overtaken" if draw < self.crash + self.overtaken else ""


@dataclass(slots=True)
class AtTurns:
    """A crash at each of the given turns, counting the boundaries of all processes from 0."""

    turns: frozenset[int]
    passed: int = 0
    crashed: list[str] = field(default_factory=list)

    def at(self, point: str) -> str:
        """See `Peril`."""
        turn, self.passed = self.passed, self.passed + 1
        if turn not in self.turns:
            return ""
        self.crashed.append(point)
        return "crash"


class ThreadsGate:
    """Implements `services.execution.Gate` where a waiting thread cannot wait: it is left at the gate for good."""

    def __init__(self) -> None:
        self._inside = Counter[str]()

    @contextmanager
    def together(self) -> Iterator[None]:
        """See `services.execution.Gate`."""
        if self._inside["alone"]:
            raise AtTheGateError
        with self._entered("together"):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See `services.execution.Gate`."""
        if self._inside.total():
            raise AtTheGateError
        with self._entered("alone"):
            yield

    @contextmanager
    def _entered(self, way: str) -> Iterator[None]:
        self._inside[way] += 1
        try:
            yield
        finally:
            self._inside[way] -= 1

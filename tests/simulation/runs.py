"""One seed, from the plan to the verdict."""

from __future__ import annotations

import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from gateway.sandbox.state import seeded
from tests.simulation.checker import Checker
from tests.simulation.driver import Driver, StuckError
from tests.simulation.lab import Lab
from tests.simulation.storm import Profile, Storm, times_of
from tests.simulation.violations import Violation
from tests.simulation.world import VISITOR, Sent, World
from tests.support import FakeClock

RECONCILES_ONE_IN = 3
"""Worlds that also check their ledger against the portal every day: half of their calls more, and of their time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one seed showed. `told` has the violations with the histories of what they are about."""

    seed: int
    violations: list[Violation]
    told: str
    documents: int
    calls: int
    struck: float
    crashes: int
    late: int
    seconds: float
    faults: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)


def run(lab: Lab, seed: int, profile: Profile | None = None) -> Finding:
    """Play one seed in a copy of the lab, and judge it. An exception is a violation like any other."""
    began = time.perf_counter()
    times = times_of(seeded(seed))
    with world_of(lab, seed=seed, start=times.start) as world:
        world.reconciles = seed % RECONCILES_ONE_IN == 0
        storm = Storm(world, profile or Profile(), times)
        violations, checker = judged(storm, storm.play)
        return Finding(
            seed=seed,
            violations=violations,
            told=told(f"seed {seed} (MOHAR_SIM_SEED={seed} plays it again)", violations, checker),
            documents=len(storm.plan.papers),
            calls=sum(call.sender != VISITOR for call in checker.sent),
            struck=_share(storm.stormy),
            crashes=world.crashes,
            late=sum("landed_at" in call.noted for call in checker.sent),
            seconds=time.perf_counter() - began,
            faults=Counter(call.noted["fault"] for call in checker.sent if "fault" in call.noted),
            events=checker.events(),
            ends=Counter(f"{row['kind']} {row['status']}" for row in checker.operations.values()),
        )


@contextmanager
def world_of(lab: Lab, *, seed: int, start: datetime) -> Iterator[World]:
    """A world on its own copy of the lab, as long as it is needed."""
    with lab.copy() as folder:
        world = World(lab, folder, seed=seed, clock=FakeClock(start))
        try:
            yield world
        finally:
            world.close()


def judged(driver: Driver, play: Callable[[], None]) -> tuple[list[Violation], Checker]:
    """Play, and say what was wrong: that it raised, that an error was logged, and whatever the checker finds."""
    violations = []
    with _overheard() as errors:
        try:
            play()
        except StuckError as error:
            violations = [Violation("stuck", "", str(error))]
        except Exception:  # noqa: BLE001  whatever the gateway raises is a finding of this seed, told with its history
            violations = [Violation("exception", "", traceback.format_exc())]
    violations += [Violation("error logged", "", error) for error in errors]
    checker = Checker(driver.world, driver.plan)
    return [*violations, *checker.violations(), *_broken(driver)], checker


def _broken(driver: Driver) -> Iterator[Violation]:
    """What `mohar invariants` would tell of that world."""
    world = driver.world
    for found in world.process("operator").ports.invariants.check(newest=None, at=world.clock.now()):
        yield from (Violation(f"invariant {found.name}", each.subject, each.text) for each in found.examples)


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What the gateway logs as an error: it goes on after a surprise, and we want to know of it."""
    errors: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            errors.append(self.format(record))

    listener, gateway = Listener(logging.ERROR), logging.getLogger("gateway")
    gateway.addHandler(listener)
    try:
        yield errors
    finally:
        gateway.removeHandler(listener)


def told(what: str, violations: list[Violation], checker: Checker) -> str:
    """The violations, and the histories of the operations that they are about."""
    lines = [f"{what}: {len(violations)} violations", *map(str, violations)]
    subjects = dict.fromkeys(violation.subject for violation in violations)
    return "\n".join([*lines, *(checker.history(each) for each in subjects if each in checker.operations)])


def _share(calls: list[Sent]) -> float:
    """The share of calls that a fault struck."""
    return sum("fault" in call.noted for call in calls) / max(1, len(calls))

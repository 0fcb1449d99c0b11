"""One seed, from the plan to the verdict."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from dataclasses import dataclass, field

from gateway.sandbox.state import seeded
from tests.simulation.checker import Checker, Violation
from tests.simulation.driver import Driver, Profile, StuckError, times_of
from tests.simulation.lab import Lab
from tests.simulation.world import VISITOR, Sent, World
from tests.support import FakeClock


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
    with lab.copy() as folder:
        world = World(lab, folder, seed=seed, clock=FakeClock(times.start))
        try:
            driver = Driver(world, profile or Profile(), times)
            violations = _played(driver)
            checker = Checker(world, driver.plan)
            violations += checker.violations()
            return Finding(
                seed=seed,
                violations=violations,
                told=_told(seed, violations, checker),
                documents=len(driver.plan.papers),
                calls=sum(call.sender != VISITOR for call in checker.sent),
                struck=_share(driver.stormy),
                crashes=world.crashes,
                late=sum("landed_at" in call.noted for call in checker.sent),
                seconds=time.perf_counter() - began,
                faults=Counter(call.noted["fault"] for call in checker.sent if "fault" in call.noted),
                events=checker.events(),
                ends=Counter(row["status"] for row in checker.operations.values()),
            )
        finally:
            world.close()


def _played(driver: Driver) -> list[Violation]:
    try:
        driver.play()
    except StuckError as error:
        return [Violation("stuck", "", str(error))]
    except Exception:  # noqa: BLE001  whatever the gateway raises is a finding of this seed, told with its history
        return [Violation("exception", "", traceback.format_exc())]
    return []


def _share(calls: list[Sent]) -> float:
    """The share of calls that a fault struck."""
    return sum("fault" in call.noted for call in calls) / max(1, len(calls))


def _told(seed: int, violations: list[Violation], checker: Checker) -> str:
    lines = [f"seed {seed}: {len(violations)} violations; MOHAR_SIM_SEED={seed} plays it again", *map(str, violations)]
    subjects = dict.fromkeys(violation.subject for violation in violations)
    return "\n".join([*lines, *(checker.history(each) for each in subjects if each in checker.operations)])

"""Short stories of one document each, in which every boundary of a process is passed: to be crashed at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gateway.domain.calendar import indian_date
from gateway.domain.token_bucket import Limit
from gateway.irp.permits import buckets
from gateway.sandbox.state import seeded
from gateway.services import access
from tests.simulation.driver import Driver
from tests.simulation.lab import PORTAL_USER, ROUTE, Lab, seller
from tests.simulation.perils import Peace, Peril
from tests.simulation.plan import Ask, Fate, Plan, Want, Wish, paper_of, without_bill
from tests.simulation.runs import judged, told, world_of
from tests.simulation.violations import Violation
from tests.support import START

SERVICE, GOODS = 1, 5
"""Seeds of an invoice for a service, and of one for goods."""
NEW_PASSWORD = "new-password"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One story: the paper's fate, what the portal does, what persons do besides, and what is asked for afterwards."""

    name: str
    fate: Fate = Fate.PLAIN
    direct: bool = False
    faults: Sequence[Mapping[str, Any]] = ()
    latency_ms: int = 0
    besides: Callable[[Driver], None] = lambda _driver: None
    want: Want | None = None


def play(lab: Lab, scene: Scene, peril: Peril) -> tuple[list[Violation], str]:
    """Let a scene happen among perils; what was wrong, and the story of it."""
    with world_of(lab, seed=1, start=START) as world:
        driver = Driver(world, _plan(scene))
        world.set_route(pace="standard", gstin_limit=Limit(600, 60, 10), account_limit=Limit(6000, 60, 100))
        scene.besides(driver)
        world.sandbox.configure(faults=[dict(fault) for fault in scene.faults], latency_ms=scene.latency_ms)
        world.peril = peril
        violations, checker = judged(driver, driver.settle)
        return violations, told(scene.name, violations, checker)


def points(lab: Lab, scene: Scene) -> list[str]:
    """The boundaries that a scene passes when nothing happens to it, in order."""
    peace = Peace()
    violations, story = play(lab, scene, peace)
    assert not violations, story
    return peace.passed


def _plan(scene: Scene) -> Plan:
    paper = paper_of(seeded(SERVICE), scene.fate, indian_date(START))
    if scene.want is Want.BILL:
        paper = without_bill(paper_of(seeded(GOODS), scene.fate, indian_date(START)))
    plan = Plan(papers=[paper], asks=[Ask(paper, paper.document, 0, "key", scene.direct, START)])
    if scene.fate in (Fate.FOREIGN, Fate.ELSEWHERE):
        document = paper.other if scene.fate is Fate.FOREIGN else paper.document
        plan.foreign.append((START - timedelta(minutes=1), paper, document))
    if scene.fate is Fate.WITHDRAWN:
        plan.withdrawals.append((START + timedelta(seconds=1), paper))
    if scene.want is not None:
        plan.wishes.append(Wish(paper, scene.want, 0, scene.direct, timedelta()))
    return plan


def _get_the_key(driver: Driver) -> None:
    driver.at(START + timedelta(minutes=10), driver.world.install_hidden_key)


def _use_up_the_permits(driver: Driver) -> None:
    """Others of the same account leave nothing of the shared limit for a minute."""
    world, gstin = driver.world, driver.plan.papers[0].gstin
    way = world.process("operator").ports.routebook.route(ROUTE)
    world.limiter.drain(buckets(way, gstin), seconds=60, keep_permille=1000)


def _change_the_password(driver: Driver) -> None:
    """The password was changed at the portal; an operator enters it here an hour later."""
    world, gstin = driver.world, driver.plan.papers[0].gstin
    world.visitor(gstin, password=NEW_PASSWORD).log_in()

    def enter() -> None:
        ports = world.process("operator").ports
        access.put_seller(seller(gstin, world.lab.org_id), user_name=PORTAL_USER, password=NEW_PASSWORD, ports=ports)

    driver.at(START + timedelta(hours=1), enter)


def _once(kind: str, operation: str = "generate", **members: Any) -> dict[str, Any]:
    return {"kind": kind, "times": 1, "operations": [operation], **members}


SCENES = (
    Scene(name="plain"),
    Scene(name="direct", direct=True),
    Scene(name="answer lost", faults=[_once("drop_after")]),
    Scene(name="request lost", faults=[_once("drop_before")]),
    Scene(name="request late", faults=[_once("late", ms=20_000)]),
    Scene(name="session over", faults=[_once("expire_session")]),
    Scene(name="registered elsewhere", fate=Fate.ELSEWHERE),
    Scene(name="other content", fate=Fate.FOREIGN),
    Scene(name="refused in doubt", fate=Fate.REFUSED, faults=[_once("drop_before")]),
    Scene(name="withdrawn", fate=Fate.WITHDRAWN, besides=_use_up_the_permits),
    Scene(name="no permits", besides=_use_up_the_permits),
    Scene(name="unknown key", faults=[_once("signing_unknown")], besides=_get_the_key),
    Scene(name="wrong password", besides=_change_the_password),
    Scene(
        name="slow portal",
        latency_ms=28_000,
        faults=[_once("drop_before"), _once("expire_session", "get_by_document")],
    ),
    Scene(name="cancelled", want=Want.CANCEL, faults=[_once("drop_after"), _once("drop_before", "cancel")]),
    Scene(name="e-way bill", want=Want.BILL, faults=[_once("drop_after", "bill_by_irn")]),
)

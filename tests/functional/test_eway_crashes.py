"""A process dies at each place where a step of an e-way bill touches the world: the step is done once all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from gateway.domain import strict_json
from gateway.domain.operations import Kind, Lane, Status
from gateway.sandbox.eway import service_of
from gateway.sandbox.wire import Reply, Request
from tests.functional.test_eway_kinds import SCENES, SERVICES, TRACELESS, Road
from tests.support_api import SELLER, Stack

POINTS: Final = (
    "claim:after",
    "begin_attempt:before",
    "begin_attempt:after",
    "wire:before",
    "wire:after",
    "record:before",
    "record:after",
)
"""Before and after each write of the engine, and before and after the portal has done what it was asked."""


class Died(BaseException):
    """The process is gone: nobody catches this."""


def _mortal(work: Callable[..., Any], side: str) -> Callable[..., Any]:
    """A call at which the process dies once: before anything of it is done, or after all of it is."""
    died: list[bool] = []

    def call(*given: Any, **named: Any) -> Any:
        if side == "before" and not died:
            died.append(True)
            raise Died
        result = work(*given, **named)
        if side == "after" and not died:
            died.append(True)
            raise Died
        return result

    return call


@pytest.fixture
def road(stack: Stack) -> Road:
    """A gateway and a portal that nobody has used."""
    return Road(stack)


def _done_at_the_portal(road: Road, kind: Kind) -> int:
    lines = [strict_json.read(line) for line in road.stack.portal.get("/_calls").content.splitlines()]
    return sum(line["operation"] == SERVICES[kind] and line["code"] == "ok" for line in lines)


def _arm(road: Road, kind: Kind, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, side = point.split(":")
    if method != "wire":
        work = road.stack.ports.work
        monkeypatch.setattr(work, method, _mortal(getattr(work, method), side))
        return
    serve = road.stack.sandbox.handle
    dying = _mortal(serve, side)

    def handle(request: Request) -> Reply:
        reply: Reply = (dying if service_of(request) == SERVICES[kind] else serve)(request)
        return reply

    monkeypatch.setattr(road.stack.sandbox, "handle", handle)


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize("point", POINTS)
def test_a_step_outlives_its_process(road: Road, kind: Kind, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Done once at the portal and known here; what leaves no trace is done once at most, and then a person's."""
    payload, subject = SCENES[kind](road)
    before = _done_at_the_portal(road, kind)
    _arm(road, kind, point, monkeypatch)
    with pytest.raises(Died):
        road.ask(kind, payload, subject=subject)
    road.stack.bell.rung.clear()
    road.stack.later(seconds=road.stack.wiring.settings.lease_seconds + 1)
    road.stack.later(seconds=10)
    lane = Lane.parse(f"irp:test:{SELLER}")
    road.stack.bell.ring(lane, direct=False)
    done = road.latest(kind, subject).status
    in_doubt = kind in TRACELESS and point in ("begin_attempt:after", "wire:before", "wire:after", "record:before")
    assert done is (Status.PARKED if in_doubt else Status.SUCCEEDED)
    most = _done_at_the_portal(road, kind) - before
    assert most == 1 or (in_doubt and most == 0)

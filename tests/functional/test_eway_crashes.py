"""A process dies at each place where a step of an e-way bill touches the world: the step is done once all the same."""

from __future__ import annotations

import pytest

from gateway.domain import strict_json
from gateway.domain.operations import Kind, Lane, Status
from tests.functional.test_eway_kinds import SCENES, SERVICES, TRACELESS, Road
from tests.support_api import SELLER, Stack
from tests.support_crashes import POINTS, Died, Reaper


@pytest.fixture
def road(stack: Stack) -> Road:
    """A gateway and a portal that nobody has used."""
    return Road(stack)


def _done_at_the_portal(road: Road, kind: Kind) -> int:
    lines = [strict_json.read(line) for line in road.stack.portal.get("/_calls").content.splitlines()]
    return sum(line["operation"] == SERVICES[kind] and line["code"] == "ok" for line in lines)


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize("point", POINTS)
def test_a_step_outlives_its_process(road: Road, kind: Kind, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Done once at the portal and known here; what leaves no trace is done once at most, and then a person's."""
    payload, subject = SCENES[kind](road)
    before = _done_at_the_portal(road, kind)
    where = SERVICES[kind] if point.startswith("wire") else kind
    Reaper(road.stack, monkeypatch, f"{where}/{point}")
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

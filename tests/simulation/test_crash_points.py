"""A process is killed at every place where it touches the world, once, in stories of one document."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.simulation.lab import Lab
from tests.simulation.perils import GUARDED, AtTurns
from tests.simulation.scenes import SCENES, Scene, play, points

EVERYWHERE = ("wire.generate:after", "work.record:before")
"""Crashed at in every scene, because what was done before differs; the other points once. The soak leaves out none."""
SERVICES = ("login", "generate", "get_irn", "get_by_document", "cancel", "bill_by_irn", "get_bill_by_irn")
COMMANDS = {"upkeep.resume"}
"""A person's command on what is parked for good: one transaction, and the person sees whether it worked."""
PAIRED = ("answer lost", "request lost")
"""Short stories, so that every pair of moments can be tried: some four thousand."""


def test_no_single_crash_loses_or_doubles_anything(lab: Lab) -> None:
    """Whichever boundary a process dies at, both ledgers are equal after the others have gone on."""
    met: set[str] = set()
    for scene in SCENES:
        turns = _first_turns(lab, scene)
        for point in turns.keys() - {each for each in met if not each.startswith(EVERYWHERE)}:
            _crash(lab, scene, turns[point], point)
        met |= turns.keys()
    missed = _all_points() - met
    assert not missed, f"no scene passes {sorted(missed)}"


@pytest.mark.soak
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_no_crash_at_any_moment_loses_or_doubles_anything(lab: Lab, scene: Scene) -> None:
    """However far a story has come when a process dies, both ledgers are equal in the end."""
    for turn, point in enumerate(points(lab, scene)):
        _crash(lab, scene, turn, point)


@pytest.mark.soak
@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene.name in PAIRED], ids=lambda scene: scene.name)
def test_no_two_crashes_lose_or_double_anything(lab: Lab, scene: Scene) -> None:
    """A second crash while the first is being recovered from changes nothing."""
    for pair in combinations(range(len(points(lab, scene))), 2):
        peril = AtTurns(frozenset(pair))
        violations, story = play(lab, scene, peril)
        assert not violations, f"crashed at {peril.crashed}, turns {pair}\n{story}"


def _crash(lab: Lab, scene: Scene, turn: int, point: str) -> None:
    peril = AtTurns(frozenset({turn}))
    violations, story = play(lab, scene, peril)
    assert peril.crashed == [point]
    assert not violations, f"crashed at {point}, turn {turn}\n{story}"


def _first_turns(lab: Lab, scene: Scene) -> dict[str, int]:
    """When a scene passes each of its points for the first time."""
    turns: dict[str, int] = {}
    for turn, point in enumerate(points(lab, scene)):
        turns.setdefault(point, turn)
    return turns


def _all_points() -> set[str]:
    names = {f"{port}.{method}" for port, methods in GUARDED.items() for method in methods} - COMMANDS
    return {f"{name}:{side}" for name in names | {f"wire.{each}" for each in SERVICES} for side in ("before", "after")}

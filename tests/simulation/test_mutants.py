"""Who watches the watchman: mistakes made in the real code on purpose have to be found by the simulation."""

from __future__ import annotations

from functools import cache

import pytest

from tests.simulation.lab import Lab
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.runs import Finding, run
from tests.simulation.storm import Profile

SEEDS_MAX = 20


@cache
def _unmutated(lab: Lab, seed: int, profile: Profile) -> Finding:
    return run(lab, seed, profile)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mistake_is_found(lab: Lab, mutant: Mutant) -> None:
    """Within SEEDS_MAX seeds the checker names the promise that a mistake breaks, and the right code keeps it there."""
    for seed in range(SEEDS_MAX):
        with pytest.MonkeyPatch.context() as patch:
            mutant.make(patch)
            found = {violation.rule for violation in run(lab, seed, mutant.profile).violations}
        if found & mutant.breaks:
            right = _unmutated(lab, seed, mutant.profile)
            assert not right.violations, right.told
            return
    pytest.fail(f"'{mutant.name}' was not noticed in {SEEDS_MAX} seeds")

"""Every life that one document can have, walked breadth first; and mutants, to show that the walk would find a loss."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import pytest

from gateway.domain.operations import Operation, Status
from gateway.domain.outcomes import Meaning
from gateway.domain.retries import READ_BACK_WINDOW
from tests.unit.breadth_first import Walk
from tests.unit.one_document import NOW, PACE, Gateway, Registry, World, beginnings, steps, whole_walk

WORLDS_MIN: Final = 30_000
"""Fewer would mean that the model lost a part of its troubles."""
LOOKS_APART: Final = timedelta(seconds=PACE.unknown[-1])


@pytest.fixture(scope="module")
def walk() -> Walk[World]:
    """The whole walk with our own lifecycle."""
    return whole_walk()


def test_no_end_contradicts_the_portal(walk: Walk[World]) -> None:
    """Whatever is lost, late or dead: what we wrote down is what the portal has, once all requests have landed."""
    wrong = [world for world in walk.came_from if world.contradictory]
    assert not wrong, walk.history(wrong[0])
    assert len(walk.came_from) > WORLDS_MIN


def test_every_end_is_reached(walk: Walk[World]) -> None:
    """The walk proves something of each terminal status, because it comes to all of them."""
    assert {world.row.status for world in walk.came_from} == set(Status)
    assert {(world.row.status, world.registry) for world in walk.came_from if world.over} == {
        (Status.SUCCEEDED, Registry.OURS),
        (Status.CONFLICT, Registry.OTHER),
        *((status, Registry.OTHER) for status in (Status.REJECTED, Status.WITHDRAWN, Status.EXPIRED)),
        *((status, Registry.NOTHING) for status in (Status.REJECTED, Status.WITHDRAWN, Status.EXPIRED)),
    }


def test_nothing_is_sent_that_stands_at_the_portal(walk: Walk[World]) -> None:
    """What an attempt could have read back is not sent again by it: NIC blocks those who repeat themselves."""
    vain = [world for world in walk.came_from if world.sent_in_vain]
    assert not vain, walk.history(vain[0])


def test_nothing_is_sent_out_of_quarantine(walk: Walk[World]) -> None:
    """While an operation is quarantined, no request of it is on its way that was not there before."""
    for world, step in walk.came_from.items():
        if step is not None and step[1].row.quarantined_since is not None and not step[1].over:
            assert world.sends_left == step[1].sends_left, walk.history(world)
            assert not step[0].startswith("sent"), walk.history(world)


def test_doubt_stays_until_an_end(walk: Walk[World]) -> None:
    """Once in doubt, always in doubt, until a terminal status clears it."""
    for world, step in walk.came_from.items():
        if step is not None and step[1].row.in_doubt:
            assert world.row.in_doubt != world.over, walk.history(world)


def test_everything_ends_or_comes_before_a_person(walk: Walk[World]) -> None:
    """From wherever it got to, an operation can still end, or be parked for a person: none waits for nothing."""
    goals = [world for world in walk.came_from if world.over or world.row.status is Status.PARKED]
    assert not walk.without_way_to(goals)


def test_it_can_end_while_the_portal_remembers(walk: Walk[World]) -> None:
    """What cannot end any more has been without proof until there is no time for three more look-ups."""
    stuck = walk.without_way_to(world for world in walk.came_from if world.over)
    young = [world for world in stuck if NOW - _unproven_since(world.row) < READ_BACK_WINDOW - 3 * LOOKS_APART]
    assert not young, walk.history(young[0])


def _unproven_since(row: Operation) -> datetime:
    """Since when the portal's "absent" was not heard in time, as far as a row tells."""
    since = row.doubtful_since
    assert since is not None
    if row.quarantined_since is not None and row.quarantined_since - since < READ_BACK_WINDOW:
        return row.quarantined_since
    return since


# Mutants --------------------------------------------------------------------------------------------------------------


class TimeoutMeansFailed(Gateway):
    """Takes silence for a No."""

    def learn(self, row: Operation, meaning: Meaning) -> Operation:
        """See Gateway."""
        return super().learn(row, Meaning.REFUSED if meaning is Meaning.UNKNOWN else meaning)


class ResendsWithoutLookingUp(Gateway):
    """Lets the portal find out that it has the document already."""

    def looks_first(self, row: Operation) -> bool:
        """See Gateway."""
        return row.in_doubt and not row.may_send


class ForgetsDoubt(Gateway):
    """Begins the next attempt as if it were the first."""

    def begin(self, row: Operation) -> Operation:
        """See Gateway."""
        return replace(super().begin(row), doubtful_since=None)


class ForgetsDoubtWhenItDies(Gateway):
    """Queues an operation again when its process died."""

    def die(self, row: Operation) -> Operation:
        """See Gateway."""
        return replace(super().die(row), status=Status.QUEUED, doubtful_since=row.doubtful_since)


class NoQuarantine(Gateway):
    """Takes a refusal for final though an earlier request may still land."""

    def learn(self, row: Operation, meaning: Meaning) -> Operation:
        """See Gateway."""
        learned = super().learn(row, meaning)
        return replace(learned, status=Status.REJECTED) if learned.status is Status.QUARANTINED else learned


class HurriesQuarantine(Gateway):
    """Looks three times in a row instead of waiting for what may be on its way."""

    def learn(self, row: Operation, meaning: Meaning) -> Operation:
        """See Gateway."""
        learned = super().learn(row, meaning)
        return replace(learned, due_at=NOW) if learned.status is Status.QUARANTINED else learned


class DoubtsFromNotice(Gateway):
    """Counts the doubt from when a death was noticed, not from when the attempt began."""

    def die(self, row: Operation) -> Operation:
        """See Gateway."""
        return super().die(replace(row, updated_at=NOW))


class TrustsAnyQuarantine(Gateway):
    """Lets quarantine prove something though the portal had forgotten by then."""

    def learn(self, row: Operation, meaning: Meaning) -> Operation:
        """See Gateway."""
        return super().learn(replace(row, doubtful_since=row.quarantined_since or row.doubtful_since), meaning)


class TrustsAbsenceForEver(Gateway):
    """Never asks whether the portal can still know."""

    def learn(self, row: Operation, meaning: Meaning) -> Operation:
        """See Gateway."""
        fresh = replace(row, doubtful_since=NOW if row.in_doubt else None)
        return replace(super().learn(fresh, meaning), doubtful_since=row.doubtful_since)


UNSAFE: Final = (
    TimeoutMeansFailed,
    ResendsWithoutLookingUp,
    ForgetsDoubt,
    ForgetsDoubtWhenItDies,
    NoQuarantine,
    HurriesQuarantine,
    DoubtsFromNotice,
    TrustsAnyQuarantine,
    TrustsAbsenceForEver,
)


@pytest.mark.parametrize("mutant", UNSAFE)
def test_a_mutant_is_found_out(mutant: type[Gateway]) -> None:
    """Each way of cutting a corner leads to a loss, or to a document sent in vain, and the walk finds it."""
    lost = Walk(
        beginnings(), partial(steps, gateway=mutant()), ends=lambda world: world.contradictory or world.sent_in_vain
    )
    assert lost.found is not None

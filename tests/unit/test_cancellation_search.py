"""Every life of a cancellation beside its document's registration; and mutants, to show that the walk finds a loss."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

import pytest

from gateway.domain.operations import TERMINAL, Operation, Status
from gateway.domain.outcomes import Meaning
from gateway.domain.settlement import Event
from tests.unit import test_lifecycle_search as mutants
from tests.unit.breadth_first import Walk
from tests.unit.one_cancellation import Desk, Life, beginnings, beginnings_after, steps
from tests.unit.one_document import AT_ONCE, NOW, SENDS_MAX, Gateway, whole_walk

CANCELLATIONS: Final = 2
"""Spoiled sends of the cancellation in the ordinary walk, after up to SENDS_MAX of the registration."""


@pytest.fixture(scope="module")
def walk() -> Walk[Life]:
    """What can become of a cancellation after every end of a registration with SENDS_MAX sends."""
    desk = Desk()
    ends = beginnings_after(whole_walk().came_from, desk, cancellations=CANCELLATIONS)
    return Walk(ends, partial(steps, registrar=Gateway(), desk=desk))


@pytest.fixture(scope="module")
def whole() -> Walk[Life]:
    """Both lived through from the beginning, side by side, each with SENDS_MAX sends."""
    desk = Desk()
    both = beginnings(desk, registrations=SENDS_MAX, cancellations=SENDS_MAX)
    return Walk(both, partial(steps, registrar=Gateway(), desk=desk))


BOTH: Final = pytest.mark.parametrize("form", ["walk", pytest.param("whole", marks=pytest.mark.soak)])
LIVES_MIN: Final = {"walk": 15_000, "whole": 150_000}
"""Fewer would mean that the model lost a part of its troubles."""


@BOTH
def test_nothing_unsafe_happens(form: str, request: pytest.FixtureRequest) -> None:
    """Sent only for what we know to be registered, never in vain; and what we wrote down is how the document stands."""
    walk: Walk[Life] = request.getfixturevalue(form)
    unsafe = [life for life in walk.came_from if life.unsafe]
    assert not unsafe, walk.history(unsafe[0])
    print(f"{form}: {len(walk.came_from)} lives")  # noqa: T201  what a soak found
    assert len(walk.came_from) > LIVES_MIN[form]


@BOTH
def test_every_end_is_reached(form: str, request: pytest.FixtureRequest) -> None:
    """The walk proves something of each end that there is, after each end of the registration."""
    walk: Walk[Life] = request.getfixturevalue(form)
    known = {(life.row.status, life.cancelled) for life in walk.came_from if life.first.row.status is Status.SUCCEEDED}
    ends = {Status.REJECTED: False, Status.EXPIRED: False, Status.WITHDRAWN: False, Status.SUCCEEDED: True}
    assert {end for end in known if end[0] in TERMINAL} == set(ends.items())
    assert {status for status, _ in known} == set(Status) - {Status.CONFLICT}
    others = {life.row.status for life in walk.came_from if life.first.row.status in TERMINAL - {Status.SUCCEEDED}}
    assert others == {Status.WITHDRAWN}


@BOTH
def test_it_sleeps_until_its_registration_is_settled(form: str, request: pytest.FixtureRequest) -> None:
    """While the registration is open the cancellation is untouched, unless its client takes it back."""
    walk: Walk[Life] = request.getfixturevalue(form)
    early = [life for life in walk.came_from if not life.first.over and not life.asleep]
    assert all(life.row.status is Status.WITHDRAWN for life in early)


@BOTH
def test_it_ends_by_itself_or_comes_before_a_person(form: str, request: pytest.FixtureRequest) -> None:
    """From wherever it got to, it can still end without its client's taking it back: none waits for nothing."""
    stuck = _stuck(request.getfixturevalue(form))
    assert not stuck, request.getfixturevalue(form).history(stuck[0])


@BOTH
def test_doubt_stays_until_an_end(form: str, request: pytest.FixtureRequest) -> None:
    """Once in doubt, always in doubt, until a terminal status clears it; and none is sent out of quarantine."""
    walk: Walk[Life] = request.getfixturevalue(form)
    for life, step in walk.came_from.items():
        if step is not None and step[1].row.in_doubt:
            assert life.row.in_doubt != life.over, walk.history(life)
        if step is not None and step[1].row.quarantined_since is not None:
            assert not step[0].startswith("sent"), walk.history(life)


def _stuck(walk: Walk[Life]) -> list[Life]:
    goals = [life for life in walk.came_from if life.row.status is Status.PARKED or _ended_by_itself(life)]
    return [life for life in walk.without_way_to(goals) if not life.over]


def _ended_by_itself(life: Life) -> bool:
    taken_back = life.row.status is Status.WITHDRAWN and life.first.row.status is Status.SUCCEEDED
    return life.over and life.first.over and not taken_back


# Mutants --------------------------------------------------------------------------------------------------------------


class DoesNotWait(Desk):
    """Takes the cancellation up at once, whatever becomes of the registration."""

    def accept(self) -> Operation:
        """See Desk."""
        return replace(super().accept(), due_at=NOW)


class WakesAtAnyEnd(Desk):
    """Asks whether the registration is settled, and not how."""

    def wake(self, row: Operation, ended: Status, *, ack_at: datetime) -> Operation:  # noqa: ARG002  what it overlooks
        """See Desk."""
        return super().wake(row, Status.SUCCEEDED, ack_at=ack_at)


class WakesWithoutDeadline(Desk):
    """Forgets that the window is counted from an acknowledgement that was not known before."""

    def wake(self, row: Operation, ended: Status, *, ack_at: datetime) -> Operation:
        """See Desk."""
        return replace(super().wake(row, ended, ack_at=ack_at), deadline_at=None)


class ClosesInDoubt(Desk):
    """Lets a window close on what may have reached the portal."""

    def close(self, row: Operation, event: Event) -> Operation | None:
        """See Desk."""
        return super().close(replace(row, doubtful_since=None), event)


class TooLateMeansExpired(Desk):
    """Takes a window that closed for the end, though an earlier request may have landed in time."""

    def learn(self, row: Operation, meaning: Meaning) -> Operation:
        """See Gateway."""
        learned = super().learn(row, meaning)
        return replace(learned, status=Status.EXPIRED) if meaning is Meaning.TOO_LATE else learned


class AbandonsTheLate(Desk):
    """Does not look up what is in doubt once its window is over."""

    def may_begin(self, row: Operation) -> bool:
        """See Desk."""
        return super().may_begin(replace(row, doubtful_since=None))


class NeverWakes(Desk):
    """Leaves the sleeper asleep."""

    def wake(self, row: Operation, ended: Status, *, ack_at: datetime) -> Operation:
        """See Desk."""
        return row if ended is Status.SUCCEEDED else super().wake(row, ended, ack_at=ack_at)


def _of(mutant: type[Gateway]) -> type[Desk]:
    """A mistake that any operation can meet, made with the cancellation alone."""
    return type(mutant.__name__, (mutant, Desk), {})


UNSAFE: Final = (
    DoesNotWait,
    WakesAtAnyEnd,
    WakesWithoutDeadline,
    ClosesInDoubt,
    TooLateMeansExpired,
    *map(
        _of,
        (
            mutants.TimeoutMeansFailed,
            mutants.ResendsWithoutLookingUp,
            mutants.ForgetsDoubt,
            mutants.ForgetsDoubtWhenItDies,
            mutants.NoQuarantine,
            mutants.HurriesQuarantine,
        ),
    ),
)


@pytest.mark.parametrize("mutant", UNSAFE, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_found_out(mutant: type[Desk]) -> None:
    """Each way of cutting a corner leads to a loss, or to a call that must not be made, and the walk finds it."""
    desk = mutant()
    both = beginnings(desk, registrations=0, cancellations=1)
    lost = Walk(both, partial(steps, registrar=Gateway(), desk=desk), ends=lambda life: life.unsafe)
    assert lost.found is not None


@pytest.mark.parametrize("mutant", [NeverWakes, AbandonsTheLate], ids=lambda mutant: mutant.__name__)
def test_what_waits_for_nothing_is_found_out(mutant: type[Desk]) -> None:
    """An operation that nobody would ever take up again is found by the walk."""
    desk = mutant()
    fresh = [world for world in whole_walk().came_from if world.over and world.registered_for == AT_ONCE]
    ends = beginnings_after(fresh, desk, cancellations=1)
    assert _stuck(Walk(ends, partial(steps, registrar=Gateway(), desk=desk)))

"""One document, one portal, everything that can go wrong between them: the world that `test_lifecycle_search` walks.

The gateway's side is the real lifecycle, and the real columns that a settlement changes. The portal's side is a model:

- It registers a number once, refuses for reasons of its own at any time, and remembers for the read-back window. A
  look-up of something older says that it is too old, or even that there is no such thing.
- The legal time may be over when we would send: then nothing is sent. A person may say what the portal's pages show.
- A request may be lost, may land at once, or may travel and land at any time within LIFE. Its answer may be lost.
- Our process may die at any point, and for as long as OUTAGE nobody may notice, or work.

After SENDS_MAX sends the network behaves, so that the world stays finite; look-ups may fail for ever. The present is
always NOW: when time passes, all other instants move back, and stop where their age no longer matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from functools import cache, partial
from itertools import product
from typing import Final, NamedTuple

from gateway.domain import lifecycle
from gateway.domain.lifecycle import ForbiddenTransitionError
from gateway.domain.operations import TERMINAL, HoldCause, Operation, Status
from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.retries import QUARANTINE_LOOKS_AFTER, READ_BACK_WINDOW, Pace
from gateway.domain.settlement import Event, Settlement
from gateway.storage.rows import settled_values
from tests.support import START, operation
from tests.unit.breadth_first import Steps, Walk

NOW: Final = START
SENDS_MAX: Final = 3
LIFE: Final = QUARANTINE_LOOKS_AFTER[-1]
"""The assumption on which quarantine rests: a request that has not landed by then never does."""
OUTAGE: Final = READ_BACK_WINDOW
"""For so long nobody works: the portal has forgotten everything by then."""
PACE: Final = Pace(unknown=(12 * 3600,), unreached=(12 * 3600,))
"""Coarse, so that there are few different instants; the steps of a schedule are no matter of safety."""
AT_ONCE: Final = timedelta()


class Registry(Enum):
    """What the portal has under our number."""

    NOTHING = "nothing"
    OURS = "ours"
    OTHER = "other"


class Gateway:
    """Our decisions: row in, row out. A mutant replaces one of the public methods."""

    def __init__(self) -> None:
        self.begun = cache(self.begin)
        self.died = cache(self.die)
        self.knows = cache(self.learn)

    def looks_first(self, row: Operation) -> bool:
        """Whether an attempt begins with a look-up."""
        return row.in_doubt

    def may_send(self, row: Operation) -> bool:
        """Whether an attempt may send at all."""
        return row.may_send

    def begin(self, row: Operation) -> Operation:
        """An attempt begins."""
        return replace(row, status=lifecycle.advance(row, Event.ATTEMPT_BEGAN), updated_at=NOW)

    def die(self, row: Operation) -> Operation:
        """The lease of an attempt ended without an outcome."""
        return written(row, lifecycle.lease_ended(row, at=NOW))

    def learn(self, row: Operation, meaning: Meaning) -> Operation:
        """An attempt ended with an outcome."""
        cause = HoldCause.ACCOUNT if meaning is Meaning.HELD else None
        settlement = lifecycle.settle(row, Outcome(meaning=meaning, hold_cause=cause), at=NOW, pace=PACE)
        kept = "kept" if meaning is Meaning.UNVERIFIED else row.kept_answer_blob
        late = lifecycle.TOO_LATE_CODE if meaning is Meaning.TOO_LATE else None
        code = row.portal_code if row.quarantined_since is not None else late
        return replace(written(row, settlement), kept_answer_blob=kept, portal_code=code)


def written(row: Operation, settlement: Settlement) -> Operation:
    """The row as storage writes it."""
    values = settled_values(row, settlement, at=NOW)
    del values["lease_token"], values["lease_until"], values["lease_owner"]
    cause = values["hold_cause"] and HoldCause(values["hold_cause"])
    return replace(row, **values | {"status": Status(values["status"]), "hold_cause": cause, "version": row.version})


class World(NamedTuple):
    """Both sides, and what is on its way between them."""

    row: Operation
    registry: Registry = Registry.NOTHING
    registered_for: timedelta = AT_ONCE
    """The age of what the portal has of ours."""
    travelling: tuple[timedelta, ...] = ()
    """The ages of the requests that may still land."""
    sends_left: int = SENDS_MAX
    clear_to_send: bool = False
    """Whether this attempt's look-up found nothing."""
    stood_before: bool = False
    """Whether our document was registered, and readable, when this attempt began."""
    sent_in_vain: bool = False
    """Whether we sent what stood there before: NIC blocks those who do."""

    @property
    def over(self) -> bool:
        """Whether the gateway will never touch it again."""
        return self.row.status in TERMINAL

    @property
    def readable(self) -> bool:
        """Whether the portal would show our document."""
        return self.registry is Registry.OURS and self.registered_for < READ_BACK_WINDOW

    def __str__(self) -> str:
        return f"{self.row.status}, the portal has {self.registry.value}"

    @property
    def contradictory(self) -> bool:
        """Whether the end that we wrote down is not, or may yet turn out not to be, what the portal has."""
        if self.row.status is Status.SUCCEEDED:
            return self.registry is not Registry.OURS
        if self.row.status is Status.CONFLICT:
            return self.registry is not Registry.OTHER
        may_land = bool(self.travelling) and self.registry is Registry.NOTHING
        return self.over and (self.registry is Registry.OURS or may_land)


def beginnings() -> list[World]:
    """A number that nobody knows, and one that stands for another's content."""
    return [World(operation(due_at=NOW)), World(operation(due_at=NOW), registry=Registry.OTHER)]


def steps(world: World, gateway: Gateway) -> Steps[World]:
    """Everything that can happen next, each with its name."""
    if world.over:
        return
    yield from _landings(world)
    if world.row.status is not Status.SUBMITTING:
        yield from _wakings(world, gateway)
        yield from _closings(world)
        return
    yield from _crashes(world, gateway)
    if gateway.looks_first(world.row) and not world.clear_to_send:
        yield from _look_ups(world, gateway)
    else:
        yield from _sends(world, gateway)


@cache
def whole_walk() -> Walk[World]:
    """Everything that can happen with our own lifecycle, walked once for all tests."""
    return Walk(beginnings(), partial(steps, gateway=Gateway()))


# Time -----------------------------------------------------------------------------------------------------------------


def _landings(world: World) -> Steps[World]:
    for index, age in enumerate(world.travelling):
        rest = world.travelling[:index] + world.travelling[index + 1 :]
        yield f"a request lands after {age}", _landed(world._replace(travelling=rest), ago=AT_ONCE)


def _landed(world: World, *, ago: timedelta) -> World:
    if world.registry is not Registry.NOTHING:
        return world
    return world._replace(registry=Registry.OURS, registered_for=ago)


def passed(world: World, by: timedelta) -> Iterator[World]:
    """The worlds that can have become of this one after a while. Requests past their life have landed or died."""
    if by == AT_ONCE:
        yield world
        return
    ages = [age + by for age in world.travelling]
    later = world._replace(
        row=moved(world.row, by),
        travelling=tuple(age for age in ages if age < LIFE),
        registered_for=min(world.registered_for + by, READ_BACK_WINDOW),
    )
    past_life = [age for age in ages if age >= LIFE]
    for fates in product((False, True), repeat=len(past_life)):
        landed = [age for age, lands in zip(past_life, fates, strict=True) if lands]
        yield _landed(later, ago=min(max(landed) - LIFE, READ_BACK_WINDOW)) if landed else later


@cache
def moved(row: Operation, by: timedelta) -> Operation:
    """A row whose instants moved into the past, none further than its age matters."""
    quarantined_since = _aged(row.quarantined_since, by, READ_BACK_WINDOW)
    before = AT_ONCE if quarantined_since is None else NOW - quarantined_since
    return replace(
        row,
        updated_at=row.updated_at - by,
        due_at=_aged(row.due_at, by, AT_ONCE),
        deadline_at=_aged(row.deadline_at, by, AT_ONCE),
        doubtful_since=_aged(row.doubtful_since, by, before + READ_BACK_WINDOW),
        quarantined_since=quarantined_since,
    )


def _aged(at: datetime | None, by: timedelta, age_max: timedelta) -> datetime | None:
    return at and max(at - by, NOW - age_max)


# Our side -------------------------------------------------------------------------------------------------------------


def _wakings(world: World, gateway: Gateway) -> Steps[World]:
    row = world.row
    if row.status is Status.PARKED:
        yield "a person resumes it", world._replace(row=written(row, lifecycle.resume(row, at=NOW)))
        for wait in (AT_ONCE, OUTAGE):
            for later in passed(world, wait):
                yield from _verdicts(later)
    elif row.status is Status.HELD:  # its own probes lie between the two
        yield from _beginnings_after((AT_ONCE, OUTAGE), world, gateway)
    elif row.due_at is not None:
        wait = row.due_at - NOW
        yield from _beginnings_after((wait, wait + OUTAGE), world, gateway)


def _verdicts(world: World) -> Steps[World]:
    """What a person sees at the portal's own pages, which show whatever stands, however old it is.

    Whoever finds nothing of ours is believed only when the doubt is old, and so is the last attempt.
    """
    row = world.row
    if world.registry is Registry.OURS:
        yield "a person: it stands", world._replace(row=written(row, lifecycle.judge(row, Meaning.REGISTERED)))
    elif world.registry is Registry.OTHER:
        yield "a person: another's", world._replace(row=written(row, lifecycle.judge(row, Meaning.CONFLICT)))
    elif is_settled(row):
        yield "a person: nothing", world._replace(row=written(row, lifecycle.judge(row, Meaning.ABSENT)))


def is_settled(row: Operation) -> bool:
    """When a person is believed who found nothing: the portal has forgotten, the last request has landed or died."""
    old = row.doubtful_since is not None and NOW - row.doubtful_since >= READ_BACK_WINDOW
    return old and NOW - row.updated_at >= LIFE


def _beginnings_after(waits: tuple[timedelta, ...], world: World, gateway: Gateway) -> Steps[World]:
    for wait in waits:
        for later in passed(world, wait):
            begun = later._replace(row=gateway.begun(later.row), stood_before=later.readable)
            yield f"an attempt begins after {wait}", begun


def _closings(world: World) -> Steps[World]:
    for event in (Event.WITHDRAWN, Event.WINDOW_CLOSED):
        try:
            yield str(event), world._replace(row=written(world.row, lifecycle.close(world.row, event)))
        except ForbiddenTransitionError:
            continue


def _crashes(world: World, gateway: Gateway) -> Steps[World]:
    for wait in (AT_ONCE, OUTAGE):
        for later in passed(world, wait):
            yield f"we die, and it is noticed after {wait}", _ended(later, gateway.died(later.row))


def _learned(world: World, gateway: Gateway, meaning: Meaning) -> World:
    return _ended(world, gateway.knows(world.row, meaning))


def _ended(world: World, row: Operation) -> World:
    return world._replace(row=row, clear_to_send=False, stood_before=False)


# The portal's side ----------------------------------------------------------------------------------------------------


def _look_ups(world: World, gateway: Gateway) -> Steps[World]:
    for meaning in _shown(world):
        if meaning is Meaning.ABSENT and gateway.may_send(world.row):
            yield "looked up: absent", world._replace(clear_to_send=True)
        else:
            yield f"looked up: {meaning}", _learned(world, gateway, meaning)


def _shown(world: World) -> tuple[Meaning, ...]:
    """What a look-up may tell."""
    if world.row.kept_answer_blob is not None:  # it is read again, and the portal is not asked
        return (Meaning.REGISTERED, Meaning.UNVERIFIED)
    silent = (Meaning.UNKNOWN, Meaning.HELD)
    if world.registry is Registry.NOTHING:
        return (*silent, Meaning.ABSENT)
    if world.registry is Registry.OTHER:
        return (*silent, Meaning.CONFLICT)
    if world.readable:
        return (*silent, Meaning.REGISTERED, Meaning.UNVERIFIED)
    return (*silent, Meaning.UNREADABLE, Meaning.ABSENT)


def _sends(world: World, gateway: Gateway) -> Steps[World]:
    world = world._replace(sent_in_vain=world.sent_in_vain or world.stood_before)
    for meaning in (Meaning.UNREACHED, Meaning.HELD, Meaning.REFUSED, Meaning.TOO_LATE):
        yield f"sent: {meaning}", _learned(world, gateway, meaning)
    there = _landed(world, ago=AT_ONCE)
    yield "sent, and it landed", _learned(there, gateway, _answer(there))
    if world.sends_left > 0:
        yield from _lost(world._replace(sends_left=world.sends_left - 1), gateway)


def _answer(there: World) -> Meaning:
    """What the portal answers to a request that it did not refuse."""
    if there.registry is Registry.OTHER:
        return Meaning.CONFLICT
    return Meaning.REGISTERED if there.readable else Meaning.UNREADABLE


def _lost(world: World, gateway: Gateway) -> Steps[World]:
    """A send of which we hear nothing that we can use."""
    there = _landed(world, ago=AT_ONCE)
    travels = world._replace(travelling=(AT_ONCE, *world.travelling))
    for name, after in (("lost", world), ("landed", there), ("travelling", travels)):
        yield f"sent, {name}, no answer", _learned(after, gateway, Meaning.UNKNOWN)
        for crash, later in _crashes(after, gateway):
            yield f"sent, {name}, {crash}", later
    if there.readable:
        yield "sent, landed, signed by an unknown key", _learned(there, gateway, Meaning.UNVERIFIED)

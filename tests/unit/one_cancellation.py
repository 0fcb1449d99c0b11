"""A cancellation beside the registration of its document: the world that `test_cancellation_search` walks.

The registration is lived through as in `one_document`. The cancellation is asked for while that is open, and sleeps
until it is settled; or it is asked for afterwards. Its own side is the real lifecycle too, by the same functions: the
engine knows no kind. What is modelled of storage is one rule each: what wakes a sleeper, and what may be claimed.

- The portal cancels what is registered, active and no older than 24 hours, once. It refuses for reasons of its own at
  any time, and shows the status of an IRN for as long as it gives the document back.
- A cancellation may be lost, may land at once, or may travel and land at any time within LIFE, more than one of them.
  Its answer may be lost. Our process may die at any point.
- Of two workers, the one whose lease ends in mid-attempt is one whose death is noticed at once: what it had begun to
  write travels, while the other looks up and sends; what it then hears it cannot record.
- The window may close at any point, and a client may take back what was not sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from typing import Final, NamedTuple

from gateway.domain import kinds, lifecycle
from gateway.domain.kinds import CANCEL_WINDOW
from gateway.domain.lifecycle import ForbiddenTransitionError
from gateway.domain.operations import TERMINAL, Kind, Operation, Status
from gateway.domain.outcomes import Meaning
from gateway.domain.settlement import Event
from tests.support import operation
from tests.unit import one_document
from tests.unit.breadth_first import Steps
from tests.unit.one_document import AT_ONCE, LIFE, NOW, OUTAGE, Gateway, Registry, World, is_settled, moved, written

ASKED_LATER: Final = timedelta(hours=12)
"""After its registration, when it is not asked for before that."""


class Desk(Gateway):
    """Our decisions about the cancellation: those about any operation, and when it sleeps and when it may begin."""

    def __init__(self) -> None:
        super().__init__()
        self.closes = cache(self.close)

    def accept(self) -> Operation:
        """It is asked for while its registration is open."""
        return operation(kind=Kind.IRN_CANCEL, waits_for="op_registration", due_at=None)

    def wake(self, row: Operation, ended: Status, *, ack_at: datetime) -> Operation:
        """What becomes of a sleeper when its registration is settled, as `storage.waiting` writes it."""
        if ended is not Status.SUCCEEDED:
            return written(row, lifecycle.close(row, Event.NEEDLESS))
        return replace(row, due_at=NOW, deadline_at=kinds.deadline(Kind.IRN_CANCEL, since=ack_at))

    def may_begin(self, row: Operation) -> bool:
        """Whether a row that is due may be claimed, as `storage.queries` asks."""
        return row.in_doubt or not is_late(row)

    def close(self, row: Operation, event: Event) -> Operation | None:
        """The row after a client took it back or its window closed; None where neither can be."""
        if event is Event.WINDOW_CLOSED and not is_late(row):
            return None
        try:
            return written(row, lifecycle.close(row, event))
        except ForbiddenTransitionError:
            return None


def is_late(row: Operation) -> bool:
    """Whether its deadline is over, as far as it has one."""
    return row.deadline_at is not None and row.deadline_at <= NOW


class Life(NamedTuple):
    """The registration with its portal, the cancellation, and what is on its way between them."""

    first: World
    row: Operation
    cancelled: bool = False
    """Whether the portal has cancelled the document."""
    travelling: tuple[timedelta, ...] = ()
    """The ages of the cancellations that may still land."""
    sends_left: int = 0
    clear_to_send: bool = False
    """Whether this attempt's look-up showed an active IRN."""
    stood_before: bool = False
    """Whether it was cancelled, and shown to be, when this attempt began."""
    sent_early: bool = False
    """Whether we sent it before we knew that the document is registered as ours."""
    sent_in_vain: bool = False
    """Whether we sent what stood there before, or what came too late for the portal."""

    @property
    def over(self) -> bool:
        """Whether the gateway will never touch the cancellation again."""
        return self.row.status in TERMINAL

    @property
    def open_at_portal(self) -> bool:
        """Whether the portal would cancel it now."""
        return self.first.registry is Registry.OURS and not self.cancelled and self._is_young

    @property
    def _is_young(self) -> bool:
        return self.first.registered_for <= CANCEL_WINDOW

    @property
    def asleep(self) -> bool:
        """Whether it waits for its registration."""
        return self.row.status is Status.QUEUED and self.row.due_at is None

    @property
    def contradictory(self) -> bool:
        """Whether the end that we wrote down is not, or may yet turn out not to be, how the document stands there."""
        if self.row.status is Status.SUCCEEDED:
            return not self.cancelled
        may_land = bool(self.travelling) and self.open_at_portal
        return self.over and (self.cancelled or may_land or self.row.status is Status.CONFLICT)

    @property
    def unsafe(self) -> bool:
        """Whether anything happened that must not."""
        return self.contradictory or self.sent_early or self.sent_in_vain

    def __str__(self) -> str:
        there = "cancelled" if self.cancelled else "not cancelled"
        return f"registration: {self.first}; cancellation: {self.row.status}, the portal has it {there}"


def beginnings(desk: Desk, *, registrations: int, cancellations: int) -> list[Life]:
    """A document and its cancellation, both asked for. The numbers are of sends that the network may spoil."""
    return [
        Life(world._replace(sends_left=registrations), desk.accept(), sends_left=cancellations)
        for world in one_document.beginnings()
    ]


def beginnings_after(registrations: Iterable[World], desk: Desk, *, cancellations: int) -> list[Life]:
    """What follows each end of a registration that is known already: the same as when it is lived through."""
    sleeping = [Life(first, desk.accept(), sends_left=cancellations) for first in registrations if first.over]
    return [life for each in sleeping for _, life in _when_settled("", each, each.first, desk)]


def steps(life: Life, registrar: Gateway, desk: Desk) -> Steps[Life]:
    """Everything that can happen next, each with its name. What follows a cancellation's end is `one_document`'s."""
    if life.over:
        return
    if not life.first.over:
        yield from _registration(life, registrar, desk)
    yield from _landings(life)
    if life.row.status is not Status.SUBMITTING:
        yield from _wakings(life, desk)
        yield from _closings(life, desk)
        return
    yield from _crashes(life, desk)
    if desk.looks_first(life.row) and not life.clear_to_send:
        yield from _look_ups(life, desk)
    else:
        yield from _sends(life, desk)


# The registration -----------------------------------------------------------------------------------------------------


def _registration(life: Life, registrar: Gateway, desk: Desk) -> Steps[Life]:
    """Its steps. A sleeper has no age that matters; one that is awake too early ages by its own steps alone."""
    for name, first in one_document.steps(life.first, registrar):
        if first.over:
            yield from _when_settled(f"registration: {name}: {first.row.status}", life, first, desk)
        else:
            yield f"registration: {name}", life._replace(first=first)


def _when_settled(name: str, life: Life, first: World, desk: Desk) -> Steps[Life]:
    """What a sleeper does then; and the same where nobody had asked before, and somebody asks later."""
    settled = _settled(first)
    yield name, _woken(life, settled, desk)
    if life.asleep and first.row.status is Status.SUCCEEDED:
        for later in one_document.passed(settled, ASKED_LATER):
            asked = _woken(life, _settled(later), desk)
            if not is_late(asked.row):
                yield f"{name}, and the cancellation is asked for after {ASKED_LATER}", asked


def _settled(first: World) -> World:
    """What of a settled registration matters to its cancellation."""
    row = replace(one_document.beginnings()[0].row, status=first.row.status)
    return World(row, first.registry, first.registered_for, sends_left=0)


def _woken(life: Life, first: World, desk: Desk) -> Life:
    row = desk.wake(life.row, first.row.status, ack_at=NOW - first.registered_for) if life.asleep else life.row
    return life._replace(first=first, row=row)


# Time -----------------------------------------------------------------------------------------------------------------


def _landings(life: Life) -> Steps[Life]:
    if not life.open_at_portal:
        return
    for index, age in enumerate(life.travelling):
        rest = life.travelling[:index] + life.travelling[index + 1 :]
        yield f"a cancellation lands after {age}", life._replace(travelling=rest, cancelled=True)


def _passed(life: Life, by: timedelta) -> Iterator[Life]:
    """What can have become of it after a while. Cancellations past their life have landed or died."""
    if by == AT_ONCE:
        yield life
        return
    ages = [age + by for age in life.travelling]
    past_life = sum(age >= LIFE for age in ages)
    row, was_open = moved(life.row, by), life.open_at_portal
    for passed in one_document.passed(life.first, by):
        first = passed._replace(row=life.first.row) if passed.over else passed  # its own age matters no more
        later = life._replace(first=first, row=row, travelling=tuple(age for age in ages if age < LIFE))
        for landed in {any(fates) for fates in product((False, True), repeat=past_life)}:
            yield _at_rest(later._replace(cancelled=life.cancelled or (landed and was_open)))


def _at_rest(life: Life) -> Life:
    """Without what can have no effect any more."""
    return life if life.open_at_portal or life.first.registry is not Registry.OURS else life._replace(travelling=())


# Our side -------------------------------------------------------------------------------------------------------------


def _wakings(life: Life, desk: Desk) -> Steps[Life]:
    row = life.row
    if row.status is Status.PARKED:
        resumed = written(row, lifecycle.resume(row, at=NOW))
        yield "a person resumes it", life._replace(row=resumed)
        for wait in (AT_ONCE, OUTAGE):
            for later in _passed(life, wait):
                yield from _verdicts(later)
    elif row.status is Status.HELD:  # its own probes lie between the two
        yield from _beginnings_after((AT_ONCE, OUTAGE), life, desk)
    elif row.due_at is not None:
        wait = row.due_at - NOW
        yield from _beginnings_after((wait, wait + OUTAGE), life, desk)


def _verdicts(life: Life) -> Steps[Life]:
    """What a person sees at the portal's own pages. Whoever finds it active is believed as in `one_document`."""
    if life.cancelled:
        stands = written(life.row, lifecycle.judge(life.row, Meaning.REGISTERED))
        yield "a person: cancelled", life._replace(row=stands)
    elif is_settled(life.row):
        yield "a person: active", life._replace(row=written(life.row, lifecycle.judge(life.row, Meaning.ABSENT)))


def _beginnings_after(waits: tuple[timedelta, ...], life: Life, desk: Desk) -> Steps[Life]:
    for wait in waits:
        for later in _passed(life, wait):
            if desk.may_begin(later.row):
                stood = later.cancelled and later.first.readable
                yield f"an attempt begins after {wait}", later._replace(row=desk.begun(later.row), stood_before=stood)
            else:
                yield from _closings(later, desk)


def _closings(life: Life, desk: Desk) -> Steps[Life]:
    for event in (Event.WITHDRAWN, Event.WINDOW_CLOSED):
        closed = desk.closes(life.row, event)
        if closed is not None:
            yield str(event), life._replace(row=closed)


def _crashes(life: Life, desk: Desk) -> Steps[Life]:
    for wait in (AT_ONCE, OUTAGE):
        for later in _passed(life, wait):
            yield f"we die, and it is noticed after {wait}", _ended(later, desk.died(later.row))


def _learned(life: Life, desk: Desk, meaning: Meaning) -> Life:
    return _ended(life, desk.knows(life.row, meaning))


def _ended(life: Life, row: Operation) -> Life:
    return life._replace(row=row, clear_to_send=False, stood_before=False)


# The portal's side ----------------------------------------------------------------------------------------------------


def _look_ups(life: Life, desk: Desk) -> Steps[Life]:
    for meaning in _shown(life):
        if meaning is Meaning.ABSENT and desk.may_send(life.row):
            yield "looked up: active", life._replace(clear_to_send=True)
        else:
            yield f"looked up: {meaning}", _learned(life, desk, meaning)


def _shown(life: Life) -> tuple[Meaning, ...]:
    """What a look-up may tell. An IRN that the portal does not know proves nothing of its cancellation."""
    silent = (Meaning.UNKNOWN, Meaning.HELD)
    if life.first.registry is Registry.NOTHING:
        return silent
    if not life.first.readable:
        return (*silent, Meaning.UNREADABLE)
    return (*silent, Meaning.REGISTERED if life.cancelled else Meaning.ABSENT)


def _sends(life: Life, desk: Desk) -> Steps[Life]:
    yield "not sent: unreached", _learned(life, desk, Meaning.UNREACHED)
    if is_late(life.row):
        yield "not sent: too late", _learned(life, desk, Meaning.TOO_LATE)
        return
    known = life.first.row.status is Status.SUCCEEDED
    vain = life.stood_before or (known and not life._is_young)
    life = life._replace(sent_early=not known or life.sent_early, sent_in_vain=vain or life.sent_in_vain)
    for meaning in (Meaning.HELD, Meaning.REFUSED):
        yield f"sent: {meaning}", _learned(life, desk, meaning)
    there = _landed(life)
    if there.cancelled:
        yield "sent, and it landed", _learned(there, desk, Meaning.REGISTERED)
    if life.sends_left > 0:
        yield from _lost(life._replace(sends_left=life.sends_left - 1), desk)


def _landed(life: Life) -> Life:
    return _at_rest(life._replace(cancelled=life.cancelled or life.open_at_portal))


def _lost(life: Life, desk: Desk) -> Steps[Life]:
    """A send of which we hear nothing that we can use."""
    travels = _at_rest(life._replace(travelling=(AT_ONCE, *life.travelling)))
    for name, after in (("lost", life), ("landed", _landed(life)), ("travelling", travels)):
        yield f"sent, {name}, no answer", _learned(after, desk, Meaning.UNKNOWN)
        for crash, later in _crashes(after, desk):
            yield f"sent, {name}, {crash}", later

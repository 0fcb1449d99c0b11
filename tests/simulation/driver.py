"""The order of events in a simulated world: first chaos, then calm until everything is settled."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from gateway.domain import canonical
from gateway.domain.calendar import IST
from gateway.domain.lifecycle import ForbiddenTransitionError
from gateway.domain.operations import TERMINAL, Environment, Lane, Status
from gateway.domain.settlement import Event
from gateway.domain.token_bucket import Limit
from gateway.errors import MoharError, Throttled, Unavailable
from gateway.sandbox.faults import Kind
from gateway.services import submission, sweeping
from gateway.services.submission import INVOICES, NOTES, Request
from gateway.storage.tables import lanes, operations
from gateway.storage.types import NO_DEADLINE
from tests.simulation import menus, plan
from tests.simulation.perils import Chance, Peace
from tests.simulation.plan import Ask, Times
from tests.simulation.world import VISITOR, Sent, World

WORKERS = 3
CALM_DAYS_MAX = 10
"""Virtual time in which everything has to be settled once the faults have stopped: the quarantine takes one day."""
PATIENCE_SECONDS = 2.0
IDLE_MINUTES_MAX = 5
RESUMED_MAX = 3
"""How often a person takes one operation up again before something must be wrong."""
KEY_SECONDS_MAX = 1_800
"""How long the portal signs, now and then, with a key that we do not have: what it signed then is asked for anew
every minute, which is slow to simulate."""
_ABSENCES = ((0, 0), (1, 40), (91, 400), (3_600, 7_200))
"""Seconds for which a process is away at a boundary: not at all, less than its lease, more, and far more."""
_ABSENCE_WEIGHTS = (8, 5, 8, 1)
_OPEN = sorted(set(Status) - TERMINAL)


class StuckError(AssertionError):
    """Something stays open though nothing is wrong any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How rough a world is. Probabilities are per boundary; `eves` fills it with papers of the coming day.

    `kinds` are the faults that may be on the portal's menu.
    """

    documents: int = 20
    fault_rate: float = 0.6
    crash: float = 0.008
    overtaken: float = 0.012
    lost_ring: float = 0.15
    eves: bool = False
    kinds: frozenset[Kind] = frozenset(Kind)


class Driver:
    """Makes things happen in one world, by the world's own chance."""

    def __init__(self, world: World, profile: Profile, times: Times) -> None:
        self.world = world
        self.profile = profile
        self.times = times
        self.rng = random.Random(world.rng.getrandbits(64))  # noqa: S311  repeatable, protects nothing
        self.plan = plan.draw(self.rng, times, documents=profile.documents, eves=profile.eves)
        self.calm_at = times.calm_at
        self.stormy: list[Sent] = []
        self._resumed = Counter[str]()
        self._idle = 0
        self._todo: list[tuple[datetime, int, Callable[[], None]]] = []
        self._weather()
        for ask in self.plan.asks:
            self._at(ask.at, lambda ask=ask: self._ask(ask))
        for at, paper, document in self.plan.foreign:
            self._at(at, lambda paper=paper, document=document: world.register_elsewhere(paper.gstin, document))
        for at, paper in self.plan.withdrawals:
            self._at(at, lambda paper=paper: self._withdraw(paper.irn))
        self._at(times.start + timedelta(seconds=self.rng.uniform(0, KEY_SECONDS_MAX)), self._get_the_key)

    def play(self) -> None:
        """Let everything happen. Raises StuckError when not all of it comes to an end."""
        world = self.world
        world.meanwhile = self._get_ahead
        world.peril = Chance(self.rng, crash=self.profile.crash, overtaken=self.profile.overtaken)
        while world.clock.now() < self.calm_at or any(ask.answer is None for ask in self.plan.asks):
            self._step()
        self.calm_at = max(self.calm_at, world.clock.now() + timedelta(seconds=self.rng.uniform(300, 3_600)))
        while world.clock.now() < self.calm_at:
            self._step()
        self.stormy = [call for call in world.sent() if call.sender != VISITOR]
        world.peril = Peace()
        world.meanwhile = lambda: None
        world.sandbox.configure(faults=[])
        self._calm_down()

    def _weather(self) -> None:
        """What differs between worlds: the portal's clock and habits, the pace, the limits, the menu of faults."""
        rng, sandbox = self.rng, self.world.sandbox
        behind = self.times.portal_midnight - self.times.midnight
        self.faults = menus.menu(rng, rate=self.profile.fault_rate, kinds=self.profile.kinds)
        sandbox.configure(
            now=(self.times.start - behind).isoformat(),
            limits={"token_minutes": rng.choice([60, 360])},
            envelope=rng.choice(["plain", "base64"]),
            status_as=rng.choice(["number", "string"]),
            faults=self.faults,
        )
        limits = rng.choice([(Limit(600, 60, 10), Limit(6000, 60, 100)), (Limit(30, 60, 3), Limit(60, 60, 5))])
        self.world.set_route(pace=rng.choice(["standard", "brisk"]), gstin_limit=limits[0], account_limit=limits[1])

    def _at(self, at: datetime, action: Callable[[], None]) -> None:
        self._todo.append((at, len(self._todo), action))
        self._todo.sort(key=lambda each: each[:2])

    def _step(self) -> None:
        """One thing that can happen now; when there is none, time goes on."""
        world, rng = self.world, self.rng
        if self._todo and self._todo[0][0] <= world.clock.now():
            self._todo.pop(0)[2]()
        elif world.bell.rung and rng.random() < self.profile.lost_ring:
            world.bell.rung.pop(rng.choice(list(world.bell.rung)))
        elif world.bell.rung:
            self._drain(*rng.choice(list(world.bell.rung)))
        else:
            self._time_goes_on()

    def _time_goes_on(self) -> None:
        rng, clock = self.rng, self.world.clock
        chance = rng.random()
        if chance < 0.03:
            self.world.flush()
        elif chance < 0.06:
            self._drain(rng.choice(self._lanes()), rng.random() < 0.5)
        elif chance < 0.08:
            self._resume_parked()
        elif chance < 0.2:
            clock.sleep(rng.uniform(0.1, 20))
        if not self.world.sweep():
            clock.sleep(sweeping.LEADER_LEASE.total_seconds())
        elif not self.world.bell.rung:
            nearest = self._next() or clock.now() + timedelta(minutes=1)
            until = min(nearest, max(self.calm_at, clock.now()))
            clock.sleep((until - clock.now()).total_seconds() + rng.random() * 2)

    def _get_ahead(self) -> None:
        """What others do while a process is at a boundary: an instant, a while, or far more than a lease."""
        self.world.clock.sleep(self.rng.uniform(*self.rng.choices(_ABSENCES, _ABSENCE_WEIGHTS)[0]))
        if self.rng.random() < 0.7:
            self.world.sweep()
        for _ in range(self.rng.randint(1, 3)):
            self._step()

    def _drain(self, lane: Lane, direct: bool) -> int:  # noqa: FBT001  a pair as the bell keeps it
        return self.world.process(f"worker-{self.rng.randrange(WORKERS)}").drain(lane, direct=direct)

    def _lanes(self) -> list[Lane]:
        sellers = sorted({paper.gstin for paper in self.plan.papers})
        return [Lane(Environment.TEST, gstin) for gstin in sellers]

    def _ask(self, ask: Ask) -> None:
        """One request; whoever gets no answer, or is told to come again, comes again."""
        api, world = self.world.process("api"), self.world
        again_seconds: float | None = 5.0
        with api.living():
            try:
                met = submission.submit(self._request(ask), world.lab.principal(ask.client, ask.paper.gstin), ports=api.ports)
                ask.answer, again_seconds = met.operation.id, None
            except (Throttled, Unavailable) as error:
                again_seconds = error.retry_after or 1.0
            except MoharError as error:
                ask.answer, again_seconds = error.code, None
        if again_seconds is not None:
            self._at(world.clock.now() + timedelta(seconds=again_seconds), lambda: self._ask(ask))

    def _request(self, ask: Ask) -> Request:
        is_note = ask.paper.doc_type in NOTES
        return Request(
            id=self.world.ids.new("req_"),
            operation_id=self.world.ids.new("op_"),
            method="POST",
            path="/cdnr" if is_note else "/irn",
            body=canonical.write(ask.document).encode(),
            document=ask.document,
            key=ask.key,
            direct=ask.direct,
            patience_seconds=PATIENCE_SECONDS,
            doc_types=NOTES if is_note else INVOICES,
        )

    def _withdraw(self, irn: str) -> None:
        for id in self._ids(operations.c.irn == irn):
            self._by_person(lambda upkeep, at, id=id: upkeep.close(id, Event.WITHDRAWN, actor="client", at=at))

    def _resume_parked(self) -> None:
        for id in self._ids(operations.c.status == Status.PARKED.value):
            self._resumed[id] += 1
            if self._resumed[id] > RESUMED_MAX:
                continue
            self._by_person(lambda upkeep, at, id=id: upkeep.resume(id, actor="operator", at=at))

    def _by_person(self, action: Callable) -> None:
        api = self.world.process("api")
        with api.living():
            try:
                action(api.ports.upkeep, self.world.clock.now())
            except ForbiddenTransitionError:  # too late: the person is told so
                return

    def _get_the_key(self) -> None:
        self.world.install_hidden_key()
        self.faults = menus.without(self.faults, Kind.SIGNING_UNKNOWN)
        self.world.sandbox.configure(faults=self.faults)

    def _calm_down(self) -> None:
        world, until = self.world, self.world.clock.now() + timedelta(days=CALM_DAYS_MAX)
        while self._todo or self._ids(operations.c.status.in_(_OPEN)):
            self._resume_parked()
            while not world.sweep():
                world.clock.sleep(sweeping.LEADER_LEASE.total_seconds())
            for lane, direct in list(world.bell.rung):
                self._drain(lane, direct)
            if not world.bell.rung and self._ids(operations.c.status.in_(_OPEN)):
                self._wait_until(self._next(), until)
            while self._todo and self._todo[0][0] <= world.clock.now():
                self._todo.pop(0)[2]()
        world.clock.step(hours=menus.LATEST_LANDING_HOURS + 1)
        if world.pending_late():
            raise StuckError("requests are still on their way")

    def _wait_until(self, at: datetime | None, end: datetime) -> None:
        """Let time pass until something is due again. Raises StuckError when that never happens, or not before `end`."""
        if at is None and self._idle < IDLE_MINUTES_MAX:
            self._idle += 1
            at = self.world.clock.now() + timedelta(minutes=1)
        if at is None or at > end:
            with self.world.database.read() as connection:
                query = select(operations.c.id, operations.c.status, operations.c.due_at, operations.c.lease_until)
                rows = connection.execute(query.where(operations.c.status.in_(_OPEN))).all()
            raise StuckError(f"open at {self.world.clock.now()}, next {at}: {[tuple(map(str, row)) for row in rows]}")
        self.world.clock.sleep((at - self.world.clock.now()).total_seconds() + 0.001)

    def _next(self) -> datetime | None:
        """The next instant at which something is due, strictly after now."""
        now = self.world.clock.now()
        columns = (
            operations.c.due_at,
            operations.c.lease_until,
            operations.c.deadline_at,
            lanes.c.direct_blocked_until,
            lanes.c.bulk_blocked_until,
        )
        queries = [select(func.min(column)).where(column > now, column < NO_DEADLINE) for column in columns]
        with self.world.database.read() as connection:
            found = [connection.execute(query).scalar() for query in queries]
        found += [self._todo[0][0]] if self._todo else []
        return min((each for each in found if each is not None), default=None)

    def _ids(self, *conditions: object) -> list[str]:
        with self.world.database.read() as connection:
            return list(connection.execute(select(operations.c.id).where(*conditions)).scalars())


def times_of(rng: random.Random) -> Times:
    """When a world plays: around a midnight, now and then that of a new financial year or of a leap day."""
    day = rng.choice([(2026, 11, 20), (2026, 12, 31), (2027, 4, 1), (2028, 2, 29), (2028, 3, 1)])
    midnight = datetime(*day, tzinfo=IST).astimezone(UTC)
    start = midnight - timedelta(seconds=rng.uniform(0, 1200))
    portal_midnight = midnight + timedelta(seconds=rng.uniform(240, 2400))
    calm_at = portal_midnight + timedelta(seconds=rng.uniform(600, 18_000))
    return Times(start=start, midnight=midnight, portal_midnight=portal_midnight, calm_at=calm_at)

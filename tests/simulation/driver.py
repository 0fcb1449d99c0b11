"""Makes the plan of a world come true, and brings everything to an end when nothing goes wrong any more."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, select

from gateway.domain import canonical
from gateway.domain.lanes import AnyLane
from gateway.domain.lifecycle import ForbiddenTransitionError
from gateway.domain.operations import TERMINAL, Status
from gateway.domain.settlement import Event
from gateway.errors import MoharError, Throttled, Unavailable
from gateway.ports import Received, Upkeep
from gateway.services import cancellation, ewaybills, submission, sweeping
from gateway.services.admission import Asked
from gateway.services.ports import Ports
from gateway.services.principal import Principal
from gateway.services.submission import INVOICES, NOTES, Terms
from gateway.storage.tables import documents, lanes, operations
from gateway.storage.types import NO_DEADLINE, Instant
from tests.simulation import menus
from tests.simulation.plan import Ask, Plan, Want, Wish
from tests.simulation.world import World

WORKERS = 3
CALM_DAYS_MAX = 10
"""Virtual time in which everything has to be settled once nothing goes wrong: the quarantine takes one day."""
PATIENCE_SECONDS = 2.0
ANSWER_LOST_SECONDS = 5.0
"""After so long a client asks again."""
IDLE_MINUTES_MAX = 5
"""Looks at a world in which nothing is due and something is open, before it counts as stuck."""
REASON = {"reason": "order_cancelled", "remarks": "The buyer withdrew"}
TRUCK = {"Distance": 0, "TransMode": "1", "VehNo": "KA01AB1234", "VehType": "R"}
NOT_ASKED = "not asked"
"""In the place of an answer, where the gateway knew nothing of the document any more."""
RESUMED_MAX = 3
"""How often a person takes one operation up again before something must be wrong."""
OPEN = sorted(set(Status) - TERMINAL)
_NOW = bindparam("now", type_=Instant())
_NEXT = select(
    *(
        select(func.min(column)).where(column > _NOW, column < NO_DEADLINE).scalar_subquery()
        for column in (
            operations.c.due_at,
            operations.c.lease_until,
            operations.c.deadline_at,
            lanes.c.direct_blocked_until,
            lanes.c.bulk_blocked_until,
        )
    )
)


class StuckError(AssertionError):
    """Something stays open though nothing is wrong any more."""


class Driver:
    """Clients, other programs, persons, workers and sweepers of one world, one at a time, by the world's own chance."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.rng = random.Random(world.rng.getrandbits(64))  # noqa: S311  has to repeat, guards nothing
        self._resumed = Counter[str]()
        self._todo: list[tuple[datetime, int, Callable[[], None]]] = []
        self._noted = 0
        self._wishing: set[str] = set()
        for ask in plan.asks:
            self.at(ask.at, partial(self._ask, ask))
        for at, paper, document in plan.foreign:
            self.at(at, partial(world.register_elsewhere, paper.gstin, document))
        for at, paper in plan.withdrawals:
            self.at(at, partial(self._withdraw, paper.irn))

    def at(self, at: datetime, action: Callable[[], None]) -> None:
        """Let something happen at its time, or as soon after it as anything happens."""
        self._noted += 1
        self._todo.append((at, self._noted, action))
        self._todo.sort(key=lambda each: each[:2])

    def do_next(self) -> bool:
        """What stands in the plan for now, one thing; whether there was one."""
        if not self._todo or self._todo[0][0] > self.world.clock.now():
            return False
        self._todo.pop(0)[2]()
        return True

    def drain(self, lane: AnyLane, *, direct: bool) -> None:
        """Answer a doorbell in some worker."""
        self.world.process(f"worker-{self.rng.randrange(WORKERS)}").drain(lane, direct=direct)

    def settle(self) -> None:
        """Go on in good weather until every operation has come to its end, and every late request has landed.

        Raises StuckError when that does not happen within CALM_DAYS_MAX.
        """
        world, idle = self.world, 0
        end = world.clock.now() + timedelta(days=CALM_DAYS_MAX)
        while self._todo or self.ids(operations.c.status.in_(OPEN)):
            self.resume_parked()
            while not world.sweep():
                world.clock.sleep(sweeping.LEADER_LEASE.total_seconds())
            for lane, direct in list(world.bell.rung):
                self.drain(lane, direct=direct)
            if not world.bell.rung and (self._todo or self.ids(operations.c.status.in_(OPEN))):
                due = self.next_due()
                idle = idle + 1 if due is None else 0
                self._check_end(due, end, idle)
                self.sleep_until(due or world.clock.now() + timedelta(minutes=1))
            while self.do_next():
                pass
        world.clock.step(hours=menus.LATEST_LANDING_HOURS + 1)
        if world.pending_late():
            raise StuckError("requests are still on their way")

    def sleep_until(self, at: datetime) -> None:
        """Let time pass until just after that instant."""
        self.world.clock.sleep(max(0.0, (at - self.world.clock.now()).total_seconds()) + 0.001)

    def next_due(self) -> datetime | None:
        """The next instant at which something is due, strictly after now."""
        with self.world.database.read() as connection:
            found = [*connection.execute(_NEXT, {"now": self.world.clock.now()}).one()]
        found += [self._todo[0][0]] if self._todo else []
        return min((each for each in found if each is not None), default=None)

    def ids(self, condition: ColumnElement[bool]) -> list[str]:
        """The operations of which something holds."""
        with self.world.database.read() as connection:
            return list(connection.execute(select(operations.c.id).where(condition)).scalars())

    def resume_parked(self) -> None:
        """A person takes up again what is parked; not for ever."""
        for id in self.ids(operations.c.status == Status.PARKED.value):
            self._resumed[id] += 1
            if self._resumed[id] <= RESUMED_MAX:
                self._by_person(_resume, id)

    def _withdraw(self, irn: str) -> None:
        for id in self.ids(operations.c.irn == irn):
            self._by_person(_take_back, id)

    def _by_person(self, action: Callable[[Upkeep, str, datetime], None], id: str) -> None:
        api = self.world.process("api")
        with api.living():
            try:
                action(api.ports.upkeep, id, self.world.clock.now())
            except ForbiddenTransitionError:  # too late: the person is told so
                return

    def _ask(self, ask: Ask) -> None:
        """One request; whoever gets no answer, or is told to come again, comes again."""
        again_seconds = ANSWER_LOST_SECONDS
        api = self.world.process("api")
        principal = self.world.lab.principal(ask.client, ask.paper.gstin)
        with api.living():
            try:
                ask.answer = submission.submit(
                    self._request(ask), principal, terms=Terms(INVOICES | NOTES), ports=api.ports
                ).operation.id
            except (Throttled, Unavailable) as error:
                again_seconds = error.retry_after or again_seconds
            except MoharError as error:
                ask.answer = error.code
        if ask.answer is None:
            self.at(self.world.clock.now() + timedelta(seconds=again_seconds), partial(self._ask, ask))
        elif ask.answer.startswith("op_"):
            self._begin_wishes(ask)

    def _begin_wishes(self, ask: Ask) -> None:
        """What is wanted of a paper afterwards, once it has been accepted for the first time."""
        if ask.paper.irn in self._wishing:
            return
        self._wishing.add(ask.paper.irn)
        for wish in self.plan.wishes:
            if wish.paper is ask.paper:
                self.at(self.world.clock.now() + wish.after, partial(self._wish, wish))

    def _wish(self, wish: Wish) -> None:
        """A request about an IRN that is known here; asked again where the answer was lost."""
        irn, again_seconds = wish.paper.irn, ANSWER_LOST_SECONDS
        if not self._is_known(irn):
            wish.answer = NOT_ASKED
            return
        api = self.world.process("api")
        principal = self.world.lab.principal(wish.client, wish.paper.gstin)
        with api.living():
            try:
                wish.answer = self._wished(wish, principal, api.ports).operation.id
            except (Throttled, Unavailable) as error:
                again_seconds = error.retry_after or again_seconds
            except MoharError as error:
                wish.answer = error.code
        if wish.answer is None:
            self.at(self.world.clock.now() + timedelta(seconds=again_seconds), partial(self._wish, wish))

    def _wished(self, wish: Wish, principal: Principal, ports: Ports) -> Received:
        irn = wish.paper.irn
        if wish.want is Want.CANCEL:
            asked = self._asked(f"/irn/{irn}/cancel", REASON, key=None, direct=wish.direct)
            return cancellation.cancel(irn, asked, principal, ports=ports)
        asked = self._asked("/ewb", {"Irn": irn, **TRUCK}, key=None, direct=wish.direct)
        return ewaybills.generate(asked, principal, ports=ports)

    def _is_known(self, irn: str) -> bool:
        """Whether the gateway has the document, or work on it: of others it would ask the portal."""
        with self.world.database.read() as connection:
            held = connection.execute(select(documents.c.irn).where(documents.c.irn == irn)).first() is not None
        return held or bool(self.ids((operations.c.irn == irn) & operations.c.status.in_(OPEN)))

    def _request(self, ask: Ask) -> Asked:
        path = "/cdnr" if ask.paper.doc_type in NOTES else "/irn"
        return self._asked(path, ask.document, key=ask.key, direct=ask.direct)

    def _asked(self, path: str, document: Any, *, key: str | None, direct: bool) -> Asked:
        return Asked(
            id=self.world.ids.new("req_"),
            operation_id=self.world.ids.new("op_"),
            method="POST",
            path=path,
            body=canonical.written(document),
            document=document,
            key=key,
            direct=direct,
            patience_seconds=PATIENCE_SECONDS,
        )

    def _check_end(self, due: datetime | None, end: datetime, idle: int) -> None:
        if idle < IDLE_MINUTES_MAX and (due is None or due < end):
            return
        columns = (operations.c.id, operations.c.status, operations.c.due_at, operations.c.lease_until)
        with self.world.database.read() as connection:
            rows = connection.execute(select(*columns).where(operations.c.status.in_(OPEN))).all()
        raise StuckError(f"open at {self.world.clock.now()}, next {due}: {[tuple(map(str, row)) for row in rows]}")


def _resume(upkeep: Upkeep, id: str, at: datetime) -> None:
    upkeep.resume(id, actor="operator", at=at)


def _take_back(upkeep: Upkeep, id: str, at: datetime) -> None:
    upkeep.close(id, Event.WITHDRAWN, actor="client", at=at)

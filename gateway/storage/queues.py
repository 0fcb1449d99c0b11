"""How much waits in each lane, as it was a moment ago."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from gateway.domain.operations import CLAIMABLE, Environment, Lane
from gateway.ports import Clock, QueueLength
from gateway.storage import queries
from gateway.storage.database import Database
from gateway.storage.tables import gstins, operations, routes

KEPT_SECONDS_MIN: Final = 1.0
"""A turn that is told may be reckoned from counts of this age."""
KEPT_FACTOR: Final = 20
"""Counting a million rows takes a fifth of a second: it is kept so many times longer than it took."""


_lengths = (
    select(
        operations.c.lane,
        operations.c.direct,
        func.count(),
        func.count().filter(operations.c.due_at <= bindparam("at")),
        func.min(operations.c.due_at),
    )
    .where(operations.c.due_at.isnot(None))
    .group_by(operations.c.lane, operations.c.direct)
)
_FREE: Final = _lengths.where(operations.c.lease_until.is_(None))
_IN_HAND: Final = _lengths.where(operations.c.lease_until.isnot(None), operations.c.status.in_(sorted(CLAIMABLE)))
"""Rows that a thread holds while it waits for a permit: they are few, and each needs its turn like any other."""
_ACCOUNTS: Final = (
    select(gstins.c.environment, gstins.c.gstin, routes.c.gsp_account)
    .join_from(gstins, routes, gstins.c.route == routes.c.name)
    .where(gstins.c.gstin.in_(bindparam("gstins", expanding=True)))
)
ASKED_AT_ONCE_MAX: Final = 1000
"""Taxpayers named in one question: SQLite takes 32,766 parameters, PostgreSQL twice as many."""


class SqlQueues:
    """Implements `ports.Queues`. Threads may share it."""

    def __init__(self, database: Database, clock: Clock, *, leases_max: Mapping[bool, int]) -> None:
        self._database = database
        self._clock = clock
        self._leases_max = leases_max
        self._lengths: Sequence[QueueLength] = ()
        self._seconds: Mapping[str, float] = {}
        self._good_until = float("-inf")
        self._lock = threading.Lock()

    def lengths(self) -> Sequence[QueueLength]:
        """See `ports.Queues`."""
        with self._lock:
            self._look()
            return self._lengths

    def seconds_each(self, route: str, *, direct: bool) -> float:
        """See `ports.Queues`."""
        with self._lock:
            self._look()
            return self._seconds.get(route, 0.0) / self._leases_max[direct]

    def _look(self) -> None:
        began = self._clock.monotonic()
        if began < self._good_until:
            return
        with self._database.read() as connection:
            self._lengths = _lengths_of(connection, at=self._clock.now())
            self._seconds = _seconds_by_route(connection)
        took = self._clock.monotonic() - began
        self._good_until = began + max(KEPT_SECONDS_MIN, took * KEPT_FACTOR)


def _lengths_of(connection: Connection, *, at: datetime) -> Sequence[QueueLength]:
    found: dict[tuple[str, bool], tuple[int, int, datetime]] = {}
    for query in (_FREE, _IN_HAND):
        for text, direct, waiting, due, due_at in connection.execute(query, {"at": at}):
            waiting_before, due_before, first_at = found.get((text, bool(direct)), (0, 0, due_at))
            found[text, bool(direct)] = waiting_before + waiting, due_before + due, min(first_at, due_at)
    lanes = {text: Lane.parse(text) for text, _ in found}
    accounts = _accounts(connection, lanes.values())
    return [
        QueueLength(
            lane=lanes[text],
            account=accounts.get(lanes[text]),
            direct=direct,
            waiting=waiting,
            due=due,
            due_at=due_at,
        )
        for (text, direct), (waiting, due, due_at) in found.items()
    ]


def _seconds_by_route(connection: Connection) -> dict[str, float]:
    """What a try takes. The median: the time-outs of an outage that is over would be told for long."""
    took: dict[str, list[float]] = defaultdict(list)
    for route, began_at, ended_at in connection.execute(queries.LATEST_TRIES):
        took[route].append((ended_at - began_at).total_seconds())
    return {route: median(seconds) for route, seconds in took.items()}


def _accounts(connection: Connection, lanes: Iterable[Lane]) -> dict[Lane, str]:
    """The GSP accounts of lanes. With a question for each, a thousand lanes would cost more than their rows."""
    wanted, found = sorted({lane.gstin for lane in lanes}), {}
    for first in range(0, len(wanted), ASKED_AT_ONCE_MAX):
        named = {"gstins": wanted[first : first + ASKED_AT_ONCE_MAX]}
        for environment, gstin, account in connection.execute(_ACCOUNTS, named):
            found[Lane(Environment(environment), gstin)] = account
    return found

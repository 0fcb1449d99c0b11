"""How much waits in each lane, as it was a moment ago."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import func, select

from gateway.domain.operations import CLAIMABLE, Lane
from gateway.ports import QueueLength
from gateway.storage.database import Database
from gateway.storage.tables import operations

KEPT_SECONDS_MIN: Final = 1.0
"""A turn that is told may be reckoned from counts of this age."""
KEPT_FACTOR: Final = 20
"""Counting a million rows takes a fifth of a second: it is kept so many times longer than it took."""


_lengths = (
    select(operations.c.lane, operations.c.direct, func.count(), func.min(operations.c.due_at))
    .where(operations.c.due_at.isnot(None))
    .group_by(operations.c.lane, operations.c.direct)
)
_FREE: Final = _lengths.where(operations.c.lease_until.is_(None))
_IN_HAND: Final = _lengths.where(operations.c.lease_until.isnot(None), operations.c.status.in_(sorted(CLAIMABLE)))
"""Rows that a thread holds while it waits for a permit: they are few, and each needs its turn like any other."""


class SqlQueues:
    """Implements `ports.Queues`. Threads may share it."""

    def __init__(self, database: Database, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._monotonic = monotonic
        self._known: Sequence[QueueLength] = ()
        self._good_until = float("-inf")
        self._lock = threading.Lock()

    def lengths(self) -> Sequence[QueueLength]:
        """See `ports.Queues`."""
        with self._lock:
            began = self._monotonic()
            if began >= self._good_until:
                self._known = self._counted()
                took = self._monotonic() - began
                self._good_until = began + max(KEPT_SECONDS_MIN, took * KEPT_FACTOR)
            return self._known

    def _counted(self) -> Sequence[QueueLength]:
        found: dict[tuple[str, bool], tuple[int, datetime]] = {}
        with self._database.read() as connection:
            for query in (_FREE, _IN_HAND):
                for lane, direct, waiting, due_at in connection.execute(query):
                    before, first_at = found.get((lane, bool(direct)), (0, due_at))
                    found[lane, bool(direct)] = before + waiting, min(first_at, due_at)
        return [
            QueueLength(lane=Lane.parse(lane), direct=direct, waiting=waiting, due_at=due_at)
            for (lane, direct), (waiting, due_at) in found.items()
        ]

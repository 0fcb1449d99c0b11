"""Many threads on one virtual clock: one runs at a time, and when all of them sleep, time moves on to the first waker.

So real code that sleeps, waits and calls runs side by side, minutes of it in seconds, and in the same order each time.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

SECONDS_MAX = 600.0
"""Real time in which an actor has to come to its next wait; then something is deadlocked."""


class Over(BaseException):
    """The play is over."""


class _Actor:
    def __init__(self) -> None:
        self.turn = threading.Semaphore(0)


class Timeline:
    """Implements `ports.Clock`. Outside of actors, sleeping just moves the time."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._began = at
        self._queue: list[tuple[datetime, int, _Actor]] = []
        self._order = itertools.count()
        self._mine = threading.local()
        self._main = threading.Semaphore(0)
        self._living = 0
        self._failed: BaseException | None = None
        self.over = False

    def now(self) -> datetime:
        """See `ports.Clock`."""
        return self._at

    def monotonic(self) -> float:
        """See `ports.Clock`."""
        return (self._at - self._began).total_seconds()

    def sleep(self, seconds: float) -> None:
        """See `ports.Clock`. Others have their turns meanwhile."""
        actor: _Actor | None = getattr(self._mine, "actor", None)
        until = self._at + timedelta(seconds=max(0.0, seconds))
        if actor is None:
            self._at = until
            return
        self._enqueue(actor, until)
        self._yield(actor)

    def start(self, work: Callable[[], None], *, at: datetime | None = None) -> None:
        """Let an actor begin, now or at its time."""
        actor = _Actor()
        self._living += 1
        threading.Thread(target=self._live, args=(actor, work), daemon=True).start()
        self._enqueue(actor, at or self._at)

    def idle(self, waiting: list[_Actor]) -> None:
        """Leave the stage until `wake` calls."""
        waiting.append(self._mine.actor)
        self._yield(self._mine.actor)

    def wake(self, waiting: list[_Actor]) -> None:
        """Let the first of those who idle go on now."""
        if waiting:
            self._enqueue(waiting.pop(0), self._at)

    def play(self, *, until: Callable[[], bool], seconds_max: float) -> None:
        """Let all actors act until that is so, or so much virtual time has passed. Raises what an actor raised."""
        end = self._at + timedelta(seconds=seconds_max)
        self._until = lambda: until() or self._at >= end
        self._next()
        if not self._main.acquire(timeout=SECONDS_MAX):
            raise TimeoutError("no actor came to its next wait")
        if self._failed is not None:
            raise self._failed

    def _live(self, actor: _Actor, work: Callable[[], None]) -> None:
        self._mine.actor = actor
        actor.turn.acquire()
        try:
            if not self.over:
                work()
        except Over:
            pass
        except BaseException as error:  # noqa: BLE001  it is raised again by `play`
            self._failed = self._failed or error
            self.over = True
        self._living -= 1
        self._next()

    def _enqueue(self, actor: _Actor, at: datetime) -> None:
        heapq.heappush(self._queue, (at, next(self._order), actor))

    def _yield(self, actor: _Actor) -> None:
        self._next()
        actor.turn.acquire()
        if self.over:
            raise Over

    def _next(self) -> None:
        self.over = self.over or self._until()
        if self.over or not self._queue:
            self.over = True
            self._main.release()
            return
        at, _, actor = heapq.heappop(self._queue)
        self._at = max(self._at, at)
        actor.turn.release()

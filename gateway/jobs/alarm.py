"""What is to be rung at an instant to come, in one thread of a process."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

What = TypeVar("What", bound=Hashable)


class Alarm(Generic[What]):
    """Calls `ring` with each thing once its time has come. What is put in again counts from then on."""

    def __init__(self, ring: Callable[[What], object], *, monotonic: Callable[[], float]) -> None:
        self._ring = ring
        self._monotonic = monotonic
        self._due: dict[What, float] = {}
        self._queue: list[tuple[float, int, What]] = []
        self._order = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, what: What, *, seconds: float) -> None:
        """Ring it in so many seconds, and no more at the time that was said before."""
        at = self._monotonic() + seconds
        with self._changed:
            self._due[what] = at
            self._order += 1
            heapq.heappush(self._queue, (at, self._order, what))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="alarm", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            self._ring(self._next())

    def _next(self) -> What:
        """The next thing whose time has come, waited for."""
        with self._changed:
            while True:
                wait = self._queue[0][0] - self._monotonic() if self._queue else None
                if wait is not None and wait <= 0:
                    at, _, what = heapq.heappop(self._queue)
                    if self._due.get(what) == at:  # else it was put in again
                        del self._due[what]
                        return what
                else:
                    self._changed.wait(wait)

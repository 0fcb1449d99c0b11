"""Threads beside the pool's, for receivers that stall where they used to be prompt."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final

from gateway.domain.deliveries import PROMPT_MS_MAX
from gateway.ports import Sent

log = logging.getLogger(__name__)

STRAGGLERS_MAX: Final = 48
"""Of one process: two messages each to 24 receivers that stall at once. Beyond that the pool's own threads wait."""


class Stragglers:
    """Implements `services.delivering.Aside` within one process."""

    def __init__(
        self, *, threads: int, stragglers_max: int = STRAGGLERS_MAX, seconds: float = PROMPT_MS_MAX / 1000
    ) -> None:
        self._pool = ThreadPoolExecutor(threads + stragglers_max, thread_name_prefix="delivery")
        self._room = threading.Semaphore(stragglers_max)
        self._seconds = seconds

    def run(self, work: Callable[[], Sent], later: Callable[[Sent], object]) -> Sent | None:
        """See `services.delivering.Aside`."""
        future = self._pool.submit(work)
        try:
            return future.result(self._seconds)
        except TimeoutError:
            if future.done() or not self._room.acquire(blocking=False):
                return future.result()
        future.add_done_callback(partial(self._end, later))
        return None

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown()

    def _end(self, later: Callable[[Sent], object], future: Future[Sent]) -> None:
        try:
            later(future.result())
        except Exception as error:  # noqa: BLE001  its lease ends, and it is sent again
            log.warning("an event could not be sent", extra={"error": type(error).__name__})
        finally:
            self._room.release()

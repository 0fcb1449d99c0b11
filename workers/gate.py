"""Many side by side, or one alone: so that a crash can be laid at the door of one operation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Implements `services.execution.Gate` within one process. Whoever wants to be alone goes before newcomers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._together = 0
        self._alone = False
        self._wanting_alone = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """See `services.execution.Gate`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._wanting_alone)
            self._together += 1
        try:
            yield
        finally:
            with self._changed:
                self._together -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See `services.execution.Gate`."""
        with self._changed:
            self._wanting_alone += 1
            self._changed.wait_for(lambda: not self._alone and not self._together)
            self._wanting_alone -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()

"""The doorbell within one process: the twin of `bell.py` for tests and simulation."""

from __future__ import annotations

from collections.abc import Callable

from gateway.domain.operations import Lane, Operation


class MemoryBell:
    """Implements `ports.Bell`. `rung` has the lanes in their order; `on_settled` is called for each settlement."""

    def __init__(self, on_settled: Callable[[Operation], None] | None = None) -> None:
        self.rung: dict[tuple[Lane, bool], None] = {}
        self._on_settled = on_settled

    def ring(self, lane: Lane, *, direct: bool) -> None:
        """See `ports.Bell`."""
        self.rung.setdefault((lane, direct))

    def answered(self, lane: Lane, *, direct: bool) -> None:
        """See `ports.Bell`."""
        self.rung.pop((lane, direct), None)

    def settled(self, operation: Operation) -> None:
        """See `ports.Bell`."""
        if self._on_settled is not None:
            self._on_settled(operation)

"""The doorbell within one process: the twin of `bell.py` for tests and simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.domain.lanes import AnyLane
from gateway.domain.operations import Operation


class MemoryBell:
    """Implements `ports.Bell`. `rung` has the lanes in their order; `on_settled` is called for each settlement."""

    def __init__(self, on_settled: Callable[[Operation], None] | None = None) -> None:
        self.rung: dict[tuple[AnyLane, bool], None] = {}
        self._on_settled = on_settled

    def ring(self, lane: AnyLane, *, direct: bool) -> None:
        """See `ports.Bell`."""
        self.rung.setdefault((lane, direct))

    def ring_in(self, lane: AnyLane, *, direct: bool, seconds: float) -> None:
        """See `ports.Bell`. It has no clock, so such a ring is lost."""

    def answered(self, lane: AnyLane, *, direct: bool) -> None:
        """See `ports.Bell`."""
        self.rung.pop((lane, direct), None)

    def settled(self, operation: Operation) -> None:
        """See `ports.Bell`."""
        if self._on_settled is not None:
            self._on_settled(operation)

    def mend(self, lanes: Sequence[tuple[AnyLane, bool]]) -> int:
        """See `ports.Bell`."""
        lost = [each for each in lanes if each not in self.rung]
        for lane, direct in lost:
            self.ring(lane, direct=direct)
        return len(lost)

    def sweep(self) -> int:
        """See `ports.Bell`. Nothing is left behind here."""
        return 0

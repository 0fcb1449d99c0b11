"""The drain of a lane, whatever its rows are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from gateway.domain.lanes import AnyLane
from gateway.services.ports import Ports


class Taken(Protocol):
    """A row in hand."""

    @property
    def more(self) -> bool:
        """Whether another row of its lane was due when it was taken."""


Row = TypeVar("Row", bound=Taken)


def drain(
    lane: AnyLane,
    *,
    direct: bool,
    take: Callable[[], Row | None],
    work: Callable[[Row], bool],
    quantum_seconds: float,
    ports: Ports,
    stopping: Callable[[], bool],
    leave: Callable[[], object] = lambda: None,
) -> int:
    """Work off a lane's due rows until there are none, no time, or it is told to stop; how many were done.

    `take` leases the next row, and `work` says whether going on with the lane makes sense. It rings for a sibling once
    when it finds more than one row, and for a successor when it leaves rows behind. `leave` is called where no `take`
    follows a row that was worked on.
    """
    ports.bell.answered(lane, direct=direct)
    ends_at = ports.clock.monotonic() + quantum_seconds
    done = 0
    row = take()
    while row is not None:
        if row.more and done == 0:
            ports.bell.ring(lane, direct=direct)
        if not work(row):
            leave()
            break
        done += 1
        if stopping() or ports.clock.monotonic() >= ends_at:
            leave()
            ports.bell.ring(lane, direct=direct)
            break
        row = take()
    return done

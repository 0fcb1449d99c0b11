"""The job behind every doorbell."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from gateway.domain import lanes
from gateway.domain.deliveries import EndpointLane
from gateway.domain.reconciling import ReconcileLane
from gateway.services import delivering, execution, reconciling
from gateway.services.delivering import Aside, DeliveryPolicy
from gateway.services.execution import DrainPolicy
from gateway.services.ports import Ports
from workers.gate import Gate

log = logging.getLogger(__name__)


class Process:
    """What the jobs of this process work with. Bound once, before the first job is taken."""

    def __init__(
        self, *, ports: Ports, policy: DrainPolicy, delivery_policy: DeliveryPolicy, aside: Aside | None = None
    ) -> None:
        self.ports = ports
        self.policy = policy
        self.delivery_policy = delivery_policy
        self.aside = aside
        self.gate = Gate()
        self.stopping = threading.Event()
        self._clock_is_right = True

    @property
    def takes_work(self) -> bool:
        """Whether rows may be claimed here just now."""
        return self._clock_is_right and not self.stopping.is_set()

    def look_at_clock(self, is_right: Callable[[], bool]) -> None:
        """Take no work while the clock is wrong. A database that cannot be asked changes nothing."""
        try:
            self._clock_is_right = is_right()
        except SQLAlchemyError as error:
            log.warning("clock not compared", extra={"error": type(error).__name__})


_bound: list[Process] = []


def bind(process: Process) -> None:
    """Make `process` the one that jobs run in."""
    _bound[:] = [process]


def drain(*, lane: str, direct: bool, **_: object) -> None:
    """Work off a lane for a while. Words that a newer publisher adds are passed over."""
    process = _bound[0]
    if not process.takes_work:
        return

    def stopping() -> bool:
        return not process.takes_work

    named = lanes.read(lane)
    if isinstance(named, EndpointLane):
        delivering.drain(
            named, ports=process.ports, policy=process.delivery_policy, stopping=stopping, aside=process.aside
        )
        return
    if isinstance(named, ReconcileLane):
        reconciling.drain(named, ports=process.ports, policy=process.policy, stopping=stopping)
        return
    execution.drain(
        named, direct=direct, ports=process.ports, policy=process.policy, gate=process.gate, stopping=stopping
    )

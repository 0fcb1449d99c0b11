"""The job behind every doorbell."""

from __future__ import annotations

import threading

from gateway.domain.operations import Lane
from gateway.services import execution
from gateway.services.execution import DrainPolicy
from gateway.services.ports import Ports
from workers.gate import Gate


class Process:
    """What the jobs of this process work with. Bound once, before the first job is taken."""

    def __init__(self, *, ports: Ports, policy: DrainPolicy) -> None:
        self.ports = ports
        self.policy = policy
        self.gate = Gate()
        self.stopping = threading.Event()


_bound: list[Process] = []


def bind(process: Process) -> None:
    """Make `process` the one that jobs run in."""
    _bound[:] = [process]


def drain(*, lane: str, direct: bool, **_: object) -> None:
    """Work off a lane for a while. Words that a newer publisher adds are passed over."""
    process = _bound[0]
    execution.drain(
        Lane.parse(lane),
        direct=direct,
        ports=process.ports,
        policy=process.policy,
        gate=process.gate,
        stopping=process.stopping.is_set,
    )

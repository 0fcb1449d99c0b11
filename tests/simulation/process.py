"""One process of the gateway in a simulated world: its own wiring on the shared database, mortal at every boundary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx

from gateway.domain.lanes import AnyLane
from gateway.domain.operations import Lane
from gateway.domain.reconciling import ReconcileLane
from gateway.ports import Attempt, Work
from gateway.sandbox import in_process, portal
from gateway.sandbox.wire import Request
from gateway.services import execution, reconciling
from gateway.wiring import Outside, Wiring
from tests.simulation.perils import GUARDED, RECONCILING, AtTheGateError, Guarded, SimulatedCrash, ThreadsGate

if TYPE_CHECKING:
    from tests.simulation.world import World

TICK_SECONDS_MAX = 0.05
"""What passes between two boundaries."""
RECONCILIATION = "reconciliation"
"""Stands for the attempt where a run asks, which makes none."""
_TERMINATED = 0.03
"""The probability that a process has been told to stop, each time that it asks."""


class Process:
    """A worker, a sweeper, an api or an operator's command. `attempt` is the one that is under way in it."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.dead = False
        self.attempt: str | None = None
        self.gate = ThreadsGate()
        wiring = Wiring(
            world.settings,
            Outside(
                clock=world.clock,
                ids=world.ids,
                limiter=world.limiter,
                health=world.health,
                bell=world.bell,
                transport=Line(self),
            ),
        )
        wiring.worker = name
        wiring.database = world.database
        self.policy = wiring.drain_policy
        self.ports = self._guarded(wiring.ports)

    def reach(self, point: str) -> None:
        """See `perils.Victim`."""
        if not self.dead:
            self.world.clock.sleep(self.world.rng.random() * TICK_SECONDS_MAX)
            what = self.world.peril.at(point)
            if what == "crash":
                self.dead = True
                self.world.crashes += 1
            if what == "overtaken":
                self.world.overtaken()
        if self.dead:
            raise SimulatedCrash(point)

    @contextmanager
    def living(self) -> Iterator[None]:
        """One job of this process, or of one of its threads, which may end with its death."""
        attempt, self.attempt = self.attempt, None
        try:
            yield
        except (SimulatedCrash, AtTheGateError):
            return
        finally:
            self.attempt = attempt

    def drain(self, lane: AnyLane, *, direct: bool) -> None:
        """Answer a doorbell, and work off what is due as far as it comes."""
        with self.living():
            if isinstance(lane, ReconcileLane):
                self.attempt = RECONCILIATION
                self._reconcile(lane)
                return
            assert isinstance(lane, Lane)
            execution.drain(
                lane,
                direct=direct,
                ports=self.ports,
                policy=self.policy,
                gate=self.gate,
                stopping=lambda: self.world.rng.random() < _TERMINATED,
            )

    def _reconcile(self, lane: ReconcileLane) -> None:
        self.ports.bell.answered(lane, direct=False)
        if self.world.reconciles:
            stopping = lambda: self.world.rng.random() < _TERMINATED  # noqa: E731  asked again and again
            reconciling.drain(lane, ports=self.ports, policy=self.policy, stopping=stopping)

    def _guarded(self, ports: Any) -> Any:
        names = GUARDED | (RECONCILING if self.world.reconciles else {})
        guarded: dict[str, Any] = {name: Guarded(getattr(ports, name), name, self) for name in names}
        guarded["work"] = Guarded(_Noting(ports.work, self), "work", self)
        ports.portals._routebook = ports.portals._sessions._routebook = guarded["routebook"]
        return replace(ports, **guarded)


class _Noting:
    """The port `work`, which also tells the process which attempt is its own."""

    def __init__(self, work: Work, process: Process) -> None:
        self._work = work
        self._process = process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)

    def begin_attempt(self, *args: Any, **kwargs: Any) -> Attempt:
        """See `ports.Work`."""
        self._process.attempt = None
        attempt = self._work.begin_attempt(*args, **kwargs)
        self._process.attempt = attempt.id
        return attempt


class Tapped(httpx.BaseTransport):
    """The way to the sandbox, with a note of who sent each call."""

    def __init__(self, world: World, who: Callable[[], str | None]) -> None:
        self._world = world
        self._who = who
        self._sandbox = in_process.transport(world.sandbox)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        if not request.url.path.startswith("/_"):
            self._world.senders.append(self._who())
        return self._sandbox.handle_request(request)


class Line(httpx.BaseTransport):
    """A process' way to the portal: a boundary before the first byte and one after the last."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._tapped = Tapped(process.world, lambda: process.attempt)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        service = _service(request)
        self._process.reach(f"wire.{service}:before")
        try:
            response = self._tapped.handle_request(request)
        except httpx.TransportError as error:
            if isinstance(error, httpx.ReadTimeout):  # what a silent portal costs
                self._process.world.clock.sleep(self._process.world.settings.call_seconds)
            self._process.reach(f"wire.{service}:after")
            raise
        self._process.reach(f"wire.{service}:after")
        return response


def _service(request: httpx.Request) -> str:
    """The portal's name of a call."""
    asked = Request.of(request.method, request.url.path, query="", headers=(), body=request.read())
    return portal.service_of(asked) or "page"

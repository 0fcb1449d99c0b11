"""One simulated world: the gateway's processes, the portal, the line between them, and a clock that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.domain import strict_json
from gateway.jobs.memory import MemoryBell
from gateway.limits.health import MemoryHealth
from gateway.limits.memory import MemoryLimiter
from gateway.sandbox.portal import Sandbox
from gateway.sandbox.state import seeded
from gateway.sandbox.visitor import Visitor
from gateway.services import access, sweeping
from gateway.settings import Settings
from gateway.storage.database import Database
from tests.simulation.lab import PORTAL_CLIENT, PORTAL_PASSWORD, PORTAL_USER, ROUTE, Lab, route
from tests.simulation.perils import Peace, Peril
from tests.simulation.process import Process, Tapped
from tests.support import FakeClock, SeededIds

SWEEPERS = 2
VISITOR = "visitor"
OVERTAKEN_DEPTH_MAX = 2
_IDS_APART = 1_000_000
"""So that no world makes the ids that its copied database has."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One call at the portal: by which attempt (or the visitor), and what the portal noted of it."""

    sender: str | None
    noted: dict[str, Any]

    @property
    def service(self) -> str:
        """What was called."""
        return str(self.noted["operation"])

    @property
    def code(self) -> str | None:
        """`ok`, the portal's error code, or None where it was not served."""
        code: str | None = self.noted["code"]
        return code


class World:
    """Everything but the order of events, which is the driver's. `meanwhile` is what others do at a boundary."""

    def __init__(self, lab: Lab, folder: Path, *, seed: int, clock: FakeClock) -> None:
        self.lab = lab
        self.clock = clock
        self.rng = seeded(seed)
        self.reconciles = False
        self.ids = SeededIds(seed + _IDS_APART)
        self.peril: Peril = Peace()
        self.meanwhile: Callable[[], None] = lambda: None
        self.crashes = 0
        self.settings = Settings(data_dir=folder)
        self.database = Database(self.settings.database)
        self.keys = lab.keys()
        self.sandbox = Sandbox(clock=clock, keys=self.keys, seed=seed)
        self.bell = MemoryBell()
        self.limiter = MemoryLimiter(clock)
        self.health = MemoryHealth(clock)
        self.senders: list[str | None] = []
        self._depth = 0
        self._born = 0
        self._pool: dict[str, Process] = {}
        self._visitors = httpx.Client(transport=Tapped(self, lambda: VISITOR), base_url="http://portal")

    def close(self) -> None:
        """Give back what is held."""
        self._visitors.close()
        self.database.close()

    def process(self, role: str) -> Process:
        """The living process of a role: `api`, `worker-0`, `sweeper-1`, … A dead one is replaced by a new one."""
        found = self._pool.get(role)
        if found is None or found.dead:
            self._born += 1
            found = self._pool[role] = Process(self, f"{role}.{self._born}")
        return found

    def overtaken(self) -> None:
        """Let others get ahead of the process that is at a boundary; a few within one another, not without end."""
        if self._depth < OVERTAKEN_DEPTH_MAX:
            self._depth += 1
            try:
                self.meanwhile()
            finally:
                self._depth -= 1

    def set_route(self, **members: Any) -> None:
        """Change the route's pace and limits."""
        access.put_route(route(**members), ports=self.process("operator").ports)

    def sweep(self) -> bool:
        """One sweep, by whichever sweeper leads; whether one did."""
        for number in range(SWEEPERS):
            sweeper = self.process(f"sweeper-{number}")
            count = self.rng.randrange(4)  # 0: the round of what is not urgent
            with sweeper.living():
                if sweeping.sweep(holder=sweeper.name, count=count, ports=sweeper.ports).leads:
                    return True
        return False

    def visitor(self, gstin: str, *, password: str = PORTAL_PASSWORD) -> Visitor:
        """Another program of the same taxpayer."""
        return Visitor(self._visitors, gstin=gstin, user=PORTAL_USER, password=password, client_id=PORTAL_CLIENT)

    def register_elsewhere(self, gstin: str, document: dict[str, Any]) -> None:
        """Let another program of the same taxpayer register a document. The portal's faults spare it."""
        menu = self.sandbox._state.menu
        self.sandbox.configure(faults=[])
        visitor = self.visitor(gstin)
        visitor.log_in()
        visitor.generate(document)
        self.sandbox._state.menu = menu

    def install_hidden_key(self) -> None:
        """An operator gets the signing key that the portal has begun to use."""
        ports, key = self.process("operator").ports, self.keys.hidden
        way = ports.routebook.route(ROUTE)
        access.add_portal_key(route=way, purpose="signing", kid=key.kid, pem=key.certificate_pem, ports=ports)

    def flush(self) -> None:
        """Redis forgets everything."""
        self.bell.rung.clear()
        self.limiter.forget()
        self.health.forget()

    def page(self, name: str) -> list[dict[str, Any]]:
        """A page of the sandbox, line by line."""
        reply = self._visitors.get(f"/_{name}")
        return [strict_json.read(line) for line in reply.content.splitlines()]

    def pending_late(self) -> int:
        """How many requests are still on their way to the portal."""
        return int(self._visitors.get("/_ledger").headers["x-pending-late"])

    def sent(self) -> list[Sent]:
        """Every call that reached the portal, in order."""
        return [Sent(*each) for each in zip(self.senders, self.page("calls"), strict=True)]

"""A whole gateway on one virtual clock: worker threads, a sweeper and callers, against the sandbox with a latency.

What the portal saw stands in its own call log, which is the judge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx

from gateway.domain import canonical, strict_json
from gateway.domain.calendar import indian_date, write_portal_date
from gateway.domain.identifiers import OPERATION_PREFIX
from gateway.domain.lanes import AnyLane
from gateway.domain.operations import Environment, Lane, Operation
from gateway.domain.token_bucket import MICROSECONDS, Limit
from gateway.jobs.memory import MemoryBell
from gateway.limits.health import MemoryHealth
from gateway.limits.memory import MemoryLimiter
from gateway.ports import Caller, Seller
from gateway.sandbox import in_process
from gateway.sandbox.portal import Sandbox
from gateway.services import access, cancellation, execution, limits, submission, sweeping
from gateway.services.admission import Asked
from gateway.services.principal import ALL_SCOPES, Principal
from gateway.services.submission import Terms
from gateway.settings import Settings
from gateway.wiring import Outside, Wiring
from tests.simulation.lab import PORTAL_PASSWORD, PORTAL_USER, ROUTE, Lab, route
from tests.simulation.timeline import Timeline
from tests.support import START, SeededIds, new_operation

LATENCY_MS: Final = 250
DIRECT_THREADS: Final = 36
BULK_THREADS: Final = 72
"""Those of three worker processes with the settings as they come."""
TEMPLATE: Final = Path(__file__).parent.parent / "documents" / "with_ewb.json"
QUIET: Final = timedelta(hours=2)
"""Before the threads start, so that the buckets are full."""
_NAP_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as the portal noted it."""

    at: datetime
    gstin: str
    operation: str
    code: str | None


class Alone:
    """Implements `services.execution.Gate` where nothing ever crashes."""

    def together(self) -> AbstractContextManager[None]:
        """See `services.execution.Gate`."""
        return nullcontext()

    alone = together


class WakingBell(MemoryBell):
    """A bell that wakes one idle thread of the class for each ring."""

    def __init__(self, timeline: Timeline, on_settled: Callable[[Operation], None]) -> None:
        super().__init__(on_settled)
        self._timeline = timeline
        self._due: dict[tuple[AnyLane, bool], datetime] = {}
        self.idle: dict[bool, list[Any]] = {True: [], False: []}

    def ring(self, lane: AnyLane, *, direct: bool) -> None:
        """See `ports.Bell`."""
        if (lane, direct) not in self.rung:
            super().ring(lane, direct=direct)
            self._timeline.wake(self.idle[direct])

    def ring_in(self, lane: AnyLane, *, direct: bool, seconds: float) -> None:
        """See `ports.Bell`."""
        at = self._due[lane, direct] = self._timeline.now() + timedelta(seconds=seconds)

        def ring() -> None:
            if self._due.get((lane, direct)) == at:
                self.ring(lane, direct=direct)

        self._timeline.start(ring, at=at)

    def job(self, *, direct: bool) -> AnyLane:
        """The next lane that was rung, waited for."""
        while True:
            for lane, was_direct in self.rung:
                if was_direct == direct:
                    del self.rung[lane, was_direct]
                    return lane
            self._timeline.idle(self.idle[direct])


class Fleet:
    """The gateway, the portal, and what became of each operation. `settled` has the instants, by id."""

    def __init__(
        self, lab: Lab, folder: Path, *, sellers: Sequence[str], gstin_limit: Limit, account_limit: Limit, seed: int = 1
    ) -> None:
        self.time = Timeline(START)
        self.settled: dict[str, datetime] = {}
        self.accepted: dict[str, datetime] = {}
        self.expected: dict[str, datetime] = {}
        self.bell = WakingBell(self.time, self._note)
        self.limiter = MemoryLimiter(self.time)
        self.sandbox = Sandbox(clock=self.time, keys=lab.keys(), seed=seed)
        self.sandbox.configure(latency_ms=LATENCY_MS)
        self._ids = SeededIds(10**6 + seed)
        outside = Outside(
            clock=self.time,
            ids=self._ids,
            limiter=self.limiter,
            health=MemoryHealth(self.time),
            bell=self.bell,
            transport=in_process.transport(self.sandbox),
        )
        self.wiring = Wiring(Settings(data_dir=folder), outside)
        self.ports = self.wiring.ports
        self.lab = lab
        self.sellers = sellers
        way = replace(
            route(pace="brisk", gstin_limit=gstin_limit, account_limit=account_limit), enforce_check_digit=False
        )
        access.put_route(way, ports=self.ports)
        for gstin in sellers:
            access.put_seller(
                Seller(environment=Environment.TEST, gstin=gstin, org_id=lab.org_id, route=ROUTE, reporting_days=None),
                user_name=PORTAL_USER,
                password=PORTAL_PASSWORD,
                ports=self.ports,
            )
        self._numbers = count(1)

    def open(self) -> None:
        """Start the threads. The buckets are full, as after a quiet night."""
        for gstin in self.sellers:
            self.limiter.take(self.allowance(gstin), Caller(account="gsp", gstin=gstin, direct=True))
        self.time.sleep(QUIET.total_seconds())
        for direct, threads in ((True, DIRECT_THREADS), (False, BULK_THREADS)):
            for _ in range(threads):
                self.time.start(lambda direct=direct: self._work(direct=direct))  # type: ignore[misc]  # binds the loop's value
        self.time.start(self._sweep)

    def register(self, gstin: str, documents: int, *, ago: timedelta) -> list[str]:
        """Register documents without e-way bills, so long before `open` is done; their IRNs."""
        ids = self.queue(gstin, documents, bills=False)
        while not self.settled.keys() >= set(ids):
            self._drain(Lane(Environment.TEST, gstin), direct=False)
            self.time.sleep(1)
        self.time.sleep((ago - QUIET).total_seconds())
        return [found.irn for id in ids if (found := self.ports.intake.get(id)) is not None and found.irn is not None]

    def put_off(self, gstin: str, *, until: datetime) -> None:
        """Put off all that a seller has queued, as the shield does."""
        lane, at = Lane(Environment.TEST, gstin), self.time.now()
        while claim := self.ports.work.claim(
            lane, direct=False, owner="shield", at=at, lease_until=at + timedelta(minutes=1), leases_max=1
        ):
            self.ports.work.release(claim, due_at=until)

    def cancel(self, gstin: str, irn: str) -> str:
        """Queue the cancellation of a document; its id. Raises what the service raises."""
        body = {"reason": "other", "remarks": "taken back"}
        asked = self._asked(f"/irn/{irn}/cancel", canonical.written(body), direct=False)
        stored = cancellation.cancel(irn, asked, self._principal(gstin), ports=self.ports).operation
        self.accepted[stored.id] = self.time.now()
        return stored.id

    def queue(self, gstin: str, documents: int, *, within: timedelta | None = None, bills: bool = True) -> list[str]:
        """Queue documents of a seller; `within` is what is left of their legal time, `bills` whether they have one."""
        ids = []
        for _ in range(documents):
            self.time.sleep(0.001)
            now = self.time.now()
            number = f"F/{next(self._numbers)}"
            new = new_operation(
                number,
                id=self._ids.new(OPERATION_PREFIX),
                gstin=gstin,
                org_id=self.lab.org_id,
                client_id=self.lab.clients[0],
                payload=document(gstin, number, bill=bills),
                doc_date=indian_date(START),
                deadline_at=None if within is None else now + within,
            )
            stored = self.ports.intake.accept(new, None, at=now).operation
            self.accepted[stored.id] = now
            ids.append(stored.id)
        self.bell.ring(Lane(Environment.TEST, gstin), direct=False)
        return ids

    def tell(self, id: str) -> None:
        """Ask when an operation's turn should be."""
        found = self.ports.intake.get(id)
        place = limits.place_of(found, ports=self.ports) if found is not None else None
        if place is not None and place.expected_at is not None:
            self.expected[id] = place.expected_at

    def call(self, gstin: str) -> float:
        """A direct call; how long its caller waits for the outcome, in seconds. Raises what submission raises."""
        began, number = self.time.now(), f"D/{next(self._numbers)}"
        asked = self._asked("/irn", document(gstin, number), direct=True)
        terms = Terms(submission.INVOICES)
        stored = submission.submit(asked, self._principal(gstin), terms=terms, ports=self.ports).operation
        while stored.id not in self.settled:
            self.time.sleep(_NAP_SECONDS)
        return (self.settled[stored.id] - began).total_seconds()

    def play(self, ids: Iterable[str] = (), *, seconds_max: float) -> None:
        """Go on until these are settled, or for so long."""
        open_ids = set(ids)

        def all_settled() -> bool:
            return bool(open_ids) and open_ids <= self.settled.keys()

        self.time.play(until=all_settled, seconds_max=seconds_max)

    def took(self, id: str) -> float:
        """From the request to the outcome, in seconds."""
        return (self.settled[id] - self.accepted[id]).total_seconds()

    def allowance(self, gstin: str) -> Mapping[str, Limit]:
        """The buckets of a seller."""
        seller = self.ports.directory.seller(environment=Environment.TEST, gstin=gstin)
        assert seller is not None
        return self.ports.enquiries.allowance(seller)

    def calls(self) -> list[Call]:
        """The portal's log."""
        with httpx.Client(transport=in_process.transport(self.sandbox), base_url="http://portal") as portal:
            lines = portal.get("/_calls").content.splitlines()
        notes = [json.loads(line) for line in lines]
        return [
            Call(datetime.fromisoformat(note["at"]), note["gstin"], note["operation"], note["code"]) for note in notes
        ]

    def _asked(self, path: str, body: bytes, *, direct: bool) -> Asked:
        return Asked(
            id=self._ids.new("req_"),
            operation_id=self._ids.new(OPERATION_PREFIX),
            method="POST",
            path=path,
            body=body,
            document=strict_json.read(body),
            key=None,
            direct=direct,
            patience_seconds=2.0,
        )

    def _principal(self, gstin: str) -> Principal:
        return Principal(
            client_id=self.lab.clients[0],
            org_id=self.lab.org_id,
            environment=Environment.TEST,
            gstin=gstin,
            scopes=frozenset(ALL_SCOPES),
            respond_async=False,
        )

    def _work(self, *, direct: bool) -> None:
        while True:
            self._drain(self.bell.job(direct=direct), direct=direct)

    def _drain(self, lane: Lane, *, direct: bool) -> None:
        execution.drain(
            lane,
            direct=direct,
            ports=self.ports,
            policy=self.wiring.drain_policy,
            gate=Alone(),
            stopping=lambda: False,
        )

    def _sweep(self) -> None:
        for number in count(1):
            self.time.sleep(1.0)
            sweeping.sweep(holder="sweeper", count=number, ports=self.ports)

    def _note(self, operation: Operation) -> None:
        if operation.settled_at is not None:
            self.settled[operation.id] = self.time.now()


@contextmanager
def fleet(
    lab: Lab,
    *,
    sellers: int,
    gstin_limit: Limit,
    account_limit: Limit,
    before: Callable[[Fleet], object] = lambda _: None,
) -> Iterator[Fleet]:
    """A fleet with so many sellers, ready to go. `before` is done before its threads start."""
    names = [f"29AAAPL{number:04}C1Z5" for number in range(sellers)]
    with lab.copy() as folder:
        made = Fleet(lab, folder, sellers=names, gstin_limit=gstin_limit, account_limit=account_limit)
        try:
            before(made)
            made.open()
            yield made
        finally:
            made.wiring.close()


def violations(calls: Iterable[datetime], limit: Limit, *, slack: timedelta = timedelta()) -> list[datetime]:
    """The calls that went out before the law of their bucket allowed: at most burst + rate · window in any window."""
    horizon, wrong = 0, []
    for at in sorted(calls):
        now = round(at.timestamp() * MICROSECONDS)
        if now < horizon - limit.tolerance_us - slack // timedelta(microseconds=1):
            wrong.append(at)
        horizon = max(horizon, now) + limit.interval_us
    return wrong


def document(gstin: str, number: str, *, bill: bool = True) -> bytes:
    """A goods invoice with two lines and perhaps an e-way bill part, dated on the day of the play."""
    content = strict_json.read(_template())
    content["SellerDtls"]["Gstin"] = gstin
    content["DocDtls"] |= {"No": number, "Dt": write_portal_date(indian_date(START))}
    content["EwbDtls"].pop("TransDocDt", None)
    if not bill:
        del content["EwbDtls"]
    return canonical.written(content)


@cache
def _template() -> bytes:
    return TEMPLATE.read_bytes()

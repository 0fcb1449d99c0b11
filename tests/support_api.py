"""The whole gateway in one process: SQLite, the sandbox behind a transport, a bell that is answered at once.

A `Blueprint` is made once: a migrated database with sellers and clients, and keys. A `Stack` is a copy of it for one
test. Calls go through the ASGI application, so that a test sees what a client sees. Time stands still unless a test
moves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx
from sqlalchemy import Table, func, select

from gateway.api.app import create
from gateway.auth.vault import create_master_key
from gateway.domain import canonical, strict_json
from gateway.domain.operations import Environment, Operation
from gateway.domain.token_bucket import Limit
from gateway.jobs.memory import MemoryBell
from gateway.limits.health import MemoryHealth
from gateway.limits.memory import MemoryLimiter
from gateway.ports import Limiter, LimiterAwayError, Route, Seller
from gateway.sandbox import in_process
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.portal import Sandbox
from gateway.sandbox.visitor import Visitor
from gateway.services import access, sweeping
from gateway.services.ports import Ports
from gateway.settings import Settings
from gateway.storage import migrate
from gateway.storage.tables import idempotency_keys, identities, operations
from gateway.wiring import Outside, Wiring
from tests import support_contract
from tests.support import START, FakeClock, SeededIds
from tests.support_hooks import FakeAddresses, FakeSender
from workers import drain

DOCUMENTS: Final = Path(__file__).parent / "documents"
SELLER: Final = "29AAHCT7421P1ZM"
"""The seller of the documents in `tests/documents`."""
SECOND_SELLER: Final = "27AAACM0002B1ZI"
"""Another seller of the same organisation."""
STRANGER: Final = "07AAACM0009J1ZW"
"""A seller of another organisation."""
USER: Final = "api-user"
PASSWORD: Final = "api-password"
URL: Final = "http://gateway.test"
ROUTE: Final = Route(
    name="sandbox",
    environment=Environment.TEST,
    base_url="http://portal.test",
    gsp_account="gsp-1",
    client_id="gateway",
    client_secret="the-secret-of-the-route",
    enforce_check_digit=False,
    pace="brisk",
    limits={"gstin": Limit(6000, 60, 100), "account": Limit(30_000, 60, 500)},
    relogin_seconds_min=2,
)
LIVE_ROUTE: Final = replace(ROUTE, name="live", environment=Environment.LIVE, enforce_check_digit=True)
STORED: Final = (operations, identities, idempotency_keys)
"""Where an accepted request leaves rows."""

WAIT_SECONDS_MAX: Final = 120
"""A test that waits for longer has failed."""

Result = TypeVar("Result")


def document(name: str = "minimal", **details: Any) -> dict[str, Any]:
    """A document of `tests/documents`, with other members in its DocDtls."""
    read: dict[str, Any] = strict_json.read((DOCUMENTS / f"{name}.json").read_bytes())
    read["DocDtls"] |= details
    return read


def document_of_a_stranger() -> dict[str, Any]:
    """The same supply by `STRANGER`, from another state and so with integrated tax."""
    made = document(No="STRANGE/1")
    made["SellerDtls"] |= {"Gstin": STRANGER, "Loc": "Delhi", "Pin": 110001, "Stcd": "07"}
    for part, members in ((made["ItemList"][0], ("CgstAmt", "SgstAmt")), (made["ValDtls"], ("CgstVal", "SgstVal"))):
        part[members[0].replace("Cgst", "Igst")] = sum(part.pop(member) for member in members)
    return made


def add_seller(
    gstin: str, *, ports: Ports, organisation: str = "Tungabhadra", route: Route = ROUTE, password: str = PASSWORD
) -> None:
    """Set a taxpayer up, or change its login."""
    seller = Seller(
        environment=route.environment,
        gstin=gstin,
        org_id=access.ensure_organisation(organisation, ports=ports),
        route=route.name,
        reporting_days=None,
    )
    access.put_seller(seller, user_name=USER, password=password, ports=ports)


def written(body: Any) -> bytes:
    """A document as bytes; bytes as they are."""
    return body if isinstance(body, bytes) else canonical.written(body)


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer must be: a status, a stable code, what to do, and the request's own id."""
    problem: dict[str, Any] = strict_json.read(answer.content)
    told = (answer.status_code, problem.get("code"), answer.headers["content-type"])
    assert told == (status, code, "application/problem+json"), answer.text
    assert problem["status"] == status
    assert problem["help"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert all(fault["help"] and fault["code"] for fault in problem["errors"])
    return problem


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop go on until something is so, in one of the gateway's threads perhaps."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not condition():  # noqa: ASYNC110  a thread knows of no event of this loop
            await asyncio.sleep(0.001)


class Blueprint:
    """A folder with everything that is the same for all tests, and the secrets that go with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = SandboxKeys.generate()
        self.clients: dict[str, tuple[str, str]] = {}
        create_master_key(folder / "master.key")
        clock = FakeClock()
        wiring = Wiring(Settings(data_dir=folder), _outside(clock, SeededIds(1), MemoryBell()))
        migrate.upgrade(wiring.database)
        self._furnish(wiring.ports)
        wiring.database.close()

    def _furnish(self, ports: Ports) -> None:
        for route in (ROUTE, LIVE_ROUTE):
            access.put_route(route, ports=ports)
            login = self.keys.login_public_pem
            access.add_portal_key(route=route, purpose="login", kid="login", pem=login, ports=ports)
            for key in self.keys.published:
                access.add_portal_key(route=route, purpose="signing", kid=key.kid, pem=key.certificate_pem, ports=ports)
        add_seller(SELLER, ports=ports)
        add_seller(SECOND_SELLER, ports=ports)
        add_seller(STRANGER, ports=ports, organisation="Strangers")
        self._add_client("erp", [SELLER], ports=ports)
        self._add_client("queueing", [SELLER], ports=ports, respond_async=True)
        self._add_client("group", [SELLER, SECOND_SELLER], ports=ports)
        self._add_client("stranger", [STRANGER], ports=ports)

    def _add_client(self, name: str, gstins: list[str], *, ports: Ports, respond_async: bool = False) -> None:
        self.clients[name] = access.add_client(
            environment=Environment.TEST, gstins=gstins, name=name, respond_async=respond_async, ports=ports
        )


class Bell(MemoryBell):
    """A bell that somebody may answer at once."""

    def __init__(self, on_settled: Callable[[Operation], None]) -> None:
        super().__init__(on_settled)
        self.on_ring: Callable[[], None] | None = None

    def ring(self, lane: Any, *, direct: bool) -> None:
        """See `ports.Bell`."""
        super().ring(lane, direct=direct)
        if self.on_ring is not None:
            self.on_ring()


class Listening:
    """The twin of `jobs.waiting.Waiters`: it hears of settlements from whatever thread they come."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._events: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.expected: list[str] = []

    async def start(self) -> None:
        """See `api.state.Expecting`."""
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        """See `api.state.Expecting`."""

    @contextlib.asynccontextmanager
    async def expecting(self, operation_id: str) -> AsyncIterator[asyncio.Event]:
        """See `api.state.Expecting`."""
        event = asyncio.Event()
        self._events[operation_id].add(event)
        self.expected.append(operation_id)
        try:
            yield event
        finally:
            self._events[operation_id].discard(event)

    def settled(self, operation: Operation) -> None:
        """Wake whoever waits for it."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake, operation.id)

    def _wake(self, operation_id: str) -> None:
        for event in self._events[operation_id]:
            event.set()


class AwayLimiter:
    """A limiter that nobody can ask."""

    def __getattr__(self, name: str) -> Any:
        """See `ports.Limiter`: whatever is asked."""

        def away(*_: Any, **__: Any) -> Any:
            raise LimiterAwayError(name)

        return away


@dataclass(frozen=True, slots=True)
class Traces:
    """What a request may leave behind: rows by table, and calls at the portal."""

    rows: Mapping[str, int]
    calls: int


class Stack:
    """One gateway with its portal. Rings are answered at once unless `idle` is set.

    With `on_sockets` calls go out by the real transport, to wherever the route is set to.
    """

    def __init__(
        self,
        folder: Path,
        blueprint: Blueprint,
        *,
        at: datetime = START,
        limiter: Limiter | None = None,
        transport: httpx.BaseTransport | None = None,
        on_sockets: bool = False,
        **settings: Any,
    ) -> None:
        for name in ("mohar.db", "master.key"):
            shutil.copy(blueprint.folder / name, folder / name)
        self.clients = dict(blueprint.clients)
        self.clock = FakeClock(at)
        # A ring of its own: a test that rotates them changes nobody else's portal.
        keys = SandboxKeys(login=blueprint.keys.login, signing=blueprint.keys.published)
        self.sandbox = Sandbox(clock=self.clock, keys=keys)
        self.listening = Listening()
        self.bell = Bell(self.listening.settled)
        self.bell.on_ring = self._answer
        self.idle = False
        self._draining = False
        self.portal = httpx.Client(transport=in_process.transport(self.sandbox), base_url=ROUTE.base_url)
        if transport is None and not on_sockets:
            transport = in_process.transport(self.sandbox)
        self.sender = FakeSender()
        outside = _outside(
            self.clock,
            SeededIds(2),
            self.bell,
            transport=transport,
            sender=self.sender,
            addresses=FakeAddresses(),
        )
        generous = {"client_requests_per_minute": 10**6, "client_reads_per_minute": 10**6, "client_burst": 10**5}
        chosen = Settings(data_dir=folder).model_copy(update=generous | settings)  # unchecked: some are below a minimum
        self.wiring = Wiring(chosen, replace(outside, limiter=limiter or outside.limiter))
        self.ports = self.wiring.ports
        self._process = drain.Process(
            ports=self.ports, policy=self.wiring.drain_policy, delivery_policy=self.wiring.delivery_policy
        )
        self.wrong: dict[str, str] = {}
        self.app = create(
            settings=self.wiring.settings, ports=self.ports, waiters=lambda: self.listening, ready=lambda: self.wrong
        )
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=URL)
        self._tokens: dict[Any, str] = {}
        self._runner = asyncio.Runner()
        self._lifespan = self.app.router.lifespan_context(self.app)

    def __enter__(self) -> Self:
        self.run(self._lifespan.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._lifespan.__aexit__(None, None, None))
        self.run(self.http.aclose())
        self._runner.close()
        self.portal.close()
        self.wiring.database.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run something on the stack's event loop."""
        return self._runner.run(work)

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """One request, as it is given. Its answer has to be one that the OpenAPI document tells of."""
        return self.run(self.asend(method, path, **request))

    async def asend(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The same, for several at once."""
        answer = await self.http.request(method, path, **request)
        support_contract.check(method, answer.request.url.path, answer)
        return answer

    def ask_token(self, client: str = "erp", **form: str) -> httpx.Response:
        """Ask for an access token with the client's id and secret."""
        grant = {"grant_type": "client_credentials"} | form
        return self.send("POST", "/oauth/token", data=grant, auth=self.clients[client])

    def token(self, client: str = "erp", **form: str) -> str:
        """An access token; the same one until time has moved."""
        name = (client, tuple(form.items()), self.clock.now())
        if name not in self._tokens:
            self._tokens[name] = self.ask_token(client, **form).json()["access_token"]
        return self._tokens[name]

    def bearer(self, client: str = "erp", **form: str) -> dict[str, str]:
        """The header that a client authenticates with."""
        return {"Authorization": f"Bearer {self.token(client, **form)}"}

    def get(self, path: str, *, client: str = "erp", **request: Any) -> httpx.Response:
        """GET with a token."""
        return self.send("GET", path, headers=self.bearer(client), **request)

    def headers(self, client: str = "erp", given: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a document is sent with."""
        return {"Content-Type": "application/json", **self.bearer(client), **(given or {})}

    def post(
        self, body: Any, path: str = "/irn", *, client: str = "erp", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send a document, given as such or as bytes."""
        return self.send("POST", path, content=written(body), headers=self.headers(client, headers))

    def drain(self) -> None:
        """Work off every lane that was rung."""
        if self._draining:
            return
        self._draining = True
        try:
            while self.bell.rung:
                lane, direct = next(iter(self.bell.rung))
                drain.bind(self._process)
                drain.drain(lane=str(lane), direct=direct)
        finally:
            self._draining = False

    def later(self, **parts: float) -> None:
        """Let a `timedelta(**parts)` pass, and do what has become due."""
        self.clock.step(**parts)
        sweeping.sweep(holder="test", count=1, ports=self.ports)

    def traces(self) -> Traces:
        """What has been left behind so far."""
        return Traces(rows={table.name: self.count(table) for table in STORED}, calls=len(self.calls()))

    def count(self, table: Table) -> int:
        """Rows of a table."""
        with self.wiring.database.read() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def calls(self) -> list[str]:
        """The calls that reached the portal, by name, oldest first."""
        lines = self.portal.get("/_calls").content.splitlines()
        return [strict_json.read(line)["operation"] for line in lines]

    def strike(self, kind: str, **members: Any) -> None:
        """Let the portal's next call of `generate`, or of `operations`, meet a fault."""
        self.sandbox.configure(faults=[{"kind": kind, "times": 1, **members}])

    @contextlib.contextmanager
    def visitor(self, gstin: str = SELLER) -> Iterator[Visitor]:
        """Another program of the same taxpayer at the same portal, by the gateway's own login."""
        visitor = Visitor(self.portal, gstin=gstin, user=USER, password=PASSWORD, client_id=ROUTE.client_id)
        visitor.headers["client_secret"] = ROUTE.client_secret
        assert visitor.log_in().codes == []
        yield visitor

    def _answer(self) -> None:
        if not self.idle:
            self.drain()


def _outside(clock: FakeClock, ids: SeededIds, bell: MemoryBell, **parts: Any) -> Outside:
    return Outside(clock=clock, ids=ids, limiter=MemoryLimiter(clock), health=MemoryHealth(clock), bell=bell, **parts)

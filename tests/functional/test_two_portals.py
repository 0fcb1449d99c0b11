"""Two portals that know nothing of each other, each away in its turn for four hours: nothing is registered twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import select

from gateway.domain import strict_json
from gateway.domain.operations import Environment
from gateway.domain.token_bucket import Limit
from gateway.ports import Seller
from gateway.sandbox import in_process
from gateway.sandbox.portal import Sandbox
from gateway.services import access
from gateway.storage.tables import attempts, documents, operations
from tests.support_api import PASSWORD, ROUTE, USER, Blueprint, Stack, document

PORTALS: Final = ("first", "second")
PER_MINUTE: Final = 60
LOST_ANSWERS: Final = 12
"""Calls that still arrive when a portal goes away, and whose answers do not."""
CALL_SECONDS: Final = 30
"""A call to a portal that stays silent takes so long."""
FAILOVER_SECONDS: Final = 240
"""So long after its first document, at most, a seller who is alone has a portal that answers."""
OUTAGE_HOURS: Final = 4
TICK_SECONDS: Final = 60
OUTAGE_TICK_SECONDS: Final = 300
"""Each tick tries whatever waits for the portal that is away."""


class Portals(httpx.BaseTransport):
    """Both portals by their hosts. One that is away lets a few calls in and nothing out, then nothing in."""

    def __init__(self) -> None:
        self.sandboxes: dict[str, Sandbox] = {}
        self.away: dict[str, int] = {}
        self.on_silence: Callable[[], object] = lambda: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer, or not."""
        name = request.url.host.partition(".")[0]
        if name not in self.away:
            return self._inside(name, request)
        if self.away[name] > 0:
            self.away[name] -= 1
            self._inside(name, request)
        self.on_silence()
        raise httpx.ReadTimeout("the portal is away", request=request)

    def _inside(self, name: str, request: httpx.Request) -> httpx.Response:
        return in_process.transport(self.sandboxes[name]).handle_request(request)

    def lines(self, name: str, page: str) -> list[dict[str, Any]]:
        """What a portal tells of itself."""
        client = httpx.Client(transport=in_process.transport(self.sandboxes[name]), base_url="http://portal")
        with client:
            return [strict_json.read(line) for line in client.get(page).content.splitlines()]


class World:
    """A gateway with sellers at both portals: half of them prefer one, half the other, and may go to either."""

    def __init__(self, folder: Path, blueprint: Blueprint, *, sellers: int) -> None:
        self.portals = Portals()
        self.stack = Stack(folder, blueprint, transport=self.portals)
        self.stack.idle = True
        self.portals.sandboxes = {
            name: Sandbox(clock=self.stack.clock, keys=blueprint.keys, seed=seed) for seed, name in enumerate(PORTALS)
        }
        for name in PORTALS:
            self._add_route(name, blueprint)
        self.gstins = [self._add_seller(index) for index in range(sellers)]
        self.irns: list[tuple[str, str]] = []

    def _add_route(self, name: str, blueprint: Blueprint) -> None:
        ports = self.stack.ports
        limits = {"gstin": Limit(PER_MINUTE, 60, 4), "account": Limit(PER_MINUTE * 1000, 60, 4000)}
        route = replace(ROUTE, name=name, base_url=f"http://{name}.test", gsp_account=name, limits=limits)
        access.put_route(route, ports=ports)
        access.add_portal_key(
            route=route, purpose="login", kid="login", pem=blueprint.keys.login_public_pem, ports=ports
        )
        for key in blueprint.keys.published:
            access.add_portal_key(route=route, purpose="signing", kid=key.kid, pem=key.certificate_pem, ports=ports)

    def _add_seller(self, index: int) -> str:
        gstin = f"29AAAPL{index:04}C1Z5"
        preferred, other = PORTALS if index % 2 else reversed(PORTALS)
        ports = self.stack.ports
        seller = Seller(
            environment=Environment.TEST,
            gstin=gstin,
            org_id=access.ensure_organisation("Tungabhadra", ports=ports),
            route=preferred,
            reporting_days=None,
            other_routes=(other,),
        )
        access.put_seller(seller, user_name=USER, password=PASSWORD, ports=ports)
        self.stack.clients[gstin] = access.add_client(
            environment=Environment.TEST, gstins=[gstin], name=gstin, respond_async=True, ports=ports
        )
        return gstin

    def send(self, count: int, series: str) -> None:
        """Send so many documents, in turn for each seller."""
        for number in range(count):
            gstin = self.gstins[number % len(self.gstins)]
            sent = document(No=f"{series}{number}")
            sent["SellerDtls"]["Gstin"] = gstin
            answer = self.stack.post(sent, client=gstin)
            assert answer.status_code == 202, answer.text
            self.irns.append((gstin, answer.json()["irn"]))

    def cancel(self, known: list[tuple[str, str]]) -> None:
        """Ask for the cancellation of registered documents."""
        for gstin, irn in known:
            body = {"reason": "other", "remarks": "taken back"}
            answer = self.stack.post(body, f"/irn/{irn}/cancel", client=gstin)
            assert answer.status_code == 202, answer.text

    def run(self, *, hours: float, tick_seconds: float = TICK_SECONDS) -> None:
        """Let time pass, with everything that is due in it.

        All sellers wait for their permits in one thread, in turn: their waits add up, and are part of that time.
        """
        end = self.stack.clock.now() + timedelta(hours=hours)
        while self.stack.clock.now() < end:
            self.stack.later(seconds=tick_seconds)
            self.stack.drain()

    def open_count(self) -> int:
        """Operations that are not settled."""
        query = select(operations.c.id).where(operations.c.settled_at.is_(None))
        with self.stack.wiring.database.read() as connection:
            return len(connection.execute(query).all())

    def in_doubt(self) -> int:
        """Operations of which nobody knows whether they reached a portal."""
        return sum(row["doubtful_since"] is not None for row in self.rows(operations))

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """All rows of a table."""
        with self.stack.wiring.database.read() as connection:
            return [dict(row) for row in connection.execute(select(table)).mappings()]


def live_through(world: World, *, batch: int) -> None:
    """A day in which first one portal is away for four hours, an hour before windows close, and then the other."""
    stack, portals = world.stack, world.portals
    world.send(batch, "A")
    world.run(hours=1)
    assert world.open_count() == 0
    known = list(world.irns)
    stack.clock.step(hours=18)
    world.send(len(world.gstins), "W")  # so that all are logged in when the portal goes
    world.run(hours=0.1)
    portals.away["first"] = LOST_ANSWERS
    world.send(batch, "B")
    world.run(hours=TICK_SECONDS / 3600)
    assert world.in_doubt() > 0
    world.cancel(known[: batch // 2])
    world.run(hours=OUTAGE_HOURS, tick_seconds=OUTAGE_TICK_SECONDS)
    del portals.away["first"]
    began = stack.clock.now()
    while world.open_count():
        world.run(hours=TICK_SECONDS / 3600)
        assert (stack.clock.now() - began).total_seconds() < 1800, "half an hour was not enough"
    portals.away["second"] = LOST_ANSWERS
    world.send(batch, "C")
    world.run(hours=OUTAGE_HOURS, tick_seconds=OUTAGE_TICK_SECONDS)
    del portals.away["second"]
    world.run(hours=0.5)


def check(world: World, *, batch: int) -> None:
    """Both portals' ledgers together are the gateway's, each number once; each cancellation came through."""
    assert world.open_count() == 0
    portal_rows = [row | {"portal": name} for name in PORTALS for row in world.portals.lines(name, "/_ledger")]
    numbers = Counter(row["irn"] for row in portal_rows)
    assert [irn for irn, count in numbers.items() if count > 1] == []
    ours = {row["irn"]: row["status"] for row in world.rows(documents)}
    assert ours.keys() == numbers.keys()
    assert len(ours) == len(world.irns)
    ends = Counter((row["kind"], row["status"]) for row in world.rows(operations))
    assert ends == {("irn.generate", "succeeded"): len(ours), ("irn.cancel", "succeeded"): batch // 2}
    assert Counter(ours.values())["cancelled"] == batch // 2
    routes = Counter(row["route"] for row in world.rows(attempts))
    assert set(routes) == set(PORTALS)


@pytest.mark.parametrize("batch", [30, pytest.param(2860, marks=pytest.mark.soak)])
def test_nothing_is_registered_twice_when_each_portal_is_away_in_turn(
    tmp_path: Path, blueprint: Blueprint, batch: int
) -> None:
    """Documents go to the other portal unless they may have arrived at the first; cancellations go home in time."""
    world = World(tmp_path, blueprint, sellers=max(4, batch // 140))
    with world.stack:
        live_through(world, batch=batch)
        check(world, batch=batch)


@pytest.fixture
def lone(tmp_path: Path, blueprint: Blueprint) -> Iterator[World]:
    """One seller, who prefers the second portal, on routes that are as patient as those of the government."""
    world = World(tmp_path, blueprint, sellers=1)
    with world.stack:
        ports = world.stack.ports
        for name in PORTALS:
            patient = replace(ports.routebook.route(name), pace="standard", relogin_seconds_min=60)
            access.put_route(patient, ports=ports)
        world.portals.on_silence = lambda: world.stack.clock.step(seconds=CALL_SECONDS)
        yield world


def test_a_seller_who_is_alone_goes_elsewhere_within_minutes(lone: World) -> None:
    """Its portal is silent to every login, and nobody else shows that it is down."""
    lone.portals.away["second"] = 0
    began = lone.stack.clock.now()
    lone.send(1, "A")
    while lone.open_count():
        lone.run(hours=1 / 3600, tick_seconds=1)
        assert (lone.stack.clock.now() - began).total_seconds() < FAILOVER_SECONDS
    assert [row["irn"] for row in lone.portals.lines("first", "/_ledger")] == [lone.irns[0][1]]
    assert lone.rows(attempts)[-1]["route"] == "first"


def test_what_may_have_arrived_stays_while_its_seller_goes_elsewhere(lone: World) -> None:
    """Silent look-ups show that the portal is down: what comes later takes the other, what is in doubt waits for it."""
    lone.send(1, "A")
    lone.run(hours=0.01)
    lone.portals.away["second"] = 1
    lone.send(1, "B")
    lone.run(hours=FAILOVER_SECONDS / 3600, tick_seconds=5)
    began = lone.stack.clock.now()
    lone.send(1, "C")
    lone.run(hours=1 / 3600, tick_seconds=1)
    assert (lone.stack.clock.now() - began).total_seconds() < CALL_SECONDS
    assert (lone.open_count(), lone.in_doubt()) == (1, 1)
    del lone.portals.away["second"]
    lone.run(hours=1)
    where = {name: [row["irn"] for row in lone.portals.lines(name, "/_ledger")] for name in PORTALS}
    first, second, third = (irn for _, irn in lone.irns)
    assert where == {"second": [first, second], "first": [third]}
    assert lone.open_count() == 0

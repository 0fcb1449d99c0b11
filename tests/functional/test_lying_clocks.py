"""A portal, a proxy or a cache whose `Date` is wrong: what has a window waits, and nothing ends for good by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from gateway.domain.operations import Environment
from gateway.ports import Seller
from gateway.sandbox import in_process
from gateway.services import access
from gateway.storage.tables import attempts
from tests.support import START
from tests.support_api import PASSWORD, ROUTE, SELLER, USER, Blueprint, Stack, document
from tests.support_eway import part_a

ASYNC: Final = {"Prefer": "respond-async"}
REASON: Final = {"reason": "order_cancelled", "remarks": "The buyer withdrew"}
BILLS: Final = "bills.test"
"""The host of the e-way bill system where it has one of its own."""
LIES: Final = {
    "1970": "Thu, 01 Jan 1970 00:00:00 GMT",
    "2038": "Tue, 19 Jan 2038 03:14:08 GMT",
    "year 9999": "Fri, 31 Dec 9999 23:59:59 GMT",
    "two hours": format_datetime(START + timedelta(hours=2), usegmt=True),
}
MUTE: Final = {"malformed": "some day in November", "zoneless": "Fri, 20 Nov 2026 08:30:00", "missing": None}


class Dated(httpx.BaseTransport):
    """The sandbox, whose answers carry what `dates` has for their host as their Date; None for none at all."""

    def __init__(self) -> None:
        self.inner: httpx.BaseTransport | None = None
        self.dates: dict[str, str | None] = {}
        self.asked: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as the sandbox does."""
        assert self.inner is not None
        answer = self.inner.handle_request(request)
        self.asked.append(f"{request.url.host}{request.url.path}")
        if request.url.host in self.dates:
            told = self.dates[request.url.host]
            del answer.headers["date"]
            answer.headers.update({} if told is None else {"date": told})
        return answer


class Lying:
    """A stack, and the dates that its portal tells."""

    def __init__(self, stack: Stack, wire: Dated) -> None:
        self.stack = stack
        self.wire = wire

    def say(self, date: str | None, *, host: str = "portal.test") -> None:
        """Let a host tell this date from now on."""
        self.wire.dates[host] = date

    def be_honest(self) -> None:
        """Let every host tell the portal's own time."""
        self.wire.dates.clear()

    def attempts_of(self, path: str) -> int:
        """How many attempts an operation has had."""
        return int(self.stack.get(path).json()["attempts"])


@pytest.fixture
def lying(tmp_path: Path, blueprint: Blueprint) -> Iterator[Lying]:
    """A gateway that knows no clock of its portal yet. Sellers have 30 days to report."""
    wire = Dated()
    with Stack(tmp_path, blueprint, transport=wire) as stack:
        wire.inner = in_process.transport(stack.sandbox)
        org_id = access.ensure_organisation("Tungabhadra", ports=stack.ports)
        seller = Seller(environment=Environment.TEST, gstin=SELLER, org_id=org_id, route=ROUTE.name, reporting_days=30)
        access.put_seller(seller, user_name=USER, password=PASSWORD, ports=stack.ports)
        yield Lying(stack, wire)


def _made(answer: httpx.Response) -> Any:
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("date", [*LIES.values(), *MUTE.values()], ids=[*LIES, *MUTE])
def test_no_date_ends_a_registration(lying: Lying, date: str | None) -> None:
    """However wrong it is: what our clock has time for is sent, and the portal itself says if that is too late."""
    lying.say(date)
    _made(lying.stack.post(document(No="A/1")))
    _made(lying.stack.post(document(No="A/2")))


@pytest.mark.parametrize("date", LIES.values(), ids=LIES)
def test_a_cancellation_waits_without_an_attempt(lying: Lying, date: str) -> None:
    """It says what it waits for, asks for the time a few times a minute, and goes out once it can be believed."""
    lying.say(date)
    irn = _made(lying.stack.post(document()))["irn"]
    rows = lying.stack.count(attempts)
    waiting = lying.stack.post(REASON, f"/irn/{irn}/cancel", headers=ASYNC).headers["location"]
    asked = len(lying.wire.asked)
    for _ in range(30):
        lying.stack.later(minutes=1)
        lying.stack.drain()
    shown = lying.stack.get(waiting).json()
    assert (shown["status"], shown["attempts"], shown["portal_code"]) == ("queued", 0, "clocks-apart")
    assert "window" in shown["portal_message"]
    assert "mohar doctor" in shown["advice"]
    assert (lying.stack.count(attempts), len(lying.wire.asked) - asked) == (rows, 30)
    lying.be_honest()
    lying.stack.later(minutes=1)
    lying.stack.drain()
    assert (lying.stack.get(waiting).json()["status"], lying.attempts_of(waiting)) == ("succeeded", 1)


@pytest.mark.parametrize("date", MUTE.values(), ids=MUTE)
def test_a_portal_that_tells_no_time_keeps_nothing_waiting(lying: Lying, date: str | None) -> None:
    """Then our clock is all there is."""
    lying.say(date)
    irn = _made(lying.stack.post(document()))["irn"]
    assert lying.stack.post(REASON, f"/irn/{irn}/cancel").status_code == 200


def test_many_that_wait_ask_for_the_time_once(lying: Lying) -> None:
    """A sign of life for each of them, each minute, would be a load that helps nobody."""
    lying.say(LIES["1970"])
    for number in range(5):
        irn = _made(lying.stack.post(document(No=f"A/{number}")))["irn"]
        lying.stack.post(REASON, f"/irn/{irn}/cancel", headers=ASYNC)
    asked = len(lying.wire.asked)
    lying.stack.later(minutes=1)
    lying.stack.drain()
    assert lying.wire.asked[asked:] == ["portal.test/eivital/v1.04/heartbeat/ping"]


def test_a_cancellation_in_doubt_is_looked_up_while_the_clocks_are_apart(lying: Lying) -> None:
    """It may have happened already. If it has not, it waits, and is looked up less and less often."""
    irn = _made(lying.stack.post(document()))["irn"]
    lying.stack.strike("drop_before", operations=["cancel"])
    waiting = lying.stack.post(REASON, f"/irn/{irn}/cancel").headers["location"]
    lying.say(LIES["2038"])
    for _ in range(3):
        lying.stack.later(minutes=1)
        lying.stack.drain()
    shown = lying.stack.get(waiting).json()
    assert (shown["status"], shown["in_doubt"], shown["portal_code"]) == ("indeterminate", True, "clocks-apart")
    assert lying.stack.calls().count("cancel") == 1
    lying.be_honest()
    lying.stack.later(minutes=1)
    lying.stack.drain()
    assert lying.stack.get(waiting).json()["status"] == "succeeded"


def test_a_window_that_closes_while_it_waits_for_clocks_is_told(lying: Lying) -> None:
    """By our own clock, which agrees with the database's; not a call goes out too late."""
    lying.say(LIES["two hours"])
    irn = _made(lying.stack.post(document()))["irn"]
    waiting = lying.stack.post(REASON, f"/irn/{irn}/cancel", headers=ASYNC).headers["location"]
    lying.stack.later(hours=23, minutes=59)
    lying.stack.drain()
    assert lying.stack.get(waiting).json()["status"] == "expired"
    assert "cancel" not in lying.stack.calls()


@pytest.mark.parametrize(("liar", "waits"), [(BILLS, True), ("portal.test", False)])
def test_an_eway_bill_goes_by_the_clock_of_its_own_host(lying: Lying, liar: str, *, waits: bool) -> None:
    """Where the e-way bill system has a host of its own, the other's clock says nothing about it."""
    stack = lying.stack
    route = stack.ports.routebook.route(ROUTE.name)
    access.put_route(replace(route, ewb_base_url=f"http://{BILLS}/ewaybillapi"), ports=stack.ports)
    stack.clock.step(seconds=2)  # a process may know a route for a second
    lying.say(LIES["two hours"], host=liar)
    _made(stack.post(document()))
    number = _made(stack.post(part_a(docDate="20/11/2026"), "/ewb"))["number"]
    answer = stack.post(REASON, f"/ewb/{number}/cancel", headers=ASYNC)
    stack.later(minutes=1)
    stack.drain()
    shown = stack.get(answer.headers["location"]).json()
    assert (shown["status"], shown.get("portal_code")) == (("queued", "clocks-apart") if waits else ("succeeded", None))
    assert (f"{BILLS}/ewaybillapi/" in lying.wire.asked) is waits

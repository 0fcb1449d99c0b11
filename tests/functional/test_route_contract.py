"""What any way to a portal must do, whatever stands in front of it. A new kind of route gets a row in WAYS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from gateway.domain.calendar import indian_date
from gateway.domain.outcomes import Rejections
from gateway.ports import Route
from gateway.sandbox import in_process
from gateway.services import access
from tests.support_api import PASSWORD, ROUTE, SELLER, USER, Blueprint, Stack, document

GSP_KEY = {"x-gsp-key": "key-of-the-gsp"}


@dataclass
class Front(httpx.BaseTransport):
    """What stands between the gateway and a portal: it lets pass what `admits`, below `prefix`."""

    prefix: str = ""
    admits: Callable[[httpx.Request], bool] = lambda _: True
    inside: httpx.BaseTransport | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Hand a call on, or refuse it as a GSP does."""
        assert self.inside is not None
        if not request.url.path.startswith(self.prefix) or not self.admits(request):
            return httpx.Response(401, json={"message": "who are you?"}, request=request)
        url = request.url.copy_with(raw_path=request.url.raw_path.removeprefix(self.prefix.encode()))
        body = request.read()
        return self.inside.handle_request(httpx.Request(request.method, url, headers=request.headers, content=body))


WAYS: dict[str, tuple[Route, Front]] = {
    "a portal": (ROUTE, Front()),
    "a GSP in front of it": (
        replace(ROUTE, base_url="http://gsp.test/einvoice/v1", headers=GSP_KEY),
        Front("/einvoice/v1", lambda request: request.headers.get("x-gsp-key") == GSP_KEY["x-gsp-key"]),
    ),
    "a portal among sisters": (replace(ROUTE, portal="NIC1"), Front()),
}


@pytest.fixture(params=WAYS)
def stack(request: pytest.FixtureRequest, tmp_path: Path, blueprint: Blueprint) -> Iterator[Stack]:
    """A gateway whose seller goes each way in its turn."""
    route, front = WAYS[request.param]
    with Stack(tmp_path, blueprint, transport=front) as made:
        front.inside = in_process.transport(made.sandbox)
        access.put_route(route, ports=made.ports)
        yield made


def test_it_registers_and_reads_back(stack: Stack) -> None:
    """Login, registration, signature and content; and the same document again costs no call."""
    answer = stack.post(document())
    assert answer.status_code == 201
    calls = stack.calls()
    assert stack.post(document()).status_code == 200
    assert stack.calls() == calls


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "error_5xx", "html", "unknown_code"])
def test_what_it_loses_is_found(stack: Stack, kind: str) -> None:
    """Whatever becomes of an answer, the document is registered once."""
    stack.strike(kind)
    assert stack.post(document()).status_code in (201, 202)
    for _ in range(6):
        stack.later(seconds=60)
    operation = stack.get(f"/operations/{stack.post(document()).json()['id']}").json()
    assert operation["status"] == "succeeded"
    assert stack.calls().count("generate") <= 2


def test_a_throttle_is_waited_out(stack: Stack) -> None:
    """Nothing is lost and nothing is refused for it."""
    stack.strike("throttle", retry_after_seconds=5)
    assert stack.post(document(), headers={"Prefer": "respond-async"}).status_code == 202
    stack.later(seconds=10)
    stack.later(seconds=60)
    assert stack.post(document()).json()["status"] == "succeeded"


def test_a_duplicate_of_somebody_else_is_taken_over(stack: Stack) -> None:
    """The same content, registered by another program of the taxpayer, becomes ours."""
    with stack.visitor() as visitor:
        assert visitor.generate(document()).codes == []
    assert stack.post(document()).status_code == 201


def test_it_cancels(stack: Stack) -> None:
    """At the portal, and in the ledger."""
    irn = stack.post(document()).json()["irn"]
    answer = stack.post({"reason": "other", "remarks": "taken back"}, f"/irn/{irn}/cancel")
    assert answer.status_code == 200
    assert stack.get(f"/irn/{irn}").json()["status"] == "cancelled"


def test_a_wrong_login_holds_the_work(stack: Stack) -> None:
    """It goes on by itself once the right one is entered."""
    seller = stack.ports.directory.seller(environment=ROUTE.environment, gstin=SELLER)
    assert seller is not None
    with stack.visitor():
        pass
    access.put_seller(seller, user_name=USER, password="wrong", ports=stack.ports)
    assert stack.post(document()).json()["status"] == "held"
    stack.later(seconds=5)
    access.put_seller(seller, user_name=USER, password=PASSWORD, ports=stack.ports)
    stack.later(seconds=5)
    assert stack.post(document()).json()["status"] == "succeeded"


def test_it_lists_what_was_rejected(stack: Stack) -> None:
    """What another portal had first, by day."""
    seller = stack.ports.directory.seller(environment=ROUTE.environment, gstin=SELLER)
    assert seller is not None
    irn = stack.post(document()).json()["irn"]
    stack.sandbox.configure(reject=[irn])
    day = indian_date(stack.clock.now())
    listed = stack.ports.rechecks.rejected(seller, route=ROUTE.name, day=day, keep_lease=lambda: None)
    assert listed.result == Rejections(irns=(irn,))

"""The sandbox on a real port: the same portal, and connections that break as they were told to."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.domain import strict_json
from gateway.sandbox import asgi
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.portal import Sandbox
from gateway.sandbox.visitor import Visitor
from gateway.system import SystemClock

PLAIN = strict_json.read((Path(__file__).parents[1] / "documents" / "minimal.json").read_bytes())
SELLER = PLAIN["SellerDtls"]["Gstin"]
INVOICES = "/eicore/v1.03/Invoice"
PATIENCE_SECONDS = 120
"""For one answer: reached only when there is none."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """One server for the module, on a free port of the loopback interface."""
    listener = socket.create_server(("127.0.0.1", 0))
    served = asgi.server(Sandbox(clock=SystemClock(), keys=SandboxKeys.generate()))
    thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    served.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def http(port: int) -> Iterator[httpx.Client]:
    """A client of an empty portal with no faults."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client:
        client.delete("/_ledger")
        client.post("/_control", json={"faults": [], "latency_ms": 0})
        yield client


@pytest.fixture
def visitor(http: httpx.Client) -> Visitor:
    """A user who has logged in."""
    made = Visitor(http, gstin=SELLER)
    assert made.log_in().codes == []
    return made


def _next_call_meets(http: httpx.Client, kind: str, **members: Any) -> None:
    answer = http.post("/_control", json={"faults": [{"kind": kind, "times": 1, **members}]})
    assert answer.status_code == 200


class Meeting:
    """In the place of `asyncio` for answers that come late: nobody's wait ends before so many wait."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._full = asyncio.Event()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """See `asyncio.sleep`. Raises TimeoutError when the others do not come."""
        self.waits.append(seconds)
        if len(self.waits) == self._count:
            self._full.set()
        await asyncio.wait_for(self._full.wait(), PATIENCE_SECONDS)


def _registered(http: httpx.Client) -> int:
    return len(http.get("/_ledger").text.splitlines())


def _request(visitor: Visitor, *, missing: int = 0) -> bytes:
    """A registration as it goes over the wire, so many bytes of its body missing."""
    body = visitor.seal(json.dumps(PLAIN, default=float).encode())
    lines = [f"POST {INVOICES} HTTP/1.1", "Host: portal", f"Content-Length: {len(body) + missing}"]
    lines += [f"{name}: {value}" for name, value in visitor.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _bytes_of_answer(port: int, visitor: Visitor) -> bytes:
    """What a plain socket receives for a registration, until the connection ends."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(_request(visitor))
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
    return received


def test_a_document_is_registered_and_read_back(http: httpx.Client, visitor: Visitor) -> None:
    """Login, registration, both look-ups, cancellation and master over the wire."""
    made = visitor.generate(PLAIN)
    irn = made.data["Irn"]
    assert visitor.get_irn(irn).data["SignedInvoice"] == made.data["SignedInvoice"]
    assert visitor.get_by_document(doc_type="INV", doc_no="TGW/26-27/0401", doc_date="10/11/2026").data["Irn"] == irn
    assert visitor.cancel(irn).codes == []
    assert visitor.gstin(SELLER).data["Status"] == "ACT"
    assert _registered(http) == 1
    assert http.get("/eivital/v1.04/heartbeat/ping").text.startswith("e-Invoice Vital:-")


def test_headers_with_underscores_pass_the_server(visitor: Visitor) -> None:
    """client_id and user_name reach the portal as they are published."""
    assert "client_id" in visitor.headers
    assert visitor.gstin(SELLER).codes == []


@pytest.mark.parametrize("style", ["reset", "closed"])
@pytest.mark.parametrize(("kind", "count"), [("drop_before", 0), ("drop_after", 1), ("late", 0)])
def test_a_drop_breaks_the_connection(http: httpx.Client, visitor: Visitor, kind: str, count: int, style: str) -> None:
    """A reset or an orderly end, with the work done or not; the next call is served as ever."""
    _next_call_meets(http, kind, style=style)
    with pytest.raises({"reset": httpx.ReadError, "closed": httpx.RemoteProtocolError}[style]):
        visitor.generate(PLAIN)
    assert _registered(http) == count
    assert visitor.gstin(SELLER).codes == []


@pytest.mark.parametrize("kind", ["refuse", "drop_before", "drop_after"])
def test_a_dropped_connection_carries_no_byte(http: httpx.Client, port: int, visitor: Visitor, kind: str) -> None:
    """Not even a status line."""
    _next_call_meets(http, kind)
    assert _bytes_of_answer(port, visitor) == b""


@pytest.mark.parametrize("at", [0, 1, 1000])
def test_an_answer_is_cut_at_its_byte(http: httpx.Client, port: int, visitor: Visitor, at: int) -> None:
    """The full length is promised, and k bytes come."""
    _next_call_meets(http, "cut", at=at)
    head, _, body = _bytes_of_answer(port, visitor).partition(b"\r\n\r\n")
    promised = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert len(body) == at < promised
    assert _registered(http) == 1


def test_a_cut_answer_is_an_error_of_the_protocol(http: httpx.Client, visitor: Visitor) -> None:
    """As httpx reports it, the same as in process."""
    _next_call_meets(http, "cut")
    with pytest.raises(httpx.RemoteProtocolError):
        visitor.generate(PLAIN)


def test_a_silent_connection_times_out_at_the_client(http: httpx.Client, port: int, visitor: Visitor) -> None:
    """The client decides how long it waits; when it leaves, the portal lets go."""
    _next_call_meets(http, "drop_after", style="timeout")
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as impatient:
        impatient.sendall(_request(visitor))
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while not _registered(http):
            assert time.monotonic() < ends_at
        impatient.settimeout(0.1)
        with pytest.raises(TimeoutError):
            impatient.recv(1)
    assert _registered(http) == 1


@pytest.mark.parametrize(
    ("kind", "members", "status"),
    [
        ("error_5xx", {"status": 504}, 504),
        ("html", {}, 200),
        ("throttle", {}, 429),
        ("unknown_code", {}, 200),
        ("expire_session", {}, 200),
        ("garble", {}, 200),
    ],
)
def test_a_spoiled_answer_arrives_whole(
    http: httpx.Client, visitor: Visitor, kind: str, members: dict[str, Any], status: int
) -> None:
    """Faults in the content are ordinary answers to the transport."""
    _next_call_meets(http, kind, **members)
    body = visitor.seal(json.dumps(PLAIN, default=float).encode())
    answer = http.post(INVOICES, content=body, headers=visitor.headers)
    assert answer.status_code == status
    assert len(answer.content) == int(answer.headers["content-length"]) > 0


def test_waiting_calls_do_not_wait_for_each_other(
    http: httpx.Client, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty calls that are to be answered late wait at the same time."""
    meeting = Meeting(20)
    monkeypatch.setattr(asgi, "asyncio", meeting)
    http.post("/_control", json={"latency_ms": 100})
    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda _: visitor.gstin(SELLER).codes, range(20)))
    assert codes == [[]] * 20
    assert meeting.waits == [0.1] * 20


def test_a_delayed_answer_comes_later(http: httpx.Client, visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the milliseconds that were asked for."""
    meeting = Meeting(1)
    monkeypatch.setattr(asgi, "asyncio", meeting)
    _next_call_meets(http, "delay", ms=50)
    assert visitor.generate(PLAIN).codes == []
    assert meeting.waits == [0.05]


def test_a_body_that_is_too_large_is_refused(http: httpx.Client) -> None:
    """413 before anything is decrypted."""
    assert http.post(INVOICES, content=b" " * (asgi.BODY_BYTES_MAX + 1)).status_code == 413


def test_half_a_request_registers_nothing(http: httpx.Client, port: int, visitor: Visitor) -> None:
    """A client that leaves before the end of its body was never heard."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(_request(visitor, missing=1))
    assert [json.loads(line)["operation"] for line in http.get("/_calls").text.splitlines()] == ["login"]


def test_nothing_listens_beyond_this_machine() -> None:
    """The default address is the loopback interface: the portal asks nobody who they are."""
    sandbox = Sandbox(clock=SystemClock(), keys=SandboxKeys.generate())
    assert asgi.server(sandbox).config.host == "127.0.0.1"

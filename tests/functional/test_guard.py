"""Connections that are opened to be held, byte by byte, against the server that carries the API.

The time-out that a test is about is short, all others are long. No test measures time: a connection that is not given
up keeps its test waiting for two minutes, and fails it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Self

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.api import edge, guard, metering
from gateway.domain import strict_json
from gateway.settings import Settings

WAIT_SECONDS = 120
BRIEF_SECONDS = 0.15
LIMIT_FIELDS = metering.nobodys_fields(Settings())
LONG = guard.Patience(head=WAIT_SECONDS, rest=WAIT_SECONDS, answer=WAIT_SECONDS)
BRIEF_HEAD = replace(LONG, head=BRIEF_SECONDS)
BRIEF_REST = replace(LONG, rest=BRIEF_SECONDS)
BRIEF_ANSWER = replace(LONG, answer=BRIEF_SECONDS)
BASES = {"httptools": HttpToolsProtocol, "h11": H11Protocol}
GET = b"GET /small HTTP/1.1\r\nHost: x\r\n"


class Site:
    """A small application that answers at once or not, and a count of who called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.connections: Collection[object] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and read the body before if the path says so, or wait until the caller has gone."""
        self.calls.append(scope["path"])
        if scope["path"] == "/waits":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if scope["path"] == "/reads":
            while (await receive()).get("more_body"):
                pass
        body = bytes(50_000_000) if scope["path"] == "/large" else b"ok"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


def changing(*, head: float) -> Any:
    """A patience whose head a test may change, for the next one that is waited for."""
    return SimpleNamespace(head=head, rest=WAIT_SECONDS, answer=WAIT_SECONDS)


@contextmanager
def serving(site: Site, patience: guard.Patience, base: type[Any], *, connections_max: int = 100) -> Iterator[int]:
    """The application on a port of the loopback interface."""
    config = uvicorn.Config(
        site,
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        timeout_keep_alive=WAIT_SECONDS,
        http=guard.protocol(
            patience, lambda: "req_guard", connections_max=connections_max, limit_fields=LIMIT_FIELDS, base=base
        ),
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config)
        site.connections = server.server_state.connections
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(params=BASES)
def base(request: pytest.FixtureRequest) -> type[Any]:
    """Either of the protocols that the server may have."""
    return BASES[request.param]


class Caller:
    """A client that says what it likes when it likes."""

    def __init__(self, port: int) -> None:
        self.stream = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def say(self, data: bytes) -> None:
        """Send, as far as the other side lets us."""
        try:
            self.stream.sendall(data)
        except ConnectionError:
            return

    def hears(self, end: bytes) -> None:
        """Everything up to these bytes."""
        heard = b""
        while not heard.endswith(end):
            more = self.stream.recv(65_536)
            assert more, heard
            heard += more

    def heard(self) -> bytes:
        """Everything until the server hangs up. Raises TimeoutError when it does not."""
        heard = b""
        try:
            while more := self.stream.recv(65_536):
                heard += more
        except ConnectionResetError:
            pass
        return heard

    def drips(self, data: bytes) -> None:
        """Say one byte after the other, for as long as it takes the server to lose its patience."""

        def drip() -> None:
            for index in range(len(data)):
                if over.wait(0.01):
                    return
                self.say(data[index : index + 1])

        over = threading.Event()
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            self.last = self.heard()
        finally:
            over.set()
            thread.join()


def problem_of(answer: bytes) -> tuple[bytes, dict[str, Any]]:
    """The status line, and the problem; with what every answer carries."""
    head, _, body = answer.partition(b"\r\n\r\n")
    fields = head.decode().lower()
    for name, value in {**edge.ALWAYS, **edge.UNLESS_SAID, **LIMIT_FIELDS}.items():
        assert f"\r\n{name}: {value}\r\n".lower() in f"{fields}\r\n"
    assert "\r\nconnection: close" in fields
    assert "\r\ncontent-type: application/problem+json" in fields
    problem: dict[str, Any] = strict_json.read(body)
    assert problem["request_id"] == "req_guard"
    assert "\r\nx-request-id: req_guard" in fields
    return head.split(b" ")[1], problem


@pytest.mark.parametrize("before", [b"", GET + b"\r\n"], ids=["new", "kept"])
def test_a_head_that_drips_is_given_up(base: type[Any], before: bytes) -> None:
    """A byte now and then does not hold a connection, on a new one and on one that has had an answer."""
    site, patience = Site(), changing(head=WAIT_SECONDS if before else 1)
    with serving(site, patience, base) as port, Caller(port) as caller:
        if before:
            caller.say(before)
            caller.hears(b"ok")
            patience.head = BRIEF_SECONDS
        caller.drips(b"GET / HTTP/1.1\r\nX-Slow: " + b"x" * 2000)
    answer = caller.last.rpartition(b"HTTP/1.1 408")
    assert problem_of(answer[1] + answer[2])[1]["code"] == "request-too-slow"
    assert site.calls == ["/small"] * bool(before)


def test_who_says_nothing_is_not_waited_for(base: type[Any]) -> None:
    """A connection without a byte is closed without one."""
    with serving(Site(), BRIEF_HEAD, base) as port, Caller(port) as caller:
        assert caller.heard() == b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 20_000,
        b"GET /" + b"a" * 200_000,
        b"G" * 200_000,
    ],
    ids=["a field", "fields", "a path", "a method"],
)
def test_a_head_without_an_end_is_refused(base: type[Any], head: bytes) -> None:
    """Nothing that is longer than any head is collected in memory."""
    site = Site()
    with serving(site, LONG, base) as port, Caller(port) as caller:
        caller.say(head)
        answer = caller.heard()
    status, problem = problem_of(answer)
    assert (status, problem["code"]) in {(b"431", "headers-too-large"), (b"400", "request-malformed")}
    assert site.calls == []


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /reads HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    ],
    ids=[
        "TLS",
        "two lengths",
        "a blank in a name",
        "a NUL",
        "a length in letters",
        "a bad chunk",
        "SSH",
    ],
)
def test_what_is_no_http_is_told_so(base: type[Any], nonsense: bytes) -> None:
    """With a problem like every other, and an end of the connection."""
    with serving(Site(), LONG, base) as port, Caller(port) as caller:
        caller.say(nonsense)
        answer = caller.heard()
    assert problem_of(answer)[1]["code"] == "request-malformed"


def test_the_rest_of_a_body_is_not_waited_for(base: type[Any]) -> None:
    """Whoever was answered before the end of its body gets the answer, and has to come to an end."""
    with serving(Site(), BRIEF_REST, base) as port, Caller(port) as caller:
        caller.say(b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n")
        caller.drips(b"x" * 2000)
    assert caller.last.endswith(b"ok")


def test_the_rest_of_a_body_is_not_read_without_end(base: type[Any]) -> None:
    """However fast it comes."""
    with serving(Site(), LONG, base) as port, Caller(port) as caller:
        caller.say(b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert caller.stream.recv(65_536).startswith(b"HTTP/1.1 200")
        for _ in range(40):
            caller.say(bytes(1_000_000))
        caller.heard()


def test_an_answer_that_nobody_takes_is_given_up(base: type[Any]) -> None:
    """A client that asks for much and reads nothing holds no connection."""
    site = Site()
    with serving(site, BRIEF_ANSWER, base) as port, Caller(port) as caller:
        caller.say(GET.replace(b"small", b"large") + b"\r\n")
        _until(lambda: len(site.calls) == 1)
        _until(lambda: not site.connections)


@contextmanager
def callers(count: int, site: Site, port: int, *, path: bytes) -> Iterator[list[Caller]]:
    """So many connections, each with a request that has reached the application."""
    with ExitStack() as stack:
        made = [stack.enter_context(Caller(port)) for _ in range(count)]
        for caller in made:
            caller.say(GET.replace(b"/small", path) + b"\r\n")
        _until(lambda: len(site.calls) >= count)
        yield made


def test_a_connection_too_many_is_told_so(base: type[Any]) -> None:
    """With 503 and when to come back; once somebody has gone, the next one is served."""
    site = Site()
    with serving(site, LONG, base, connections_max=3) as port, callers(3, site, port, path=b"/waits") as busy:
        with Caller(port) as caller:
            caller.say(GET + b"\r\n")
            answer = caller.heard()
        status, problem = problem_of(answer)
        assert (status, problem["code"]) == (b"503", "connections-exhausted")
        assert b"\r\nretry-after: 1\r\n" in answer
        assert (problem["retryAfter"], problem["limit_owner"]) == (1, "gateway")
        assert site.calls == ["/waits"] * 3
        busy[0].stream.close()
        _until(lambda: len(site.connections) == 2)
        with Caller(port) as caller:
            caller.say(GET + b"\r\n")
            assert b"ok" in caller.stream.recv(65_536)


def test_who_rests_makes_room(base: type[Any]) -> None:
    """Connections that are kept for later requests keep nobody out."""
    site = Site()
    with serving(site, LONG, base, connections_max=3) as port, callers(3, site, port, path=b"/small") as resting:
        for caller in resting:
            assert b"ok" in caller.stream.recv(65_536)
        with Caller(port) as newcomer:
            newcomer.say(GET + b"\r\n")
            assert b"ok" in newcomer.stream.recv(65_536)
            _until(lambda: len(site.connections) == 3)


def test_a_crowd_is_hung_up_on(base: type[Any]) -> None:
    """So many are told, no more: each holds a file as long as it is talked to."""
    site = Site()
    with serving(site, LONG, base, connections_max=1) as port, callers(1, site, port, path=b"/waits"), ExitStack() as s:
        for _ in range(guard.TOLD_MAX):
            s.enter_context(Caller(port))
        _until(lambda: len(site.connections) == 1 + guard.TOLD_MAX)
        with Caller(port) as caller:
            assert caller.heard() == b""


def _until(so: Callable[[], bool]) -> None:
    """Look until it is so."""
    for _ in range(WAIT_SECONDS * 100):
        if so():
            return
        threading.Event().wait(0.01)
    pytest.fail("it was waited for in vain")


def test_who_is_quick_is_served(base: type[Any]) -> None:
    """Requests in one go, in pieces, one behind another and one after another are all answered, on one connection."""
    site = Site()
    with serving(site, replace(LONG, rest=0.05, answer=0.05), base) as port, Caller(port) as caller:
        answers = 0
        for part in (GET + b"\r\n", GET, b"\r\n", (GET + b"\r\n") * 3):
            caller.say(part)
        caller.say(b"POST /reads HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        caller.say(b"cd" + GET + b"Connection: close\r\n\r\n")
        answers = caller.heard().count(b"HTTP/1.1 200")
    assert (answers, site.calls) == (7, ["/small"] * 5 + ["/reads", "/small"])


def test_a_kept_connection_is_not_hurried(base: type[Any], wait: Callable[[float], None]) -> None:
    """Between two requests a connection may rest for longer than a head may take."""
    patience = changing(head=WAIT_SECONDS)
    with serving(Site(), patience, base) as port, Caller(port) as caller:
        for _ in range(2):
            caller.say(GET + b"\r\n")
            caller.hears(b"ok")
            patience.head = BRIEF_SECONDS
            wait(2 * BRIEF_SECONDS)


@pytest.fixture
def wait() -> Callable[[float], None]:
    """Let real time pass, for which there is no clock to set: the loop's own timers are what is looked at."""
    return lambda seconds: threading.Event().wait(seconds) and None

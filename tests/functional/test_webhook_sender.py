"""The wire to receivers, against a zoo of them: each is given the right meaning, within the sender's own time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.ports import Answer, Verdict
from gateway.system import SystemIds
from gateway.webhooks.addresses import AddressGuard
from gateway.webhooks.connections import Connections, connect_tcp, tls_context
from gateway.webhooks.exchange import ANSWER_BYTES_MAX, EXCERPT_BYTES
from gateway.webhooks.networks import Address
from gateway.webhooks.resolving import LOOKUPS_MAX, Resolver, UnresolvedError
from gateway.webhooks.sender import HttpSender, Patience
from gateway.webhooks.signing import SigningSecrets
from tests import receivers
from tests.certificates import Authority
from tests.receivers import answer, cutting, receiving, saying, slow
from tests.support import FakeClock
from tests.support_webhooks import BODY, PUBLIC, SECRET, Names, dispatch, sender

BRIEF = Patience(connect_seconds=2, seconds=0.4)
LONG = Patience(connect_seconds=120, seconds=120)
HOST = "hooks.example.com"
HTTPS_URL = "https://hooks.example.com/hook"
TWO_LENGTHS = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"

ZOO: list[tuple[str, receivers.Behaviour, Verdict, int | None, str | None]] = [
    ("healthy", saying(200), Verdict.DELIVERED, 200, None),
    ("no content", cutting(b"HTTP/1.1 204 None\r\n\r\n"), Verdict.DELIVERED, 204, None),
    ("accepted", saying(202), Verdict.DELIVERED, 202, None),
    ("the last of 2xx", saying(299), Verdict.DELIVERED, 299, None),
    ("slow", slow(0.1), Verdict.DELIVERED, 200, None),
    ("dripping body", receivers.dripping_body, Verdict.DELIVERED, 200, None),
    ("endless body", receivers.endless_body, Verdict.DELIVERED, 200, None),
    ("gzip bomb", receivers.bomb, Verdict.DELIVERED, 200, None),
    ("body that is cut", cutting(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"), Verdict.DELIVERED, 200, None),
    ("an early hint first", cutting(b"HTTP/1.1 103 Hint\r\n\r\n" + answer(200)), Verdict.DELIVERED, 200, None),
    ("redirecting", receivers.redirecting, Verdict.FAILED, 302, None),
    ("redirecting for good", saying(308, Location="https://hooks.example.com/"), Verdict.FAILED, 308, None),
    ("not modified", cutting(b"HTTP/1.1 304 Not\r\n\r\n"), Verdict.FAILED, 304, None),
    ("unauthorised", saying(401), Verdict.FAILED, 401, None),
    ("refusing", saying(500), Verdict.FAILED, 500, None),
    ("away", saying(503), Verdict.FAILED, 503, None),
    ("gone", saying(410), Verdict.GONE, 410, None),
    ("throttling", saying(429), Verdict.SLOW_DOWN, 429, None),
    ("bad gateway", saying(502), Verdict.SLOW_DOWN, 502, None),
    ("gateway's time-out", saying(504), Verdict.SLOW_DOWN, 504, None),
    ("stalling", receivers.stalling, Verdict.FAILED, None, "timeout"),
    ("dripping head", receivers.dripping_head, Verdict.FAILED, None, "timeout"),
    ("endless head", receivers.endless_head, Verdict.FAILED, None, "too-long"),
    ("endless promises", receivers.endless_promises, Verdict.FAILED, None, "too-long"),
    ("resetting", receivers.resetting, Verdict.FAILED, None, "reset"),
    ("hanging up", cutting(b""), Verdict.FAILED, None, "protocol"),
    ("hanging up in the head", cutting(b"HTTP/1.1 200 OK\r\nX-"), Verdict.FAILED, None, "protocol"),
    ("no HTTP", cutting(b"\x15\x03\x01\x00\x02\x02\x46 no protocol\r\n\r\n"), Verdict.FAILED, None, "protocol"),
    ("switching protocols", cutting(b"HTTP/1.1 101 Switching\r\n\r\n"), Verdict.FAILED, None, "protocol"),
    (
        "two lengths",
        cutting(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        Verdict.FAILED,
        None,
        "protocol",
    ),
]


@pytest.mark.parametrize(
    ("behave", "verdict", "status", "error"), [each[1:] for each in ZOO], ids=[each[0] for each in ZOO]
)
def test_every_receiver_is_given_its_meaning(
    behave: receivers.Behaviour, verdict: Verdict, status: int | None, error: str | None
) -> None:
    """Whatever it does, it is judged by its status, and it holds nobody past the sender's patience."""
    patience = BRIEF if error == "timeout" else LONG
    with receiving(behave, SECRET) as receiver, sender(patience=patience) as one:
        found = one.send(dispatch(receiver.url))
        assert (found.verdict, found.status, found.error) == (verdict, status, error)
        _until(lambda: receiver.received)
        assert [request.body for request in receiver.received] == [BODY]


def _until(so: Callable[[], object]) -> None:
    """Look until it is so: another thread has to come to it."""
    ends_at = time.monotonic() + LONG.seconds
    while not so():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_nobody_listening_is_a_failure() -> None:
    """A connection that is refused tells so, and nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with sender() as one:
        found = one.send(dispatch(f"http://127.0.0.1:{port}/"))
    assert (found.verdict, found.status, found.error) == (Verdict.FAILED, None, "connect")


def test_a_body_that_drips_holds_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the status is there the rest is worth a moment, not the whole patience."""
    monkeypatch.setattr("gateway.webhooks.exchange.BODY_SECONDS_MAX", 0.1)
    read_to_the_end = threading.Event()

    def drip(talk: receivers.Talk) -> bool:
        talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 500", receivers.HEAD_END)
        talk.drip(b"x" * 500)
        if not talk.stopping.is_set():
            read_to_the_end.set()
        return False

    with receiving(drip, SECRET) as receiver, sender() as one:
        assert one.send(dispatch(receiver.url)).verdict is Verdict.DELIVERED
    assert not read_to_the_end.is_set()


def test_a_receiver_that_does_not_read_is_given_up() -> None:
    """Writing has the same end as reading."""
    with socket.create_server(("127.0.0.1", 0)) as listener, sender(patience=BRIEF) as one:
        found = one.send(dispatch(f"http://127.0.0.1:{listener.getsockname()[1]}/", body=bytes(20_000_000)))
    assert (found.verdict, found.error) == (Verdict.FAILED, "timeout")


def test_a_name_service_that_hangs_is_not_waited_for() -> None:
    """It holds one thread for a name, not one for every message, and no message past its time to connect."""
    release = threading.Event()
    asked = []

    def hang(host: str) -> list[str]:
        asked.append(host)
        release.wait()
        return []

    with sender(hang, patience=Patience(connect_seconds=0.05)) as one:
        found = [one.send(dispatch(HTTPS_URL)) for _ in range(3)]
    _until(lambda: asked)
    release.set()
    assert [(each.verdict, each.error) for each in found] == [(Verdict.FAILED, "name")] * 3
    assert asked == [HOST]


def test_hanging_names_do_not_pile_up() -> None:
    """Only so many names are looked up at once."""
    release, asked = threading.Event(), []

    def hang(host: str) -> list[str]:
        asked.append(host)
        release.wait()
        return [PUBLIC]

    resolver = Resolver(hang)
    for number in range(LOOKUPS_MAX):
        with pytest.raises(UnresolvedError):
            resolver.resolve(f"{number}.example.com", seconds=0)
    with pytest.raises(UnresolvedError):
        resolver.resolve("one-too-many.example.com", seconds=10)
    _until(lambda: len(asked) == LOOKUPS_MAX)
    release.set()
    assert "one-too-many.example.com" not in asked


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("0", 1),
        ("7", 7),
        ("3600", 3600),
        ("999999", 21600),
        ("9" * 400, 21600),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
        ("Fri, 20 Nov 2015 06:30:00 GMT", 1),
        ("Fri, 20 Nov 2099 06:30:00 GMT", 21600),
    ],
)
def test_a_wish_for_a_pause_is_read_within_bounds(asked: str, seconds: int | None) -> None:
    """As seconds or as a date; a longer one is cut, and what cannot be read is none."""
    with receiving(saying(429, Retry_After=asked), SECRET) as receiver, sender() as one:
        found = one.send(dispatch(receiver.url))
    assert (found.verdict, found.retry_after_seconds) == (Verdict.SLOW_DOWN, seconds)


@pytest.mark.parametrize("before", [10, 985], ids=["whole", "cut short"])
def test_the_excerpt_has_no_key_of_the_client_s(before: int) -> None:
    """Error pages show the request again. Its fields are kept sealed, and stay so: with their scheme or without."""
    headers = {"Authorization": "Bearer my-gateway-key-0123456789", "X-Tenant": "12"}
    body = b"x" * before + b"my-gateway-key-0123456789" + b" for tenant 12" + b"x" * 20
    with receiving(saying(500, body)) as receiver, sender() as one:
        found = one.send(dispatch(receiver.url, headers=headers))
    assert "my-gateway" not in found.excerpt
    assert found.excerpt.startswith("x" * before + "(hidden)" + (" for tenant 12" if before == 10 else ""))


def test_the_excerpt_is_short_and_does_nothing() -> None:
    """It is the first kilobyte, without what steers terminals, pages and databases."""
    body = "न\x00\x1b[31m\u202e<b>\r\nline\ttab".encode() + b"\xff" + b"x" * 5000
    with receiving(saying(500, body), SECRET) as receiver, sender() as one:
        found = one.send(dispatch(receiver.url))
    assert found.excerpt.startswith("न\ufffd\ufffd[31m\ufffd<b>\nline\ttab\ufffdxxx")
    assert len(found.excerpt) <= EXCERPT_BYTES
    assert len(found.excerpt) > EXCERPT_BYTES - 20


def test_nothing_is_unpacked() -> None:
    """A packed answer is told of and not looked into."""
    with receiving(receivers.bomb, SECRET) as receiver, sender() as one:
        found = one.send(dispatch(receiver.url))
    assert found.excerpt == "(packed as gzip, not shown)"


def test_no_more_is_read_than_the_limit() -> None:
    """At most 16 kB leave the socket, whatever the receiver pours into it."""
    sizes = []

    class Counting(socket.socket):
        def recv(self, size: int, flags: int = 0) -> bytes:
            data = super().recv(size, flags)
            sizes.append(len(data))
            return data

    def connect(address: Address, port: int, seconds: float) -> socket.socket:
        plain = connect_tcp(address, port, seconds)
        return Counting(fileno=plain.detach())

    with receiving(receivers.endless_body, SECRET) as receiver, sender(connect=connect) as one:
        assert one.send(dispatch(receiver.url)).verdict is Verdict.DELIVERED
    assert 0 < sum(sizes) <= ANSWER_BYTES_MAX


def test_a_redirect_to_this_machine_is_not_followed() -> None:
    """The receiver that it points at hears nothing."""
    with receiving(saying(200), SECRET) as inside:
        moved = saying(307, Location=inside.url)
        with receiving(moved, SECRET) as receiver, sender() as one:
            assert one.send(dispatch(receiver.url)).status == 307
        assert inside.connections == 0


def test_the_environment_and_cookies_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No proxy, no netrc and no cookie of an answer before has a say."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("HOME", str(tmp_path))
    with receiving(saying(200, Set_Cookie="a=b"), SECRET) as receiver, sender() as one:
        for _ in range(2):
            assert one.send(dispatch(receiver.url)).verdict is Verdict.DELIVERED
        assert [{"cookie", "authorization"} & request.headers.keys() for request in receiver.received] == [set()] * 2


def test_the_request_is_as_it_is_documented() -> None:
    """A POST of the very bytes, with the endpoint's own headers beside ours."""
    with receiving(saying(200), SECRET) as receiver, sender() as one:
        one.send(dispatch(receiver.url, headers={"X-Tenant": "nine", "Authorization": "Bearer theirs"}))
        request = receiver.received[0]
    assert (request.path, request.body) == ("/hook?of=erp", BODY)
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert (request.headers["x-tenant"], request.headers["authorization"]) == ("nine", "Bearer theirs")
    assert (request.headers["content-type"], request.headers["accept-encoding"]) == ("application/json", "identity")
    assert request.headers["user-agent"].startswith("Mohar/")


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "webhook-id", "Webhook-Signature"])
def test_an_endpoint_cannot_set_what_is_ours(name: str) -> None:
    """A header that would change the message's framing, its way or its signature is left out."""
    with receiving(saying(200), SECRET) as receiver, sender() as one:
        assert one.send(dispatch(receiver.url, headers={name: "theirs"})).verdict is Verdict.DELIVERED
        assert receiver.received[0].headers.get(name.lower()) != "theirs"


@pytest.mark.parametrize("headers", [{"X-A": "b\r\nX-C: d"}, {"X A": "b"}, {"": "b"}, {"X-A:": "b"}])
def test_a_header_that_is_none_sends_nothing(headers: dict[str, str]) -> None:
    """What could smuggle a line into a request is never written."""
    with receiving(saying(200), SECRET) as receiver, sender() as one:
        found = one.send(dispatch(receiver.url, headers=headers))
        assert (found.verdict, found.error) == (Verdict.FAILED, "headers")
        assert receiver.received == []


def test_both_secrets_sign_while_one_is_replaced() -> None:
    """A receiver verifies with either; one with neither does not."""
    other = SigningSecrets(SystemIds().random_bytes).new()
    stranger = SigningSecrets(SystemIds().random_bytes).new()
    with receiving(saying(200), SECRET, other) as receiver, sender() as one:
        one.send(dispatch(receiver.url, secrets=(other, SECRET)))
        request = receiver.received[0]
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    with pytest.raises(WebhookVerificationError):
        Webhook(stranger).verify(request.body, dict(request.headers))


@pytest.mark.parametrize("tampered", ["webhook-id", "webhook-timestamp", "webhook-signature", "body"])
def test_a_message_that_was_tampered_with_fails(tampered: str) -> None:
    """Id, time, signature and body: a change of any of them is seen by the independent library."""
    with receiving(saying(200), SECRET) as receiver, sender() as one:
        one.send(dispatch(receiver.url))
        request = receiver.received[0]
    headers, body = dict(request.headers), request.body
    Webhook(SECRET).verify(body, headers)
    if tampered == "body":
        body = body.replace(b"1f", b"2f")
    elif tampered == "webhook-timestamp":
        headers[tampered] = str(int(headers[tampered]) + 1)
    elif tampered == "webhook-signature":
        headers[tampered] = "v1," + headers[tampered][3:][::-1].replace("=", "A")
    else:
        headers[tampered] += "x"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers)


def test_every_attempt_has_the_same_id_and_a_fresh_time() -> None:
    """So that a receiver can tell a repetition from a new event, and an old message from a fresh one."""
    clock = FakeClock(datetime.now(UTC))
    guard = AddressGuard(Resolver(Names({})), loopback=True)
    with receiving(saying(500), SECRET) as receiver:
        one = HttpSender(clock=clock, guard=guard, connections=Connections(clock))
        for _ in range(3):
            one.send(dispatch(receiver.url))
            clock.step(seconds=20)
        one.close()
        headers = [request.headers for request in receiver.received]
    assert {each["webhook-id"] for each in headers} == {"evt_1"}
    times = [int(each["webhook-timestamp"]) for each in headers]
    assert [later - earlier for earlier, later in pairwise(times)] == [20, 20]


def test_a_connection_serves_again() -> None:
    """Several messages to one receiver go over one connection, and a thread of its own each way."""
    with receiving(saying(200), SECRET) as receiver, sender() as one:
        for _ in range(5):
            assert one.send(dispatch(receiver.url)).verdict is Verdict.DELIVERED
        assert (len(receiver.received), receiver.connections) == (5, 1)


def test_a_connection_that_ended_meanwhile_costs_no_delivery() -> None:
    """Where the receiver hung up between two messages, the second goes over a new connection."""

    def once(talk: receivers.Talk) -> bool:
        talk.say(answer(200))
        return False

    with receiving(once, SECRET) as receiver, sender() as one:
        assert [one.send(dispatch(receiver.url)).verdict for _ in range(5)] == [Verdict.DELIVERED] * 5
        assert (len(receiver.received), receiver.connections) == (5, 5)


@pytest.mark.parametrize(
    ("second", "error", "requests"),
    [
        (receivers.resetting, "reset", 3),
        (cutting(b""), "protocol", 3),
        (cutting(b"HTTP/1.1 200 OK\r\nX-"), "protocol", 2),
    ],
)
def test_a_connection_that_ends_under_a_message_is_replaced_once(
    second: receivers.Behaviour, error: str, requests: int
) -> None:
    """A kept connection may die just as it is used: then the message goes again over a new one, and only once.

    Not so when an answer had begun: then the receiver has the message.
    """

    def behave(talk: receivers.Talk) -> bool:
        return saying(200)(talk) if talk.count == 1 else second(talk)

    with receiving(behave, SECRET) as receiver, sender() as one:
        assert one.send(dispatch(receiver.url)).verdict is Verdict.DELIVERED
        assert one.send(dispatch(receiver.url)).error == error
        assert len(receiver.received) == requests


def test_a_connection_that_says_more_than_was_asked_is_not_kept() -> None:
    """What follows an answer would be taken for the next one."""
    with receiving(chatty, SECRET) as receiver, sender() as one:
        for _ in range(2):
            assert one.send(dispatch(receiver.url)).status == 200
        assert receiver.connections == 2


def chatty(talk: receivers.Talk) -> bool:
    """Two answers to one request."""
    talk.say(answer(200), answer(500))
    return True


def test_many_threads_share_a_sender() -> None:
    """Each gets the answer to its own message."""
    answers: list[Answer] = []
    with receiving(saying(200), SECRET) as receiver, sender() as one:

        def work() -> None:
            answers.extend(one.send(dispatch(receiver.url)) for _ in range(20))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert receiver.connections <= 8
        assert len(receiver.received) == 160
    assert {each.verdict for each in answers} == {Verdict.DELIVERED}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whose certificates the sender trusts."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize(
    ("names", "days", "verdict", "error"),
    [
        ((HOST,), 10, Verdict.DELIVERED, None),
        (("other.example.com",), 10, Verdict.FAILED, "tls"),
        (("*.example.com",), 10, Verdict.DELIVERED, None),
        ((HOST,), -1, Verdict.FAILED, "tls"),
    ],
)
def test_the_certificate_has_to_be_the_name_s(
    names: tuple[str], days: int, verdict: Verdict, error: str | None, authority: Authority
) -> None:
    """The connection goes to the checked address, and what listens there proves that it is the name's."""
    server = authority.server_context(names[0], days=days)
    told: list[str | None] = []
    server.sni_callback = lambda _stream, name, _context: told.append(name)
    with receiving(saying(200), SECRET, tls=server) as receiver:
        dialled = []

        def connect(address: Address, port: int, seconds: float) -> socket.socket:
            dialled.append((str(address), port))
            return socket.create_connection(("127.0.0.1", receiver.port), seconds)

        trusting = authority.trusted_by(tls_context())
        with sender(Names({HOST: [[PUBLIC]]}), connect=connect, tls=trusting) as one:
            found = one.send(dispatch(HTTPS_URL))
    assert (found.verdict, found.error) == (verdict, error)
    assert (dialled, told) == ([(PUBLIC, 443)], [HOST])


def test_a_stranger_s_certificate_is_not_trusted(authority: Authority) -> None:
    """Only authorities that the operating system trusts vouch for a receiver."""
    with receiving(saying(200), SECRET, tls=authority.server_context(HOST)) as receiver:
        with sender(
            Names({HOST: [[PUBLIC]]}), connect=lambda *_: socket.create_connection(("127.0.0.1", receiver.port), 5)
        ) as one:
            found = one.send(dispatch(HTTPS_URL))
        assert (found.verdict, found.error) == (Verdict.FAILED, "tls")
        assert receiver.received == []


def test_a_kept_connection_is_left_when_its_address_is_no_longer_the_name_s(authority: Authority) -> None:
    """What the name service said last counts, for connections that are open already too."""
    other = "93.184.216.34"
    names = Names({HOST: [[PUBLIC], [PUBLIC], [other]]})
    dialled = []
    with receiving(saying(200), SECRET, tls=authority.server_context(HOST)) as receiver:

        def connect(address: Address, _port: int, seconds: float) -> socket.socket:
            dialled.append(str(address))
            return socket.create_connection(("127.0.0.1", receiver.port), seconds)

        with sender(names, connect=connect, tls=authority.trusted_by(tls_context())) as one:
            for _ in range(3):
                assert one.send(dispatch(HTTPS_URL)).verdict is Verdict.DELIVERED
    assert dialled == [PUBLIC, other]


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    """A name with two addresses is reached while one of them is."""
    names = Names({HOST: [[PUBLIC, "93.184.216.34"]]})
    dialled = []

    def connect(address: Address, _port: int, _seconds: float) -> socket.socket:
        dialled.append(str(address))
        raise ConnectionRefusedError

    with sender(names, connect=connect) as one:
        assert one.send(dispatch(HTTPS_URL)).error == "connect"
    assert dialled == [PUBLIC, "93.184.216.34"]

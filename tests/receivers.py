"""Receivers of events, good and bad, on this machine. Each verifies what it gets with a library that is not ours."""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from standardwebhooks import Webhook, WebhookVerificationError

HEAD_END: Final = b"\r\n\r\n"
DRIP_SECONDS: Final = 0.02
"""Between two bytes of a dripping answer. Tests shorten the sender's patience instead of waiting for it."""
ENDLESS_BYTES_MAX: Final = 64_000_000
"""Where what is endless ends after all, so that a sender which reads on fails a test instead of a machine."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as it came. Names of headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Talk:
    """A connection in the hands of a behaviour.

    `count` is that of the request among all of the receiver's, `times` that of its message.
    """

    stream: socket.socket
    stopping: threading.Event
    count: int
    times: int

    def say(self, *parts: bytes) -> None:
        """Send, at once."""
        self.stream.sendall(b"".join(parts))

    def drip(self, text: bytes) -> None:
        """Send byte by byte, for as long as somebody listens."""
        for index in range(len(text)):
            self.say(text[index : index + 1])
            if self.stopping.wait(DRIP_SECONDS):
                return

    def pour(self, text: bytes) -> None:
        """Send again and again."""
        for _ in range(ENDLESS_BYTES_MAX // len(text)):
            self.say(text)

    def reset(self) -> None:
        """End the connection with a reset instead of an end."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Behaviour = Callable[[Talk], bool]
"""Answers one request. False closes the connection."""


def answer(status: int, body: bytes = b"ok", **headers: str) -> bytes:
    """A whole answer. Names of headers have underscores for hyphens."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + HEAD_END + body


def saying(status: int, body: bytes = b"ok", **headers: str) -> Behaviour:
    """Always the same whole answer."""

    def behave(talk: Talk) -> bool:
        talk.say(answer(status, body, **headers))
        return True

    return behave


def cutting(text: bytes) -> Behaviour:
    """These bytes and the end of the connection."""

    def behave(talk: Talk) -> bool:
        talk.say(text)
        return False

    return behave


def slow(seconds: float) -> Behaviour:
    """A good answer after a while."""

    def behave(talk: Talk) -> bool:
        talk.stopping.wait(seconds)
        talk.say(answer(200))
        return True

    return behave


def stalling(talk: Talk) -> bool:
    """Takes the request and says nothing."""
    talk.stopping.wait()
    return False


def dripping_head(talk: Talk) -> bool:
    """A head that never ends, byte by byte."""
    talk.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000)
    return False


def dripping_body(talk: Talk) -> bool:
    """A good head, and a body byte by byte."""
    talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10000", HEAD_END)
    talk.drip(b"x" * 10_000)
    return False


def endless_body(talk: Talk) -> bool:
    """A good head, and a body without an end."""
    talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", HEAD_END)
    talk.pour(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
    return False


def endless_head(talk: Talk) -> bool:
    """A head without an end."""
    talk.say(b"HTTP/1.1 200 OK\r\n")
    talk.pour(b"X-Filler: " + b"x" * 1000 + b"\r\n")
    return False


def endless_promises(talk: Talk) -> bool:
    """One `100 Continue` after the other."""
    talk.pour(b"HTTP/1.1 100 Continue\r\n\r\n")
    return False


def flapping(talk: Talk) -> bool:
    """Refuses every message at first, and then takes it."""
    talk.say(answer(200 if talk.times > 1 else 500))
    return True


def resetting(talk: Talk) -> bool:
    """Takes the request and resets the connection."""
    talk.reset()
    return False


BOMB: Final = gzip.compress(bytes(10_000_000))
"""Ten thousand times as much when it is unpacked."""
redirecting: Final = saying(302, Location="http://127.0.0.1:1/")
bomb: Final = saying(200, BOMB, Content_Encoding="gzip")


@dataclass(slots=True)
class Receiver:
    """A server that behaves so. `unverified` has what the library says against any request, and must stay empty."""

    behave: Behaviour
    secrets: tuple[str, ...]
    tls: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    times: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    port: int = field(init=False)
    _listener: socket.socket = field(init=False)
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it wants its events."""
        return f"http://127.0.0.1:{self.port}/hook?of=erp"

    def serve(self) -> None:
        """Take connections, each in a thread, until it is stopped."""
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(stream)
            threading.Thread(target=self._take, args=(stream,), daemon=True).start()

    def stop(self) -> None:
        """Take no more, and end what is under way."""
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still_open = list(self._open)
        for stream in still_open:
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _take(self, stream: socket.socket) -> None:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain = stream
        try:
            if self.tls is not None:
                stream = self.tls.wrap_socket(stream, server_side=True)
            with stream:
                while (request := _request(stream)) is not None and self._answer(stream, request):
                    pass
        except OSError:
            return  # the sender hung up, which is its right
        finally:
            plain.close()
            with self._lock:
                self._open.discard(plain)

    def _answer(self, stream: socket.socket, request: Received) -> bool:
        complaint, id = self._complaint(request), request.headers["webhook-id"]
        with self._lock:
            self.received.append(request)
            count, self.times[id] = len(self.received), self.times[id] + 1
            times = self.times[id]
            if complaint:
                self.unverified.append(complaint)
        return self.behave(Talk(stream, self.stopping, count, times))

    def _complaint(self, request: Received) -> str:
        """What an independent reader of the standard says against the request: it must verify with each secret."""
        for secret in self.secrets:
            try:
                Webhook(secret).verify(request.body, dict(request.headers))
            except (WebhookVerificationError, ValueError) as error:
                return f"{type(error).__name__}: {error}"
        return ""


@contextmanager
def receiving(behave: Behaviour, *secrets: str, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver while the block runs. Every request it got was verified, with each of the secrets."""
    receiver = Receiver(behave, secrets, tls)
    thread = threading.Thread(target=receiver.serve, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.stop()
        thread.join()
    assert receiver.unverified == []


def _request(stream: socket.socket) -> Received | None:
    """Read one whole request; None when the connection ends before."""
    data = b""
    while HEAD_END not in data:
        more = stream.recv(65_536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(HEAD_END)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers["content-length"]):
        more = stream.recv(65_536)
        if not more:
            return None
        body += more
    return Received(first.split(" ")[1], headers, body)

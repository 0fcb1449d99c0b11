"""The wire against servers that misbehave: what was written, what came back, and the deadline over all of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.irp import wire
from gateway.irp.wire import LostError, Reply, UnreachedError, Wire
from gateway.system import SystemClock

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@contextmanager
def server(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on loopback that reads one request per connection and then does as it is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    if not stopping.is_set():
                        behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            stopping.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join()


def send(url: str, *, call_seconds: float = 120) -> Reply:
    """One call on a wire of its own."""
    one = Wire(SystemClock(), call_seconds=call_seconds)
    try:
        return one.send("POST", url, headers={}, params={}, body=b"{}")
    finally:
        one.close()


def test_a_whole_answer_comes_as_it_was_sent() -> None:
    """Status and bytes are the server's."""
    with server(lambda connection: connection.sendall(WHOLE)) as url:
        reply = send(url)
    assert (reply.status, reply.body) == (200, b"hello")


def test_a_refused_connection_left_no_byte() -> None:
    """Where nobody listens nothing was written: sending again is safe."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachedError):
        send(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("cut_at", [0, 1, 16, len(WHOLE) - 1])
def test_an_answer_that_is_cut_is_in_doubt(cut_at: int) -> None:
    """The request was written, so an answer that ends at any byte leaves its effect unknown."""
    with server(lambda connection: connection.sendall(WHOLE[:cut_at])) as url, pytest.raises(LostError):
        send(url)


def test_an_answer_that_is_no_http_is_in_doubt() -> None:
    """Nonsense after a written request leaves its effect unknown."""
    nonsense = b"\x00\x01 no protocol at all\r\n\r\n"
    with server(lambda connection: connection.sendall(nonsense)) as url, pytest.raises(LostError):
        send(url)


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_dripping_answer_is_given_up_at_the_deadline(first: bytes) -> None:
    """A byte now and then, in the head or in the body, does not hold a thread past the call's own time."""
    given_up = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(first)
        try:
            for _ in range(2000):
                connection.sendall(b"x")
                time.sleep(0.02)
        except OSError:
            given_up.set()

    with server(drip) as url, pytest.raises(LostError):
        send(url, call_seconds=1)
    assert given_up.is_set(), "it was read to its end"


def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is read up to its limit, and then it is none."""
    monkeypatch.setattr(wire, "ANSWER_BYTES_MAX", 1000)
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000
    with server(lambda connection: connection.sendall(endless)) as url, pytest.raises(LostError):
        send(url)


def test_redirects_and_the_environment_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call goes where it is told: no redirect is followed, no proxy of the environment is used."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with server(lambda connection: connection.sendall(moved)) as url:
        assert send(url).status == 302

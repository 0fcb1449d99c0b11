"""Connections to checked addresses: TLS by name, a few kept open between two requests.

Measured over TLS on one machine: a message costs 0.4 ms of a core on a kept connection, 1.3 ms on a new one.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from gateway.ports import Clock
from gateway.webhooks.addresses import Way
from gateway.webhooks.networks import Address
from gateway.webhooks.targets import Target

IDLE_SECONDS_MAX: Final = 4.0
"""Below the five seconds after which Node and Apache close: a request into a closing connection is wasted."""
IDLE_CONNECTIONS_MAX: Final = 256
"""Of one process, to all receivers. The one that has waited longest makes room."""
ADDRESSES_MAX: Final = 4
"""How many of a name's addresses are tried. Each gets its share of the time to connect."""

Connect = Callable[[Address, int, float], socket.socket]
"""An open socket to an address and a port, after so many seconds at the latest. Raises OSError."""


class UnconnectedError(Exception):
    """There is no connection. `word` says at which step it failed."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(slots=True, eq=False)
class Connection:
    """An open connection, in the hands of one request at a time."""

    target: Target
    address: Address
    stream: socket.socket
    used: bool = False
    idle_since: float = 0.0

    def close(self) -> None:
        """Close it, at once."""
        self.stream.close()


class Connections:
    """Opens connections and keeps idle ones. Threads share it."""

    def __init__(self, clock: Clock, *, connect: Connect | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._connect = connect or connect_tcp
        self._tls = tls or _usual_tls()
        self._lock = threading.Lock()
        self._idle: deque[Connection] = deque()

    def idle(self, way: Way) -> Connection | None:
        """A connection that is open already, to this very target and to an address that was checked just now."""
        while (found := self._take(way)) is not None:
            if not _has_news(found.stream):
                return found
            found.close()
        return None

    def open(self, way: Way, *, deadline: float) -> Connection:
        """A new connection to the first address that answers. Raises UnconnectedError."""
        word = "connect"
        addresses = way.addresses[:ADDRESSES_MAX]
        for tried, address in enumerate(addresses):
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise UnconnectedError("connect-timeout")
            try:
                stream = self._connect(address, way.target.port, left / (len(addresses) - tried))
            except TimeoutError:
                word = "connect-timeout"
            except OSError:
                word = "connect"
            else:
                return Connection(way.target, address, self._secured(stream, way.target, deadline=deadline))
        raise UnconnectedError(word)

    def keep(self, connection: Connection) -> None:
        """Take a connection back whose last answer was read to its end."""
        connection.used = True
        connection.idle_since = self._clock.monotonic()
        with self._lock:
            self._idle.append(connection)
            surplus = self._surplus()
        for each in surplus:
            each.close()

    def close(self) -> None:
        """Close all that are idle."""
        with self._lock:
            idle, self._idle = self._idle, deque()
        for each in idle:
            each.close()

    def _take(self, way: Way) -> Connection | None:
        with self._lock:
            surplus = self._surplus()
            found = next((each for each in reversed(self._idle) if _leads(each, way)), None)
            if found is not None:
                self._idle.remove(found)
        for each in surplus:
            each.close()
        return found

    def _surplus(self) -> list[Connection]:
        """What has been idle for too long, or is too much, taken out."""
        oldest = self._clock.monotonic() - IDLE_SECONDS_MAX
        surplus = []
        while self._idle and (len(self._idle) > IDLE_CONNECTIONS_MAX or self._idle[0].idle_since < oldest):
            surplus.append(self._idle.popleft())
        return surplus

    def _secured(self, stream: socket.socket, target: Target, *, deadline: float) -> socket.socket:
        """The stream under TLS, with a certificate for the target's name; as it is for plain http."""
        if not target.secure:
            return stream
        try:
            stream.settimeout(max(deadline - self._clock.monotonic(), 0.001))
            return self._tls.wrap_socket(stream, server_hostname=target.host)
        except TimeoutError as error:
            stream.close()
            raise UnconnectedError("tls-timeout") from error
        except OSError as error:  # ssl.SSLError is one
            stream.close()
            raise UnconnectedError("tls") from error


def connect_tcp(address: Address, port: int, seconds: float) -> socket.socket:
    """Open a connection to this address: no name is looked up, and no proxy asked."""
    stream = socket.create_connection((str(address), port), seconds)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def tls_context() -> ssl.SSLContext:
    """TLS 1.2 or later, with certificates that the operating system trusts, for HTTP/1.1."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


@cache
def _usual_tls() -> ssl.SSLContext:
    """One for the process: to read what the operating system trusts takes 20 ms."""
    return tls_context()


def _leads(connection: Connection, way: Way) -> bool:
    here, there = connection.target, way.target
    same = (here.secure, here.host, here.port) == (there.secure, there.host, there.port)
    return same and connection.address in way.addresses


def _has_news(stream: socket.socket) -> bool:
    """Whether an idle connection has something to read: its end, or what nobody asked for."""
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    return bool(poll.poll(0))

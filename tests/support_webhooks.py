"""What the tests of webhooks share: senders that look names up in a table, and canaries that count who calls."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

from gateway.domain.operations import Environment
from gateway.ports import Dispatch
from gateway.system import SystemClock, SystemIds
from gateway.webhooks.addresses import AddressGuard
from gateway.webhooks.connections import Connect, Connections, connect_tcp, tls_context
from gateway.webhooks.networks import Address
from gateway.webhooks.resolving import Resolver
from gateway.webhooks.sender import HttpSender, Patience
from gateway.webhooks.signing import SigningSecrets

SECRET: Final = SigningSecrets(SystemIds().random_bytes).new()
BODY: Final = b'{"type":"irn.generated","timestamp":"2026-11-20T12:00:00+05:30","data":{"irn":"1f"}}'
PUBLIC: Final = "93.184.215.14"
TLS: Final = tls_context()
"""Made once: it reads all certificates that the system trusts."""
LOOPBACK: Final = (ip_address("127.0.0.1"), ip_address("::1"))


@dataclass(slots=True)
class Names:
    """A resolver by table. What is not in it has no address; a list of lists is one answer after the other."""

    table: Mapping[str, Sequence[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str) -> Sequence[str]:
        """All addresses of the name, this time."""
        self.asked.append(host)
        if host not in self.table:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        answers = self.table[host]
        return answers[min(self.asked.count(host), len(answers)) - 1]


def dispatch(url: str, **members: Any) -> Dispatch:
    """A message to a URL of the test environment."""
    filled: dict[str, Any] = {
        "url": url,
        "environment": Environment.TEST,
        "headers": {},
        "message_id": "evt_1",
        "body": BODY,
        "secrets": (SECRET,),
    }
    return Dispatch(**filled | members)


@contextmanager
def sender(
    lookup: Callable[[str], Sequence[str]] | None = None,
    *,
    loopback: bool = True,
    connect: Connect | None = None,
    patience: Patience | None = None,
    tls: ssl.SSLContext = TLS,
) -> Iterator[HttpSender]:
    """A sender in real time, that may call this machine."""
    clock = SystemClock()
    guard = AddressGuard(Resolver(lookup or Names({})), loopback=loopback)
    made = HttpSender(
        clock=clock, guard=guard, connections=Connections(clock, connect=connect, tls=tls), patience=patience
    )
    try:
        yield made
    finally:
        made.close()


@dataclass(slots=True)
class Canaries:
    """One listener on 127.0.0.1 and one on ::1. `calls` has who was called, and must stay empty."""

    ports: Mapping[Address, int]
    calls: list[str] = field(default_factory=list)

    def connect(self, address: Address, port: int, seconds: float) -> socket.socket:
        """Connect in earnest to whatever is on this machine, on the canary's port; nowhere else."""
        if not address.is_loopback:
            raise ConnectionRefusedError(f"{address}:{port}")
        canary = LOOPBACK[0] if address.version == 4 else LOOPBACK[1]
        return connect_tcp(address, self.ports[canary], seconds)


@contextmanager
def canaries() -> Iterator[Canaries]:
    """Listen while the block runs. Wherever the machine has no ::1, that one is left out."""
    listeners = {}
    for address, family in zip(LOOPBACK, (socket.AF_INET, socket.AF_INET6), strict=True):
        try:
            listeners[address] = socket.create_server((str(address), 0), family=family)
        except OSError:
            continue
    made = Canaries({address: listener.getsockname()[1] for address, listener in listeners.items()})
    threads = [threading.Thread(target=_listen, args=(each, made.calls)) for each in listeners.values()]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        for listener in listeners.values():
            listener.shutdown(socket.SHUT_RDWR)  # an accept that waits ends
        for thread in threads:
            thread.join()
        for listener in listeners.values():
            listener.close()


def _listen(listener: socket.socket, calls: list[str]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        calls.append(listener.getsockname()[0])
        connection.close()

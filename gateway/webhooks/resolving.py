"""Names into addresses, with an end: the system's resolver has none, and may take half a minute over a dead server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from gateway.webhooks.networks import Address

LOOKUPS_MAX: Final = 128
"""Under way at once in one process. One per name, so that a name that hangs holds one thread and no more."""

Lookup = Callable[[str], Sequence[str]]
"""All addresses of a name, as text. Raises OSError."""


class UnresolvedError(Exception):
    """The name has no address, or none that came in time."""


@dataclass(slots=True)
class _Flight:
    """A look-up under way. Whoever asks for the same name meanwhile waits for the same answer."""

    done: threading.Event = field(default_factory=threading.Event)
    found: tuple[Address, ...] = ()


class Resolver:
    """Looks names up, each in a thread of its own that nobody has to wait for."""

    def __init__(self, lookup: Lookup | None = None) -> None:
        self._lookup = lookup or system_lookup
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}

    def resolve(self, host: str, *, seconds: float) -> tuple[Address, ...]:
        """All addresses of a name, never none. Raises UnresolvedError, after so many seconds at the latest."""
        flight = self._join(host)
        if not flight.done.wait(seconds) or not flight.found:
            raise UnresolvedError(host)
        return flight.found

    def _join(self, host: str) -> _Flight:
        with self._lock:
            flight = self._flights.get(host)
            if flight is not None:
                return flight
            if len(self._flights) >= LOOKUPS_MAX:
                raise UnresolvedError(host)
            flight = self._flights[host] = _Flight()
        threading.Thread(target=self._fly, args=(host, flight), name="name look-up", daemon=True).start()
        return flight

    def _fly(self, host: str, flight: _Flight) -> None:
        try:
            flight.found = tuple(ip_address(text) for text in self._lookup(host))
        except (OSError, ValueError):
            flight.found = ()
        finally:
            with self._lock:
                del self._flights[host]
            flight.done.set()


def system_lookup(host: str) -> Sequence[str]:
    """Ask the operating system, which knows the hosts file and the name servers."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))

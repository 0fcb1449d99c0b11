"""A brake on those who guess secrets: failed logins are counted by client id and by where they come from.

Whoever sends the right secret is let in whatever the counts say, so that nobody can lock a client out by guessing in
its name, or from behind the same proxy. Secrets are long and made by the gateway: the brake is against the flood, and
against a program that repeats a lost secret for ever; it is not what makes guessing hopeless. While Redis is away each
process counts alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from gateway.domain.calendar import write_instant
from gateway.domain.client_limits import ClientLimit
from gateway.domain.token_bucket import Limit
from gateway.errors import Throttled
from gateway.services.ports import Ports

_MINUTE_SECONDS: Final = 60
_UNDER_WAY_MAX: Final = 1_000_000
"""None: a failure is over when it is counted."""
OF_CLIENT: Final = ClientLimit(
    name="failed-logins", limit=Limit(calls=10, seconds=_MINUTE_SECONDS, burst=10), in_flight_max=_UNDER_WAY_MAX
)
"""Failed logins a minute under one client id: a program with two secrets and a few retries stays below it."""
OF_SOURCE: Final = ClientLimit(
    name="failed-logins", limit=Limit(calls=30, seconds=_MINUTE_SECONDS, burst=30), in_flight_max=_UNDER_WAY_MAX
)
"""Failed logins a minute from one address, whatever the client id: several programs of a business share one."""
IPV6_NETWORK_BITS: Final = 64
"""Whoever has one IPv6 address has all of its network."""
_NAME_CHARACTERS: Final = 32
_OF: Final = {"source": "from this address", "client": "under this client id"}


def failed(*, client_id: str, source: str, ports: Ports) -> None:
    """Count a failed login. Raises Throttled when there were too many of the kind.

    From a source that is over its limit the client id is not counted any more: it can not fill the store with names.
    """
    for scope, name, of in _counted(client_id, source):
        who = f"{scope}-{hashlib.sha256(name.encode()).hexdigest()[:_NAME_CHARACTERS]}"
        slot = ports.ids.new("")
        standing = ports.clients.enter(who, slot, of)
        ports.clients.leave(who, slot)
        if not standing.let_in:
            seconds = max(1, standing.wait_seconds)
            raise Throttled(
                "slow_down",
                f"More than {of.limit.calls} logins a minute failed {_OF[scope]}.",
                help="Correct the client id and its secret before you try again; the right ones are taken at once.",
                retry_after=seconds,
                limit_owner="gateway",
                scope=scope,
                reset=write_instant(ports.clock.now() + timedelta(seconds=seconds)),
            )


def _counted(client_id: str, source: str) -> Iterator[tuple[str, str, ClientLimit]]:
    if source:
        yield "source", _network(source), OF_SOURCE
    if client_id:
        yield "client", client_id, OF_CLIENT


def _network(source: str) -> str:
    try:
        address = ip_address(source)
    except ValueError:  # a socket's name, or what a proxy says
        return source
    if not isinstance(address, IPv6Address):
        return source
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), IPV6_NETWORK_BITS), strict=False))

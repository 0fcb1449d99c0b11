"""Where events may go: the URL's own rules first, then every address that its name leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from gateway.domain.operations import Environment
from gateway.errors import Invalid
from gateway.webhooks import targets
from gateway.webhooks.networks import Address, Network, is_public
from gateway.webhooks.resolving import Resolver, UnresolvedError
from gateway.webhooks.targets import Reason, RefusedError, Target

CHECK_SECONDS_MAX: Final = 5.0
"""How long whoever registers a URL waits for its name to be looked up."""

_LOOPBACK: Final = {
    "localhost": (ip_address("127.0.0.1"), ip_address("::1")),
    "127.0.0.1": (ip_address("127.0.0.1"),),
    "[::1]": (ip_address("::1"),),
}
"""Not looked up: a hosts file may say otherwise."""


@dataclass(frozen=True, slots=True)
class Way:
    """A URL that may be called now, and the addresses that were checked: no other may be connected to."""

    target: Target
    addresses: tuple[Address, ...]


class AddressGuard:
    """Implements `ports.Addresses`.

    `loopback` lets endpoints of the test environment be plain http on this machine. It is for development: on a server
    that several clients share, a test-mode client could reach whatever else listens there.
    """

    def __init__(self, resolver: Resolver, *, loopback: bool = False, denied: Sequence[Network] = ()) -> None:
        self._resolver = resolver
        self._loopback = loopback
        self._denied = tuple(denied)

    def check(self, url: str, *, environment: Environment) -> None:
        """See `ports.Addresses`.

        A name that leads nowhere is refused in the same words as one that leads inside: the difference would tell
        outsiders which names a network has.
        """
        try:
            self.way(url, environment=environment, seconds=CHECK_SECONDS_MAX)
        except RefusedError as error:
            raise _refusal(error) from error
        except UnresolvedError as error:
            raise _refusal(RefusedError(Reason.ADDRESS)) from error

    def way(self, url: str, *, environment: Environment, seconds: float) -> Way:
        """Check the URL and look its name up, once. Raises RefusedError; UnresolvedError when no answer came."""
        target = targets.read(url, loopback=self._loopback and environment is Environment.TEST)
        if target.is_loopback:
            return Way(target, _LOOPBACK[target.host])
        addresses = self._resolver.resolve(target.host, seconds=seconds)
        if not all(is_public(address, denied=self._denied) for address in addresses):
            raise RefusedError(Reason.ADDRESS)
        return Way(target, addresses)


def _refusal(error: RefusedError) -> Invalid:
    return Invalid(
        "webhook-url-refused",
        f"Events cannot be sent to this URL. {error}",
        help="Give an https URL whose host is a public domain name, on port 443 or 8443.",
        reason=str(error.reason),
    )

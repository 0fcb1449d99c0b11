"""Which way an operation goes, and whether that way is open.

Safe failover: an operation whose earlier attempts all had no effect may take another route. One that is in doubt keeps
its route, because another portal knows nothing of what may have reached the first. What was made at a portal is asked
for there, or at its sister, which is told by name where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.kinds import KINDS
from gateway.domain.operations import Environment, Operation
from gateway.domain.outcomes import Meaning, Outcome
from gateway.errors import Misconfigured, MoharError, Throttled
from gateway.ports import Seller
from gateway.services.ports import Ports

_SPOKEN: Final = frozenset({Meaning.REGISTERED, Meaning.CONFLICT, Meaning.REFUSED, Meaning.ABSENT, Meaning.UNVERIFIED})
"""After these the portal has surely answered."""
ELSEWHERE_SECONDS: Final = 1
"""Between an attempt that a silent portal made nothing of and the next on another route."""


@dataclass(frozen=True, slots=True)
class Way:
    """A route, and the one to the portal that has what the operation is about. `pinned`: no other route will do."""

    route: str
    home: str | None = None
    pinned: bool = False


def way_of(operation: Operation, *, ports: Ports) -> Way:
    """The way that an operation takes now. Always the same one while it is in doubt."""
    home = None if KINDS[operation.kind].claims_number else ports.ledger.home_of(operation)
    if operation.in_doubt and operation.route is not None:
        return Way(operation.route, home, pinned=True)
    seller = ports.directory.seller(environment=operation.environment, gstin=operation.gstin)
    if home is not None:
        sisters = _sisters(home, seller, ports) if operation.subject == operation.irn else []
        return Way(_first_open([home, *sisters], ports), home, pinned=not sisters)
    return Way(route_of(seller, ports=ports) if seller is not None else (operation.route or "none"))


def route_of(seller: Seller, *, ports: Ports) -> str:
    """The first of a seller's routes that is not down; the preferred one when all are."""
    if not seller.other_routes or not ports.health.is_open(seller.route):
        return seller.route  # as nearly always: the logins of the others need not be opened to know that
    return _first_open([seller.route, *_with_login(seller, seller.other_routes, ports)], ports)


def wait_seconds(route: str, *, ports: Ports) -> float:
    """0 when a call may go out on a route, else in how many seconds one may.

    A route that was down is asked for a sign of life before an operation is tried on it.
    """
    wait = ports.health.admit(route)
    if wait > 0 or not ports.health.is_open(route):
        return wait
    try:
        ports.enquiries.heartbeat(ports.routebook.route(route))
    except Misconfigured:
        return 0.0  # told by the attempt itself, which is held
    except Throttled:
        return ports.health.admit(route)  # it was not asked, which says nothing of it
    except MoharError:
        ports.health.failed(route)
        return ports.health.admit(route)
    return 0.0


def routes_of(seller: Seller, *, ports: Ports) -> list[str]:
    """All routes that a seller can be asked for on: the preferred one, and the others that take its login."""
    return [seller.route, *_with_login(seller, seller.other_routes, ports)]


def note_health(route: str, outcome: Outcome, *, ports: Ports) -> None:
    """What a call tells of its route."""
    if outcome.silent:
        ports.health.failed(route)
    elif outcome.meaning in _SPOKEN:
        ports.health.answered(route)


def sooner_elsewhere(operation: Operation, route: str, outcome: Outcome, *, ports: Ports) -> Outcome:
    """The outcome of a call that a silent portal was not reached by: where another way is open, that is tried at once.

    It would wait as long as for the same portal otherwise, several minutes perhaps. What is in doubt has no other way.
    """
    if not outcome.silent or outcome.meaning is not Meaning.UNREACHED or operation.in_doubt:
        return outcome
    if way_of(operation, ports=ports).route == route:
        return outcome
    return replace(outcome, retry_after_seconds=ELSEWHERE_SECONDS)


def _first_open(routes: Sequence[str], ports: Ports) -> str:
    return next((route for route in routes if not ports.health.is_open(route)), routes[0])


def _sisters(home: str, seller: Seller | None, ports: Ports) -> list[str]:
    """The seller's other routes to portals that know the home portal by name."""
    if seller is None or not ports.routebook.route(home).portal:
        return []
    others = [route for route in (seller.route, *seller.other_routes) if route != home]
    return [route for route in _with_login(seller, others, ports) if ports.routebook.route(route).portal]


def _with_login(seller: Seller, routes: Sequence[str], ports: Ports) -> list[str]:
    """Those routes for which the seller has a login that is not refused, in its own environment."""
    return [route for route in routes if _may_use(seller.environment, seller.gstin, route, ports)]


def _may_use(environment: Environment, gstin: str, route: str, ports: Ports) -> bool:
    account = ports.routebook.account(environment=environment, gstin=gstin, route=route)
    return (
        account is not None and account.refused_code is None and ports.routebook.route(route).environment is environment
    )

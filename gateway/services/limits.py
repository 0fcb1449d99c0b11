"""The shared limits as they stand: buckets, who used them, queues, turns, errors, and whether the portal answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain import error_budget
from gateway.domain.operations import CLAIMABLE, Lane, Operation
from gateway.domain.token_bucket import PERMILLE, Limit
from gateway.errors import Misconfigured
from gateway.ports import Level, LimiterAwayError, NamedBucket, QueueLength, Seller, Spending, Use
from gateway.services import routing, shield
from gateway.services.ports import Ports

USED_SECONDS: Final = 55
"""What is used is told for 50 to 60 seconds, as `ports.Limiter` counts it."""
_PERCENT: Final = 100
LEVELS_AT_ONCE_MAX: Final = 100
"""Buckets that are asked for at once: a script of Redis holds up all others, this one for a millisecond or two."""
_ACCOUNT: Final = "account"
_GSTIN: Final = "gstin"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands in the queue: how many come before it, and when its turn should be."""

    position: int
    expected_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bucket of a taxpayer: on which route, of what, its limit, how it stands, and the calls of the last minute.

    Those of an account are the calls of all its taxpayers.
    """

    route: str
    scope: str
    limit: Limit
    level: Level
    direct_used: int
    queued_used: int


class Breaker(StrEnum):
    """The state of a route's circuit breaker. Half open: the next caller asks whether the portal answers again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether a route answers, and in how many seconds it is tried again."""

    route: str
    breaker: Breaker
    down_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """A taxpayer's attempts to log in that still count, on all its routes, and when there may be another; None: now."""

    route: str
    attempts: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that bears on when a taxpayer's next call goes out. `buckets` is None when nobody can ask the limiter."""

    seller: Seller
    buckets: Sequence[Bucket] | None
    queues: Mapping[bool, QueueLength]
    expected_at: Mapping[bool, datetime | None]
    errors: Sequence[Spending]
    routes: Sequence[Health]
    logins: Sequence[Logins]


def standing(seller: Seller, *, ports: Ports) -> Standing:
    """How everything stands for a taxpayer. Raises Misconfigured when its route is gone."""
    queues = {each.direct: each for each in ports.queues.lengths() if each.lane == seller.lane}
    due = {direct: queues[direct].due if direct in queues else 0 for direct in (True, False)}
    try:
        found: list[Bucket] | None = buckets(seller, ports=ports)
        turns = {direct: _turn(seller, ahead, direct=direct, ports=ports) for direct, ahead in due.items()}
    except LimiterAwayError:
        found, turns = None, {}
    now = ports.clock.now()
    routes = (seller.route, *seller.other_routes)
    return Standing(
        seller=seller,
        buckets=found,
        queues=queues,
        expected_at={direct: now + turns[direct] if direct in turns else None for direct in (True, False)},
        errors=list(shield.spending(seller, ports=ports)),
        routes=[health(route, ports=ports) for route in routes],
        logins=[found for route in routes for found in _logins(seller, route, ports=ports)],
    )


def health(route: str, *, ports: Ports) -> Health:
    """How a route's circuit breaker stands."""
    if not ports.health.is_open(route):
        return Health(route=route, breaker=Breaker.CLOSED, down_seconds=0)
    down = ports.health.down_seconds(route)
    return Health(route=route, breaker=Breaker.OPEN if down else Breaker.HALF_OPEN, down_seconds=down)


def buckets(seller: Seller, *, ports: Ports) -> list[Bucket]:
    """All buckets that any call of a taxpayer counts in. Raises LimiterAwayError, or Misconfigured without a route."""
    named = ports.enquiries.buckets(seller)
    accounts = list(dict.fromkeys(each.account for each in named))
    return [
        bucket
        for account in accounts  # one by one: a cluster may keep them in different places
        for bucket in _of_account(account, [each for each in named if each.account == account], seller, ports)
    ]


def of_accounts(sellers: Iterable[Seller], *, ports: Ports) -> list[Bucket]:
    """The bucket of every account that these taxpayers call by. Raises LimiterAwayError."""
    shared = {
        each.name: (each, seller) for seller in sellers for each in _buckets_of(seller, ports) if each.scope == _ACCOUNT
    }
    return [bucket for each, seller in shared.values() for bucket in _of_account(each.account, [each], seller, ports)]


def slowed(sellers: Iterable[Seller], *, ports: Ports) -> set[Lane]:
    """The lanes of taxpayers that a throttle has slowed, or that were promised permits. Raises LimiterAwayError."""
    own: dict[str, dict[str, tuple[Limit, Lane]]] = defaultdict(dict)
    for seller in sellers:
        for each in _buckets_of(seller, ports):
            if each.scope != _ACCOUNT:
                own[each.account][each.name] = each.limit, seller.lane
    found: set[Lane] = set()
    for of_account in own.values():  # one by one: a cluster may keep them in different places
        for first in range(0, len(of_account), LEVELS_AT_ONCE_MAX):
            some = list(of_account)[first : first + LEVELS_AT_ONCE_MAX]
            levels = ports.limiter.levels({name: of_account[name][0] for name in some})
            found |= {of_account[name][1] for name, at in levels.items() if at.speed_permille < PERMILLE or at.promised}
    return found


def _buckets_of(seller: Seller, ports: Ports) -> Sequence[NamedBucket]:
    """Of a taxpayer; none where its route is gone."""
    try:
        return ports.enquiries.buckets(seller)
    except Misconfigured:
        return ()


def _of_account(account: str, named: Sequence[NamedBucket], seller: Seller, ports: Ports) -> Iterator[Bucket]:
    levels = ports.limiter.levels({each.name: each.limit for each in named})
    used = ports.limiter.used(account)
    for each in named:
        yield Bucket(
            route=each.route,
            scope=each.scope,
            limit=each.limit,
            level=levels[each.name],
            direct_used=_used(used, each, seller, direct=True),
            queued_used=_used(used, each, seller, direct=False),
        )


def place_of(waiting: Operation, *, ports: Ports) -> Place | None:
    """The place of an operation that waits for a try; None for any other, and for one that waits for another operation.

    Unknown is when its turn should be while nobody can ask the limit.
    """
    if waiting.status not in CLAIMABLE or waiting.due_at is None:
        return None
    now = ports.clock.now()
    ahead = ports.intake.queued_ahead(waiting, by=max(now, waiting.due_at))
    seller = ports.directory.seller(environment=waiting.environment, gstin=waiting.gstin)
    try:
        turn = _turn(seller, ahead, direct=waiting.direct, ports=ports) if seller is not None else timedelta()
    except (LimiterAwayError, Misconfigured):
        return Place(ahead, None)
    return Place(ahead, max(now + turn, waiting.due_at))


def _turn(seller: Seller, ahead: int, *, direct: bool, ports: Ports) -> timedelta:
    """How long until what is sent has its turn behind so many of its lane.

    Reckoned from the permits that those before it need: those of its own lane by the taxpayer's limit, and by the
    account's those of all lanes, which take turns; and from how fast the portal answers. It begins when the first of
    the taxpayer's routes that is open may be tried.
    """
    down = ports.health.down_seconds(seller.route)
    if down:
        seller = replace(seller, route=routing.route_of(seller, ports=ports))
        down = ports.health.down_seconds(seller.route)
    sending = ports.enquiries.allowance(seller)
    named = [each for each in ports.enquiries.buckets(seller) if each.name in sending]
    account = ports.routebook.route(seller.route).gsp_account
    waits = [
        _wait(bucket, _before(bucket, seller, account, ahead, direct=direct, ports=ports), down=down, direct=direct)
        for bucket in _of_account(account, named, seller, ports)
    ]
    portal = down + ahead * ports.queues.seconds_each(seller.route, direct=direct)
    return timedelta(seconds=max([*waits, portal]))


def _before(bucket: Bucket, seller: Seller, account: str, ahead: int, *, direct: bool, ports: Ports) -> int:
    """The calls that come before it in a bucket: in the account's, every lane has as many turns as its own."""
    if bucket.scope != _ACCOUNT:
        return ahead
    others = (
        each.due
        for each in ports.queues.lengths()
        if each.account == account and each.direct == direct and each.lane != seller.lane
    )
    return ahead + sum(min(due, ahead + 1) for due in others)


def _wait(bucket: Bucket, before: int, *, down: float, direct: bool) -> float:
    """Seconds until a bucket has a permit behind so many, while the portal is down for the first of them.

    What it holds by then goes at once, the rest at its present rate.
    """
    level, limit = bucket.level, bucket.limit
    own, at_once = (level.direct_wait, level.direct_room) if direct else (level.queued_wait, level.queued_room)
    interval = limit.seconds / limit.calls * PERMILLE / level.speed_permille
    others = (bucket.queued_used if direct else bucket.direct_used) / USED_SECONDS
    left = max(1 / interval - others, level.shares.of(direct=direct) / _PERCENT / interval)
    held = min(limit.burst, at_once + max(0.0, down - own) * left)
    return max(own, down) + max(0.0, before - held) / left


def _used(used: Mapping[Use, int], bucket: NamedBucket, seller: Seller, *, direct: bool) -> int:
    """The calls of a class among those of an account that counted in one of a taxpayer's buckets."""
    whole = bucket.scope in {_ACCOUNT, _GSTIN}
    return sum(
        count
        for use, count in used.items()
        if use.direct is direct
        and (bucket.scope == _ACCOUNT or use.gstin == seller.gstin)
        and (whole or use.call == bucket.scope)
    )


def _logins(seller: Seller, route: str, *, ports: Ports) -> Iterator[Logins]:
    """Of the account that a taxpayer has on a route, if it has one."""
    account = ports.routebook.account(environment=seller.environment, gstin=seller.gstin, route=route)
    if account is None:
        return
    attempts, now = ports.routebook.logins(account.id), ports.clock.now()
    counted = sum(at > now - error_budget.LOGIN_WINDOW for at in attempts)
    yield Logins(route=route, attempts=counted, next_at=error_budget.next_login_at(attempts, at=now))

"""The shared limits as they stand: buckets, who used them, queues, turns, errors, and whether the portal answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.operations import Lane, Operation, Status
from gateway.domain.token_bucket import PERMILLE, Limit
from gateway.errors import Misconfigured
from gateway.ports import Level, LimiterAwayError, QueueLength, Route, Seller, Spending
from gateway.services import shield
from gateway.services.ports import Ports

MINUTE_SECONDS: Final = 60
_ACCOUNT: Final = ":account"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands in the queue: how many come before it, and when its turn should be."""

    position: int
    expected_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bucket of a taxpayer: whose, its limit, how it stands, and the calls of the last minute by class."""

    scope: str
    limit: Limit
    level: Level
    direct_used: int
    queued_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that bears on when a taxpayer's next call goes out. `buckets` is None when nobody can ask the limiter."""

    seller: Seller
    route: Route
    buckets: Sequence[Bucket] | None
    queues: Mapping[bool, QueueLength]
    expected_at: Mapping[bool, datetime | None]
    errors: Sequence[Spending]
    down_seconds: int


def standing(seller: Seller, *, ports: Ports) -> Standing:
    """How everything stands for a taxpayer. Raises Misconfigured when its route is gone."""
    queues = {each.direct: each for each in ports.queues.lengths() if each.lane == seller.lane}
    waiting = {direct: queues[direct].waiting if direct in queues else 0 for direct in (True, False)}
    try:
        found: list[Bucket] | None = buckets(seller, ports=ports)
        turns = {direct: _turn(seller, ahead, direct=direct, ports=ports) for direct, ahead in waiting.items()}
    except LimiterAwayError:
        found, turns = None, {}
    now = ports.clock.now()
    return Standing(
        seller=seller,
        route=ports.routebook.route(seller.route),
        buckets=found,
        queues=queues,
        expected_at={direct: now + turns[direct] if direct in turns else None for direct in (True, False)},
        errors=list(shield.spending(seller, ports=ports)),
        down_seconds=ports.health.down_seconds(seller.route),
    )


def buckets(seller: Seller, *, ports: Ports) -> list[Bucket]:
    """The buckets that a taxpayer's calls count in. Raises LimiterAwayError, or Misconfigured without a route."""
    allowance = ports.enquiries.allowance(seller)
    levels = ports.limiter.levels(allowance)
    used = ports.limiter.used(ports.routebook.route(seller.route).gsp_account)
    return [
        Bucket(
            scope="account" if name.endswith(_ACCOUNT) else "gstin",
            limit=limit,
            level=levels[name],
            direct_used=_used(used, seller, name, direct=True),
            queued_used=_used(used, seller, name, direct=False),
        )
        for name, limit in allowance.items()
    ]


def place_of(waiting: Operation, *, ports: Ports) -> Place | None:
    """The place of a queued operation; None for one that does not queue, or that waits for another.

    Its turn is reckoned from the permits that those before it need: those of its own lane by the taxpayer's limit, and
    by the account's those of all lanes, which take turns. Unknown when nobody can ask the limit.
    """
    if waiting.status is not Status.QUEUED or waiting.due_at is None:
        return None
    ahead = ports.intake.queued_ahead(waiting)
    seller = ports.directory.seller(environment=waiting.environment, gstin=waiting.gstin)
    now = ports.clock.now()
    try:
        turn = _turn(seller, ahead, direct=waiting.direct, ports=ports) if seller is not None else timedelta()
    except (LimiterAwayError, Misconfigured):
        return Place(ahead, None)
    return Place(ahead, max(now, waiting.due_at) + turn)


def _turn(seller: Seller, ahead: int, *, direct: bool, ports: Ports) -> timedelta:
    """How long until a call of the class has its turn behind so many of its lane."""
    waits = (
        _wait(bucket, _before(bucket, seller, ahead, direct=direct, ports=ports), direct=direct)
        for bucket in buckets(seller, ports=ports)
    )
    return timedelta(seconds=max(waits, default=0.0))


def _before(bucket: Bucket, seller: Seller, ahead: int, *, direct: bool, ports: Ports) -> int:
    """The calls that come before it in a bucket: in the account's, every lane has as many turns as its own."""
    if bucket.scope == "gstin":
        return ahead
    account = _account(seller.lane, ports)
    others = (each for each in ports.queues.lengths() if each.direct == direct and each.lane != seller.lane)
    return ahead + sum(min(each.waiting, ahead + 1) for each in others if _account(each.lane, ports) == account)


def _wait(bucket: Bucket, before: int, *, direct: bool) -> float:
    """Seconds until a bucket has a permit behind so many: what it holds goes at once, the rest at its present rate."""
    level = bucket.level
    own, at_once = (level.direct_wait, level.direct_room) if direct else (level.queued_wait, level.queued_room)
    interval = bucket.limit.seconds / bucket.limit.calls * PERMILLE / bucket.level.speed_permille
    others = (bucket.queued_used if direct else bucket.direct_used) / MINUTE_SECONDS
    left = max(1 / interval - others, 0.3 / interval)  # at least the smaller of the two shares
    return own + max(0, before - at_once) / left


def _account(lane: Lane, ports: Ports) -> str | None:
    """The GSP account whose limit a lane shares; None when its taxpayer or its route is gone."""
    seller = ports.directory.seller(environment=lane.environment, gstin=lane.gstin)
    try:
        return ports.routebook.route(seller.route).gsp_account if seller is not None else None
    except Misconfigured:
        return None


def _used(used: Mapping[tuple[str, bool], int], seller: Seller, name: str, *, direct: bool) -> int:
    if not name.endswith(_ACCOUNT):
        return used.get((seller.gstin, direct), 0)
    return sum(count for (_, was_direct), count in used.items() if was_direct is direct)

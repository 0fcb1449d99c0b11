"""What one client may ask of the gateway itself: requests a minute, a burst, and requests under way."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.token_bucket import MICROSECONDS, Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimit:
    """The limit of one class of requests. `in_flight_max` counts a client's requests of every class."""

    name: str
    limit: Limit
    in_flight_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a client stands after it asked: let in or not, and what is left. Times are whole seconds, rounded up."""

    of: ClientLimit
    let_in: bool
    under_way: int
    """Requests of the client that are not answered, this one included if it was let in."""
    remaining: int
    """Requests that it could make at once now."""
    reset_seconds: int
    """Until it could make a whole burst again."""
    wait_seconds: int
    """Until it may make the next request; 0 if now."""


def unspent(of: ClientLimit) -> Standing:
    """How whoever has spent nothing stands."""
    return standing(of, horizon_us=0, now_us=0, under_way=0, let_in=True)


def standing(of: ClientLimit, *, horizon_us: int, now_us: int, under_way: int, let_in: bool) -> Standing:
    """How a client stands whose bucket is full again at `horizon_us`."""
    limit = of.limit
    free_us = now_us + limit.tolerance_us - horizon_us
    return Standing(
        of=of,
        let_in=let_in,
        under_way=under_way,
        remaining=0 if free_us < 0 else min(limit.burst, free_us // limit.interval_us + 1),
        reset_seconds=_seconds(horizon_us - now_us),
        wait_seconds=_seconds(-free_us),
    )


def enter(of: ClientLimit, *, horizon_us: int, now_us: int, under_way: int) -> tuple[bool, int]:
    """Whether a request is let in, and the horizon afterwards. One that is not costs nothing."""
    horizon_us = max(horizon_us, now_us)
    if under_way >= of.in_flight_max or horizon_us - now_us > of.limit.tolerance_us:
        return False, horizon_us
    return True, horizon_us + of.limit.interval_us


def _seconds(us: int) -> int:
    return max(0, -(-us // MICROSECONDS))

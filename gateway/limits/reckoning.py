"""What both limiters work out from the state of their buckets, and the figures that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain import token_bucket
from gateway.domain.token_bucket import MICROSECONDS, Bucket, Limit, Promised, Shares
from gateway.ports import Level

PROMISE_SECONDS: Final = 60
"""A promise that nobody has come for is over: its process died, or its call was not made."""
SLOWED_EVERY_SECONDS: Final = 5
"""Throttle answers to calls that were under way together slow a bucket once."""
SLOT_SECONDS: Final = 10
SLOTS: Final = 6
"""Use is counted by ten seconds, and told for the last six such slots: between 50 and 60 seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A bucket at one instant of its store's clock."""

    bucket: Bucket
    limit: Limit
    promised: Promised
    now_us: int


def unused(now_us: int) -> Bucket:
    """What a missing bucket is taken for by whoever only asks: the call itself then waits."""
    return Bucket(horizon_us=now_us, direct_us=now_us, queued_us=now_us)


def turn(states: Sequence[State], *, shares: Shares, direct: bool) -> float:
    """Seconds until a newcomer's permit, behind all promises to its class."""
    waits = (
        token_bucket.turn_us(
            state.bucket,
            state.limit,
            shares=shares,
            direct=direct,
            now_us=state.now_us,
            promised=state.promised,
        )
        for state in states
    )
    return max(waits, default=0) / MICROSECONDS


def level(state: State, *, shares: Shares) -> Level:
    """How a bucket stands."""
    direct_us, queued_us = (
        token_bucket.wait_us(state.bucket, state.limit, shares=shares, direct=direct, now_us=state.now_us)
        for direct in (True, False)
    )
    return Level(
        room=token_bucket.room(state.bucket, state.limit, now_us=state.now_us),
        speed_permille=token_bucket.speed_permille(state.bucket, now_us=state.now_us),
        promised=state.promised.own + state.promised.other,
        direct_wait=direct_us / MICROSECONDS,
        queued_wait=queued_us / MICROSECONDS,
    )

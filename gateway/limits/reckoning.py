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
SHARED: Final = ":account"
"""The end of the name of a bucket in which the lanes of many taxpayers meet: there they take turns."""
WANTING_SECONDS: Final = 2.0
"""How much longer than it was told to wait a lane is waited for: it is rung within a second."""
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
    earlier: int = 0
    """Other lanes that wait for it and were served longer ago than the caller's: each has its turn before."""
    missing: bool = False
    """It holds nothing then, whatever it is taken for by whoever asks for a call."""

    @property
    def behind(self) -> Promised:
        """Whom a newcomer stands behind."""
        return Promised(own=self.promised.own + self.earlier, other=self.promised.other)


def unused(now_us: int) -> Bucket:
    """What a missing bucket is taken for by whoever only asks: the call itself then waits."""
    return Bucket(horizon_us=now_us, direct_us=now_us, queued_us=now_us)


def turns(states: Sequence[State], *, shares: Shares, direct: bool) -> list[float]:
    """Seconds until a newcomer's permit of each bucket, behind all promises to its class and lanes before its own."""
    return [
        token_bucket.turn_us(
            state.bucket, state.limit, shares=shares, direct=direct, now_us=state.now_us, promised=state.behind
        )
        / MICROSECONDS
        for state in states
    ]


def waits_for_its_turn(name: str, wait: float, waits: Sequence[float]) -> bool:
    """Whether it is for the others that a lane has to wait, and not for its own limit."""
    return name.endswith(SHARED) and wait > 0 and wait == max(waits)


def level(state: State, *, shares: Shares) -> Level:
    """How a bucket stands."""
    direct_us, queued_us = (
        token_bucket.wait_us(state.bucket, state.limit, shares=shares, direct=direct, now_us=state.now_us)
        for direct in (True, False)
    )
    room = 0 if state.missing else token_bucket.room(state.bucket, state.limit, now_us=state.now_us)
    return Level(
        room=room,
        direct_room=max(room - token_bucket.reserve(state.limit, shares, direct=True), int(direct_us == 0)),
        queued_room=max(room - token_bucket.reserve(state.limit, shares, direct=False), int(queued_us == 0)),
        speed_permille=token_bucket.speed_permille(state.bucket, now_us=state.now_us),
        promised=state.promised.own + state.promised.other,
        direct_wait=direct_us / MICROSECONDS,
        queued_wait=queued_us / MICROSECONDS,
        shares=shares,
    )

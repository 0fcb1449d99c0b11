"""The real clock, the real randomness and the interpreter. `now()` and `sleep()` are called here and nowhere below."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from gateway.ports import Clock

_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS: Final = 10
_RANDOM_DIGITS: Final = 16
_DIGIT_BITS: Final = 5
SWITCH_SECONDS: Final = 0.0005
"""How long one thread may keep the others from running Python, instead of the usual 5 ms. A small request goes from
thread to thread, and at each step it would wait for a large document that is checked. Threads of a worker hardly
compute: measured 113 to 180 documents a second with 64 of them."""


class SystemClock:
    """Implements `ports.Clock`."""

    def now(self) -> datetime:
        """See `ports.Clock`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `ports.Clock`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `ports.Clock`."""
        time.sleep(seconds)


class SystemIds:
    """Implements `ports.Ids`, from the operating system's randomness."""

    def new(self, prefix: str) -> str:
        """See `ports.Ids`."""
        return prefix + sortable_id(time.time_ns() // 1_000_000, secrets.randbits(_RANDOM_DIGITS * _DIGIT_BITS))

    def random_bytes(self, size: int) -> bytes:
        """See `ports.Ids`."""
        return secrets.token_bytes(size)

    def fraction(self) -> float:
        """See `ports.Ids`."""
        return secrets.randbelow(1_000_000) / 1_000_000


def skew_seconds(clock: Clock, told: Callable[[], datetime]) -> float:
    """By how many seconds, at least, a clock differs from another, which may take its time to tell."""
    before = clock.now()
    other = told()
    return max(0.0, (before - other).total_seconds(), (other - clock.now()).total_seconds())


def switch_often() -> None:
    """Let the threads of this process take turns quickly."""
    sys.setswitchinterval(SWITCH_SECONDS)


def sortable_id(milliseconds: int, random_bits: int) -> str:
    """26 characters: 10 of time, so that new rows lie together in an index, and 16 (80 bits) of chance."""
    return _digits(milliseconds, _TIME_DIGITS) + _digits(random_bits, _RANDOM_DIGITS)


def _digits(number: int, count: int) -> str:
    shifts = range((count - 1) * _DIGIT_BITS, -1, -_DIGIT_BITS)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in shifts)

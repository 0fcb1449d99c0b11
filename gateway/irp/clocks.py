"""The clocks of portals, by the `Date` of their answers (RFC 9110, 6.6.1): one for each host."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from gateway.ports import Clock

ASKED_AGAIN_SECONDS: Final = 20.0
"""A host is asked for nothing but its time no more often than that, however much waits for it."""


class PortalClocks:
    """By how much the clock of each host was ahead of ours at its last answer. Threads share it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._skews: dict[bytes, float] = {}
        self._asked_at: dict[bytes, float] = {}
        self._lock = threading.Lock()

    def note(self, url: str, headers: Mapping[str, str]) -> None:
        """Take the time from an answer. One without a date that can be read, or out of a cache, tells none."""
        told = _told(headers)
        if told is not None:
            self._skews[_host(url)] = (told - self._clock.now()).total_seconds()

    def skew_seconds(self, url: str) -> float | None:
        """By how much the host of an address is ahead of us; None while it has told nothing."""
        return self._skews.get(_host(url))

    def may_ask(self, url: str) -> bool:
        """Whether the host may be asked for its time now. Whoever is told that it may is the one that does."""
        host, now = _host(url), self._clock.monotonic()
        with self._lock:
            asked_at = self._asked_at.get(host)
            if asked_at is not None and now - asked_at < ASKED_AGAIN_SECONDS:
                return False
            self._asked_at[host] = now
            return True

    def was_not_asked(self, url: str) -> None:
        """Whoever was told that it may ask could not: the next one may."""
        with self._lock:
            self._asked_at.pop(_host(url), None)


def _told(headers: Mapping[str, str]) -> datetime | None:
    if headers.get("age", "0").strip() != "0":  # RFC 9111, 5.1: a cache had it for so long
        return None
    try:
        told = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return told if told.tzinfo is not None else None


def _host(url: str) -> bytes:
    return httpx.URL(url).netloc

"""How many errors the portals bear before they block everything, and how many logins before they lock a user out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.calendar import IST, indian_date


class Scope(StrEnum):
    """What errors are counted for: a taxpayer, and the client id by which a route calls the portal."""

    GSTIN = "gstin"
    CLIENT = "client"


ERRORS_MAX: Final[Mapping[Scope, int]] = {Scope.GSTIN: 20_000, Scope.CLIENT: 100_000}
"""Above these a portal blocks all its APIs for the taxpayer, or for the client id (NIC, "blocking of GSTIN")."""
WINDOW_DAYS: Final = 3
"""Errors of today and of so many days less one before it count. The portal names no window; it warns, gives two days'
grace and then blocks: what was counted on the day of the warning may still be held against us two days later."""
WARN_PERCENT: Final = (50, 80)
"""An operator is told when so much of it is spent."""
STOP_PERCENT: Final = 90
"""From here on those who cause the errors are stopped, so that the others need not be."""
LAST_PERCENT: Final = 98
"""From here on nothing of those who are stopped goes but what has a window of hours. Deadlines follow from the dates of
documents, so whoever sends old ones has no end of them; the last 400 errors (2,000 of a client id) are not theirs."""
LOGINS_MAX: Final = 4
"""Login attempts of one taxpayer within LOGIN_WINDOW: the portals lock a user out at the fifth within a quarter hour.
On all its routes together: two may lead to one portal, and NIC's portals share their users. A route whose portal is
silent is down after three (`limits/health.py`), so that one is left for the next route."""
LOGIN_WINDOW: Final = timedelta(minutes=16)
"""The portal's quarter of an hour, and a minute for what a login may take on its way."""
_PERCENT: Final = 100


def first_day(at: datetime) -> date:
    """The first day of India whose errors still count."""
    return indian_date(at) - timedelta(days=WINDOW_DAYS - 1)


def eases_at(at: datetime) -> datetime:
    """When the oldest day that counts leaves the window: the next midnight of India."""
    day_after = indian_date(at) + timedelta(days=1)
    return datetime(day_after.year, day_after.month, day_after.day, tzinfo=IST)


def percent(scope: Scope, errors: int) -> int:
    """How much of what the portal bears is spent, rounded down."""
    return errors * _PERCENT // ERRORS_MAX[scope]


def crossed(scope: Scope, *, before: int, after: int) -> int | None:
    """The highest of the marks (50, 80 and 90 per cent) that these errors went over; None for none."""
    marks = [mark for mark in (*WARN_PERCENT, STOP_PERCENT) if percent(scope, before) < mark <= percent(scope, after)]
    return max(marks, default=None)


def stops(scope: Scope, *, by_cause: Mapping[str, int], cause: str) -> bool:
    """Whether a caller is stopped: nearly all is spent, and it causes no less than those who cause any on the average.

    So at least one is stopped, and whoever causes few errors is not.
    """
    errors, own = sum(by_cause.values()), by_cause.get(cause, 0)
    return percent(scope, errors) >= STOP_PERCENT and own > 0 and own * len(by_cause) >= errors


def stopped_until(scope: Scope, days: Mapping[date, Mapping[str, int]], *, cause: str, at: datetime) -> datetime | None:
    """By which midnight of India so many days have left the window that a caller is stopped no more; None: it is not.

    `days` has the errors of each day by their causes. Further errors can make it later, nothing makes it sooner but
    those of others.
    """
    until = at
    while stops(scope, by_cause=_by_cause(days, since=first_day(until)), cause=cause):
        until = eases_at(until)
    return None if until == at else until


def _by_cause(days: Mapping[date, Mapping[str, int]], *, since: date) -> dict[str, int]:
    counted: dict[str, int] = {}
    for day, causes in days.items():
        for cause, errors in causes.items() if day >= since else ():
            counted[cause] = counted.get(cause, 0) + errors
    return counted


def next_login_at(attempts: Sequence[datetime], *, at: datetime) -> datetime | None:
    """When the next login may be tried, after these attempts in their order; None: now."""
    if len(attempts) < LOGINS_MAX:
        return None
    free_at = attempts[-LOGINS_MAX] + LOGIN_WINDOW
    return free_at if free_at > at else None

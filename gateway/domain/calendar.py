"""Indian dates: IST, financial years, and the ways in which the portal and HTTP write dates and times."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

IST: Final = timezone(timedelta(hours=5, minutes=30), "IST")

_PORTAL_DATE: Final = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})", re.ASCII)
_PORTAL_TIME: Final = "%Y-%m-%d %H:%M:%S"
_EWB_TIME: Final = "%d/%m/%Y%I:%M:%S%p"
"""Without its blanks: recorded answers have them, and one does not."""
_HTTP_DATE: Final = "%a, %d %b %Y %H:%M:%S GMT"
_RETRY_AFTER_DIGITS_MAX: Final = 9
"""Thirty years in seconds: what is longer is cut, and by its reader's bound anyway."""
_APRIL: Final = 4


def read_portal_date(text: str) -> date:
    """A date from `dd/MM/yyyy`. Raises ValueError when it is another form or no day of the calendar."""
    match = _PORTAL_DATE.fullmatch(text)
    if match is None:
        message = "a date is written dd/MM/yyyy"
        raise ValueError(message)
    day, month, year = (int(part) for part in match.groups())
    return date(year, month, day)


def write_portal_date(on: date) -> str:
    """`dd/MM/yyyy`."""
    return f"{on.day:02}/{on.month:02}/{on.year:04}"


def read_portal_time(text: str) -> datetime:
    """An instant (UTC) from the portal's `yyyy-MM-dd HH:mm:ss`, which is IST and does not say so. Raises ValueError."""
    return datetime.strptime(text, _PORTAL_TIME).replace(tzinfo=IST).astimezone(UTC)


def read_ewb_time(text: str) -> datetime:
    """An instant (UTC) from the e-way bill system's `dd/MM/yyyy hh:mm:ss AM`, which is IST. Raises ValueError."""
    return datetime.strptime(text.replace(" ", "").upper(), _EWB_TIME).replace(tzinfo=IST).astimezone(UTC)


def write_portal_time(at: datetime) -> str:
    """`yyyy-MM-dd HH:mm:ss` in IST."""
    return at.astimezone(IST).strftime(_PORTAL_TIME)


def write_instant(at: datetime) -> str:
    """RFC 3339 with `+05:30`, as our clients read the times of which the law speaks."""
    return at.astimezone(IST).isoformat(timespec="seconds")


def read_retry_after(text: str, *, at: datetime) -> int | None:
    """The seconds from `at` that a Retry-After asks for, below zero for a time that is over; None when it says nothing.

    Source: RFC 9110, 10.2.3: a number of seconds, or a date in its one form that is still written.
    """
    if text.isascii() and text.isdigit():
        return int(text[:_RETRY_AFTER_DIGITS_MAX])
    try:
        until = datetime.strptime(text, _HTTP_DATE).replace(tzinfo=UTC)
    except ValueError:
        return None
    return int((until - at).total_seconds())


def indian_date(at: datetime) -> date:
    """The day on which an instant falls in India."""
    return at.astimezone(IST).date()


def financial_year(on: date) -> str:
    """`YYYY-YY`, April to March: 31-03-2026 is in 2025-26, 01-04-2026 in 2026-27."""
    first = on.year if on.month >= _APRIL else on.year - 1
    return f"{first:04}-{(first + 1) % 100:02}"

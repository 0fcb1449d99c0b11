"""Indian dates, and the ways in which the portal writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import calendar

_YEARS = (1999, 2000, 2017, 2019, 2020, 2023, 2024, 2025, 2026, 2027, 2028, 2099, 2100)
_EDGES = [date(year, 3, 25) + timedelta(days=days) for year in _YEARS for days in range(14)]
dates = st.dates(date(1900, 1, 1), date(9998, 12, 31))


@pytest.mark.parametrize("on", _EDGES, ids=str)
def test_the_year_turns_on_the_first_of_april(on: date) -> None:
    """Around every edge, March belongs to the year that began before it and April to its own."""
    first = on.year if on >= date(on.year, 4, 1) else on.year - 1
    assert calendar.financial_year(on) == f"{first}-{str(first + 1)[-2:]}"


@pytest.mark.parametrize(
    ("on", "year"),
    [
        (date(2026, 3, 31), "2025-26"),
        (date(2026, 4, 1), "2026-27"),
        (date(2024, 2, 29), "2023-24"),
        (date(2000, 2, 29), "1999-00"),
        (date(1999, 4, 1), "1999-00"),
        (date(2100, 2, 28), "2099-00"),
        (date(2026, 1, 1), "2025-26"),
        (date(2026, 12, 31), "2026-27"),
    ],
)
def test_known_days_have_known_years(on: date, year: str) -> None:
    """Leap days, turns of the century and the calendar's own new year change nothing."""
    assert calendar.financial_year(on) == year


def test_a_financial_year_changes_once_a_year() -> None:
    """Day by day through twelve years, the year changes on the first of April and on no other day."""
    days = [date(2016, 1, 1) + timedelta(days=each) for each in range(12 * 366)]
    for before, after in pairwise(days):
        changed = calendar.financial_year(before) != calendar.financial_year(after)
        assert changed == ((after.month, after.day) == (4, 1))


@given(dates)
def test_a_portal_date_is_read_as_it_was_written(on: date) -> None:
    """Every day of the calendar survives dd/MM/yyyy."""
    text = calendar.write_portal_date(on)
    assert len(text) == 10
    assert calendar.read_portal_date(text) == on


@pytest.mark.parametrize(
    "text",
    [
        "29/02/2025",
        "29/02/2100",
        "31/04/2026",
        "00/01/2026",
        "01/13/2026",
        "01/00/2026",
        "01/01/0000",
        "1/1/2026",
        "01-01-2026",
        "2026/01/01",
        "01/01/26",
        " 01/01/2026",
        "01/01/2026 ",
        "01/01/2026\n",
        "\u0967\u0967/01/2026",
        "\uff11\uff11/01/2026",
        "",
    ],
)
def test_no_day_of_the_calendar_is_refused(text: str) -> None:
    """A day that does not exist, another form, foreign digits or a line break: a ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        calendar.read_portal_date(text)


@pytest.mark.parametrize("text", ["29/02/2024", "29/02/2000", "31/12/9999"])
def test_leap_days_exist_where_they_exist(text: str) -> None:
    """A leap day of a leap year is a day."""
    assert calendar.write_portal_date(calendar.read_portal_date(text)) == text


@given(st.integers(0, 4_000_000_000).map(lambda at: datetime.fromtimestamp(at, UTC)))
def test_a_portal_time_is_indian(at: datetime) -> None:
    """What the portal writes without a zone is IST, five and a half hours ahead of UTC, and survives the way there."""
    text = calendar.write_portal_time(at)
    assert calendar.read_portal_time(text) == at
    assert text == (at + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%d %H:%M:%S")


def test_a_portal_time_is_read_into_utc() -> None:
    """Noon in India is half past six, in UTC and aware."""
    at = calendar.read_portal_time("2026-04-15 12:00:00")
    assert at == datetime(2026, 4, 15, 6, 30, tzinfo=UTC)
    assert at.tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["2026-04-15", "15/04/2026 12:00:00", "2026-04-15T12:00:00", "2026-02-30 00:00:00", ""]
)
def test_another_form_of_time_is_refused(text: str) -> None:
    """What is not the portal's form is a ValueError, never a guess."""
    with pytest.raises(ValueError, match=r".+"):
        calendar.read_portal_time(text)


@pytest.mark.parametrize(
    ("at", "on"),
    [
        (datetime(2026, 3, 31, 18, 29, 59, tzinfo=UTC), date(2026, 3, 31)),
        (datetime(2026, 3, 31, 18, 30, tzinfo=UTC), date(2026, 4, 1)),
        (datetime(2024, 2, 28, 18, 30, tzinfo=UTC), date(2024, 2, 29)),
        (datetime(2024, 2, 29, 18, 30, tzinfo=UTC), date(2024, 3, 1)),
    ],
)
def test_a_day_begins_at_midnight_in_india(at: datetime, on: date) -> None:
    """The Indian day changes at half past six in the evening UTC, and with it the financial year."""
    assert calendar.indian_date(at) == on


def test_an_instant_tells_its_offset() -> None:
    """Our clients read times with `+05:30`, to the second."""
    assert calendar.write_instant(datetime(2026, 4, 15, 6, 30, 15, 999, tzinfo=UTC)) == "2026-04-15T12:00:15+05:30"

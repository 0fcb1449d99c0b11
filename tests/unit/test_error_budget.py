"""How many errors and logins the portals bear."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain import error_budget
from gateway.domain.calendar import indian_date
from gateway.domain.error_budget import ERRORS_MAX, LOGIN_WINDOW, LOGINS_MAX, WINDOW_DAYS, Scope
from tests.support import START


@pytest.mark.parametrize(
    ("before", "after", "mark"),
    [
        (0, 9_999, None),
        (9_999, 10_000, 50),
        (10_000, 10_001, None),
        (9_000, 16_000, 80),
        (17_999, 18_000, 90),
        (0, 20_000, 90),
        (18_000, 30_000, None),
    ],
)
def test_each_mark_is_told_once(before: int, after: int, mark: int | None) -> None:
    """At 50, 80 and 90 per cent, by whichever errors go over it; the highest when they go over several."""
    assert error_budget.crossed(Scope.GSTIN, before=before, after=after) == mark


def test_a_client_id_bears_five_times_as_much() -> None:
    """20,000 for a taxpayer, 100,000 for a client id (NIC)."""
    assert (ERRORS_MAX[Scope.GSTIN], ERRORS_MAX[Scope.CLIENT]) == (20_000, 100_000)
    assert error_budget.crossed(Scope.CLIENT, before=49_999, after=50_000) == 50


def test_the_last_errors_are_kept_for_what_has_hours() -> None:
    """400 of a taxpayer and 2,000 of a client id: above the mark of the stop, and below what the portal bears."""
    left = {scope: errors * (100 - error_budget.LAST_PERCENT) // 100 for scope, errors in ERRORS_MAX.items()}
    assert left == {Scope.GSTIN: 400, Scope.CLIENT: 2_000}
    assert error_budget.STOP_PERCENT < error_budget.LAST_PERCENT


def test_whoever_causes_them_is_stopped_and_nobody_else() -> None:
    """At 90 per cent the caller that errs is stopped; the one with a few errors and the one with none go on."""
    causes = {"careless": 17_900, "careful": 100}
    stopped = {
        cause: error_budget.stops(Scope.GSTIN, by_cause=causes, cause=cause)
        for cause in ("careless", "careful", "silent")
    }
    assert stopped == {"careless": True, "careful": False, "silent": False}
    assert not error_budget.stops(Scope.GSTIN, by_cause={"careless": 17_999}, cause="careless")


def test_somebody_is_always_stopped() -> None:
    """Also when all err alike: the portal would block all of them."""
    causes = {str(number): 180 for number in range(100)}
    assert all(error_budget.stops(Scope.GSTIN, by_cause=causes, cause=cause) for cause in causes)


@pytest.mark.parametrize(
    ("errors", "days"),
    [
        ((0, 0, 17_999), None),
        ((0, 0, 18_000), 3),
        ((9_000, 0, 9_000), 1),
        ((100, 8_900, 9_000), 1),
        ((100, 900, 18_000), 3),
        ((100, 18_000, 100), 2),
    ],
)
def test_a_stop_lasts_until_enough_of_its_days_have_left(errors: tuple[int, ...], days: int | None) -> None:
    """By the day before yesterday, yesterday and today: the first midnight after which less than 90 per cent counts."""
    today = indian_date(START)
    by_day = {today - timedelta(days=2 - ago): {"careless": number} for ago, number in enumerate(errors)}
    until = error_budget.stopped_until(Scope.GSTIN, by_day, cause="careless", at=START)
    assert until == (None if days is None else error_budget.eases_at(START) + timedelta(days=days - 1))


def test_days_are_those_of_india() -> None:
    """The window begins and eases at the midnight of India, wherever the gateway runs."""
    evening = datetime(2026, 11, 20, 18, 29, tzinfo=UTC)
    assert error_budget.first_day(evening).isoformat() == "2026-11-18"
    assert error_budget.first_day(evening + timedelta(minutes=2)).isoformat() == "2026-11-19"
    assert error_budget.eases_at(evening) == evening + timedelta(minutes=1)
    assert WINDOW_DAYS == 3


def test_the_fifth_login_waits_for_the_first_to_be_over() -> None:
    """Four within the window are free; the next may be tried when the oldest of the last four has left it."""
    tries = [START + timedelta(minutes=minute) for minute in (0, 1, 2, 3)]
    at = START + timedelta(minutes=4)
    assert [error_budget.next_login_at(tries[:count], at=at) for count in range(LOGINS_MAX)] == [None] * 4
    assert error_budget.next_login_at(tries, at=at) == START + LOGIN_WINDOW
    assert error_budget.next_login_at(tries, at=START + LOGIN_WINDOW) is None
    assert error_budget.next_login_at([*tries, at], at=at) == tries[1] + LOGIN_WINDOW

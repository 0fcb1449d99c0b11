"""The law of an e-way bill's life: days, windows and what may be done when."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from gateway.domain.calendar import IST
from gateway.domain.ewaybill import (
    PORTAL_CODES,
    Bill,
    Hindrance,
    Standing,
    Step,
    days_of_validity,
    deadline,
    document_is_too_old,
    extension_window,
    is_oversized,
    refusal,
    valid_until,
)

MADE = datetime(2026, 6, 1, 10, 0, tzinfo=IST)
ENDS = datetime(2026, 6, 3, 23, 59, tzinfo=IST)
BILL = Bill(made_at=MADE, valid_until=ENDS)


def _ist(text: str) -> datetime:
    return datetime.strptime(text, "%d/%m/%Y %H:%M").replace(tzinfo=IST)


@pytest.mark.parametrize(
    ("km", "oversized", "days"),
    [
        (0, False, 1),
        (1, False, 1),
        (200, False, 1),
        (201, False, 2),
        (2467, False, 13),
        (4000, False, 20),
        (1, True, 1),
        (20, True, 1),
        (21, True, 2),
        (200, True, 10),
        (201, True, 11),
    ],
)
def test_each_part_of_a_distance_gives_a_day(km: int, oversized: bool, days: int) -> None:  # noqa: FBT001  a parameter
    """A day per 200 km or part, per 20 km for over-dimensional cargo."""
    assert days_of_validity(km, oversized=oversized) == days


@pytest.mark.parametrize(
    ("made", "km", "until"),
    [
        ("05/10/2022 12:39", 10, "06/10/2022 23:59"),
        ("16/09/2022 10:00", 2467, "29/09/2022 23:59"),
        ("28/03/2020 15:04", 15, "29/03/2020 23:59"),
        ("04/07/2023 18:13", 5, "05/07/2023 23:59"),
    ],
)
def test_recorded_validities_are_computed_as_the_portal_did(made: str, km: int, until: str) -> None:
    """Recorded answers of the portal, an extension among them, end on the computed minute."""
    assert valid_until(_ist(made), distance_km=km, oversized=False) == _ist(until)


@pytest.mark.parametrize(("made", "until"), [("31/12/2026 23:59", "01/01/2027"), ("01/01/2027 00:00", "02/01/2027")])
def test_a_day_is_one_of_india(made: str, until: str) -> None:
    """The day of making is the Indian one, whatever the instant is in UTC."""
    assert valid_until(_ist(made), distance_km=1, oversized=False) == _ist(f"{until} 23:59")


@pytest.mark.parametrize(
    ("vehicle_type", "mode", "oversized"),
    [("O", "1", True), ("R", "1", False), (None, "4", True), (None, None, False), ("R", "4", True)],
)
def test_oversized_cargo_and_ships_go_by_the_short_distance(
    vehicle_type: str | None,
    mode: str | None,
    oversized: bool,  # noqa: FBT001  a parameter
) -> None:
    """Vehicle type O, or a leg by ship."""
    assert is_oversized(vehicle_type=vehicle_type, mode=mode) is oversized


@pytest.mark.parametrize(("step", "hours"), [(Step.CANCEL, 24), (Step.REJECT, 72)])
def test_a_window_is_open_to_its_last_instant(step: Step, hours: int) -> None:
    """At 24 and 72 hours it still may be done, a second later not."""
    bill = Bill(made_at=MADE, valid_until=MADE + timedelta(days=9))
    last = MADE + timedelta(hours=hours)
    assert deadline(step, bill) == last
    assert refusal(step, bill, at=last) is None
    found = refusal(step, bill, at=last + timedelta(seconds=1))
    assert found is not None
    assert (found.hindrance, found.at) == (Hindrance.WINDOW_CLOSED, last)


def test_validity_is_extended_within_eight_hours_of_its_end() -> None:
    """Neither a second before the window nor one after it."""
    opens_at, closes_at = extension_window(ENDS)
    assert (opens_at, closes_at) == (_ist("03/06/2026 15:59"), _ist("04/06/2026 07:59"))
    assert refusal(Step.EXTEND, BILL, at=opens_at) is None
    assert refusal(Step.EXTEND, BILL, at=closes_at) is None
    early = refusal(Step.EXTEND, BILL, at=opens_at - timedelta(seconds=1))
    late = refusal(Step.EXTEND, BILL, at=closes_at + timedelta(seconds=1))
    assert early is not None
    assert late is not None
    assert (early.hindrance, early.at) == (Hindrance.TOO_EARLY, opens_at)
    assert (late.hindrance, late.at) == (Hindrance.WINDOW_CLOSED, closes_at)


@pytest.mark.parametrize(("days", "allowed"), [(360, True), (361, False)])
def test_a_life_has_360_days_at_most(days: int, allowed: bool) -> None:  # noqa: FBT001  a parameter
    """The last day of an extension counts from the day of making."""
    until = datetime.combine(MADE.date() + timedelta(days=days), ENDS.timetz())
    found = refusal(Step.EXTEND, BILL, at=ENDS, extended_until=until)
    assert (found is None) is allowed
    assert found is None or found.hindrance is Hindrance.TOO_LONG


@pytest.mark.parametrize("step", [Step.VEHICLE, Step.TRANSPORTER, Step.CONSOLIDATE, Step.MULTI_VEHICLE, Step.REJECT])
def test_what_moves_goods_needs_validity(step: Step) -> None:
    """After the last minute the goods may not go on under this bill."""
    assert refusal(step, BILL, at=ENDS) is None
    found = refusal(step, BILL, at=ENDS + timedelta(seconds=1))
    assert found is not None
    assert found.hindrance is Hindrance.OVER


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("standing", [each for each in Standing if each is not Standing.ACTIVE])
def test_nothing_is_done_to_a_bill_that_is_not_in_force(step: Step, standing: Standing) -> None:
    """Cancelled, rejected and closed are ends."""
    found = refusal(step, Bill(made_at=MADE, valid_until=ENDS, standing=standing), at=MADE)
    assert found is not None
    assert found.hindrance is Hindrance.NOT_ACTIVE


def test_part_a_alone_has_no_validity_to_lose() -> None:
    """A vehicle may be entered at any time, and nothing can be extended or rejected before."""
    bill = Bill(made_at=MADE, valid_until=None)
    later = MADE + timedelta(days=10)
    assert refusal(Step.VEHICLE, bill, at=later) is None
    assert refusal(Step.CLOSE, bill, at=later) is None
    for step in (Step.EXTEND, Step.REJECT):
        found = refusal(step, bill, at=MADE)
        assert found is not None
        assert found.hindrance is Hindrance.NO_VEHICLE


def test_documents_of_more_than_180_days_get_no_bill() -> None:
    """The limit of 01-01-2025, on both sides."""
    assert not document_is_too_old(date(2026, 1, 1), on=date(2026, 6, 30))
    assert document_is_too_old(date(2026, 1, 1), on=date(2026, 7, 1))


def test_the_portal_code_of_a_hindrance_is_one_it_knows() -> None:
    """Every code of the table belongs to a step that can meet that hindrance."""
    assert {step for step, _ in PORTAL_CODES} == set(Step) - {Step.CLOSE}
    assert all(code.isdigit() for code in PORTAL_CODES.values())

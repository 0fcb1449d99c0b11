"""The code lists: each is read, dated and looked up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from gateway.codes import code_lists
from gateway.domain.rules.lists import NO_LISTS

LISTS = code_lists()
TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("kind", "known", "unknown"),
    [
        ("states", "29", "39"),
        ("units", "NOS", "NO"),
        ("ports", "INBOM4", "XXBOM4"),
        ("countries", "AE", "ZZ"),
        ("currencies", "USD", "USX"),
    ],
)
def test_a_list_objects_to_what_it_does_not_have(kind: str, known: str, unknown: str) -> None:
    """A known code passes, another does not, and without lists nothing is objected to."""
    listed = getattr(LISTS, kind)
    assert (listed.objects(known, on=TODAY), listed.objects(unknown, on=TODAY)) == (False, True)
    assert not getattr(NO_LISTS, kind).objects(unknown, on=TODAY)


def test_a_code_holds_from_its_first_to_its_last_day() -> None:
    """The 40 % rate begins on 22-09-2025, and the old Daman and Diu ended with 25-01-2020."""
    assert [LISTS.rates.objects(40, on=date(2025, 9, day)) for day in (21, 22)] == [True, False]
    assert [LISTS.states.objects("25", on=date(2020, 1, day)) for day in (25, 26)] == [False, True]


def test_a_rate_is_known_by_its_value() -> None:
    """18, 18.0 and 18.000 are one rate; 17.99 is none."""
    written = (18, Decimal("18.0"), Decimal("18.000"), Decimal("17.99"))
    assert [LISTS.rates.objects(rate, on=TODAY) for rate in written] == [False, False, False, True]


def test_a_pin_code_lies_where_its_first_three_digits_say() -> None:
    """Some prefixes lie in one state, some in several, and some nowhere."""
    assert LISTS.pins.of(560058) == {29}
    assert LISTS.pins.of(605001) == {33, 34}
    assert LISTS.pins.of(999999) == {96, 97}
    assert LISTS.pins.of(100001) == frozenset()
    assert NO_LISTS.pins.of(560058) is None


def test_every_alias_of_a_unit_leads_to_a_unit() -> None:
    """What is often written is no unit itself, and stands for one."""
    assert not set(LISTS.unit_aliases) & set(LISTS.units.entries)
    assert set(LISTS.unit_aliases.values()) <= set(LISTS.units.entries)

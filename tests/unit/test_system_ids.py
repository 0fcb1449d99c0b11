"""The real randomness, and ids that sort by time."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.system import SystemClock, SystemIds, skew_seconds, sortable_id
from tests.support import START, FakeClock

_CROCKFORD = set(string.digits + string.ascii_lowercase) - set("ilou")
times = st.integers(0, 2**50 - 1)
chances = st.integers(0, 2**80 - 1)


@given(times, times, chances, chances)
def test_ids_sort_by_time(one: int, other: int, chance: int, other_chance: int) -> None:
    """Whatever the chance in them, an earlier id sorts before a later one."""
    if one < other:
        assert sortable_id(one, chance) < sortable_id(other, other_chance)


@given(times, chances)
def test_an_id_has_26_unmistakable_characters(milliseconds: int, chance: int) -> None:
    """Digits and small letters without i, l, o and u."""
    id = sortable_id(milliseconds, chance)
    assert len(id) == 26
    assert set(id) <= _CROCKFORD


@given(times, chances, times, chances)
def test_ids_are_alike_only_when_both_parts_are(time: int, chance: int, other_time: int, other_chance: int) -> None:
    """No bit of the time or of the chance is lost."""
    same = (time, chance) == (other_time, other_chance)
    assert (sortable_id(time, chance) == sortable_id(other_time, other_chance)) == same


def test_new_ids_carry_their_prefix_and_are_never_the_same() -> None:
    """Ten thousand ids of one moment are ten thousand ids."""
    ids = [SystemIds().new("op_") for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert all(id.startswith("op_") and len(id) == 29 for id in ids)


@pytest.mark.parametrize("size", [0, 1, 12, 32])
def test_random_bytes_have_their_size(size: int) -> None:
    """As many as were asked for, and others each time."""
    assert len(SystemIds().random_bytes(size)) == size
    assert size < 12 or SystemIds().random_bytes(size) != SystemIds().random_bytes(size)


def test_a_fraction_is_at_least_0_and_below_1() -> None:
    """Jitter never reaches one."""
    fractions = [SystemIds().fraction() for _ in range(1000)]
    assert min(fractions) >= 0
    assert max(fractions) < 1
    assert len(set(fractions)) > 900


def test_the_clock_is_aware_and_its_monotonic_side_never_steps_back() -> None:
    """The present comes in UTC, and deadlines are counted on a clock that only goes forward."""
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    before = clock.monotonic()
    clock.sleep(0)
    assert clock.monotonic() >= before


@pytest.mark.parametrize(
    ("ahead", "took", "found"), [(0, 0, 0), (5, 0, 5), (-5, 0, 5), (0, 60, 0), (30, 60, 0), (65, 60, 5), (-5, 60, 5)]
)
def test_a_clock_that_tells_late_is_not_wrong(ahead: int, took: int, found: int) -> None:
    """What a busy machine makes of the question is no difference; beyond it, one is seen whichever way it goes."""
    clock = FakeClock()

    def told() -> datetime:
        clock.sleep(took)
        return START + timedelta(seconds=ahead)

    assert skew_seconds(clock, told) == found

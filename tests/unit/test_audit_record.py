"""Audit records and the digest that fixes one."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.audit import Action, Record, months_before
from gateway.domain.calendar import IST
from tests.support import GSTIN, ORG, START, record

_FULL = {
    "environment": "test",
    "org_id": ORG,
    "gstin": GSTIN,
    "version": 3,
    "facts": {"number": 1, "meaning": None, "nested": {"b": [1, 2], "a": "x"}},
}
_CHANGES: dict[str, Any] = {
    "id": "aud_2",
    "at": START + timedelta(microseconds=1),
    "actor": "somebody else",
    "action": Action.ATTEMPT_BEGAN,
    "subject": "op_2",
    "environment": "live",
    "org_id": "org_2",
    "gstin": None,
    "version": 4,
    "facts": {},
}


@pytest.mark.parametrize("name", [field.name for field in fields(Record)])
def test_changing_any_member_changes_the_digest(name: str) -> None:
    """No member of a record, present or future, is outside its digest."""
    assert record(**_FULL | {name: _CHANGES[name]}).digest != record(**_FULL).digest


@pytest.mark.parametrize(
    "facts",
    [
        {"number": 2, "meaning": None, "nested": {"b": [1, 2], "a": "x"}},
        {"number": "1", "meaning": None, "nested": {"b": [1, 2], "a": "x"}},
        {"number": 1, "nested": {"b": [1, 2], "a": "x"}},
        {"number": 1, "meaning": None, "nested": {"b": [2, 1], "a": "x"}},
    ],
)
def test_changing_any_fact_changes_the_digest(facts: dict[str, Any]) -> None:
    """A fact's value, type, presence and place all count."""
    assert record(**_FULL | {"facts": facts}).digest != record(**_FULL).digest


def test_the_order_of_facts_and_the_zone_of_a_time_do_not_matter() -> None:
    """One record has one digest, however it was put together."""
    other = _FULL | {"facts": {"nested": {"a": "x", "b": [1, 2]}, "meaning": None, "number": 1}}
    assert record(**other).digest == record(**_FULL).digest
    assert record(**_FULL | {"at": START.astimezone(IST)}).digest == record(**_FULL | {"at": START}).digest


def test_a_word_of_a_vocabulary_is_its_text() -> None:
    """A record that was read back from a table, with plain text for its action, has the digest it was written with."""
    written = record(**_FULL)
    read = record(**_FULL | {"action": Action(written.action.value), "at": START.replace(tzinfo=UTC)})
    assert read.digest == written.digest
    assert len(written.digest) == 64


def test_members_cannot_be_shifted_into_each_other() -> None:
    """What one member loses and its neighbour gains is another record."""
    one = record(actor="ab", subject="c")
    other = record(actor="a", subject="bc")
    assert one.digest != other.digest


@pytest.mark.parametrize("action", list(Action))
def test_an_action_is_a_subject_and_a_verb(action: Action) -> None:
    """Every action has the form `subject:verb`."""
    subject, verb = action.split(":")
    assert subject.replace("_", "").isalpha()
    assert verb.replace("_", "").isalpha()


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        ((2026, 11, 20), 72, (2020, 11, 20)),
        ((2026, 3, 31), 1, (2026, 2, 28)),
        ((2024, 3, 31), 1, (2024, 2, 29)),
        ((2026, 1, 15), 1, (2025, 12, 15)),
        ((2024, 2, 29), 72, (2018, 2, 28)),
    ],
)
def test_months_before(day: tuple[int, int, int], months: int, before: tuple[int, int, int]) -> None:
    """An age in months ends on the same day, or on the last of a shorter month."""
    assert months_before(datetime(*day, 12, tzinfo=UTC), months=months) == datetime(*before, 12, tzinfo=UTC)

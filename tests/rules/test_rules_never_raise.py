"""`check` answers whatever it is given: any JSON value in any place, many lines, hostile numbers."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.codes import code_lists
from gateway.domain import strict_json
from gateway.domain.rules import FAULTS_MAX, Context, check
from tests.rules.rule_cases import TODAY, base, repeated

CONTEXT = Context(
    on=TODAY,
    lists=code_lists(),
    reporting_days=30,
    earlier={},
    size_bytes=1,
    doc_types=frozenset({"INV"}),
)
VALUES: list[Any] = [
    None,
    True,
    "",
    "x",
    "URP",
    "31/02/2026",
    -1,
    0,
    10**39,
    Decimal("1E-30"),
    Decimal("1E30"),
    [],
    {},
    [1],
    {"a": []},
]
DOCUMENTS = sorted(path.stem for path in (Path(__file__).parent / "bases").glob("*.json"))


def with_each_member_changed(value: Any, other: Any) -> Iterator[Any]:
    """The value with one of its members, at any depth, replaced or taken out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {**value, name: other}
            yield {each: kept for each, kept in value.items() if each != name}
            yield from ({**value, name: changed} for changed in with_each_member_changed(inner, other))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield [*value[:index], other, *value[index + 1 :]]
            yield from (
                [*value[:index], changed, *value[index + 1 :]] for changed in with_each_member_changed(inner, other)
            )


@pytest.mark.parametrize("name", ["carried", "cess", "credit", "export"])
def test_any_value_in_any_place_is_answered(name: str) -> None:
    """Nothing raises, the same question has the same answer, and every finding can be shown as JSON."""
    for other in VALUES:
        for document in with_each_member_changed(base(name), other):
            before = copy.deepcopy(document)
            first, second = (check(document, context=CONTEXT) for _ in range(2))
            assert (first, document) == (second, before)
            json.dumps([fault.as_json() for fault in (*first.errors, *first.warnings)], default=str)


@pytest.mark.parametrize("value", VALUES)
def test_what_is_no_document_is_answered(value: Any) -> None:
    """The whole may be any JSON value too."""
    check(value, context=CONTEXT)


def test_without_lists_nothing_is_said_of_codes() -> None:
    """A check that has no lists at hand finds a valid document valid, and an unknown code nothing to speak of."""
    document = base("export")
    document["ExpDtls"]["Port"] = "INXXX9"
    assert check(document, context=Context(on=TODAY)).errors == ()


def test_findings_are_counted_when_there_are_too_many() -> None:
    """At most a hundred are told, and the last says how many more there are."""
    document = repeated(base("zone"), 1000)
    for line in document["ItemList"]:
        line["GstRt"] = 17
    errors = check(document, context=CONTEXT).errors
    assert len(errors) == FAULTS_MAX
    assert errors[-1].message == "1901 further findings are not listed."


def test_a_document_of_the_largest_amounts_adds_up() -> None:
    """The bounds of the form are amounts like others: their sums are exact."""
    text = b'{"TotAmt":999999999999.99,"AssAmt":999999999999.99,"GstRt":0,"IgstAmt":0,"TotItemVal":999999999999.99}'
    document = base("zone")
    document["ItemList"] = [document["ItemList"][0] | strict_json.read(text) | {"UnitPrice": 10, "Qty": 0}]
    document["ValDtls"] = strict_json.read(b'{"AssVal":999999999999.99,"TotInvVal":1000000000001.98}')
    assert [fault.code for fault in check(document, context=CONTEXT).errors] == ["GSP-TOT-09"]


def test_rules_go_by_the_day_that_they_are_told() -> None:
    """The same document today and on another day: the clock is not asked."""
    document = base("inter")
    told = [check(document, context=Context(on=day)).errors for day in (date(2026, 11, 11), date(2026, 11, 12))]
    assert [[fault.code for fault in errors] for errors in told] == [["GSP-HDR-02"], []]

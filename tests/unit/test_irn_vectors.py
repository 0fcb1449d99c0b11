"""IRNs that are known from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.domain import irn
from gateway.domain.calendar import read_portal_date

_CASES = json.loads((Path(__file__).parents[1] / "vectors" / "irn.json").read_text())["cases"]


def _arguments(case: dict[str, Any]) -> dict[str, Any]:
    names = ("seller_gstin", "doc_type", "doc_no")
    return {name: case[name] for name in names} | {"doc_date": read_portal_date(case["doc_date"])}


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case['doc_type']} {case['doc_no']} {case['kept']}")
def test_a_known_irn_comes_out(case: dict[str, Any]) -> None:
    """Every IRN of the table is computed, by the rule of its time."""
    rule = irn.predict_case_kept if case["kept"] else irn.predict
    assert rule(**_arguments(case)) == case["irn"]


def test_the_rules_differ_only_where_a_number_has_small_letters() -> None:
    """A number in capitals has one IRN by both rules; one with small letters has two."""
    for case in _CASES:
        arguments = _arguments(case)
        same = irn.predict(**arguments) == irn.predict_case_kept(**arguments)
        assert same == (case["doc_no"] == case["doc_no"].upper())


def test_the_last_day_of_march_and_the_first_of_april_are_two_years() -> None:
    """The IRN changes with the financial year, and not within it."""
    case = _arguments(_CASES[-1])
    irns = [
        irn.predict(**(case | {"doc_date": read_portal_date(on)})) for on in ("01/04/2019", "31/03/2020", "01/04/2020")
    ]
    assert irns[0] == irns[1] != irns[2]

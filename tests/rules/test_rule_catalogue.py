"""The table of the rules keeps its promises: codes, places, portal codes and dates."""

from __future__ import annotations

import csv
import json
import re
from datetime import date
from importlib import resources

import pytest

from gateway.cli import rulebook
from gateway.domain.rules import RULES, Rule, Severity
from gateway.domain.rules.retired import RETIRED

CODE = re.compile(r"GSP-[A-Z]{3}-[0-9]{2}")


def named(rule: Rule) -> str:
    """A rule's name in the report."""
    return rule.code


def test_codes_are_unique_and_of_one_form() -> None:
    """A code means one thing for ever: no two rules share one, and none has that of a retired one."""
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes)
    assert all(CODE.fullmatch(code) for code in codes)
    assert not set(codes) & set(RETIRED)
    assert set(RETIRED.values()) <= set(codes)


def test_codes_have_no_gaps() -> None:
    """A number that is left out was taken away without being listed as retired."""
    for area in {rule.area for rule in RULES}:
        numbers = sorted(int(rule.code[-2:]) for rule in RULES if rule.area == area)
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_can_be_read(rule: Rule) -> None:
    """It says in sentences what is wrong and what to do, who says so, and has a predicate with a name."""
    assert all(text[0].isupper() or text[0].isdigit() for text in (rule.sentence, rule.help))
    assert all(text.endswith(".") for text in (rule.sentence, rule.help))
    assert rule.source
    assert rule.broken.__name__.isidentifier()
    assert rule.broken.__doc__
    assert (rule.valid_from or date.min) <= (rule.valid_to or date.max)
    assert not rule.allowable or rule.severity is Severity.ERROR


def test_predicates_are_not_shared() -> None:
    """Two rules that ask the same would be one."""
    assert len({rule.broken for rule in RULES}) == len(RULES)


def test_portal_codes_are_known() -> None:
    """Each is in the list of the portal's codes, which says what it means for a document that was sent."""
    text = resources.files("schemas").joinpath("codes/portal-codes.csv").read_text(encoding="utf-8")
    known = {row["code"] for row in csv.DictReader(text.splitlines())}
    assert {rule.portal_code for rule in RULES if rule.portal_code} <= known


def test_the_catalogue_has_every_rule() -> None:
    """For programs and for people, with its place and its dates."""
    told = json.loads(rulebook.catalogue())
    assert [each["code"] for each in told["rules"]] == [rule.code for rule in RULES]
    assert {each["code"] for each in told["retired"]} == set(RETIRED)
    page = rulebook.page()
    assert all(f"### {rule.code}\n" in page and rule.sentence in page for rule in RULES)
    assert {rule.area for rule in RULES} == set(rulebook.AREAS)

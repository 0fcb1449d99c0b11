"""Every rule on documents that hold and on some that break: exactly the expected codes at exactly the right places."""

from __future__ import annotations

import copy
import json

import pytest

from gateway.domain.rules import RULES, Severity, check
from tests.rules.rule_cases import Example, examples, found, mended, verdict_of

EXAMPLES = list(examples())
HOLDING = [each for each in EXAMPLES if each.holds]
BREAKING = [each for each in EXAMPLES if not each.holds]
BY_CODE = {rule.code: rule for rule in RULES}


def named(example: Example) -> str:
    """An example's name in the report."""
    return example.name


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_what_is_found_is_exactly_what_is_wrong(example: Example) -> None:
    """No code and no place more than expected, and none fewer; each as the error or the warning that it is."""
    verdict = verdict_of(example)
    assert found(verdict) == example.expected()
    allowed = example.context().allow
    errors = {fault.code for fault in verdict.errors}
    assert all(BY_CODE[code].severity is Severity.ERROR and code not in allowed for code in errors)


@pytest.mark.parametrize("example", BREAKING, ids=named)
def test_the_patches_mend_what_they_are_offered_for(example: Example) -> None:
    """After all of them, what is left is known; each code that is not left is gone, and nothing new has come."""
    document = example.document()
    verdict = check(document, context=example.context())
    after = check(mended(document, (*verdict.errors, *verdict.warnings)), context=example.context())
    patched = {fault.code for fault in verdict.warnings if fault.fix}

    assert sorted(fault.code for fault in after.errors) == example.left()
    assert not patched & {fault.code for fault in after.warnings}


@pytest.mark.parametrize("example", BREAKING, ids=named)
def test_a_finding_can_be_read_and_acted_on(example: Example) -> None:
    """Each has a sentence and a help, says what the portal would, and its document is left as it was."""
    document = example.document()
    before = copy.deepcopy(document)
    verdict = check(document, context=example.context())

    assert document == before
    for fault in (*verdict.errors, *verdict.warnings):
        rule = BY_CODE[fault.code]
        assert fault.message.startswith(rule.sentence)
        assert fault.message.endswith(".")
        assert (fault.help, fault.portal_code) == (rule.help, rule.portal_code)


def test_every_rule_has_a_case_that_holds_and_one_that_breaks() -> None:
    """A rule without a case file, or a file without a rule, is a mistake."""
    assert {each.about for each in HOLDING} == set(BY_CODE)
    assert {each.about for each in BREAKING if each.about} == set(BY_CODE)
    assert all(each.about in {code for code, _ in each.expected()} for each in BREAKING if each.about)


def test_there_are_many_distinct_faults() -> None:
    """At least 120 different ways to be wrong are told apart."""
    assert len({json.dumps(each.entry, default=str, sort_keys=True) for each in BREAKING}) >= 120

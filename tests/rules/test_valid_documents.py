"""Whatever is right is taken: by the form, by the rules, and by the portal that is played by them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import shape
from gateway.codes import code_lists
from gateway.domain import canonical, strict_json
from gateway.domain.rules import Context, check
from tests.rules.rule_cases import base
from tests.rules.valid_documents import valid_documents

CONTEXT = Context(on=date(2026, 11, 20), lists=code_lists())
SOAK = pytest.param(5000, marks=pytest.mark.soak)
TIMES = 4


@pytest.mark.parametrize("examples", [150, SOAK])
def test_valid_documents_pass(examples: int) -> None:
    """Every kind of supply, every type of document, one line or several: no fault, no warning, twice the same."""

    @settings(max_examples=examples, deadline=None)
    @given(valid_documents)
    def holds(made: Any) -> None:
        document = strict_json.read(canonical.written(made))
        before = copy.deepcopy(document)
        verdict = check(document, context=CONTEXT)
        assert (shape.check(document), verdict.errors, verdict.warnings) == ([], (), ())
        assert check(document, context=CONTEXT) == verdict
        assert document == before

    holds()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["TranDtls", "DocDtls", "ItemList", "ValDtls", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_no_value_is_too_strange(value: Any) -> None:
    """Any JSON value is answered, twice in the same way."""
    asked: Any = value
    assert check(asked, context=CONTEXT) == check(asked, context=CONTEXT)


class Counted(list[Any]):
    """A list that knows how often its entries were handed out."""

    reads = 0

    def __iter__(self) -> Iterator[Any]:
        for entry in super().__iter__():
            Counted.reads += 1
            yield entry


def test_work_grows_with_the_lines_and_no_faster() -> None:
    """Each line is looked at equally often, however many there are."""
    [line] = strict_json.read(canonical.written(base("intra")))["ItemList"]

    def reads(count: int) -> int:
        document = strict_json.read(canonical.written(base("intra")))
        document["ItemList"] = Counted({**line, "SlNo": str(place)} for place in range(1, count + 1))
        Counted.reads = 0
        check(document, context=CONTEXT)
        return Counted.reads

    few, many = reads(100), reads(100 * TIMES)
    assert 0 < many <= TIMES * few

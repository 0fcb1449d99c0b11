"""The two validators of a schema never disagree, and neither is ever inexact."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway import shape
from gateway.domain import strict_json

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas" / "inv-01" / "1.1.json").read_text(encoding="utf-8"), parse_float=Decimal)
FULL = strict_json.read((ROOT / "tests" / "documents" / "full.json").read_bytes())
COMPILED = jsonschema_rs.Draft202012Validator(SCHEMA)
INDEPENDENT = Draft202012Validator(SCHEMA)
NUMBER_DIGITS_MAX = 100
"""Precision of the independent judge, wide enough for the remainder of every number that strict JSON lets in."""
LIMITS = [Decimal(each) for each in ("-99.99", "0", "99.99", "999.999", "4000", "9999", "99999", "100000", "999999")]
LIMITS += [Decimal(each) for each in ("9999999999.999", "999999999999.99", "999999999999.999", "99999999999999.99")]


digits = st.text("0123456789", min_size=1, max_size=17).map(lambda text: text.lstrip("0") or "0")
tokens = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    digits | st.sampled_from(["99999999999999", "100000000000000", "0"]),
    st.just("") | st.text("0123456789", min_size=1, max_size=4).map(".{}".format) | st.sampled_from([".99", ".991"]),
    st.just("") | st.integers(-6, 6).map("e{}".format),
)


@settings(max_examples=300, deadline=None)  # a shared machine may stall one example
@given(tokens)
@example("99999999999999.99")
@example("99999999999999.990")
@example("99999999999999.991")
@example("9.999999999999999e13")
@example("9999999999999999e-2")
@example("0.0000000000000000000000000000000000001")
@example("1e30")
def test_the_compiled_validator_is_exact(token: str) -> None:
    """Any number as text is accepted as an amount exactly when decimal arithmetic says that it is one."""
    try:
        value = strict_json.read(token.encode())
    except strict_json.JsonFault:
        return
    of = copy.deepcopy(FULL)
    of["ValDtls"]["TotInvVal"] = value
    exact = Decimal(value)
    legal = 0 <= exact <= Decimal("99999999999999.99") and exact.scaleb(2) == int(exact.scaleb(2))
    assert COMPILED.is_valid(of) is legal
    assert (shape.check(of) == []) is legal


def places(value: Any, *, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if way:
        yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inner:
        yield from places(each, way=(*way, step))


NUMBERS = (
    st.sampled_from(LIMITS).flatmap(
        lambda bound: st.sampled_from(["0", "0.001", "-0.001", "0.01", "-0.01", "1", "-1", "0.0001"]).map(
            lambda step: bound + Decimal(step)
        )
    )
    | st.integers(-(10**16), 10**16)
    | st.decimals(min_value=-(10**15), max_value=10**15, places=4)
)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=120) | st.sampled_from(
    ["", "1", "01", "00", "96", "100", "Y", "y", "INV", "1.01", "URP", "29AAHCT7421P1ZM", "31/12/2029", "39/19/2029"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["Nm", "Gstin", "x"]), inner, max_size=2)
    ),
    max_leaves=3,
)
CHANGES = st.lists(
    st.tuples(st.sampled_from(sorted(places(FULL), key=str)), st.sampled_from(["set", "drop", "add"]), VALUES),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("examples", [300, pytest.param(20_000, marks=pytest.mark.soak)])
def test_both_validators_give_the_same_verdict(examples: int) -> None:
    """However a right document is changed, the compiled validator, a plain one and ours agree on it."""

    @settings(max_examples=examples, deadline=None)  # a shared machine may stall one example
    @given(CHANGES)
    def agree(changes: list[tuple[tuple[str | int, ...], str, Any]]) -> None:
        of = copy.deepcopy(FULL)
        for way, what, value in changes:
            change(of, way=way, what=what, value=value)
        with localcontext(prec=NUMBER_DIGITS_MAX):
            verdict = INDEPENDENT.is_valid(of)
        faults = shape.check(of)
        assert COMPILED.is_valid(of) is verdict
        assert (faults == []) is verdict
        assert all(each.message.endswith(".") and each.help.endswith((".", "?")) for each in faults)

    agree()


def change(of: Any, *, way: tuple[str | int, ...], what: str, value: Any) -> None:
    """Set or drop the member at the end of a way, or add an unknown one beside it, if the way still leads there."""
    *before, last = way
    try:
        for step in before:
            of = of[step]
        if what == "set":
            of[last] = value
        elif what == "drop":
            del of[last]
        else:
            of["Unknown"] = value
    except (KeyError, IndexError, TypeError):
        return  # an earlier change took the place away, or it is an array, which has no names

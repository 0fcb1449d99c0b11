"""The two ways of writing a parsed document."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import canonical, strict_json

amounts = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**14), max_value=10**14)
names = st.text(max_size=6)
leaves = st.one_of(st.none(), st.booleans(), st.integers(-(10**18), 10**18), amounts, st.text(max_size=8))
documents = st.recursive(
    leaves, lambda inside: st.one_of(st.lists(inside, max_size=4), st.dictionaries(names, inside, max_size=4))
)


def _reread(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        members = list(value.items())
        chance.shuffle(members)
        return {name: _shuffled(each, chance) for name, each in members}
    if isinstance(value, list):
        return [_shuffled(each, chance) for each in value]
    return value


def _with_zeros(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_zeros(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_zeros(each) for each in value]
    if isinstance(value, Decimal):
        return Decimal(f"{value:f}" + "00")
    return value


@given(documents)
def test_the_canonical_form_of_the_canonical_form_is_itself(document: Any) -> None:
    """Reading the canonical form and writing it again changes nothing."""
    text = canonical.canonical(document)
    assert canonical.canonical(_reread(text)) == text


@given(documents, st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(document: Any, chance: random.Random) -> None:
    """Members in any order are one document."""
    assert canonical.digest(_shuffled(document, chance)) == canonical.digest(document)


@given(documents)
def test_trailing_zeros_do_not_matter(document: Any) -> None:
    """`12.50` and `12.5000` are one amount."""
    assert canonical.digest(_with_zeros(document)) == canonical.digest(document)


@given(amounts, amounts)
def test_different_amounts_are_different(one: Decimal, other: Decimal) -> None:
    """Two amounts have one digest when they are equal, and only then."""
    assert (canonical.digest([one]) == canonical.digest([other])) == (one == other)


@given(st.lists(leaves, min_size=2, max_size=5, unique_by=repr))
def test_the_order_of_a_list_matters(items: list[Any]) -> None:
    """Lines in another order are another document, unless they say the same."""
    same = [canonical.canonical(each) for each in items] == [canonical.canonical(each) for each in reversed(items)]
    assert (canonical.digest(items) == canonical.digest(items[::-1])) == same


@pytest.mark.parametrize("text", ["100", "100.0", "100.00", "1E+2", "1.00E2", "0.1E3"])
def test_one_amount_has_one_form(text: str) -> None:
    """However a hundred is written, its canonical form is `100`."""
    assert canonical.canonical(Decimal(text)) == "100"


@pytest.mark.parametrize("text", ["0", "-0", "0.00", "-0.0", "0E+3", "-0E-7"])
def test_nothing_has_one_form_too(text: str) -> None:
    """Zero has neither sign nor places."""
    assert canonical.canonical(Decimal(text)) == "0"


def test_a_whole_number_and_its_decimal_are_one() -> None:
    """`118` and `118.00` are the same amount, whichever type they were parsed into."""
    assert canonical.digest({"TotInvVal": 118}) == canonical.digest({"TotInvVal": Decimal("118.00")})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": None}, {}),
        ({"a": []}, {"a": {}}),
        ({"a": True}, {"a": 1}),
        (["ab"], ["a", "b"]),
        ({"a": "b,c"}, {"a": "b", "c": ""}),
        ({"No": "a-1"}, {"No": "A-1"}),
    ],
)
def test_what_only_looks_alike_is_different(one: Any, other: Any) -> None:
    """A number is not its text, an absent member is not a null, and letter-case is content."""
    assert canonical.digest(one) != canonical.digest(other)


def test_the_largest_amount_keeps_every_digit() -> None:
    """The greatest amount of the schema is written to the last paisa, which a float could not do."""
    text = '{"TotInvVal":99999999999999.99}'
    assert canonical.write(strict_json.read(text.encode())) == text


@pytest.mark.parametrize(
    "text",
    [
        '{"b":100.00,"a":[1,2.50,-0.10],"c":{"z":null,"y":true}}',
        '{"n":0.000}',
        '{"s":"\\"quoted\\" \\\\ / \u0930\u0941\u092a\u092f\u0947"}',
        "[]",
        "{}",
    ],
)
def test_writing_keeps_the_order_and_the_text_of_numbers(text: str) -> None:
    """What goes to the portal has the client's own order and its own amounts, to the last zero."""
    assert canonical.write(strict_json.read(text.encode())) == text


def test_writing_spells_an_exponent_out() -> None:
    """The portal is sent plain numbers."""
    assert canonical.write(strict_json.read(b'{"n":1.5E3,"m":2e-3}')) == '{"n":1500,"m":0.002}'


def test_the_version_is_part_of_a_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of the canonical form makes no old fingerprint equal to a new one."""
    before = canonical.digest({"a": 1})
    monkeypatch.setattr(canonical, "VERSION", canonical.VERSION + 1)
    assert canonical.digest({"a": 1}) != before

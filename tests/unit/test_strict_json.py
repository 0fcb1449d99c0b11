"""Strict JSON: one meaning for every byte."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.domain import canonical, strict_json
from gateway.domain.strict_json import JsonFault, read

BODY_BYTES_MAX = 5_000_000

REFUSED: dict[str, tuple[bytes, str, str | None]] = {
    "a byte that is no UTF-8": (b'{"a":\xff}', "json-not-utf8", "line 1, column 6"),
    "an overlong form": (b'"\xc0\x80"', "json-not-utf8", "line 1, column 2"),
    "a surrogate as bytes": (b'"\xed\xa0\x80"', "json-not-utf8", "line 1, column 2"),
    "text cut within a character": ("₹".encode()[:2], "json-not-utf8", "line 1, column 1"),
    "a UTF-8 mark": (b"\xef\xbb\xbf{}", "json-bom", None),
    "a UTF-16 mark": ("{}".encode("utf-16"), "json-bom", None),
    "a UTF-32 mark, big-endian": (b"\x00\x00\xfe\xff\x00\x00\x00{", "json-bom", None),
    "nothing": (b"", "json-malformed", "line 1, column 1"),
    "blanks only": (b" \n ", "json-malformed", "line 2, column 2"),
    "two values": (b"{} {}", "json-malformed", "line 1, column 4"),
    "a comma too many": (b'{"a":1,}', "json-malformed", "line 1, column 8"),
    "single quotes": (b"{'a':1}", "json-malformed", "line 1, column 2"),
    "a leading zero": (b"[01]", "json-malformed", "line 1, column 3"),
    "a leading plus": (b"[+1]", "json-malformed", "line 1, column 2"),
    "a bare fraction": (b"[.5]", "json-malformed", "line 1, column 2"),
    "digits grouped": (b"[1_000]", "json-malformed", "line 1, column 3"),
    "digits of another script": ("[\u0661]".encode(), "json-malformed", "line 1, column 2"),
    "a comment": (b"{/* */}", "json-malformed", "line 1, column 2"),
    "an open string": (b'"abc', "json-malformed", "line 1, column 1"),
    "an open array": (b"[" * 16, "json-malformed", "line 1, column 17"),
    "a closing bracket first": (b"]" * 20, "json-malformed", "line 1, column 1"),
    "an unknown escape": (rb'"\x41"', "json-malformed", "line 1, column 2"),
    "NaN": (b'{"a":{"b/c":[1,{"x~":NaN}]}}', "json-not-a-number", "/a/b~1c/1/x~0"),
    "Infinity": (b"[Infinity]", "json-not-a-number", "/0"),
    "minus Infinity": (b"-Infinity", "json-not-a-number", ""),
    "a number past any float": (b'{"a":1e999}', "json-not-a-number", "/a"),
    "a number past any Decimal": (b'{"a":1e9999999999999999999}', "json-not-a-number", "/a"),
    "an exponent above the limit": (b"[1e31]", "json-not-a-number", "/0"),
    "an exponent below the limit": (b"[0, 1e-31]", "json-not-a-number", "/1"),
    "zero with pages of zeros": (b"[0e99]", "json-not-a-number", "/0"),
    "the same name twice": (b'{"q":{"k":1,"k":1}}', "json-duplicate-key", "/q/k"),
    "the same name, once escaped": (rb'{"a":1,"\u0061":2}', "json-duplicate-key", "/a"),
    "the same name in a later line": (b'{"l":[{"a":1},{"b":1,"c":2,"b":3}]}', "json-duplicate-key", "/l/1/b"),
    "17 arrays": (b"[" * 17 + b"]" * 17, "json-too-deep", None),
    "17 objects": (b'{"a":' * 17 + b"1" + b"}" * 17, "json-too-deep", None),
    "17 arrays behind shallow ones": (b"[[],[[]]," + b"[" * 16 + b"]" * 17, "json-too-deep", None),
    "41 digits": (b"[" + b"1" * 41 + b"]", "json-number-too-long", "/0"),
    "41 characters of a fraction": (b"[0." + b"1" * 39 + b"]", "json-number-too-long", "/0"),
    "NUL in a string": (b'"a\x00"', "json-forbidden-character", "line 1, column 3"),
    "NUL between values": (b"[1,\x002]", "json-forbidden-character", "line 1, column 4"),
    "NUL as an escape": (rb'"a\u0000"', "json-forbidden-character", "line 1, column 3"),
    "a control character as an escape": (rb'{"a":"\u001F"}', "json-forbidden-character", "line 1, column 7"),
    "a line feed as an escape": (b'{\n"a":"x\\n"}', "json-forbidden-character", "line 2, column 7"),
    "a tab in a string": (b'"a\tb"', "json-forbidden-character", "line 1, column 3"),
    "an escape behind a backslash": (rb'"\\\u0007"', "json-forbidden-character", "line 1, column 4"),
    "a control character in a name": (rb'{"a\b":1}', "json-forbidden-character", "line 1, column 4"),
    "a high surrogate alone": (rb'"\ud83d"', "json-forbidden-character", "line 1, column 2"),
    "a low surrogate alone": (rb'"\uDE00"', "json-forbidden-character", "line 1, column 2"),
    "surrogates in the wrong order": (rb'"\ude00\ud83d"', "json-forbidden-character", "line 1, column 2"),
    "surrogates apart": (rb'"\ud83d\\\ude00"', "json-forbidden-character", "line 1, column 2"),
}

ACCEPTED: dict[str, tuple[bytes, Any]] = {
    "40 digits": (b"1" * 40, int("1" * 40)),
    "30 digits, exactly": (b"123456789012345678901234567890", 123456789012345678901234567890),
    "an amount past a float": (b"99999999999999.99", Decimal("99999999999999.99")),
    "a fraction past a float": (b"12345678901234.12345", Decimal("12345678901234.12345")),
    "the largest exponent": (b"1e30", Decimal("1e30")),
    "the smallest exponent": (b"1E-30", Decimal("1e-30")),
    "minus zero": (b"-0.00", Decimal("-0.00")),
    "16 arrays": (b"[" * 16 + b"]" * 16, [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]),
    "brackets in a string": (b'["' + b"[{" * 30 + b'"]', ["[{" * 30]),
    "brackets behind an escaped quote": (b'["\\"' + b"[" * 30 + b'"]', ['"' + "[" * 30]),
    "brackets behind an escaped backslash": (rb'["\\","[[[[[[[[[[[[[[[[[[[["]', ["\\", "[" * 20]),
    "a surrogate pair": (rb'"\ud83d\uDE00"', "😀"),
    "a backslash before u": (rb'"\\ud83d \\u0000 \\n"', r"\ud83d \u0000 \n"),
    "letters as escapes": (rb'"\u20b9 \/ \""', '₹ / "'),
    "decomposed letters, as they came": ('"e\u0301"'.encode(), "e\u0301"),
    "blanks around": (b" \r\n\t[ ] \n", []),
    "a long number in a string": (b'["' + b"1" * 5000 + b'"]', ["1" * 5000]),
    "the words of JSON": (b"[true,false,null]", [True, False, None]),
}


@pytest.mark.parametrize("trap", REFUSED)
def test_traps_are_refused_with_their_code_and_place(trap: str) -> None:
    """Each trap has its stable code, a sentence, a way out, and the place where it is known."""
    raw, code, at = REFUSED[trap]
    with pytest.raises(JsonFault) as refusal:
        read(raw)
    fault = refusal.value
    assert (fault.code, fault.at) == (code, at)
    assert fault.message == str(fault)
    assert fault.message.endswith(".")
    assert fault.help.endswith(".")


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_looks_like_a_trap_and_is_none_is_read(case: str) -> None:
    """Legal text is read, and means exactly what it says."""
    raw, value = ACCEPTED[case]
    assert read(raw) == value


def test_numbers_keep_their_digits() -> None:
    """A fraction is a Decimal with the zeros that were written, a whole number an int; none is a float."""
    values = read(b"[100.00, 0.10, 1E+2, 7]")
    assert [str(each) for each in values] == ["100.00", "0.10", "1E+2", "7"]
    assert [type(each) for each in values] == [Decimal, Decimal, Decimal, int]


@pytest.mark.parametrize(
    ("bomb", "code"),
    [
        (b"[" * BODY_BYTES_MAX, "json-too-deep"),
        (b"[" * (BODY_BYTES_MAX // 2) + b"]" * (BODY_BYTES_MAX // 2), "json-too-deep"),
        (b'{"a":' * (BODY_BYTES_MAX // 5), "json-too-deep"),
        (b"1" * BODY_BYTES_MAX, "json-number-too-long"),
        (b"[0." + b"1" * BODY_BYTES_MAX + b"]", "json-number-too-long"),
        (b"[1e" + b"9" * BODY_BYTES_MAX + b"]", "json-number-too-long"),
        (b'"' + b"\\" * BODY_BYTES_MAX, "json-malformed"),
        (b'["' + b"[" * BODY_BYTES_MAX, "json-malformed"),
    ],
    ids=["open", "balanced", "objects", "digits", "fraction", "exponent", "backslashes", "open string"],
)
def test_bombs_are_refused_cheaply(bomb: bytes, code: str) -> None:
    """A full body that is nothing but nesting or digits is refused in few words."""
    with pytest.raises(JsonFault) as refusal:
        read(bomb)
    assert refusal.value.code == code
    assert len(refusal.value.message) < 200


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b'["a,b", "c", [], {"d,[{": "\\",,,"}]', 6),
        (b'{"a": {"b": [1, 2, {}]}}', 6),
        (b'["' + b",{[" * 99 + b'"]', 1),
    ],
    ids=["commas in strings", "nested", "one string"],
)
def test_values_are_counted_and_what_stands_in_strings_is_not(raw: bytes, count: int) -> None:
    """A text with as many values and containers as are allowed is read, and refused where one fewer is allowed."""
    assert read(raw, values_max=count) == read(raw)
    with pytest.raises(JsonFault) as refusal:
        read(raw, values_max=count - 1)
    assert refusal.value.code == "json-too-many-values"


def test_the_place_is_not_looked_for_in_a_hostile_size() -> None:
    """Above the size of any document a wrong number is refused without its place, because looking costs a reading."""
    raw = b"[NaN" + b" " * strict_json.PLACED_CHARACTERS_MAX + b"]"
    with pytest.raises(JsonFault) as refusal:
        read(raw)
    assert (refusal.value.code, refusal.value.at) == ("json-not-a-number", None)


def test_no_place_is_claimed_in_text_that_breaks_further_on() -> None:
    """A wrong number in text that is malformed behind it is reported without a pointer."""
    with pytest.raises(JsonFault) as refusal:
        read(b'{"a":NaN,}')
    assert (refusal.value.code, refusal.value.at) == ("json-not-a-number", None)


characters = st.characters(exclude_categories=("Cs",), min_codepoint=0x20)
numbers = st.integers(-(10**39) + 1, 10**39) | st.decimals(
    min_value=Decimal("-1e15"), max_value=Decimal("1e15"), places=3
)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(characters),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(characters), inner, max_size=5),
    max_leaves=10,
)


@settings(max_examples=500, deadline=None)  # a shared machine may stall one example
@given(st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
@example(f"-{'9' * 19}.{'9' * 19}")
@example(f"-{'9' * 20}.{'9' * 19}")
@example(f"{'9' * 19}.{'9' * 20}")
@example(f"{'9' * 31}.5")
@example(f"{'9' * 32}.5")
@example(f"0.{'0' * 30}1")
def test_a_number_is_read_exactly_when_it_keeps_the_limits(token: str) -> None:
    """Both readers take a number within the limits, to the same value, and refuse any other."""
    exact = int(token) if token.lstrip("-").isdecimal() else Decimal(token)
    legal = len(token) <= 40 and (isinstance(exact, int) or -30 <= exact.adjusted() <= 30)
    for raw, place in ((f"[{token}]", 0), (f'["1e1",{token}]', 1)):  # what looks like an exponent takes the careful one
        if legal:
            value = read(raw.encode())[place]
            assert (type(value), str(value)) == (type(exact), str(exact))
        else:
            with pytest.raises(JsonFault) as refusal:
                read(raw.encode())
            assert refusal.value.at == f"/{place}"


@settings(deadline=None)  # a shared machine may stall one example
@given(values)
def test_what_we_write_we_read(value: Any) -> None:
    """Reading gives back the very value that was written, with the digits of its numbers."""
    text = canonical.write(value)
    assert canonical.write(read(text.encode())) == text


@settings(deadline=None)  # a shared machine may stall one example
@given(st.text(st.sampled_from('[]{}",:\\0 1eE.-un\n\taNI')))
def test_it_reads_what_the_standard_library_reads_or_refuses(text: str) -> None:
    """Any text is refused as a JsonFault, or read as json.loads reads it: nothing else is ever raised."""
    try:
        value = read(text.encode())
    except JsonFault:
        return
    assert value == json.loads(text, parse_float=Decimal)

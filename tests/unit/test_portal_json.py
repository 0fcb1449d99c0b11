"""JSON as portals write it: forgiving about the writing, strict about the meaning."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.domain.strict_json import JsonFault
from gateway.irp import portal_json


def test_numbers_stay_exact() -> None:
    """Whole numbers are int, all others Decimal with the digits that were written."""
    value = portal_json.read(b'{"a":232210036743849123,"b":100.00}')
    assert value == {"a": 232210036743849123, "b": Decimal(100)}
    assert str(value["b"]) == "100.00"


@pytest.mark.parametrize("text", ['{"a":1}', b'{"a":1}', b'\xef\xbb\xbf{"a":1}', "\ufeff" + '{"a":1}'])
def test_text_and_bytes_are_read_with_or_without_a_mark(text: str | bytes) -> None:
    """A byte order mark says nothing."""
    assert portal_json.read(text) == {"a": 1}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"a\nb", "a b"),
        (r"a\r\n\tb", "a   b"),
        (r"a\u0000b\u001Fc", "a b c"),
        (r"a\\nb", r"a\nb"),
        (r"a\\\nb", "a\\ b"),
        (r"C:\\new\\u0041", r"C:\new\u0041"),
        (r"\u0041\u0939\/\"", 'A\u0939/"'),
        (r"\ud83d\ude00", "\U0001f600"),
    ],
)
def test_line_breaks_become_blanks_and_nothing_else_changes(written: str, read: str) -> None:
    """Control characters written as escapes are blanks; an escaped backslash before a letter is no escape of it."""
    assert portal_json.read(f'{{"a":"{written}"}}') == {"a": read}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a":1,"a":2}',
        '{"a":NaN}',
        '{"a":"\\ud800"}',
        '"\ud800"',
        '{"a":"x\ny"}',
        '{"a":"\x01\x01n"}',
        '{"a":"\\n\x01\x01n"}',
        '{"a":"\\n\x01"}',
        '{"a":"\\n\x01\\\\\x01"}',
        "[" * 17 + "]" * 17,
        '{"a":"\\x"}',
    ],
)
def test_what_could_mean_two_things_is_refused(text: str) -> None:
    """Duplicates, numbers that are none, halves of pairs, raw line breaks and deep nesting are faults."""
    with pytest.raises(JsonFault):
        portal_json.read(text)

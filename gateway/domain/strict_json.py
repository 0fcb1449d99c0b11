"""Strict reading of JSON: one meaning for every byte, numbers as they were written, and nothing that can exhaust us.

Refused, with a stable code: text that is not UTF-8 or starts with a byte order mark, what is not JSON (RFC 8259), NaN
and infinities, numbers too long or too large, an object with the same name twice, deep nesting, and characters that
no database and no portal takes (NUL and the other C0 controls, halves of a surrogate pair).

Not refused: text outside Unicode normal form C. Names of people and places reach us decomposed from some systems, and
what the seller wrote is what is signed, so it is passed on as it came and is neither refused nor composed anew.

The size of the text is bounded by who receives it, not here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

DEPTH_MAX: Final = 16
"""Nested objects and arrays. INV-01 needs 4; 16 leaves room for envelopes and keeps recursion shallow."""

NUMBER_CHARACTERS_MAX: Final = 40
"""Characters of one number. The longest legal amount of INV-01 takes 17; longer digits only cost time."""

EXPONENT_MAX: Final = 30
"""Decimal exponent of a number's first digit, either way. Beyond it, few bytes are written out as pages of zeros."""

PLACED_CHARACTERS_MAX: Final = 2 * 1024 * 1024
"""Text in which the place of a wrong value is looked for. It costs a second reading, so not for hostile sizes."""

_SHOWN_CHARACTERS_MAX: Final = 40
"""Of a wrong token in a message: enough to find it, too little to repeat a body in a log."""

_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_BRACES_AS_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_BEFORE_VALUES: Final = (b",", b"[", b"{")
_NO_SEPARATOR: Final = bytes(set(range(256)) - set(b',[{"'))
_NO_STRUCTURE: Final = bytes(set(range(256)) - set(b'[]{}"'))
_STRINGS: Final = re.compile(rb'(?:"[^"]*+(?:"|\Z))++')
_SURROGATE_PAIR: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_DIGITS_AS_ZERO: Final = bytes.maketrans(b"123456789E", b"000000000e")
_LONG_RUN: Final = b"0" * (NUMBER_CHARACTERS_MAX // 2)
_FORBIDDEN_ESCAPE: Final = re.compile(rb"\\(?:[bfnrt]|u00[01][0-9a-fA-F]|u[dD][89a-fA-F])")


class JsonFault(ValueError):
    """The text cannot be read.

    `code` is stable; `message` says what is wrong and `help` what to do; `at` is the place, where it is known: a JSON
    Pointer (it starts with `/`, or is empty for the whole) or `line L, column C`, both counted from 1.
    """

    def __init__(self, code: str, message: str, *, help: str, at: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help
        self.at = at


def read(raw: bytes, *, values_max: int | None = None) -> Any:
    """The value that the bytes say: int for whole numbers, Decimal (digits kept) for all others, never a float.

    `values_max` bounds the values and containers, which cost far more than their bytes: for texts of strangers.
    Raises JsonFault for whatever is not strict JSON, and nothing else.
    """
    text = _decoded(raw)
    escapes = b"\\" in raw
    plain = raw.replace(b"\\\\", b"__").replace(b'\\"', b"__") if escapes else raw
    _refuse_depth(plain)
    if values_max is not None:
        _refuse_many(plain, values_max=values_max)
    if escapes:
        _refuse_escapes(plain)
    try:
        return (_PLAIN_READER if _numbers_are_plain(raw) else _READER).decode(text)
    except json.JSONDecodeError as error:
        raise _syntax_fault(error) from None
    except JsonFault as fault:
        fault.at = _place_of_flaw(text)
        raise


def _decoded(raw: bytes) -> str:
    if raw.startswith(_BYTE_ORDER_MARKS):
        raise JsonFault(
            "json-bom", "The text starts with a byte order mark.", help="Send UTF-8 without a byte order mark."
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonFault(
            "json-not-utf8",
            f"The text is not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start} has no meaning there.",
            help="Encode the text as UTF-8.",
            at=_line_and_column(raw[: error.start].decode("utf-8")),
        ) from None


def _refuse_depth(plain: bytes) -> None:
    """Refuse nesting above the limit before the parser recurses. `plain` has no escaped quotes.

    Each round takes away the innermost pairs, so what remains after `DEPTH_MAX` rounds is too deep or unbalanced. The
    parser reports the unbalanced kind by itself, at a depth of twice the limit at most.
    """
    marks = plain.translate(_BRACES_AS_BRACKETS, _NO_STRUCTURE).replace(b'""', b"")
    if b'"' in marks:
        marks = _STRINGS.sub(b"", marks)
    run = b"[" * (DEPTH_MAX + 1)
    for _ in range(DEPTH_MAX):
        if not marks or run in marks:
            break
        marks = marks.replace(b"[]", b"")
    unbalanced = marks.startswith(b"]") or (b"]" not in marks and len(marks) <= DEPTH_MAX)
    if marks and not unbalanced:
        raise JsonFault(
            "json-too-deep",
            f"Objects and arrays are nested more than {DEPTH_MAX} deep.",
            help="Send the document in its own shape, without wrapping.",
        )


def _refuse_many(plain: bytes, *, values_max: int) -> None:
    """Refuse too many values before any is made. `plain` has no escaped quotes.

    Each value follows a comma or an opening bracket. Those within strings are only told apart where there are so many.
    """
    if sum(map(plain.count, _BEFORE_VALUES)) <= values_max:
        return
    marks = plain.translate(None, _NO_SEPARATOR).replace(b'""', b"")
    if sum(map(len, marks.split(b'"')[::2])) > values_max:
        raise JsonFault(
            "json-too-many-values",
            f"The text has more than {values_max} values.",
            help="Send one document per request; one of 1,000 lines with every member has some 45,000.",
        )


def _numbers_are_plain(raw: bytes) -> bool:
    """Whether no number can be past a limit: none has an exponent, and none has many digits before or behind its point.

    With at most 19 digits on each side, a sign and a point, a number has at most 40 characters. Strings are not told
    from numbers, which is cheap and safe: a hash in a string costs the careful reader, and nothing else.
    """
    digits = raw.translate(_DIGITS_AS_ZERO)
    return b"0e" not in digits and _LONG_RUN not in digits


def _refuse_escapes(plain: bytes) -> None:
    """Refuse escapes that stand for forbidden characters. In `plain` every backslash that is left starts an escape."""
    found = _FORBIDDEN_ESCAPE.search(_SURROGATE_PAIR.sub(b"_" * 12, plain))
    if found is None:
        return
    half = found[0][1:3] in (b"ud", b"uD")
    what = "half of a surrogate pair" if half else "a control character"
    before = plain[: found.start()].decode("utf-8")
    raise _forbidden_character(f"A string has {what}, written as an escape.", at=_line_and_column(before))


def _forbidden_character(message: str, *, at: str) -> JsonFault:
    return JsonFault(
        "json-forbidden-character", message, help="Take the character out; use a blank for a line break or tab.", at=at
    )


def _syntax_fault(error: json.JSONDecodeError) -> JsonFault:
    at = f"line {error.lineno}, column {error.colno}"
    found = error.doc[error.pos : error.pos + 1]
    if found and found < " " and (found not in "\t\n\r" or error.msg.startswith("Invalid control character")):
        return _forbidden_character(f"There is a control character, U+{ord(found):04X}.", at=at)
    return JsonFault(
        "json-malformed",
        f"The text is not JSON: {error.msg.removesuffix(' at').lower()} at {at}.",
        help="Check the text at that place; a JSON library writes it right.",
        at=at,
    )


def _line_and_column(before: str) -> str:
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def _whole(token: str) -> int:
    if len(token) <= NUMBER_CHARACTERS_MAX:
        return int(token)
    raise _too_long(token)


def _fraction(token: str) -> Decimal:
    if len(token) > NUMBER_CHARACTERS_MAX:
        raise _too_long(token)
    try:
        value = Decimal(token)
    except InvalidOperation:  # the exponent is past what Decimal itself can hold
        raise _out_of_range(token) from None
    if value.is_finite() and -EXPONENT_MAX <= value.adjusted() <= EXPONENT_MAX:
        return value
    raise _out_of_range(token)


def _too_long(token: str) -> JsonFault:
    return JsonFault(
        "json-number-too-long",
        f"A number of {len(token)} characters starts with {_shown(token)}; {NUMBER_CHARACTERS_MAX} is the limit.",
        help="Round the number to the decimals that its field has.",
    )


def _out_of_range(token: str) -> JsonFault:
    return JsonFault(
        "json-not-a-number",
        f"The number {_shown(token)} is out of range: decimal exponents run from -{EXPONENT_MAX} to {EXPONENT_MAX}.",
        help="Write amounts plainly, such as 1250.00.",
    )


def _constant(token: str) -> NoReturn:
    raise JsonFault("json-not-a-number", f"{token} is no JSON number.", help="Send a number, or leave the member out.")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _Duplicate(name)
    return members


class _Duplicate(JsonFault):
    """The same name twice in one object. `name` is kept to point at it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "json-duplicate-key",
            f"An object has the member {_shown(name)} more than once.",
            help="Send each member once; which of the two counts would be a guess.",
        )
        self.name = name


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "…"


def _place_of_flaw(text: str) -> str | None:
    """JSON Pointer to the first flaw, by a second reading that puts a mark in its place and goes on."""
    if len(text) > PLACED_CHARACTERS_MAX:
        return None
    marks: list[_Mark] = []
    decoder = json.JSONDecoder(
        parse_int=_marking(_whole, marks=marks),
        parse_float=_marking(_fraction, marks=marks),
        parse_constant=_marking(_constant, marks=marks),
        object_pairs_hook=_marking(_members, marks=marks),
    )
    try:
        return next(_marked(decoder.decode(text), at=""), None)
    except json.JSONDecodeError:  # malformed as well, further on
        return None


@dataclass(frozen=True, slots=True)
class _Mark:
    """Stands where a flaw was. `below` is the rest of the pointer."""

    below: str


def _marking(hook: Callable[[Any], Any], *, marks: list[_Mark]) -> Callable[[Any], Any]:
    def read_or_mark(token: Any) -> Any:
        if marks:  # one flaw is all that is looked for: what follows is only passed over
            return dict(token) if isinstance(token, list) else None
        try:
            return hook(token)
        except JsonFault as fault:
            marks.append(_Mark(f"/{_escaped(fault.name)}" if isinstance(fault, _Duplicate) else ""))
            return marks[0]

    return read_or_mark


def _marked(value: Any, *, at: str) -> Iterator[str]:
    if isinstance(value, _Mark):
        yield at + value.below
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in members:
        if isinstance(inner, (_Mark, dict, list)):
            yield from _marked(inner, at=f"{at}/{_escaped(str(name))}")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


_READER: Final = json.JSONDecoder(
    parse_int=_whole, parse_float=_fraction, parse_constant=_constant, object_pairs_hook=_members
)
# It calls back into Python for no number, which is what the careful one spends a third of its time on.
_PLAIN_READER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_constant, object_pairs_hook=_members)

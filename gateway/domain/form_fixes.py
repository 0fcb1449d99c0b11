"""What mends a fault of form, where it can be computed: the same value in the writing of the form, or no value at all.

A schema names the writing of a place in `x-writing`. What would be a guess is not offered: a document's number, a name
or a text is never rewritten, and neither is a date of which the month could be the day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})", re.ASCII)
_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})[-./]([0-9]{1,2})[-./]([0-9]{4})", re.ASCII)
_SEPARATORS: Final = re.compile(r"[\s().+-]")
_MONTHS: Final = 12


def fix_of(
    at: str, *, keyword: str, rule: Mapping[str, Any], required: bool, found: Any
) -> tuple[Mapping[str, Any], ...] | None:
    """The JSON Patch for one fault: `keyword` of the schema's `rule` is broken by what was found. None: not known.

    `at` is a JSON Pointer to the member. A patch leaves the member in the form that `rule` asks for, or takes it out.
    """
    if is_blank(found):
        return None if required else ({"op": "remove", "path": at},)
    if keyword == "multipleOf":
        return _replaced(at, _rounded(found, rule))
    if isinstance(found, str) and "x-writing" in rule:
        written = WRITINGS[rule["x-writing"]](found)
        return _replaced(at, written if written is not None and _fits(written, rule) else None)
    return None


def is_blank(value: Any) -> bool:
    """Whether a value is a text that says nothing."""
    return isinstance(value, str) and not value.strip()


def _replaced(at: str, value: Any) -> tuple[Mapping[str, Any], ...] | None:
    return None if value is None else ({"op": "replace", "path": at, "value": value},)


def _fits(text: str, rule: Mapping[str, Any]) -> bool:
    if not rule.get("minLength", 0) <= len(text) <= rule.get("maxLength", len(text)):
        return False
    return re.fullmatch(rule["pattern"].removeprefix("^").removesuffix("$"), text) is not None


def _rounded(found: int | Decimal, rule: Mapping[str, Any]) -> Decimal | None:
    """An amount with the decimals that can be kept. A PIN code with a fraction is another mistake, and not rounded."""
    within = rule.get("minimum", found) <= found <= rule.get("maximum", found)
    if rule["multipleOf"] == 1 or not within:
        return None
    return Decimal(found).quantize(rule["multipleOf"], rounding=ROUND_HALF_UP)


def _date(text: str) -> str | None:
    """A date as dd/MM/yyyy, where there is one way alone to read it."""
    if (match := _YEAR_FIRST.fullmatch(text)) is not None:
        year, month, day = map(int, match.groups())
    elif (match := _DAY_FIRST.fullmatch(text)) is not None:
        day, month, year = map(int, match.groups())
        if day <= _MONTHS and day != month:
            return None
    else:
        return None
    try:
        return f"{date(year, month, day):%d/%m/%Y}"
    except ValueError:
        return None


WRITINGS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "capitals": str.upper,
    "date": _date,
    "without separators": lambda text: _SEPARATORS.sub("", text),
}
"""How a text of another writing is brought into that of its place."""

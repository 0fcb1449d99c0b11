"""JSON text from parsed documents: as it was written, and in the one form by which two documents are compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

VERSION: Final = 1
"""Of the canonical form. It is part of every fingerprint, so that a change of the form makes no two documents alike."""

_SCALAR: Final = json.JSONEncoder(ensure_ascii=False).encode
"""One encoder for all: `json.dumps` makes a new one for every text, and takes four times as long."""


def write(document: Any) -> str:
    """Compact JSON with members in their order and every number as it was written (`100.00` stays `100.00`)."""
    return _text(document, number=lambda value: f"{value:f}", members=list)


def written(document: Any) -> bytes:
    """The same in UTF-8, as it is sent and kept."""
    return write(document).encode()


def canonical(document: Any) -> str:
    """The canonical form: members sorted, no blanks, numbers plain (`100.00`, `1E+2` and `100` are one)."""
    return _text(document, number=_plain, members=sorted)


def digest(document: Any) -> str:
    """SHA-256 of the canonical form and its version, in hexadecimal: equal when two documents say the same."""
    return hashlib.sha256(f"{VERSION}:{canonical(document)}".encode()).hexdigest()


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _text(value: Any, *, number: Callable[[Decimal], str], members: Callable[[Any], Any]) -> str:
    if isinstance(value, dict):
        inside = (f"{_SCALAR(name)}:{_text(value[name], number=number, members=members)}" for name in members(value))
        return "{" + ",".join(inside) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(each, number=number, members=members) for each in value) + "]"
    if isinstance(value, Decimal):
        return number(value)
    return _SCALAR(value)

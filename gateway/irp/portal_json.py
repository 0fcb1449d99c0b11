"""JSON as portals write it: strict where a guess would be dangerous, forgiving where only the writing is careless.

Portals start texts with a byte order mark and put line breaks into sentences and addresses. Neither changes what is
said, and what the portal has signed cannot be sent back for correction, so both are read as blanks. All that is left is
read strictly: numbers stay exact, a member given twice is a fault, and nothing nests deep.
"""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal
from typing import Any, Final

from gateway.domain import strict_json

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CONTROL_ESCAPE: Final = re.compile(rb"\\(?:[bfnrt]|u00[01][0-9a-fA-F])")
_BACKSLASH: Final = b"\\\\"
_STAND_IN: Final = b"\x01\x01"
"""For an escaped backslash while escapes are looked for. JSON has no such byte, so a text with it is left as it is."""


def read(text: bytes | str) -> Any:
    """The value that a portal's text says: int for whole numbers, Decimal for others. Raises JsonFault."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    raw = raw.removeprefix(_BYTE_ORDER_MARK)
    if _CONTROL_ESCAPE.search(raw) and _STAND_IN[:1] not in raw:
        escapes_only = raw.replace(_BACKSLASH, _STAND_IN)
        raw = _CONTROL_ESCAPE.sub(b" ", escapes_only).replace(_STAND_IN, _BACKSLASH)
    return strict_json.read(raw)


def members(value: Any) -> dict[str, Any] | None:
    """An object's members under lower-case names, as portals vary the case; None for all else, or if two become one."""
    if not isinstance(value, dict):
        return None
    folded = {name.lower(): each for name, each in value.items()}
    return folded if len(folded) == len(value) else None


def plain_text(value: Any) -> str | None:
    """A code or a number as text: `1`, `"1"` and `" 1 "` are one. None for anything else, and for blanks."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    return str(value).strip() or None


def read_if_json(value: Any) -> Any:
    """What stands inside a text that is an object or a list of JSON; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return read(value)
    except ValueError:
        return value


def unwrapped(value: Any) -> Any:
    """As `read_if_json`, also when the JSON is in Base64, as the documents of API v1.03 have it."""
    value = read_if_json(value)
    if not isinstance(value, str):
        return value
    try:
        inside = base64.b64decode(value.strip(), validate=True)
        return read_if_json(inside.decode())
    except (binascii.Error, ValueError):
        return value

"""JSON as portals write it: strict where a guess would be dangerous, forgiving where only the writing is careless.

Portals start texts with a byte order mark and put line breaks into sentences and addresses. Neither changes what is
said, and what the portal has signed cannot be sent back for correction, so both are read as blanks. All that is left is
read strictly: numbers stay exact, a member given twice is a fault, and nothing nests deep.
"""

from __future__ import annotations

import re
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

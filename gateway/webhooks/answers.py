"""What a receiver's answer means, and what of it may be shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from gateway.domain.calendar import read_retry_after
from gateway.ports import Verdict

RETRY_AFTER_SECONDS_MAX: Final = 21_600
"""Six hours, the longest pause of the standard retry policy. A longer wish is cut to it."""

_OK: Final = range(200, 300)
_VERDICTS: Final[Mapping[int, Verdict]] = {
    410: Verdict.GONE,
    429: Verdict.SLOW_DOWN,
    502: Verdict.SLOW_DOWN,
    504: Verdict.SLOW_DOWN,
}
HIDDEN: Final = b"(hidden)"
HIDDEN_CHARACTERS_MIN: Final = 8
"""Shorter values are no secrets, and would be found by chance."""
_SHOWN_CONTROLS: Final = frozenset("\n\t")
_ENCODING_CHARACTERS_MAX: Final = 20


def verdict(status: int) -> Verdict:
    """2xx alone is success: a redirect is none, for it says that the event was not taken."""
    return Verdict.DELIVERED if status in _OK else _VERDICTS.get(status, Verdict.FAILED)


def retry_after(text: str, *, at: datetime) -> int | None:
    """The seconds that an answer asks for before the next try, bounded. None when it says nothing that can be read."""
    seconds = read_retry_after(text, at=at)
    return None if seconds is None else min(max(seconds, 1), RETRY_AFTER_SECONDS_MAX)


def without(body: bytes, values: Iterable[str]) -> bytes:
    """A body in which the values of the client's own header fields are hidden, also one that its end cuts short.

    Pages that tell a developer of an error show the request again, with the keys in it.
    """
    words = {word for value in values for word in (value, *value.split()) if len(word) >= HIDDEN_CHARACTERS_MIN}
    for word in sorted((each.encode() for each in words), key=len, reverse=True):
        body = body.replace(word, HIDDEN)
        for length in range(len(word) - 1, HIDDEN_CHARACTERS_MIN - 1, -1):
            if body.endswith(word[:length]):
                body = body[:-length] + HIDDEN
                break
    return body


def shown(body: bytes, *, encoding: str) -> str:
    """The beginning of a body as text that does nothing to a terminal, a page or a database. Nothing is unpacked."""
    if encoding.lower() not in {"", "identity"}:
        return f"(packed as {_harmless(encoding[:_ENCODING_CHARACTERS_MAX])}, not shown)"
    return _harmless(body.decode("utf-8", errors="replace"))


def _harmless(text: str) -> str:
    """Control and format characters, private ones and halves of pairs become a mark."""
    return "".join(
        one if one in _SHOWN_CONTROLS or unicodedata.category(one)[0] != "C" else "\N{REPLACEMENT CHARACTER}"
        for one in text.replace("\r\n", "\n")
    )

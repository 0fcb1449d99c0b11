"""Query parameters, read strictly: a filter that is passed over would show what was not asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from fastapi import Request

from gateway.errors import Invalid

POSITION_MAX: Final = 2**63 - 1
"""Of a cursor: what the database can count to."""
_NUMBER: Final = re.compile(r"[0-9]{1,19}", re.ASCII)


def number(request: Request, name: str, *, least: int = 0, most: int) -> int | None:
    """A whole number within bounds; None when it is not given. Raises Invalid."""
    text = _single(request, name)
    if text is None:
        return None
    value = int(text) if _NUMBER.fullmatch(text) else -1
    if not least <= value <= most:
        raise _wrong(name, f"a number from {least} to {most}")
    return value


def word(request: Request, name: str, vocabulary: Iterable[str]) -> str | None:
    """A word of a vocabulary; None when it is not given. Raises Invalid."""
    text = _single(request, name)
    known = sorted(vocabulary)
    if text is not None and text not in known:
        raise _wrong(name, f"one of {', '.join(known)}")
    return text


def words(request: Request, name: str, *, form: re.Pattern[str], words_max: int) -> list[str]:
    """Words with commas between them; empty when it is not given. Raises Invalid."""
    text = _single(request, name)
    if text is None:
        return []
    given = text.split(",")
    if len(given) > words_max or not all(form.fullmatch(each) for each in given):
        raise _wrong(name, f"up to {words_max}, with commas between them")
    return given


def _single(request: Request, name: str) -> str | None:
    given = request.query_params.getlist(name)
    if len(given) > 1:
        raise _wrong(name, "given once")
    return given[0] if given else None


def _wrong(name: str, expected: str) -> Invalid:
    return Invalid("query-invalid", f"The query parameter {name} has to be {expected}.", help="Correct it.")

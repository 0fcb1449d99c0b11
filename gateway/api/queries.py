"""Query parameters, read strictly: a filter that is passed over would show what was not asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Final

from fastapi import Request

from gateway.api import openapi
from gateway.errors import Invalid

POSITION_MAX: Final = 2**63 - 1
"""Of a cursor: what the database can count to."""
_TRUTHS: Final = {"true": True, "false": False}
_NUMBER: Final = re.compile(r"[0-9]{1,19}", re.ASCII)


def check(request: Request) -> None:
    """Raises Invalid for a query parameter that the call does not know, or that is given twice."""
    given = [name for name, _ in request.query_params.multi_items()]
    if not given:
        return
    known = _known()[f"{request.method} {request.scope['route'].path}"]
    if not known.issuperset(given):
        help = f"Leave it out; there are {', '.join(sorted(known))}." if known else "Leave it out; there is none."
        raise Invalid("query-unknown", "This call does not know one of its query parameters.", help=help)
    if len(set(given)) != len(given):
        raise _wrong(next(name for name in given if given.count(name) > 1), "given once")


@cache
def _known() -> Mapping[str, frozenset[str]]:
    """The query parameters of each call, by its method and path, as the OpenAPI document has them."""
    described = json.loads(resources.files("schemas").joinpath(openapi.FILE).read_bytes())
    parameters = described["components"]["parameters"]
    return {
        f"{method.upper()} {path}": frozenset(
            told["name"]
            for told in (parameters[each["$ref"].rpartition("/")[2]] for each in call["parameters"])
            if told["in"] == "query"
        )
        for path, calls in described["paths"].items()
        for method, call in calls.items()
    }


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


def refresh(request: Request) -> bool:
    """Whether the portal is to be asked whatever is known. Raises Invalid."""
    said = request.query_params.get("refresh", "false").lower()
    if said not in _TRUTHS:
        raise Invalid("refresh-malformed", "`refresh` is true or false.", help="Send true, or leave it out.")
    return _TRUTHS[said]


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

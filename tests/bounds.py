"""Values just inside and just outside of a bound, and the places of a schema and of a document."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Bound:
    """Values just inside, and values just outside with the code of the fault that each has to cause."""

    inside: tuple[Any, ...]
    outside: tuple[tuple[Any, str], ...]


def text(least: int, most: int) -> Bound:
    """Free text: counted in characters, not bytes; no double quote, no backslash."""
    return Bound(
        inside=("x" * least, "x" * most, "\u0915" * most, "'" * least),
        outside=(
            ("x" * (least - 1), "schema-length"),
            ("x" * (most + 1), "schema-length"),
            ('"' * least, "schema-pattern"),
            ("x" * (most - 1) + "\\", "schema-pattern"),
            (5, "schema-type"),
            (None, "schema-null"),
        ),
    )


def number(least: str, most: str, step: str) -> Bound:
    """A number from `least` to `most` in steps of `step`, exactly."""
    low, high, by = Decimal(least), Decimal(most), Decimal(step)
    return Bound(
        inside=(low, high, low + by, high - by, int(low), high * Decimal("1.000"), (high - by).normalize()),
        outside=(
            (low - by, "schema-range"),
            (high + by, "schema-range"),
            (int(high) + 1, "schema-range"),
            (low + by / 10, "schema-decimals"),
            (high - by / 10, "schema-decimals"),
            (least, "schema-type"),
            (True, "schema-type"),
            (None, "schema-null"),
        ),
    )


def words(*allowed: str) -> Bound:
    """One of a few words, in exactly this spelling."""
    lower = tuple(each.lower() for each in allowed if each.lower() != each)
    wrong = (*lower, "", f"{allowed[0]} ", f"{allowed[0]}{allowed[-1]}", "|")
    return Bound(
        inside=allowed,
        outside=(*((each, "schema-enum") for each in wrong), (1, "schema-type"), (None, "schema-null")),
    )


def form(inside: tuple[str, ...], outside: tuple[str, ...]) -> Bound:
    """Text of a form."""
    wrong = (*outside, "", f"{inside[0]}\n", f" {inside[0]}", f"{inside[0]}|")
    return Bound(
        inside=inside,
        outside=(*((each, "schema-pattern") for each in wrong), (5, "schema-type"), (None, "schema-null")),
    )


def rules(
    schema: Mapping[str, Any], *, root: Mapping[str, Any], place: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    rule = root["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if "items" in rule:
        yield from rules(rule["items"], root=root, place=f"{place}[]")
    else:
        yield place, rule
        for name, inner in rule.get("properties", {}).items():
            yield from rules(inner, root=root, place=f"{place}.{name}".removeprefix("."))


def steps(place: str) -> list[str | int]:
    names = place.replace("[]", ".0").split(".") if place else []
    return [int(each) if each == "0" else each for each in names]


def pointer(place: str) -> str:
    return "".join(f"/{each}" for each in steps(place))


def found(document: Any, place: str) -> Any:
    for step in steps(place):
        document = document[step]
    return document


def changed(document: Any, place: str, value: Any) -> Any:
    """A copy of the document with another value at a place."""
    document = copy.deepcopy(document)
    *way, last = steps(place)
    inner = document
    for step in way:
        inner = inner[step]
    inner[last] = value
    return document

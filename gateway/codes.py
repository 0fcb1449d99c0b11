"""The code lists of `schemas/codes`, read once: states, units, ports, countries, currencies, rates and PIN codes."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources

from gateway.domain.rules.lists import CodeList, CodeLists, Entry, PinCodes, RateList


@cache
def code_lists() -> CodeLists:
    """All lists, for a `Context`."""
    return CodeLists(
        states=CodeList(_entries("states")),
        units=CodeList(_entries("units")),
        unit_aliases={row["written"]: row["code"] for row in _rows("unit-aliases")},
        ports=CodeList(_entries("ports")),
        countries=CodeList(_entries("countries")),
        currencies=CodeList(_entries("currencies")),
        rates=RateList({Decimal(code): entry for code, entry in _entries("gst-rates").items()}),
        pins=PinCodes(_prefixes()),
    )


def _entries(name: str) -> dict[str, Entry]:
    return {
        row["code"]: Entry(name=row["name"], valid_from=_day(row["valid_from"]), valid_to=_day(row["valid_to"]))
        for row in _rows(name)
    }


def _prefixes() -> Mapping[int, frozenset[int]]:
    states: dict[int, set[int]] = defaultdict(set)
    for row in _rows("pin-prefixes"):
        for prefix in range(int(row["prefix_from"]), int(row["prefix_to"]) + 1):
            states[prefix].add(int(row["state"]))
    return {prefix: frozenset(found) for prefix, found in states.items()}


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = resources.files("schemas").joinpath(f"codes/{name}.csv").read_text(encoding="utf-8")
    return iter(csv.DictReader(text.splitlines()))


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None

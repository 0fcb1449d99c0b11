"""Makers of patches: operations of RFC 6902 that mend a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.domain.rules.case import Case
from gateway.domain.rules.line import Line
from gateway.domain.rules.mending import Changes
from gateway.domain.rules.row import Fix, Patch


def put(around: Mapping[str, Any], at: str, value: Any) -> Mapping[str, Any]:
    """The operation that gives a member of an object a value, be it there or not. `at` is its pointer."""
    return {"op": "replace" if at.rpartition("/")[2] in around else "add", "path": at, "value": value}


def remove(at: str) -> Patch:
    """Take a member out."""
    return ({"op": "remove", "path": at},)


def putting(block: str, name: str, value: Callable[[Case], Any]) -> Fix:
    """A maker that gives `/block/name` a value, where one is known and the block is there."""

    def fix(_: Any, case: Case) -> Patch | None:
        around, found = case.document.get(block), value(case)
        if not isinstance(around, dict) or found is None:
            return None
        return (put(around, f"/{block}/{name}", found),)

    return fix


def mended_line(name: str) -> Fix:
    """A maker that mends one member of a line, with all that depends on it in the line and in the totals."""

    def fix(line: Line, case: Case) -> Patch | None:
        changes = case.mended.lines.get(line.index, {})
        if name not in changes:
            return None
        return (*_puts(line.raw, line.at, changes), *_puts(case.totals, "/ValDtls", case.mended.totals))

    return fix


def mended_total(name: str) -> Fix:
    """A maker that mends the totals, where that one is among what has to change."""

    def fix(_: Any, case: Case) -> Patch | None:
        changes = case.mended.totals
        return _puts(case.totals, "/ValDtls", changes) if name in changes else None

    return fix


def _puts(around: Mapping[str, Any], at: str, changes: Changes) -> Patch:
    return tuple(put(around, f"{at}/{name}", value) for name, value in changes.items())

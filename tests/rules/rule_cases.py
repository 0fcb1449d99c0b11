"""Cases of the rules: a valid document, changed by a patch, and what `check` has to find in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonpatch

from gateway.codes import code_lists
from gateway.domain import strict_json
from gateway.domain.faults import Fault
from gateway.domain.rules import Context, Earlier, Verdict, check, earlier_key

HERE: Final = Path(__file__).parent
TODAY: Final = date(2026, 11, 20)


@dataclass(frozen=True, slots=True)
class Example:
    """One entry of a case file. `name` says where it stands; `about` is the rule of the file."""

    name: str
    about: str
    holds: bool
    entry: Mapping[str, Any]

    def document(self) -> Any:
        """The base with the patch applied."""
        document = jsonpatch.apply_patch(base(self.entry["base"]), self.entry.get("patch", []))
        return repeated(document, self.entry["lines"]) if "lines" in self.entry else document

    def context(self) -> Context:
        """What the check is told."""
        return context(self.entry.get("context", {}))

    def expected(self) -> list[tuple[str, str]]:
        """Every finding: code and place. What a case holds to may still warn."""
        return sorted((code, at) for code, at in self.entry.get("finds", []))

    def left(self) -> list[str]:
        """The codes of errors that the offered patches do not mend."""
        return sorted(self.entry.get("left", []))


def examples() -> Iterator[Example]:
    """All entries of all case files, and those in which several things are wrong at once."""
    for path in sorted((HERE / "cases").glob("*.json")):
        told = strict_json.read(path.read_bytes())
        for kind in ("holds", "breaks"):
            for number, entry in enumerate(told[kind]):
                yield Example(f"{path.stem}-{kind}-{number}", path.stem, kind == "holds", entry)
    for number, entry in enumerate(strict_json.read((HERE / "together.json").read_bytes())):
        yield Example(f"together-{number}", "", holds=False, entry=entry)


@cache
def _base(name: str) -> Any:
    return strict_json.read((HERE / "bases" / f"{name}.json").read_bytes())


def base(name: str) -> Any:
    """A valid document, to be changed."""
    return copy.deepcopy(_base(name))


def repeated(document: Any, count: int) -> Any:
    """The document with its first line so many times, and totals to fit."""
    line = document["ItemList"][0]
    lines = [{**line, "SlNo": str(number)} for number in range(1, count + 1)]
    totals = {
        "AssVal": line["AssAmt"] * count,
        "IgstVal": line["IgstAmt"] * count,
        "TotInvVal": line["TotItemVal"] * count,
    }
    return {**document, "ItemList": lines, "ValDtls": totals}


def context(told: Mapping[str, Any]) -> Context:
    """A context from the plain values of a case file; a live route, today, unless they say otherwise."""
    earlier = told.get("earlier")
    return Context(
        on=date.fromisoformat(told["on"]) if "on" in told else TODAY,
        lists=code_lists(),
        route_enforces_check_digit=told.get("route", "live") == "live",
        reporting_days=told.get("reporting_days"),
        earlier=None if earlier is None else dict(map(_earlier, earlier)),
        allow=frozenset(told.get("allow", ())),
        size_bytes=told.get("size_bytes"),
        doc_types=frozenset(told["doc_types"]) if "doc_types" in told else None,
        seller_in_sez=told.get("seller_in_sez", False),
    )


def _earlier(told: Mapping[str, Any]) -> tuple[Any, Earlier]:
    key = earlier_key(told["number"], date.fromisoformat(told["date"]))
    return key, Earlier(cancelled=told.get("cancelled", False), total=Decimal(told["total"]))


def found(verdict: Verdict) -> list[tuple[str, str]]:
    """Code and place of every finding, errors and warnings."""
    return sorted((fault.code, fault.at) for fault in (*verdict.errors, *verdict.warnings))


def mended(document: Any, faults: Sequence[Fault]) -> Any:
    """The document after every patch that is offered, in turn, by a library that knows nothing of the rules."""
    for fault in faults:
        if fault.fix:
            document = jsonpatch.apply_patch(document, list(fault.fix))
    return document


def verdict_of(example: Example) -> Verdict:
    """What is said of an example."""
    return check(example.document(), context=example.context())

"""The catalogue of the rules: `schemas/rules.json` for programs and `docs/rules.md` for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import groupby
from typing import Any, Final

from gateway.domain.rules import RULES, Counted, Rule, Scope, Severity
from gateway.domain.rules.retired import RETIRED
from gateway.domain.rules.tolerance import RUPEE_BEYOND_THE_WHOLE, TO_THE_PAISA, Tolerance

AREAS: Final[Mapping[str, str]] = {
    "HDR": "The document: number, dates, size",
    "PTY": "The parties: GSTIN, state, PIN code",
    "SUP": "The type of supply, and what it asks for",
    "LIN": "A line's goods or service",
    "RAT": "Rates, by the day of the document",
    "TAX": "The taxes of a line",
    "TOT": "Totals of lines and documents",
    "EXP": "Exports",
    "NOT": "Credit and debit notes beside their originals",
    "EWB": "The e-way bill that is asked for with the document",
    "SHP": "Who receives the goods",
}
"""The areas in the order of the catalogue, by the middle of a code."""

_AROUND: Final = {
    Scope.DOCUMENT: "",
    Scope.PARTY: "/*Dtls",
    Scope.DATE: "/… every date",
    Scope.LINE: "/ItemList/*",
    Scope.PRECEDING: "/RefDtls/PrecDocDtls/*",
}
_INTRODUCTION: Final = """\
# Rules

What `POST /validate`, `POST /irn` and `POST /cdnr` say about the content of a document, all at once, before anything is
sent. The form of a document (types, lengths, patterns) is another matter: its codes begin with `schema-`, it stands in
`schemas/inv-01/1.1.json`. This page and `schemas/rules.json` are written from the table of the rules by `mohar docs`.

- **Code**: a public promise. It keeps its meaning for ever, and is never used for another rule.
- **Place**: a JSON Pointer; `*` stands for each line, party or entry.
- **Portal**: the code with which the portal refuses the same thing. The sandbox refuses with it as well.
- **Severity**: an *error* keeps a document from being sent. A *warning* does not: either the portal takes it, or it
  registers the document and makes no e-way bill.
- **Since**, **until**: the days of the rule, by the day of checking (the portal's programme changed) or by the
  document's own date (the law changed).
- **May be allowed**: a caller who names the code in `allow` means it so; the error becomes a warning.
- **Fix**: a finding brings a JSON Patch (RFC 6902) where one can be computed. All patches of one answer agree with each
  other. They take gross amounts, discounts, rates and the kind of supply for given: read them before you apply them.
  A fault of form brings one too, where the value is written otherwise than the form does (a date as yyyy-mm-dd, a GSTIN
  in small letters, a vehicle's number with blanks, an amount with more decimals) or an optional member says nothing.

At most a hundred findings are told at once; where there are more, the last one has the code `more-findings` and their
number.
"""


def catalogue() -> str:
    """`schemas/rules.json`."""
    content = {
        "rules": [_entry(rule) for rule in RULES],
        "tolerances": [_policy(tolerance) for tolerance in (RUPEE_BEYOND_THE_WHOLE, TO_THE_PAISA)],
        "retired": [{"code": code, "replaced_by": by} for code, by in sorted(RETIRED.items())],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def page() -> str:
    """`docs/rules.md`."""
    return "\n".join([_INTRODUCTION, *_tolerances(), *_areas(), *_retired()]) + "\n"


def _entry(rule: Rule) -> dict[str, Any]:
    members = {
        "code": rule.code,
        "area": rule.area,
        "severity": rule.severity.value,
        "at": _place(rule),
        "sentence": rule.sentence,
        "help": rule.help,
        "predicate": rule.broken.__name__,
        "portal_code": rule.portal_code,
        "source": rule.source,
        "valid_from": _iso(rule.valid_from),
        "valid_to": _iso(rule.valid_to),
        "counted_by": rule.counted.value if rule.valid_from or rule.valid_to else None,
        "tolerance": rule.tolerance.name if rule.tolerance else None,
        "allowable": rule.allowable,
        "fixable": rule.fix is not None,
    }
    return {name: value for name, value in members.items() if value is not None}


def _policy(tolerance: Tolerance) -> dict[str, str]:
    return {"name": tolerance.name, "sentence": tolerance.sentence, "source": tolerance.source}


def _place(rule: Rule) -> str:
    around = _AROUND[rule.scope]
    return f"{around}/{rule.at}" if rule.at else around


def _iso(on: date | None) -> str | None:
    return None if on is None else on.isoformat()


def _tolerances() -> Iterator[str]:
    yield "## By how much an amount may differ\n"
    for each in (RUPEE_BEYOND_THE_WHOLE, TO_THE_PAISA):
        yield f"- **{each.name}**: {each.sentence} Source: {each.source}."
    yield ""


def _areas() -> Iterator[str]:
    ordered = sorted(RULES, key=lambda rule: (list(AREAS).index(rule.area), rule.code))
    for area, rules in groupby(ordered, key=lambda rule: rule.area):
        yield f"## {area}: {AREAS[area]}\n"
        for rule in rules:
            yield from _paragraph(rule)


def _paragraph(rule: Rule) -> Iterator[str]:
    yield f"### {rule.code}\n"
    yield f"{rule.sentence} {rule.help}\n"
    yield f"`{_place(rule) or 'the whole document'}` · {' · '.join(_facts(rule))}\n"


def _facts(rule: Rule) -> Iterator[str]:
    yield rule.severity.value
    if rule.portal_code:
        yield f"portal {rule.portal_code}"
    counted = "checked" if rule.counted is Counted.CHECKING else "dated"
    if rule.valid_from:
        yield f"{counted} since {rule.valid_from:%d-%m-%Y}"
    if rule.valid_to:
        yield f"{counted} until {rule.valid_to:%d-%m-%Y}"
    if rule.tolerance:
        yield f"tolerance: {rule.tolerance.name}"
    if rule.allowable and rule.severity is Severity.ERROR:
        yield "may be allowed"
    if rule.fix is not None:
        yield "fix"
    yield rule.source


def _retired() -> Iterator[str]:
    yield "## Retired codes\n"
    for code, by in sorted(RETIRED.items()):
        yield f"- `{code}`: now {by}."

"""`check`: all rows that are in force, asked about all parts of one document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from gateway.domain.faults import Fault
from gateway.domain.rules import (
    delivery,
    export,
    header,
    lines,
    notes,
    parties,
    rates,
    supply,
    tax,
    totals,
    transport,
    way,
)
from gateway.domain.rules.case import Case, Subject
from gateway.domain.rules.context import Context, Verdict
from gateway.domain.rules.row import Predicate, Rule, Scope, Severity

_AREAS: Final = (header, parties, supply, lines, rates, tax, totals, export, notes, transport, way, delivery)

RULES: Final[tuple[Rule, ...]] = tuple(rule for area in _AREAS for rule in area.RULES)
"""All rules, in the order in which findings are told."""

FAULTS_MAX: Final = 100
"""Errors, and warnings, of one verdict. Nobody mends more by hand at once; the last one counts the rest."""

_MORE: Final = "more-findings"


def check(document: Mapping[str, Any], *, context: Context) -> Verdict:
    """Everything that is wrong with a document, and everything worth a warning, in a fixed order.

    Any JSON value may be given: what has not the right form is passed over, because the schema speaks to form. It takes
    time in proportion to the lines, and gives the same answer to the same question.
    """
    case = Case(document if isinstance(document, dict) else {}, context)
    errors: list[tuple[Rule, Subject]] = []
    warnings: list[tuple[Rule, Subject]] = []
    for rule, subject in _findings(case):
        allowed = rule.allowable and rule.code in context.allow
        (errors if rule.severity is Severity.ERROR and not allowed else warnings).append((rule, subject))
    return Verdict(errors=tuple(_told(errors, case)), warnings=tuple(_told(warnings, case)))


def _findings(case: Case) -> Iterator[tuple[Rule, Subject]]:
    rows = _in_force(case.context.on, case.doc_date)
    for scope, subjects in _subjects(case):
        asked = rows[scope]
        for subject in subjects:
            for broken, rule in asked:
                if broken(subject, case):
                    yield rule, subject


def _subjects(case: Case) -> tuple[tuple[Scope, Iterable[Subject]], ...]:
    return (
        (Scope.DOCUMENT, (case,)),
        (Scope.DATE, case.dates),
        (Scope.PARTY, case.parties),
        (Scope.LINE, case.lines),
        (Scope.PRECEDING, case.preceding),
    )


@lru_cache(maxsize=256)
def _in_force(on: date, doc_date: date | None) -> Mapping[Scope, tuple[tuple[Predicate, Rule], ...]]:
    rows = [rule for rule in RULES if rule.in_force(on=on, doc_date=doc_date)]
    return {scope: tuple((rule.broken, rule) for rule in rows if rule.scope is scope) for scope in Scope}


def _told(findings: list[tuple[Rule, Subject]], case: Case) -> Iterator[Fault]:
    if len(findings) <= FAULTS_MAX:
        return (rule.fault(subject, case) for rule, subject in findings)
    shown = (rule.fault(subject, case) for rule, subject in findings[: FAULTS_MAX - 1])
    return chain(shown, [_more(len(findings) - FAULTS_MAX + 1)])


def _more(count: int) -> Fault:
    return Fault(
        code=_MORE,
        at="",
        message=f"{count} further findings are not listed.",
        help="Mend those above first; many of the others may have the same cause.",
    )

"""A rule is a row: its code, its place, what is wrong when it is broken, what to do, and who says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, TypeAlias

from gateway.domain.faults import Fault
from gateway.domain.rules.case import Case, Subject
from gateway.domain.rules.tolerance import Tolerance

Predicate: TypeAlias = Callable[[Any, Case], bool]
"""Whether a subject breaks a rule. It is asked only of subjects of the rule's scope, and raises nothing."""
Patch: TypeAlias = Sequence[Mapping[str, Any]]
"""Operations of RFC 6902."""
Fix: TypeAlias = Callable[[Any, Case], Patch | None]
"""Computes what mends a finding; None where that cannot be known."""


class Severity(StrEnum):
    """What a broken rule means."""

    ERROR = "error"
    """The portal refuses the document, or the gateway does for a reason of its own."""
    WARNING = "warning"
    """The document is sent; a person should know."""


class Scope(StrEnum):
    """What a rule is asked about: the whole document once, or each of its parts of one kind."""

    DOCUMENT = "document"
    PARTY = "party"
    DATE = "date"
    LINE = "line"
    PRECEDING = "preceding document"


class Counted(StrEnum):
    """The day by which a rule's dates go."""

    CHECKING = "day of checking"
    """The portal's programme changed on that day: whatever is reported later is held to it."""
    DOCUMENT = "document date"
    """The law changed on that day: documents of earlier days are held to the earlier law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    `code` is a public promise: it never changes its meaning and is never used again. `at` is the place of a finding: a
    JSON Pointer below the subject. `sentence` says what is wrong and `help` what to do next. `broken` is the predicate.
    `source` says who asks for it, `portal_code` what the portal would answer. The rule holds from `valid_from` to
    `valid_to`, both included. With `allowable`, a caller may say that a document is meant so, which makes the error a
    warning. `tolerance` is the policy by which amounts are compared. `facts` adds what was found; `fix` mends it.
    """

    code: str
    at: str
    sentence: str
    help: str
    broken: Predicate
    source: str
    scope: Scope = Scope.DOCUMENT
    portal_code: str | None = None
    severity: Severity = Severity.ERROR
    counted: Counted = Counted.CHECKING
    valid_from: date | None = None
    valid_to: date | None = None
    allowable: bool = False
    tolerance: Tolerance | None = None
    facts: Callable[[Any, Case], str] | None = None
    fix: Fix | None = None

    @property
    def area(self) -> str:
        """The middle of the code: what the rule is about."""
        return self.code.split("-")[1]

    def in_force(self, *, on: date, doc_date: date | None) -> bool:
        """Whether the rule holds for a document that is checked on a day. Without a date it is taken for the day's."""
        day = on if self.counted is Counted.CHECKING or doc_date is None else doc_date
        return (self.valid_from or day) <= day <= (self.valid_to or day)

    def fault(self, subject: Subject, case: Case) -> Fault:
        """The finding that a subject breaks this rule."""
        facts = self.facts(subject, case) if self.facts else ""
        fix = self.fix(subject, case) if self.fix else None
        return Fault(
            code=self.code,
            at=f"{subject.at}/{self.at}" if self.at else subject.at,
            message=f"{self.sentence} {facts}".rstrip(),
            help=self.help,
            portal_code=self.portal_code,
            fix=tuple(fix) if fix else None,
        )

"""NOT: credit and debit notes beside the documents that they change, as far as the own ledger knows these."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from gateway.domain.rules.case import NOTES, Case, Preceding
from gateway.domain.rules.context import Earlier, earlier_key
from gateway.domain.rules.reading import NOUGHT, amount, written
from gateway.domain.rules.row import Rule, Scope, Severity

_OWN: Final = "the gateway's own: the portal does not look at preceding documents"


def original_is_unknown(preceding: Preceding, case: Case) -> bool:
    """The ledger was asked and does not know the document."""
    asked = case.doc_type in NOTES and case.context.earlier is not None and _is_named(preceding)
    return asked and _earlier(preceding, case) is None


def original_is_cancelled(preceding: Preceding, case: Case) -> bool:
    """The ledger knows that the document was cancelled."""
    earlier = _earlier(preceding, case)
    return case.doc_type in NOTES and earlier is not None and earlier.cancelled


def original_is_later(preceding: Preceding, case: Case) -> bool:
    """The document that is changed is younger than the note."""
    dates = (preceding.on, case.doc_date)
    return case.doc_type in NOTES and None not in dates and preceding.on > case.doc_date  # type: ignore[operator]  # neither is None


def credit_exceeds_originals(_: Case, case: Case) -> bool:
    """A credit note takes back more than was charged."""
    return case.doc_type == "CRN" and _exceeds(case)


def debit_exceeds_originals(_: Case, case: Case) -> bool:
    """A debit note adds more than was charged at first."""
    return case.doc_type == "DBN" and _exceeds(case)


def _is_named(preceding: Preceding) -> bool:
    return preceding.number is not None and preceding.on is not None


def _earlier(preceding: Preceding, case: Case) -> Earlier | None:
    if preceding.number is None or preceding.on is None:
        return None
    key = earlier_key(preceding.number, preceding.on)
    return (case.context.earlier or {}).get(key) if key else None


def _originals(case: Case) -> Sequence[Earlier] | None:
    """All the documents that the note names; None unless all of them are known."""
    found = {(each.number, each.on): _earlier(each, case) for each in case.preceding}
    known = [earlier for earlier in found.values() if earlier is not None]
    return known if known and len(known) == len(found) else None


def _charged(case: Case) -> Decimal | None:
    originals = _originals(case)
    return None if originals is None else sum((each.total for each in originals), start=NOUGHT)


def _exceeds(case: Case) -> bool:
    charged, total = _charged(case), amount(case.totals.get("TotInvVal"))
    return charged is not None and total is not None and total > charged


def _beside_the_originals(_: Case, case: Case) -> str:
    total, charged = amount(case.totals.get("TotInvVal")) or NOUGHT, _charged(case) or NOUGHT
    return f"It is {written(total)}; the documents that it names come to {written(charged)}."


RULES: Final = (
    Rule(
        code="GSP-NOT-01",
        at="InvNo",
        sentence="The ledger does not know the document that the note names.",
        help="Fine if it was registered elsewhere; else check its number and date.",
        broken=original_is_unknown,
        scope=Scope.PRECEDING,
        severity=Severity.WARNING,
        source=_OWN,
    ),
    Rule(
        code="GSP-NOT-02",
        at="InvNo",
        sentence="The document that the note names was cancelled.",
        help="A cancelled document needs no note. If it is meant so, allow this code.",
        broken=original_is_cancelled,
        scope=Scope.PRECEDING,
        source=_OWN,
        allowable=True,
    ),
    Rule(
        code="GSP-NOT-03",
        at="InvDt",
        sentence="The document that the note names is younger than the note.",
        help="Check both dates.",
        broken=original_is_later,
        scope=Scope.PRECEDING,
        severity=Severity.WARNING,
        source=_OWN,
    ),
    Rule(
        code="GSP-NOT-04",
        at="ValDtls/TotInvVal",
        sentence="The credit note is above the value of the documents that it names.",
        help="Name all documents that it changes, or correct its amounts. If it is meant so, allow this code.",
        broken=credit_exceeds_originals,
        facts=_beside_the_originals,
        source=_OWN,
        allowable=True,
    ),
    Rule(
        code="GSP-NOT-05",
        at="ValDtls/TotInvVal",
        sentence="The debit note is above the value of the documents that it names.",
        help="Check its amounts: it adds to what was charged. If it is meant so, allow this code.",
        broken=debit_exceeds_originals,
        facts=_beside_the_originals,
        source=_OWN,
        allowable=True,
    ),
)

"""What the rows about e-way bills share.

The portal registers the document all the same and then makes no e-way bill, so a caller may allow each of them.
"""

from __future__ import annotations

from datetime import date

from gateway.domain.rules.case import Case
from gateway.domain.rules.patches import remove
from gateway.domain.rules.row import Fix, Patch, Predicate, Rule, Severity


def eway_bill_row(
    number: str,
    at: str,
    sentence: str,
    help: str,
    broken: Predicate,
    *,
    portal_code: str | None,
    severity: Severity = Severity.ERROR,
    source: str | None = None,
    valid_from: date | None = None,
    fix: Fix | None = None,
) -> Rule:
    """A row of this area: all may be allowed, because the document itself is right."""
    return Rule(
        code=f"GSP-EWB-{number}",
        at=at,
        sentence=sentence,
        help=help,
        broken=broken,
        portal_code=portal_code,
        severity=severity,
        source=source or f"NIC, error {portal_code}",
        valid_from=valid_from,
        allowable=severity is Severity.ERROR,
        fix=fix,
    )


def without_ewb(_: Case, case: Case) -> Patch | None:
    """Ask for no e-way bill."""
    return remove("/EwbDtls") if "EwbDtls" in case.document else None

"""RAT: the rates of GST, by the day of the document."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

from gateway.domain.rules.case import RETAIL_PRICE_FROM, Case
from gateway.domain.rules.line import Line
from gateway.domain.rules.reading import NOUGHT, written
from gateway.domain.rules.row import Counted, Rule, Scope, Severity
from gateway.domain.rules.taxation import is_bidi, is_tobacco_or_pan_masala

NEW_RATES_FROM: Final = date(2025, 9, 22)
"""5, 18 and 40 % took the place of 5, 12, 18 and 28 % (notifications 9 to 17/2025-CTR)."""
_TWELVE: Final = Decimal(12)
_TWENTY_EIGHT: Final = Decimal(28)


def rate_is_unknown(line: Line, case: Case) -> bool:
    """The rate is not in the list of the document's day."""
    return line.sound and case.context.lists.rates.objects(line.rate, on=case.law_of)


def rate_has_ended(line: Line, case: Case) -> bool:
    """An invoice at 12 or 28 %. Notes may go back to supplies of before."""
    if case.doc_type != "INV" or line.rate not in (_TWELVE, _TWENTY_EIGHT) or not line.sound:
        return False
    return line.rate == _TWELVE or not is_tobacco_or_pan_masala(line.hsn)


def cess_has_ended(line: Line, case: Case) -> bool:
    """An invoice with compensation cess, on goods that are under none any more."""
    return case.doc_type == "INV" and _has_cess(line) and not is_tobacco_or_pan_masala(line.hsn)


def tobacco_at_its_old_rate(line: Line, case: Case) -> bool:
    """Tobacco or pan masala at 28 %, or with compensation cess."""
    if case.doc_type != "INV" or not line.sound or not is_tobacco_or_pan_masala(line.hsn) or is_bidi(line.hsn):
        return False
    return line.rate == _TWENTY_EIGHT or _has_cess(line)


def _has_cess(line: Line) -> bool:
    return line.sound and (line.cess > NOUGHT or line.cess_fixed > NOUGHT)


RULES: Final = (
    Rule(
        code="GSP-RAT-01",
        at="GstRt",
        sentence="The rate is none of the rates of GST on the document's day.",
        help="Write the full rate: IGST, or CGST and SGST together.",
        broken=rate_is_unknown,
        scope=Scope.LINE,
        facts=lambda line, _: f"It is {written(line.rate)}.",
        portal_code="2240",
        source="NIC, error 2240; 40 % since 22-09-2025",
    ),
    Rule(
        code="GSP-RAT-02",
        at="GstRt",
        sentence="The rates of 12 and 28 % ended on 22-09-2025 for almost everything.",
        help="Check the rate; 5, 18 and 40 % have taken their place.",
        broken=rate_has_ended,
        scope=Scope.LINE,
        severity=Severity.WARNING,
        source="notifications 9 to 17/2025-CTR",
        counted=Counted.DOCUMENT,
        valid_from=NEW_RATES_FROM,
    ),
    Rule(
        code="GSP-RAT-03",
        at="CesAmt",
        sentence="Compensation cess ended on 22-09-2025 for all but tobacco and pan masala.",
        help="Leave the cess out, unless the supply is older than that.",
        broken=cess_has_ended,
        scope=Scope.LINE,
        severity=Severity.WARNING,
        source="notifications 9 to 17/2025-CTR",
        counted=Counted.DOCUMENT,
        valid_from=NEW_RATES_FROM,
    ),
    Rule(
        code="GSP-RAT-04",
        at="GstRt",
        sentence="Tobacco and pan masala left 28 % and compensation cess on 01-02-2026.",
        help="Charge the present rate on the retail sale price that is printed on the package.",
        broken=tobacco_at_its_old_rate,
        scope=Scope.LINE,
        severity=Severity.WARNING,
        source="notifications 19 and 20/2025-CT; GSTN advisory of 23-01-2026",
        counted=Counted.DOCUMENT,
        valid_from=RETAIL_PRICE_FROM,
    ),
)

"""TOT: what lines and documents add up to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.domain.rules.case import RETAIL_PRICE_FROM, Case
from gateway.domain.rules.line import Line
from gateway.domain.rules.mending import parts_of
from gateway.domain.rules.patches import mended_line, mended_total
from gateway.domain.rules.reading import NOUGHT, amount, written
from gateway.domain.rules.row import Counted, Rule, Scope
from gateway.domain.rules.taxation import near
from gateway.domain.rules.tolerance import RUPEE_BEYOND_THE_WHOLE


def line_total_differs(line: Line, case: Case) -> bool:
    """TotItemVal is not the sum of its parts, the tax left out where it may be."""
    return line.sound and not case.taxation.is_retail(line) and _is_off(line, case)


def retail_total_is_short(line: Line, case: Case) -> bool:
    """Of goods taxed on their printed price, TotItemVal is less than taxable value and taxes."""
    return line.sound and case.taxation.is_retail(line) and _is_off(line, case)


def total_differs(_: Case, case: Case) -> bool:
    """TotInvVal is not the sum of the lines, less discount, with charges and rounding."""
    given, exact = amount(case.totals.get("TotInvVal")), case.total
    return given is not None and exact is not None and not near(given, exact)


def taxable_sum_differs(_: Case, case: Case) -> bool:
    """AssVal is not the sum of AssAmt."""
    return _sum_differs("AssVal", case)


def cgst_sum_differs(_: Case, case: Case) -> bool:
    """CgstVal is not the sum of CgstAmt."""
    return _sum_differs("CgstVal", case)


def sgst_sum_differs(_: Case, case: Case) -> bool:
    """SgstVal is not the sum of SgstAmt."""
    return _sum_differs("SgstVal", case)


def igst_sum_differs(_: Case, case: Case) -> bool:
    """IgstVal is not the sum of IgstAmt."""
    return _sum_differs("IgstVal", case)


def cess_sum_differs(_: Case, case: Case) -> bool:
    """CesVal is not the sum of CesAmt and CesNonAdvlAmt."""
    return _sum_differs("CesVal", case)


def state_cess_sum_differs(_: Case, case: Case) -> bool:
    """StCesVal is not the sum of StateCesAmt and StateCesNonAdvlAmt."""
    return _sum_differs("StCesVal", case)


def _is_off(line: Line, case: Case) -> bool:
    taxation, parts = case.taxation, parts_of(line)
    retail = taxation.is_retail(line)
    return not taxation.takes_total(line.total, parts=parts, tax=line.tax, cesses=line.cesses, retail=retail)


def _sum_differs(name: str, case: Case) -> bool:
    exact = case.sums.get(name)
    if exact is None or (name == "AssVal" and name not in case.totals):
        return False
    given = amount(case.totals.get(name, NOUGHT))
    return given is not None and not near(given, exact)


def _beside_its_parts(line: Line, _: Case) -> str:
    return f"It is {written(line.total)}; its parts come to {written(parts_of(line))}."


def _beside_its_sum(name: str) -> Callable[[Any, Case], str]:
    def facts(_: Any, case: Case) -> str:
        given = case.totals.get(name, NOUGHT)
        return f"It is {written(amount(given) or NOUGHT)}; the lines come to {written(case.sums[name])}."

    return facts


def _beside_the_whole(_: Case, case: Case) -> str:
    given = amount(case.totals.get("TotInvVal")) or NOUGHT
    return f"It is {written(given)}; its parts come to {written(case.total or NOUGHT)}."


_SUMMED: Final = (
    ("03", "AssVal", "The taxable total", "2182", taxable_sum_differs),
    ("04", "CgstVal", "The CGST total", "2184", cgst_sum_differs),
    ("05", "SgstVal", "The SGST total", "2183", sgst_sum_differs),
    ("06", "IgstVal", "The IGST total", "2185", igst_sum_differs),
    ("07", "CesVal", "The cess total", "2186", cess_sum_differs),
    ("08", "StCesVal", "The state cess total", "2187", state_cess_sum_differs),
)

RULES: Final = (
    Rule(
        code="GSP-TOT-01",
        at="TotItemVal",
        sentence="The line's total is not the sum of its parts.",
        help="Add up taxable value, taxes, cesses and other charges.",
        broken=line_total_differs,
        scope=Scope.LINE,
        portal_code="2194",
        source="NIC, error 2194; under reverse charge and on exports the tax may be left out",
        tolerance=RUPEE_BEYOND_THE_WHOLE,
        facts=_beside_its_parts,
        fix=mended_line("TotItemVal"),
    ),
    Rule(
        code="GSP-TOT-02",
        at="TotItemVal",
        sentence="The line's total is less than taxable value and taxes.",
        help="Send the net sale value as AssAmt, the tax on the printed price, and at least both as TotItemVal.",
        broken=retail_total_is_short,
        scope=Scope.LINE,
        portal_code="2194",
        source="GSTN advisory of 23-01-2026 on goods taxed on their retail sale price",
        counted=Counted.DOCUMENT,
        valid_from=RETAIL_PRICE_FROM,
        tolerance=RUPEE_BEYOND_THE_WHOLE,
        facts=_beside_its_parts,
        fix=mended_line("TotItemVal"),
    ),
    *(
        Rule(
            code=f"GSP-TOT-{number}",
            at=f"ValDtls/{name}",
            sentence=f"{what} is not the sum of the lines.",
            help="Add up the lines.",
            broken=broken,
            portal_code=portal_code,
            source=f"NIC, error {portal_code}",
            tolerance=RUPEE_BEYOND_THE_WHOLE,
            facts=_beside_its_sum(name),
            fix=mended_total(name),
        )
        for number, name, what, portal_code, broken in _SUMMED
    ),
    Rule(
        code="GSP-TOT-09",
        at="ValDtls/TotInvVal",
        sentence="The document's total is not the lines' totals less discount, with charges and rounding.",
        help="Add up TotItemVal of the lines, less Discount, plus OthChrg and RndOffAmt of ValDtls.",
        broken=total_differs,
        portal_code="2189",
        source="NIC, error 2189",
        tolerance=RUPEE_BEYOND_THE_WHOLE,
        facts=_beside_the_whole,
        fix=mended_total("TotInvVal"),
    ),
)

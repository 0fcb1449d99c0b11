"""LIN: what a line says of its goods or service, before any arithmetic of tax."""

from __future__ import annotations

from datetime import date
from typing import Final

from gateway.domain.rules.case import Case
from gateway.domain.rules.line import Line, is_service
from gateway.domain.rules.patches import mended_line, put
from gateway.domain.rules.reading import amount, text, written
from gateway.domain.rules.row import Patch, Rule, Scope, Severity
from gateway.domain.rules.taxation import near
from gateway.domain.rules.tolerance import RUPEE_BEYOND_THE_WHOLE

SERIAL_MAX: Final = 999_999
"""The largest serial number: six digits (INV-01)."""
_SHORT_HSN: Final = 4


def serial_is_repeated(line: Line, case: Case) -> bool:
    """An earlier line has this number: 1, 01 and 001 are one."""
    return line.index in case.repeated


def service_is_goods(line: Line, _: Case) -> bool:
    """Called a service, with the HSN of goods."""
    return line.hsn is not None and line.service == "Y" and not is_service(line.hsn)


def goods_are_service(line: Line, _: Case) -> bool:
    """Called goods, with the HSN of a service."""
    return line.hsn is not None and line.service == "N" and is_service(line.hsn)


def hsn_is_short(line: Line, case: Case) -> bool:
    """Four digits from a seller of whom it is known that its turnover asks for six."""
    return case.context.reporting_days is not None and line.hsn is not None and len(line.hsn) == _SHORT_HSN


def quantity_is_missing(line: Line, _: Case) -> bool:
    """Goods without a quantity."""
    return _is_goods(line) and "Qty" not in line.raw


def unit_is_missing(line: Line, _: Case) -> bool:
    """Goods without a unit."""
    return _is_goods(line) and "Unit" not in line.raw


def unit_is_unknown(line: Line, case: Case) -> bool:
    """Goods in a unit that is not in the list."""
    unit = text(line.raw.get("Unit"))
    return unit is not None and _is_goods(line) and case.context.lists.units.objects(unit.upper(), on=case.law_of)


def gross_differs(line: Line, _: Case) -> bool:
    """TotAmt is not quantity times price."""
    quantity, price = amount(line.raw.get("Qty")), amount(line.raw.get("UnitPrice"))
    return line.sound and bool(quantity) and price is not None and not near(line.gross, (quantity or 0) * price)


def taxable_differs(line: Line, _: Case) -> bool:
    """AssAmt is not TotAmt less Discount."""
    return line.sound and not near(line.taxable, line.gross - line.discount)


def origin_is_unknown(line: Line, case: Case) -> bool:
    """The country of origin is not in the list."""
    if "OrgCntry" not in line.raw:
        return False
    country = text(line.raw["OrgCntry"])
    return country is not None and case.context.lists.countries.objects(country.upper(), on=case.law_of)


def _is_goods(line: Line) -> bool:
    return line.service == "N" and not (line.hsn is not None and is_service(line.hsn))


def _free_number(line: Line, case: Case) -> Patch | None:
    number = case.repeated[line.index]
    return (put(line.raw, f"{line.at}/SlNo", f"{number}"),) if number <= SERIAL_MAX else None


def _as_goods(line: Line, _: Case) -> Patch | None:
    if "Qty" not in line.raw or "Unit" not in line.raw:
        return None
    return (put(line.raw, f"{line.at}/IsServc", "N"),)


def _as_service(line: Line, _: Case) -> Patch:
    return (put(line.raw, f"{line.at}/IsServc", "Y"),)


def _listed_unit(line: Line, case: Case) -> Patch | None:
    unit = case.context.lists.unit_aliases.get(str(line.raw["Unit"]).upper())
    return None if unit is None else (put(line.raw, f"{line.at}/Unit", unit),)


def _differs_from_net(line: Line, _: Case) -> str:
    net = line.gross - line.discount
    return f"It is {written(line.taxable)}; {written(line.gross)} less {written(line.discount)} is {written(net)}."


RULES: Final = (
    Rule(
        code="GSP-LIN-01",
        at="SlNo",
        sentence="The serial number is that of another line.",
        help="Number the lines 1, 2, 3 and so on.",
        broken=serial_is_repeated,
        scope=Scope.LINE,
        portal_code="2233",
        source="NIC, error 2233",
        fix=_free_number,
    ),
    Rule(
        code="GSP-LIN-02",
        at="IsServc",
        sentence="The line is called a service, but its HSN code is one of goods.",
        help="Write N, or use the service's code, which begins with 99.",
        broken=service_is_goods,
        scope=Scope.LINE,
        portal_code="2176",
        source="NIC, error 2176: codes of services begin with 99",
        fix=_as_goods,
    ),
    Rule(
        code="GSP-LIN-03",
        at="IsServc",
        sentence="The line is called goods, but its HSN code is one of services.",
        help="Write Y, or use the goods' code.",
        broken=goods_are_service,
        scope=Scope.LINE,
        portal_code="2176",
        source="NIC, error 2176: codes of services begin with 99",
        fix=_as_service,
    ),
    Rule(
        code="GSP-LIN-04",
        at="HsnCd",
        sentence="The seller's turnover asks for HSN codes of six digits.",
        help="Write the first six digits of the code.",
        broken=hsn_is_short,
        scope=Scope.LINE,
        severity=Severity.WARNING,
        source="notification 78/2020-CT: six digits above a turnover of 5 crore",
        valid_from=date(2021, 4, 1),
    ),
    Rule(
        code="GSP-LIN-05",
        at="Qty",
        sentence="The quantity of the goods is missing.",
        help="Add it.",
        broken=quantity_is_missing,
        scope=Scope.LINE,
        portal_code="2238",
        source="NIC, error 2238",
    ),
    Rule(
        code="GSP-LIN-06",
        at="Unit",
        sentence="The unit of the goods is missing.",
        help="Add a code of the list of units, such as NOS or KGS.",
        broken=unit_is_missing,
        scope=Scope.LINE,
        portal_code="2239",
        source="NIC, error 2239",
    ),
    Rule(
        code="GSP-LIN-07",
        at="Unit",
        sentence="The unit is not in the list of units.",
        help="Use a code of the list, such as NOS or KGS; OTH stands for others.",
        broken=unit_is_unknown,
        scope=Scope.LINE,
        portal_code="2177",
        source="NIC, error 2177 and its list of unit quantity codes",
        fix=_listed_unit,
    ),
    Rule(
        code="GSP-LIN-08",
        at="TotAmt",
        sentence="The gross amount is not the quantity times the price.",
        help="Check the three; the portal does not.",
        broken=gross_differs,
        scope=Scope.LINE,
        severity=Severity.WARNING,
        source="NIC, error 2192, withdrawn",
        tolerance=RUPEE_BEYOND_THE_WHOLE,
    ),
    Rule(
        code="GSP-LIN-09",
        at="AssAmt",
        sentence="The taxable value is not the gross amount less the discount.",
        help="Correct one of the three.",
        broken=taxable_differs,
        scope=Scope.LINE,
        portal_code="2193",
        source="NIC, error 2193",
        tolerance=RUPEE_BEYOND_THE_WHOLE,
        facts=_differs_from_net,
        fix=mended_line("AssAmt"),
    ),
    Rule(
        code="GSP-LIN-10",
        at="OrgCntry",
        sentence="The country of origin is not in the list of countries.",
        help="Use a code of two letters (ISO 3166), or leave the member out.",
        broken=origin_is_unknown,
        scope=Scope.LINE,
        portal_code="2202",
        source="NIC, error 2202",
    ),
)

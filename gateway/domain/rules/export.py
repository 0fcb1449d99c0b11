"""EXP: what an export says of port, country and currency."""

from __future__ import annotations

from typing import Final

from gateway.domain.rules.case import EXPORTS, Case
from gateway.domain.rules.lists import CodeList
from gateway.domain.rules.reading import text
from gateway.domain.rules.row import Rule, Severity


def country_is_missing(_: Case, case: Case) -> bool:
    """An export to no country."""
    return case.supply in EXPORTS and "CntCode" not in case.export


def port_is_unknown(_: Case, case: Case) -> bool:
    """The port is not in the list."""
    return _is_unknown("Port", case.context.lists.ports, case)


def country_is_unknown(_: Case, case: Case) -> bool:
    """The country of destination is not in the list."""
    return _is_unknown("CntCode", case.context.lists.countries, case)


def currency_is_unknown(_: Case, case: Case) -> bool:
    """The currency is not in the list."""
    return _is_unknown("ForCur", case.context.lists.currencies, case)


def _is_unknown(name: str, listed: CodeList, case: Case) -> bool:
    code = text(case.export.get(name))
    return code is not None and listed.objects(code.upper(), on=case.law_of)


RULES: Final = (
    Rule(
        code="GSP-EXP-01",
        at="ExpDtls/CntCode",
        sentence="The country to which is exported is missing.",
        help="Add its code of two letters as CntCode of ExpDtls; the portal may ask for it.",
        broken=country_is_missing,
        severity=Severity.WARNING,
        source="NIC, validation rules for exports; samples without it are about",
    ),
    Rule(
        code="GSP-EXP-02",
        at="ExpDtls/Port",
        sentence="The port is not in the list of ports.",
        help="Use the customs' code of the port, such as INNSA1, or leave the member out.",
        broken=port_is_unknown,
        portal_code="2201",
        source="NIC, error 2201 and its list of port codes",
    ),
    Rule(
        code="GSP-EXP-03",
        at="ExpDtls/CntCode",
        sentence="The country is not in the list of countries.",
        help="Use a code of two letters (ISO 3166).",
        broken=country_is_unknown,
        portal_code="2202",
        source="NIC, error 2202",
    ),
    Rule(
        code="GSP-EXP-04",
        at="ExpDtls/ForCur",
        sentence="The currency is not in the list of currencies.",
        help="Use a code of three letters (ISO 4217), or leave the member out.",
        broken=currency_is_unknown,
        portal_code="2203",
        source="NIC, error 2203",
    ),
)

"""The sandbox and the gateway are of one mind: what one says beforehand, the other refuses with the portal's code."""

from __future__ import annotations

import pytest

from gateway import shape
from gateway.domain import invoice
from gateway.domain.rules import RULES, Severity
from gateway.sandbox import ewaybills, rules
from tests.rules.rule_cases import Example, examples

BY_CODE = {rule.code: rule for rule in RULES}
ONLY_THE_MASTER = {rule.code for rule in rules.RULES} - {"2195"}
NOT_THE_PORTAL = {"GSP-HDR-03", "GSP-HDR-05", "GSP-PTY-01", "GSP-PTY-03", "GSP-EWB-18", "GSP-TAX-01"}
"""What depends on turnover, size and route, which the sandbox does not know, and on who is a developer of a SEZ."""

TOO_FAR = "GSP-EWB-14"
"""No two PIN codes of the sandbox lie as far apart as the form allows, and it says so in its own way (4013)."""


def sendable() -> list[Example]:
    """The examples whose documents have the form, so that the portal gets to read them."""
    found = [each for each in examples() if "lines" not in each.entry and not shape.check(each.document())]
    return [each for each in found if not is_no_day(each) and each.about != TOO_FAR]


def is_no_day(example: Example) -> bool:
    """A document without a date is refused before it is read (2144)."""
    return any(code == "GSP-HDR-01" for code, _ in example.expected())


def told(example: Example) -> tuple[set[str], list[str]]:
    """The portal's codes for the document, those of its master of taxpayers left out; and for its e-way bill."""
    document = example.document()
    read = invoice.read(document)
    case = rules.case_of(document, read, caller=read.seller_gstin, today=example.context().on)
    codes = {code for code, _ in rules.check(case)} - ONLY_THE_MASTER
    bill = ewaybills.refusals(case) if read.asks_for_ewb else []
    return codes, [code for code, _ in bill]


SENDABLE = sendable()


@pytest.mark.parametrize("example", SENDABLE, ids=lambda each: each.name)
def test_what_the_gateway_finds_the_portal_refuses(example: Example) -> None:
    """Each error with a portal code is answered with that code, and nothing is answered that was not found."""
    found = [BY_CODE[code] for code, _ in example.expected() if code not in NOT_THE_PORTAL]
    coded = [rule for rule in found if rule.portal_code]
    wanted = {rule.portal_code for rule in coded if rule.area != "EWB" and rule.severity is Severity.ERROR}
    codes, bill = told(example)

    assert codes - {"2172", "2174"} == wanted - {"2172", "2174"}
    assert set(bill) <= {rule.portal_code for rule in coded if rule.area == "EWB"}
    assert bool(bill) == any(rule.area == "EWB" for rule in coded)

"""What the sandbox refuses in a document, and when it makes no e-way bill."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.domain import strict_json
from gateway.domain.calendar import write_portal_time
from gateway.domain.invoice import read
from gateway.sandbox import ewaybills, master, rules

DOCUMENTS = Path(__file__).parents[1] / "documents"
PLAIN = strict_json.read((DOCUMENTS / "minimal.json").read_bytes())
WITH_EWB = strict_json.read((DOCUMENTS / "with_ewb.json").read_bytes())
SELLER = PLAIN["SellerDtls"]["Gstin"]
TODAY = date(2026, 11, 20)
AT = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


def _with(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy of a document; `SellerDtls__Gstin="…"` sets a member of a block, None takes it out."""
    changed: dict[str, Any] = copy.deepcopy(document)
    for path, value in changes.items():
        block, name = path.split("__")
        changed[block] = {**changed[block], name: value}
        if value is None:
            del changed[block][name]
    return changed


def _case(document: dict[str, Any], *, caller: str | None = None) -> rules.Case:
    invoice = read(document)
    return rules.case_of(document, invoice, caller=caller or invoice.seller_gstin, today=TODAY)


def _codes(document: dict[str, Any], *, caller: str | None = None) -> list[str]:
    return [code for code, _ in rules.check(_case(document, caller=caller))]


PINS = {"07": 110001, "24": 380001, "27": 400001, "29": 560001, "33": 600001}


def _at_home(gstin: str) -> dict[str, Any]:
    """The members of a party's block that belong to the state of its GSTIN."""
    return {"Gstin": gstin, "Stcd": gstin[:2], "Pin": PINS[gstin[:2]]}


def _party(document: dict[str, Any], block: str, gstin: str, **changes: Any) -> dict[str, Any]:
    return _with(document, **{f"{block}__{name}": value for name, value in _at_home(gstin).items()}, **changes)


def _sold_by(taxpayer: master.Taxpayer, document: dict[str, Any] = PLAIN) -> dict[str, Any]:
    return _party(document, "SellerDtls", taxpayer.gstin, BuyerDtls__Pos=taxpayer.gstin[:2])


def _bought_by(taxpayer: master.Taxpayer, document: dict[str, Any] = PLAIN, **changes: Any) -> dict[str, Any]:
    return _party(document, "BuyerDtls", taxpayer.gstin, **changes)


def _taxed_between_states() -> dict[str, Any]:
    line = {name: value for name, value in PLAIN["ItemList"][0].items() if name not in {"CgstAmt", "SgstAmt"}}
    totals = {"AssVal": 2500, "IgstVal": 450, "TotInvVal": 2950}
    return PLAIN | {"ItemList": [{**line, "IgstAmt": 450}], "ValDtls": totals}


IGST = _taxed_between_states()
TWICE = {name: 2 * value for name, value in PLAIN["ValDtls"].items()}
REPEATED_LINE = PLAIN | {"ItemList": [PLAIN["ItemList"][0], {**PLAIN["ItemList"][0], "SlNo": "01"}], "ValDtls": TWICE}
ABROAD = {"Gstin": "URP", "Stcd": "96", "Pos": "96", "Pin": 999999}
EXPORT = _with(IGST, TranDtls__SupTyp="EXPWP", **{f"BuyerDtls__{name}": value for name, value in ABROAD.items()})

BROKEN = [
    (_with(PLAIN, DocDtls__Dt="21/11/2026"), "2163"),
    (REPEATED_LINE, "2233"),
    (_with(PLAIN, BuyerDtls__Gstin=SELLER), "2211"),
    (_with(PLAIN, SellerDtls__Stcd="27", SellerDtls__Pin=400001), "2258"),
    (_with(PLAIN, BuyerDtls__Gstin="URP"), "2212"),
    (_with(EXPORT, BuyerDtls__Gstin=master.ACTIVE_BUYER.gstin), "2248"),
    (_sold_by(master.SEZ_UNIT_TAXPAYER), "2231"),
    (_sold_by(master.CANCELLED_TAXPAYER), "3029"),
    (_sold_by(master.SUSPENDED_TAXPAYER), "3029"),
    (_sold_by(master.INACTIVE_TAXPAYER), "3029"),
    (_with(PLAIN, BuyerDtls__Gstin="29abcde"), "3028"),
    (_bought_by(master.CANCELLED_TAXPAYER), "3074"),
    (_bought_by(master.UNDATED_CANCELLED_TAXPAYER), "3075"),
    (_bought_by(master.INACTIVE_TAXPAYER), "3076"),
    (_bought_by(master.CANCELLED_TAXPAYER, DocDtls__Dt="30/06/2017"), "3077"),
    (_bought_by(master.NEW_TAXPAYER, DocDtls__Dt="31/03/2026"), "3079"),
    (_bought_by(master.SEZ_UNIT_TAXPAYER), "2246"),
    (_bought_by(master.SEZ_DEVELOPER_TAXPAYER), "2246"),
    (_with(IGST, TranDtls__SupTyp="SEZWP"), "2247"),
    (_sold_by(master.SEZ_DEVELOPER_TAXPAYER), "2174"),
]

HELD = [
    PLAIN,
    _with(PLAIN, DocDtls__Dt="20/11/2026"),
    _sold_by(master.ACTIVE_SELLER),
    _sold_by(master.SEZ_DEVELOPER_TAXPAYER, IGST),
    _bought_by(master.ACTIVE_BUYER),
    _bought_by(master.SUSPENDED_TAXPAYER),
    _bought_by(master.CANCELLED_TAXPAYER, DocDtls__Dt="31/03/2024"),
    _bought_by(master.NEW_TAXPAYER),
    _bought_by(master.SEZ_UNIT_TAXPAYER, IGST, TranDtls__SupTyp="SEZWOP"),
    EXPORT,
    _with(PLAIN, TranDtls__SupTyp="DEXP"),
    _with(PLAIN, SellerDtls__Gstin="29AWGPV7107B1Z1"),
]


@pytest.mark.parametrize(("document", "code"), BROKEN, ids=[code for _, code in BROKEN])
def test_a_broken_rule_is_named_alone(document: dict[str, Any], code: str) -> None:
    """One thing is wrong, and its published code alone is told."""
    assert _codes(document) == [code]


@pytest.mark.parametrize("document", HELD)
def test_a_document_just_within_the_rules_is_taken(document: dict[str, Any]) -> None:
    """The nearest thing to each refusal that is not refused, a GSTIN without a right check digit among them."""
    assert _codes(document) == []


def test_every_row_of_the_table_bites() -> None:
    """No rule is there that no case here breaks."""
    told = {code for _, code in BROKEN} | {"2169", "2195"}
    assert {rule.code for rule in rules.RULES} <= told


def test_only_the_seller_or_its_marketplace_may_report() -> None:
    """Another GSTIN in the header is 2169; the operator may, if it collects tax at source."""
    collector = master.TAX_COLLECTOR_TAXPAYER.gstin
    assert _codes(PLAIN, caller=master.ACTIVE_BUYER.gstin) == ["2169"]
    assert _codes(_with(PLAIN, TranDtls__EcmGstin=collector), caller=collector) == []
    stranger = master.ACTIVE_BUYER.gstin
    assert set(_codes(_with(PLAIN, TranDtls__EcmGstin=stranger), caller=stranger)) == {"2195"}
    collector_of_no_tax = f"{stranger[:13]}C{stranger[14:]}"
    assert _codes(_with(PLAIN, TranDtls__EcmGstin=collector_of_no_tax), caller=collector_of_no_tax) == ["2195"]


def test_all_broken_rules_are_told_at_once() -> None:
    """Two faults of the document and one of the master: three codes, the master's first."""
    wrong = _with(_bought_by(master.SEZ_UNIT_TAXPAYER), DocDtls__Dt="21/11/2026", BuyerDtls__Stcd="27")
    assert _codes(wrong) == ["2246", "2163", "2265", "3039"]


# E-way bills ----------------------------------------------------------------------------------------------------------


def _ewb(**changes: Any) -> dict[str, Any]:
    return _with(WITH_EWB, **{f"EwbDtls__{name}": value for name, value in changes.items()})


def _buyer_blocked() -> dict[str, Any]:
    return _bought_by(master.EWB_BLOCKED_TAXPAYER, WITH_EWB)


SAME_PIN = _with(WITH_EWB, ShipDtls__Pin=WITH_EWB["SellerDtls"]["Pin"])
NOT_MADE = [
    (_with(WITH_EWB, DocDtls__Typ="CRN"), "4010"),
    (PLAIN | {"EwbDtls": WITH_EWB["EwbDtls"]}, "4009"),
    (_buyer_blocked(), "4015"),
    (_ewb(VehNo=None, TransMode=None, TransId=None, TransDocNo=None), "4019"),
    (_ewb(TransMode=None), "4028"),
    (_ewb(VehNo=None), "4011"),
    (_ewb(VehType=None), "4022"),
    (_ewb(TransMode="2", TransDocNo=None), "4012"),
    (_with(SAME_PIN, EwbDtls__Distance=0), "4029"),
    (_with(SAME_PIN, EwbDtls__Distance=101), "4013"),
    (_ewb(Distance=3001), "4013"),
]
MADE = [
    WITH_EWB,
    _ewb(VehNo=None, TransMode=None, VehType=None, TransDocNo=None),
    _ewb(TransMode="2", VehNo=None),
    _ewb(Distance=0),
    _ewb(Distance=3000),
    _with(SAME_PIN, EwbDtls__Distance=100),
]


@pytest.mark.parametrize(("document", "code"), NOT_MADE, ids=[code for _, code in NOT_MADE])
def test_an_eway_bill_is_refused_for_its_reason(document: dict[str, Any], code: str) -> None:
    """The first reason is told by its published code."""
    assert [told for told, _ in ewaybills.refusals(_case(document))] == [code]


@pytest.mark.parametrize("document", MADE)
def test_an_eway_bill_is_made_where_nothing_speaks_against_it(document: dict[str, Any]) -> None:
    """The nearest thing to each refusal that is not refused."""
    assert ewaybills.refusals(_case(document)) == []


def test_every_refusal_of_an_eway_bill_bites() -> None:
    """No row is there that no case here meets."""
    assert {row.code for row in ewaybills.REFUSALS} <= {code for _, code in NOT_MADE}


@pytest.mark.parametrize(
    ("kilometres", "kind", "until"),
    [
        (10, "R", "2026-11-21 23:59:00"),
        (200, "R", "2026-11-21 23:59:00"),
        (201, "R", "2026-11-22 23:59:00"),
        (2467, "R", "2026-12-03 23:59:00"),
        (41, "O", "2026-11-23 23:59:00"),
    ],
)
def test_validity_is_a_day_for_each_200_kilometres_or_part(kilometres: int, kind: str, until: str) -> None:
    """It ends at 23:59 of the day; over-dimensional cargo has a day for each 20 km."""
    valid_until = ewaybills.valid_until(_ewb(Distance=kilometres, VehType=kind), at=AT)
    assert valid_until is not None
    assert write_portal_time(valid_until) == until


def test_part_a_alone_has_no_validity_yet() -> None:
    """With a transporter and nothing else, the days begin later."""
    assert ewaybills.valid_until(_ewb(VehNo=None, TransMode=None), at=AT) is None


def test_a_computed_distance_depends_on_the_pin_codes_alone() -> None:
    """The same two PIN codes lie equally far apart in both directions, never further than the limit."""
    assert ewaybills.computed_km(560058, 110001) == ewaybills.computed_km(110001, 560058)
    assert max(ewaybills.computed_km(110001, pin) for pin in range(110001, 999999, 997)) <= ewaybills.DISTANCE_KM_MAX
    assert ewaybills.distance_km(_ewb(Distance=0)) == ewaybills.computed_km(560058, 573201)

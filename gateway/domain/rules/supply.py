"""SUP: the supply type, and what it asks of buyer and place of supply."""

from __future__ import annotations

from datetime import date
from typing import Final

from gateway.domain.identifiers import UNREGISTERED
from gateway.domain.rules.case import ABROAD, EXPORTS, SEZ_SUPPLIES, Case
from gateway.domain.rules.patches import putting
from gateway.domain.rules.row import Rule

PIN_ABROAD: Final = 999999
"""The PIN code that stands for other countries (NIC)."""
_REVERSE_CHARGE: Final = frozenset({"B2B", *SEZ_SUPPLIES})


def unregistered_at_home(_: Case, case: Case) -> bool:
    """URP buys what is neither exported nor deemed exported."""
    return case.buyer.gstin == UNREGISTERED and case.supply in _REVERSE_CHARGE


def unregistered_deemed_export(_: Case, case: Case) -> bool:
    """URP buys a deemed export."""
    return case.buyer.gstin == UNREGISTERED and case.supply == "DEXP"


def registered_abroad(_: Case, case: Case) -> bool:
    """An export to somebody with a GSTIN."""
    return case.supply in EXPORTS and case.buyer.gstin_state is not None


def exported_within_india(_: Case, case: Case) -> bool:
    """An export whose place of supply is a state."""
    return case.supply in EXPORTS and case.place_of_supply not in (None, ABROAD)


def supplied_abroad(_: Case, case: Case) -> bool:
    """Something else than an export, supplied abroad."""
    return case.supply is not None and case.supply not in EXPORTS and case.place_of_supply == ABROAD


def supplied_nowhere(_: Case, case: Case) -> bool:
    """The place of supply is no state, or no state any more."""
    place = case.place_of_supply
    if place is None or case.supply in EXPORTS:
        return False
    return case.context.lists.states.objects(f"{place:02}", on=case.law_of)


def export_buyer_in_a_state(_: Case, case: Case) -> bool:
    """An export whose buyer is in a state."""
    return case.supply in EXPORTS and case.buyer.state not in (None, ABROAD)


def export_buyer_with_a_pin(_: Case, case: Case) -> bool:
    """An export whose buyer has an Indian PIN code."""
    return case.supply in EXPORTS and case.buyer.pin not in (None, PIN_ABROAD)


def reverse_charge_misplaced(_: Case, case: Case) -> bool:
    """Nobody abroad owes Indian tax, nor does the buyer of a deemed export."""
    return case.reverse_charge and case.supply is not None and case.supply not in _REVERSE_CHARGE


def igst_on_intra_between_states(_: Case, case: Case) -> bool:
    """IGST within one state, though the place of supply is another."""
    places = (case.place_of_supply, case.seller_state)
    return case.igst_on_intra and None not in places and places[0] != places[1]


def igst_on_intra_without_reverse_charge(_: Case, case: Case) -> bool:
    """IGST within one state, though the buyer does not owe the tax."""
    return case.igst_on_intra and not case.reverse_charge and case.place_of_supply == case.seller_state


RULES: Final = (
    Rule(
        code="GSP-SUP-01",
        at="BuyerDtls/Gstin",
        sentence="The buyer of this type of supply cannot be an unregistered person.",
        help="Write the buyer's GSTIN; sales to consumers are not reported here.",
        broken=unregistered_at_home,
        portal_code="2212",
        source="NIC, error 2212",
    ),
    Rule(
        code="GSP-SUP-02",
        at="BuyerDtls/Gstin",
        sentence="The buyer of a deemed export cannot be an unregistered person.",
        help="Write the buyer's GSTIN.",
        broken=unregistered_deemed_export,
        portal_code="2171",
        source="NIC, error 2171",
    ),
    Rule(
        code="GSP-SUP-03",
        at="BuyerDtls/Gstin",
        sentence="The buyer of an export has no GSTIN.",
        help="Write URP, or correct the type of supply.",
        broken=registered_abroad,
        portal_code="2248",
        source="NIC, error 2248",
        fix=putting("BuyerDtls", "Gstin", lambda _: UNREGISTERED),
    ),
    Rule(
        code="GSP-SUP-04",
        at="BuyerDtls/Pos",
        sentence="The place of supply of an export is abroad.",
        help="Write 96, or correct the type of supply.",
        broken=exported_within_india,
        portal_code="2229",
        source="NIC, errors 2229 and 2232",
        fix=putting("BuyerDtls", "Pos", lambda _: f"{ABROAD}"),
    ),
    Rule(
        code="GSP-SUP-05",
        at="BuyerDtls/Pos",
        sentence="The place of supply is abroad, though the supply is no export.",
        help="Write the code of the state, or correct the type of supply.",
        broken=supplied_abroad,
        portal_code="2242",
        source="NIC, error 2242",
    ),
    Rule(
        code="GSP-SUP-06",
        at="BuyerDtls/Pos",
        sentence="The place of supply is no state.",
        help="Write the code of a state or union territory of today; 26 has taken the place of 25.",
        broken=supplied_nowhere,
        portal_code="2243",
        source="NIC, error 2243",
    ),
    Rule(
        code="GSP-SUP-07",
        at="BuyerDtls/Stcd",
        sentence="The buyer of an export is abroad.",
        help="Write 96.",
        broken=export_buyer_in_a_state,
        portal_code="2261",
        source="NIC, error 2261",
        fix=putting("BuyerDtls", "Stcd", lambda _: f"{ABROAD}"),
    ),
    Rule(
        code="GSP-SUP-08",
        at="BuyerDtls/Pin",
        sentence="The buyer of an export has no Indian PIN code.",
        help="Write 999999.",
        broken=export_buyer_with_a_pin,
        portal_code="3039",
        source="NIC, validation rules for exports: state 96, PIN 999999",
        fix=putting("BuyerDtls", "Pin", lambda _: PIN_ABROAD),
    ),
    Rule(
        code="GSP-SUP-09",
        at="TranDtls/RegRev",
        sentence="Reverse charge does not go with this type of supply.",
        help="Write N, or leave the member out.",
        broken=reverse_charge_misplaced,
        portal_code="2162",
        source="NIC, error 2162",
        fix=putting("TranDtls", "RegRev", lambda _: "N"),
    ),
    Rule(
        code="GSP-SUP-10",
        at="TranDtls/IgstOnIntra",
        sentence="IGST within one state is claimed, though the place of supply is another state.",
        help="Write N: IGST is due in any case.",
        broken=igst_on_intra_between_states,
        portal_code="2262",
        source="NIC, error 2262",
        fix=putting("TranDtls", "IgstOnIntra", lambda _: "N"),
    ),
    Rule(
        code="GSP-SUP-11",
        at="TranDtls/IgstOnIntra",
        sentence="IGST within one state goes with reverse charge only.",
        help="Write Y into RegRev if the buyer owes the tax; else write N here and charge CGST and SGST.",
        broken=igst_on_intra_without_reverse_charge,
        portal_code="2294",
        source="NIC, error 2294. Documents of August 2020 were taken without: its date is that of form 1.1",
        valid_from=date(2021, 1, 1),
    ),
)

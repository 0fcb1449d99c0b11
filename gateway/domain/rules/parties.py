"""PTY: the parties, their GSTINs, states and PIN codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.domain.identifiers import UNREGISTERED, gstin_check_digit_holds, is_gstin
from gateway.domain.rules.case import ABROAD, EXPORTS, Case, Party
from gateway.domain.rules.patches import put, putting
from gateway.domain.rules.row import Patch, Rule, Scope, Severity

_OPERATOR_TAX_COLLECTOR: Final = "C"
"""The 14th character of a GSTIN that was given for collecting tax at source."""
ARMY_PINS: Final = range(900_000, 999_000)
"""The ninth zone of India Post is no region: its PIN codes are field post offices, wherever these are."""


def check_digit_fails(party: Party, case: Case) -> bool:
    """The last character does not fit, and the route minds."""
    return case.context.route_enforces_check_digit and _is_mistyped(party.gstin)


def live_would_refuse(party: Party, case: Case) -> bool:
    """The last character does not fit, and the route does not mind."""
    return not case.context.route_enforces_check_digit and _is_mistyped(party.gstin)


def operator_is_mistyped(_: Case, case: Case) -> bool:
    """The marketplace's GSTIN has a wrong last character, and the route minds."""
    return case.context.route_enforces_check_digit and _is_mistyped(_operator(case))


def operator_collects_no_tax(_: Case, case: Case) -> bool:
    """The marketplace's GSTIN was not given for collecting tax at source."""
    operator = _operator(case)
    return operator is not None and is_gstin(operator) and operator[13] != _OPERATOR_TAX_COLLECTOR


def sells_to_itself(_: Case, case: Case) -> bool:
    """Seller and buyer have one GSTIN."""
    return case.seller.gstin_state is not None and case.seller.gstin == case.buyer.gstin


def seller_is_unregistered(_: Case, case: Case) -> bool:
    """URP where the seller's GSTIN belongs."""
    return case.seller.gstin == UNREGISTERED


def seller_state_differs(_: Case, case: Case) -> bool:
    """Stcd is not the state of the GSTIN."""
    return _differs(case.seller)


def buyer_state_differs(_: Case, case: Case) -> bool:
    """Stcd is not the state of the GSTIN, the goods staying in the country."""
    return case.supply not in EXPORTS and _differs(case.buyer)


def seller_state_is_none(_: Case, case: Case) -> bool:
    """Neither Stcd nor the GSTIN names a state."""
    return _is_no_state(case.seller, case)


def buyer_state_is_none(_: Case, case: Case) -> bool:
    """Stcd is no state, the goods staying in the country."""
    return case.supply not in EXPORTS and _is_no_state(case.buyer, case)


def dispatch_state_is_none(_: Case, case: Case) -> bool:
    """The goods leave from no state."""
    return _is_no_state(case.dispatch, case)


def ship_state_is_none(_: Case, case: Case) -> bool:
    """The goods go to no state."""
    return _is_no_state(case.ship, case)


def pin_is_nowhere(party: Party, case: Case) -> bool:
    """There are no PIN codes with these first three digits."""
    return _is_unlisted(party, case) and party.pin not in ARMY_PINS


def pin_is_of_the_army(party: Party, case: Case) -> bool:
    """A PIN code of the Army Postal Service, which belongs to no state."""
    return _is_unlisted(party, case) and party.pin in ARMY_PINS


def pin_is_elsewhere(party: Party, case: Case) -> bool:
    """The PIN code lies in other states than the one given."""
    if party.pin is None or party.state is None:
        return False
    if party.state == ABROAD or _is_foreign_buyer(party, case):  # what an export needs is told by its own rules
        return False
    states = case.context.lists.pins.of(party.pin)
    return bool(states) and party.state not in (states or ())


def buyer_pin_is_missing(_: Case, case: Case) -> bool:
    """A buyer in the country has a PIN code."""
    return case.buyer.present and case.supply is not None and case.supply not in EXPORTS and "Pin" not in case.buyer.raw


def _is_unlisted(party: Party, case: Case) -> bool:
    return party.pin is not None and case.context.lists.pins.of(party.pin) == frozenset()


def _is_foreign_buyer(party: Party, case: Case) -> bool:
    return party.name == "BuyerDtls" and case.supply in EXPORTS


def _is_mistyped(gstin: str | None) -> bool:
    return gstin is not None and is_gstin(gstin) and not gstin_check_digit_holds(gstin)


def _operator(case: Case) -> str | None:
    operator = case.transaction.get("EcmGstin")
    return operator if isinstance(operator, str) else None


def _is_no_state(party: Party, case: Case) -> bool:
    if party.state is None or _differs(party):  # then it is told to write that of the GSTIN
        return False
    return case.context.lists.states.objects(f"{party.state:02}", on=case.law_of)


def _differs(party: Party) -> bool:
    return party.gstin_state is not None and party.state is not None and party.gstin_state != party.state


def _state_of_gstin(of: Callable[[Case], Party]) -> Callable[[Case], str | None]:
    def value(case: Case) -> str | None:
        found = of(case).gstin_state
        return None if found is None else f"{found:02}"

    return value


def _only_state(party: Party, case: Case) -> Patch | None:
    """The state, where the PIN code lies in one alone and no GSTIN says otherwise."""
    states = case.context.lists.pins.of(party.pin) if party.pin is not None else None
    if not states or len(states) > 1 or party.gstin_state is not None:
        return None
    return (put(party.raw, f"{party.at}/Stcd", f"{next(iter(states)):02}"),)


def _where_the_pin_lies(party: Party, case: Case) -> str:
    states = case.context.lists.pins.of(party.pin) if party.pin is not None else None
    entries = case.context.lists.states.entries
    named = [entries[code].name for code in (f"{state:02}" for state in sorted(states or ())) if code in entries]
    return f"{party.pin} lies in {' or '.join(named)}." if named else ""


_STATE_NEEDED: Final = "Write the code of the state or union territory of today."

RULES: Final = (
    Rule(
        code="GSP-PTY-01",
        at="Gstin",
        sentence="The GSTIN is none: its last character does not fit the others.",
        help="Correct the typing error; the GSTIN stands on the party's registration certificate.",
        broken=check_digit_fails,
        scope=Scope.PARTY,
        portal_code="3028",
        source="NIC, error 3028; the check digit of a GSTIN",
    ),
    Rule(
        code="GSP-PTY-02",
        at="Gstin",
        sentence="A live route would refuse this GSTIN: its last character does not fit the others.",
        help="Fine for a test. For a real document, take the GSTIN from the party's registration certificate.",
        broken=live_would_refuse,
        scope=Scope.PARTY,
        severity=Severity.WARNING,
        source="the check digit of a GSTIN; the portal's own sandbox has such taxpayers",
    ),
    Rule(
        code="GSP-PTY-03",
        at="TranDtls/EcmGstin",
        sentence="The operator's GSTIN is none: its last character does not fit the others.",
        help="Correct the typing error, or leave the member out: it is for operators who report themselves.",
        broken=operator_is_mistyped,
        portal_code="3028",
        source="NIC, error 3028; the check digit of a GSTIN",
    ),
    Rule(
        code="GSP-PTY-04",
        at="TranDtls/EcmGstin",
        sentence="The operator's GSTIN was not given for collecting tax at source.",
        help="Use the operator's GSTIN of type TCS, or leave the member out: a seller who reports need not send it.",
        broken=operator_collects_no_tax,
        portal_code="2195",
        source="NIC, error 2195",
    ),
    Rule(
        code="GSP-PTY-05",
        at="BuyerDtls/Gstin",
        sentence="Seller and buyer have the same GSTIN.",
        help="Use the buyer's own GSTIN; a movement between places of one GSTIN needs no invoice.",
        broken=sells_to_itself,
        portal_code="2211",
        source="NIC, error 2211",
    ),
    Rule(
        code="GSP-PTY-06",
        at="SellerDtls/Gstin",
        sentence="The seller cannot be an unregistered person.",
        help="Write the seller's GSTIN.",
        broken=seller_is_unregistered,
        portal_code="2213",
        source="NIC, error 2213",
    ),
    Rule(
        code="GSP-PTY-07",
        at="SellerDtls/Stcd",
        sentence="The seller's state is not that of its GSTIN.",
        help="Write the first two digits of the GSTIN.",
        broken=seller_state_differs,
        portal_code="2258",
        source="NIC, error 2258",
        fix=putting("SellerDtls", "Stcd", _state_of_gstin(lambda case: case.seller)),
    ),
    Rule(
        code="GSP-PTY-08",
        at="BuyerDtls/Stcd",
        sentence="The buyer's state is not that of its GSTIN.",
        help="Write the first two digits of the GSTIN.",
        broken=buyer_state_differs,
        portal_code="2265",
        source="NIC, error 2265",
        fix=putting("BuyerDtls", "Stcd", _state_of_gstin(lambda case: case.buyer)),
    ),
    Rule(
        code="GSP-PTY-09",
        at="SellerDtls/Stcd",
        sentence="The seller's state code is none.",
        help=_STATE_NEEDED,
        broken=seller_state_is_none,
        portal_code="2259",
        source="NIC, error 2259",
    ),
    Rule(
        code="GSP-PTY-10",
        at="BuyerDtls/Stcd",
        sentence="The buyer's state code is none.",
        help=f"{_STATE_NEEDED} 96 stands for other countries.",
        broken=buyer_state_is_none,
        portal_code="2260",
        source="NIC, error 2260",
    ),
    Rule(
        code="GSP-PTY-11",
        at="DispDtls/Stcd",
        sentence="The state code of the place of dispatch is none.",
        help=_STATE_NEEDED,
        broken=dispatch_state_is_none,
        portal_code="2200",
        source="NIC, error 2200",
    ),
    Rule(
        code="GSP-PTY-12",
        at="ShipDtls/Stcd",
        sentence="The state code of the place of delivery is none.",
        help=_STATE_NEEDED,
        broken=ship_state_is_none,
        portal_code="2200",
        source="NIC, error 2200",
    ),
    Rule(
        code="GSP-PTY-13",
        at="Pin",
        sentence="There is no such PIN code.",
        help="Correct the PIN code; India Post has a list of them.",
        broken=pin_is_nowhere,
        scope=Scope.PARTY,
        portal_code="3038",
        source="NIC, error 3038: PIN codes go by their first three digits where the master lacks them",
    ),
    Rule(
        code="GSP-PTY-14",
        at="Pin",
        sentence="The PIN code does not lie in the state.",
        help="Correct the PIN code or the state code.",
        broken=pin_is_elsewhere,
        scope=Scope.PARTY,
        facts=_where_the_pin_lies,
        portal_code="3039",
        source="NIC, error 3039",
        fix=_only_state,
    ),
    Rule(
        code="GSP-PTY-15",
        at="BuyerDtls/Pin",
        sentence="The buyer's PIN code is missing.",
        help="Add it as a number of six digits.",
        broken=buyer_pin_is_missing,
        portal_code="2274",
        source="NIC, errors 2244 and 2274",
    ),
    Rule(
        code="GSP-PTY-16",
        at="Pin",
        sentence="The PIN code is one of the Army Postal Service and lies in no state.",
        help="It is sent as it is; should the portal refuse it (3038), write that of the unit's station.",
        broken=pin_is_of_the_army,
        scope=Scope.PARTY,
        severity=Severity.WARNING,
        source="India Post: PIN codes from 900 on; whether the portal's list has them is not known",
    ),
)

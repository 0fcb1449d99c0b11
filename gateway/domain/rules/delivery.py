"""SHP: who receives the goods, on documents that ask for an e-way bill, from 01-08-2026."""

from __future__ import annotations

from datetime import date
from typing import Final

from gateway.domain.identifiers import UNREGISTERED
from gateway.domain.rules.case import EXPORTS, Case
from gateway.domain.rules.patches import putting
from gateway.domain.rules.row import Rule

SHIP_TO_FROM: Final = date(2026, 8, 1)
"""The day from which the portal asks who receives the goods (GSTN advisory of 17-06-2026)."""
_SOURCE: Final = "GSTN advisories of 20-05-2026 and 17-06-2026"


def receiver_is_missing(_: Case, case: Case) -> bool:
    """A place of delivery without a GSTIN."""
    return case.ewb is not None and case.ship.present and "Gstin" not in case.ship.raw


def receiver_is_the_buyer(_: Case, case: Case) -> bool:
    """A place of delivery that has the buyer's GSTIN is none of its own."""
    return case.ewb is not None and case.ship.gstin_state is not None and case.ship.gstin == case.buyer.gstin


def receiver_state_differs(_: Case, case: Case) -> bool:
    """Stcd is not the state of the receiver's GSTIN."""
    states = (case.ship.gstin_state, case.ship.state)
    return case.ewb is not None and None not in states and states[0] != states[1]


def _state_of_receiver(case: Case) -> str | None:
    state = case.ship.gstin_state
    return None if state is None else f"{state:02}"


def _nobody(case: Case) -> str | None:
    """A port has no GSTIN; of another receiver it cannot be known."""
    return UNREGISTERED if case.supply in EXPORTS else None


RULES: Final = (
    Rule(
        code="GSP-SHP-01",
        at="ShipDtls/Gstin",
        sentence="The receiver's GSTIN is missing.",
        help="Write the GSTIN of whoever receives the goods, or URP for an unregistered person.",
        broken=receiver_is_missing,
        portal_code="5002",
        source=_SOURCE,
        valid_from=SHIP_TO_FROM,
        fix=putting("ShipDtls", "Gstin", _nobody),
    ),
    Rule(
        code="GSP-SHP-02",
        at="ShipDtls/Gstin",
        sentence="Buyer and receiver have the same GSTIN.",
        help="Leave ShipDtls out when the goods go to the buyer; else write the receiver's own GSTIN, or URP.",
        broken=receiver_is_the_buyer,
        portal_code="2323",
        source=_SOURCE,
        valid_from=SHIP_TO_FROM,
    ),
    Rule(
        code="GSP-SHP-03",
        at="ShipDtls/Stcd",
        sentence="The receiver's state is not that of its GSTIN.",
        help="Write the first two digits of the GSTIN.",
        broken=receiver_state_differs,
        portal_code="2325",
        source=_SOURCE,
        valid_from=SHIP_TO_FROM,
        fix=putting("ShipDtls", "Stcd", _state_of_receiver),
    ),
)

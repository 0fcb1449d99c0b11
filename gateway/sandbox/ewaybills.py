"""The e-way bill that is asked for together with an IRN: made, or refused while the IRN stands.

The distances are made up from the PIN codes, always the same for the same two: the portal's own table is not public.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from typing import Any, Final, NamedTuple

from gateway.domain.calendar import IST
from gateway.domain.identifiers import UNREGISTERED
from gateway.sandbox.rules import Case, eway_bill_faults

KM_PER_DAY: Final = 200
"""A day of validity for each, or a part: the law's figure for ordinary vehicles."""

KM_PER_DAY_OVERSIZED: Final = 20
"""The same for over-dimensional cargo (VehType O)."""

DISTANCE_KM_MAX: Final = 3000
"""No two PIN codes lie further apart here. More is answered with 4013."""

_STEP_KM: Final = 20
_STEPS: Final = 140


class Refused(NamedTuple):
    """One row: the portal's code, whether the e-way bill is refused by it, and what is said then."""

    code: str
    holds: Callable[[Case], bool]
    sentence: str


def refusals(case: Case) -> list[tuple[str, str]]:
    """Why no e-way bill is made: the first reason, as the portal names one. Empty when there is none."""
    seen = eway_bill_faults(case)
    return seen[:1] or [(row.code, row.sentence) for row in REFUSALS if row.holds(case)][:1]


def distance_km(document: Mapping[str, Any]) -> int:
    """The kilometres for which the e-way bill is made: those given, or computed from the PIN codes when 0."""
    given = int(document["EwbDtls"]["Distance"])
    return given if given > 0 else computed_km(*_pins(document))


def computed_km(from_pin: int, to_pin: int) -> int:
    """The made-up distance of two PIN codes, 20 to 2,800 km."""
    return _STEP_KM * (1 + abs(from_pin - to_pin) // 1000 * 7 % _STEPS)


def is_computed(document: Mapping[str, Any]) -> bool:
    """Whether the sender left the distance to the portal."""
    return int(document["EwbDtls"]["Distance"]) == 0


def valid_until(document: Mapping[str, Any], *, at: datetime) -> datetime | None:
    """The last minute of validity: 23:59 of the day of generation plus a day per 200 km or part; None for Part A."""
    asked = document["EwbDtls"]
    if "TransMode" not in asked and "VehNo" not in asked:
        return None
    per_day = KM_PER_DAY_OVERSIZED if asked.get("VehType") == "O" else KM_PER_DAY
    last = at.astimezone(IST).date() + timedelta(days=-(-distance_km(document) // per_day))
    return datetime.combine(last, time(23, 59), tzinfo=IST)


def _pins(document: Mapping[str, Any]) -> tuple[int, int]:
    sent_from = document.get("DispDtls") or document["SellerDtls"]
    sent_to = document.get("ShipDtls") or document["BuyerDtls"]
    return int(sent_from["Pin"]), int(sent_to.get("Pin", sent_from["Pin"]))


def _blocked(case: Case) -> bool:
    parties = [case.seller, case.buyer if case.invoice.buyer_gstin != UNREGISTERED else None]
    return any(party is not None and party.blocked for party in parties)


def _absurd_distance(case: Case) -> bool:
    return distance_km(case.document) > DISTANCE_KM_MAX


REFUSALS: Final[tuple[Refused, ...]] = (
    Refused("4015", _blocked, "The GSTIN is blocked for e-way bills, because returns are missing."),
    Refused("4013", _absurd_distance, "The distance is too high or too low for the two PIN codes."),
)

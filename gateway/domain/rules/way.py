"""EWB, second part: from where to where the goods of an e-way bill go, how far, and when."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from gateway.domain.rules.case import ABROAD, EXPORTS, Case
from gateway.domain.rules.eway_bill import eway_bill_row
from gateway.domain.rules.reading import amount
from gateway.domain.rules.supply import PIN_ABROAD

SAME_PIN_KM_MAX: Final = 100
"""The furthest that goods may go without leaving their PIN code (NIC)."""
DISTANCE_KM_MAX: Final = 4_000
"""The longest way (NIC, error 4038)."""
DOCUMENT_AGE_MAX: Final = timedelta(days=180)
"""How old a document may be when its e-way bill is made (NIC, from 01-01-2025)."""


def no_distance_within_a_pin(_: Case, case: Case) -> bool:
    """No distance, though both ends have one PIN code: none can be computed."""
    return _is_computed(case) and _within_a_pin(case)


def too_far_within_a_pin(_: Case, case: Case) -> bool:
    """Further than a PIN code is wide."""
    distance = amount(case.carriage.get("Distance"))
    return distance is not None and SAME_PIN_KM_MAX < distance <= DISTANCE_KM_MAX and _within_a_pin(case)


def too_far(_: Case, case: Case) -> bool:
    """Further than the portal takes."""
    distance = amount(case.carriage.get("Distance"))
    return distance is not None and distance > DISTANCE_KM_MAX


def no_distance_abroad(_: Case, case: Case) -> bool:
    """No distance, though one end has no PIN code of its own."""
    return _is_computed(case) and case.supply not in EXPORTS and PIN_ABROAD in _pins(case)


def document_is_too_old(_: Case, case: Case) -> bool:
    """The document is older than 180 days."""
    is_old = case.doc_date is not None and case.context.on - case.doc_date > DOCUMENT_AGE_MAX
    return is_old and bool(case.carriage)


def export_without_a_port(_: Case, case: Case) -> bool:
    """Goods leave the country, and nothing says from where."""
    return _exports(case) and "ShipDtls" not in case.document


def delivery_abroad(_: Case, case: Case) -> bool:
    """Within the country, the way ends at a state."""
    return bool(case.carriage) and case.ship.state == ABROAD


def delivery_without_pin(_: Case, case: Case) -> bool:
    """Goods that leave the country go to a port, which has a PIN code."""
    return _exports(case) and case.ship.pin == PIN_ABROAD


def dispatch_abroad(_: Case, case: Case) -> bool:
    """Within the country, the way begins in a state."""
    return bool(case.carriage) and case.dispatch.state == ABROAD


def dispatch_without_pin(_: Case, case: Case) -> bool:
    """Goods that leave the country leave from a place that has a PIN code."""
    return _exports(case) and case.dispatch.pin == PIN_ABROAD


def _exports(case: Case) -> bool:
    return bool(case.carriage) and case.supply in EXPORTS


def _is_computed(case: Case) -> bool:
    distance = amount(case.carriage.get("Distance"))
    return distance is not None and not distance


def _pins(case: Case) -> tuple[int | None, int | None]:
    begins = case.dispatch if case.dispatch.present else case.seller
    ends = case.ship if case.ship.present else case.buyer
    return begins.pin, ends.pin


def _within_a_pin(case: Case) -> bool:
    begins, ends = _pins(case)
    return begins is not None and begins == ends and begins != PIN_ABROAD


RULES: Final = (
    eway_bill_row(
        "12",
        "EwbDtls/Distance",
        "Both ends have the same PIN code, so the distance cannot be computed.",
        f"Write the kilometres, 1 to {SAME_PIN_KM_MAX}.",
        no_distance_within_a_pin,
        portal_code="4029",
    ),
    eway_bill_row(
        "13",
        "EwbDtls/Distance",
        "The distance is too long within one PIN code.",
        f"Write the kilometres, 1 to {SAME_PIN_KM_MAX}, or correct the PIN codes.",
        too_far_within_a_pin,
        portal_code="4013",
    ),
    eway_bill_row(
        "14",
        "EwbDtls/Distance",
        "The distance is longer than the portal takes.",
        f"Write the kilometres, {DISTANCE_KM_MAX} at most.",
        too_far,
        portal_code="4038",
    ),
    eway_bill_row(
        "15",
        "EwbDtls/Distance",
        "The distance cannot be computed: one end has the PIN code 999999.",
        "Write the kilometres.",
        no_distance_abroad,
        portal_code="4034",
    ),
    eway_bill_row(
        "19",
        "DocDtls/Dt",
        "The document is too old for an e-way bill.",
        f"No e-way bill is made for documents older than {DOCUMENT_AGE_MAX.days} days. Leave EwbDtls out.",
        document_is_too_old,
        portal_code=None,
        source="NIC, e-way bill system: 180 days",
        valid_from=date(2025, 1, 1),
    ),
    eway_bill_row(
        "20",
        "ShipDtls",
        "The e-way bill of an export needs the place from which the goods leave the country.",
        "Add the port as ShipDtls, with its PIN code and state.",
        export_without_a_port,
        portal_code="4031",
    ),
    eway_bill_row(
        "21",
        "ShipDtls/Stcd",
        "The way of the goods ends in a state.",
        "Write the state of the place of delivery; of an export, that of the port.",
        delivery_abroad,
        portal_code="4032",
        source="NIC, errors 2236 and 4032",
    ),
    eway_bill_row(
        "22",
        "ShipDtls/Pin",
        "The goods of an export go to a port, which has a PIN code.",
        "Write the port's PIN code.",
        delivery_without_pin,
        portal_code="4033",
        source="NIC, errors 2236 and 4033",
    ),
    eway_bill_row(
        "23",
        "DispDtls/Stcd",
        "The way of the goods begins in a state.",
        "Write the state of the place of dispatch.",
        dispatch_abroad,
        portal_code="4035",
    ),
    eway_bill_row(
        "24",
        "DispDtls/Pin",
        "The goods of an export leave from a place that has a PIN code.",
        "Write the PIN code of the place of dispatch.",
        dispatch_without_pin,
        portal_code="4036",
    ),
)

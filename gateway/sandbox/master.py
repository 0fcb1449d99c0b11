"""The GSTIN master: named taxpayers in every state of registration, and everybody else made up on the spot.

Any well-formed GSTIN that is not named here is an active regular taxpayer, so that a test may use whatever GSTIN it
likes. Check digits are not enforced, as in the portal's own sandbox; those of the named ones hold.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from gateway.domain.calendar import write_portal_date
from gateway.domain.identifiers import gstin_check_digit, is_gstin

ACTIVE: Final = "ACT"
CANCELLED: Final = "CNL"
SUSPENDED: Final = "SUS"
INACTIVE: Final = "INA"

REGULAR: Final = "REG"
SEZ_UNIT: Final = "SEZ"
SEZ_DEVELOPER: Final = "SED"
TAX_COLLECTOR: Final = "TCS"
INPUT_SERVICE_DISTRIBUTOR: Final = "ISD"

BLOCKED: Final = "B"
UNBLOCKED: Final = "U"

_WORDS: Final = ("Indigo", "Lotus", "Banyan", "Monsoon", "Saffron", "Peacock", "Deccan", "Konkan", "Malwa", "Teesta")
_TRADES: Final = ("Textiles", "Traders", "Foods", "Forgings", "Papers", "Chemicals", "Tools", "Logistics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxpayer:
    """One row of the master. `registered` and `deregistered` are dates; `blocked` is about e-way bills only."""

    gstin: str
    name: str
    kind: str = REGULAR
    status: str = ACTIVE
    blocked: bool = False
    registered: date | None = None
    deregistered: date | None = None

    @property
    def in_sez(self) -> bool:
        """Whether it sits in a special economic zone, as unit or as developer."""
        return self.kind in (SEZ_UNIT, SEZ_DEVELOPER)

    def as_json(self) -> dict[str, Any]:
        """The members of the published GSTIN answer (v1.04)."""
        state = int(self.gstin[:2])
        return {
            "Gstin": self.gstin,
            "TradeName": self.name,
            "LegalName": f"{self.name} Private Limited",
            "AddrBnm": "Sandbox House",
            "AddrBno": str(1 + state),
            "AddrFlno": "1",
            "AddrSt": "Station Road",
            "AddrLoc": "Market",
            "StateCode": state,
            "AddrPncd": 110001 + state * 10000 if state < 80 else 110001,  # noqa: PLR2004 - six digits at most
            "TxpType": self.kind,
            "Status": self.status,
            "BlkStatus": BLOCKED if self.blocked else UNBLOCKED,
            "DtReg": write_portal_date(self.registered) if self.registered else None,
            "DtDReg": write_portal_date(self.deregistered) if self.deregistered else None,
        }


def _named(first_fourteen: str, name: str, **facts: Any) -> Taxpayer:
    gstin = first_fourteen + gstin_check_digit(first_fourteen)
    return Taxpayer(gstin=gstin, name=name, **{"registered": date(2017, 7, 1), **facts})


ACTIVE_SELLER: Final = _named("29AAACM0001A1Z", "Cubbon Instruments")
"""Active, regular, Karnataka: the seller of the examples."""

ACTIVE_BUYER: Final = _named("27AAACM0002B1Z", "Sahyadri Retail")
"""Active, regular, Maharashtra: the buyer of the examples."""

CANCELLED_TAXPAYER: Final = _named(
    "27AAACM0003C1Z", "Vindhya Castings", status=CANCELLED, deregistered=date(2024, 3, 31)
)
"""Cancelled from 31-03-2024: documents up to that day are taken, later ones refused with 3074."""

UNDATED_CANCELLED_TAXPAYER: Final = _named("29AAACM0004D1Z", "Nilgiri Exports", status=CANCELLED)
"""Cancelled, and the master does not know since when: 3075."""

SUSPENDED_TAXPAYER: Final = _named("29AAACM0005E1Z", "Palar Leathers", status=SUSPENDED)
"""Suspended: may buy and cancel, may not sell."""

INACTIVE_TAXPAYER: Final = _named("33AAACM0006F1Z", "Coromandel Pumps", status=INACTIVE)
"""Inactive: 3076 as buyer, 3029 as seller."""

SEZ_UNIT_TAXPAYER: Final = _named("29AAACM0007G1Z", "Whitefield Circuits", kind=SEZ_UNIT)
"""A unit in a special economic zone: buys without tax, may not report invoices."""

SEZ_DEVELOPER_TAXPAYER: Final = _named("24AAACM0008H1Z", "Dahej Estates", kind=SEZ_DEVELOPER)
"""A developer of a special economic zone: may report invoices."""

EWB_BLOCKED_TAXPAYER: Final = _named("07AAACM0009J1Z", "Yamuna Wholesale", blocked=True)
"""Active, but blocked for e-way bills because returns are missing."""

TAX_COLLECTOR_TAXPAYER: Final = _named("29AAACM0010K1C", "Kaveri Marketplace", kind=TAX_COLLECTOR)
"""An e-commerce operator."""

INPUT_SERVICE_DISTRIBUTOR_TAXPAYER: Final = _named(
    "27AAACM0011L1Z", "Satpura Shared Services", kind=INPUT_SERVICE_DISTRIBUTOR
)
"""An input service distributor."""

NEW_TAXPAYER: Final = _named("27AAACM0012M1Z", "Godavari Startups", registered=date(2026, 4, 1))
"""Registered on 01-04-2026: earlier documents are refused with 3079."""

TAXPAYERS: Final[tuple[Taxpayer, ...]] = (
    ACTIVE_SELLER,
    ACTIVE_BUYER,
    CANCELLED_TAXPAYER,
    UNDATED_CANCELLED_TAXPAYER,
    SUSPENDED_TAXPAYER,
    INACTIVE_TAXPAYER,
    SEZ_UNIT_TAXPAYER,
    SEZ_DEVELOPER_TAXPAYER,
    EWB_BLOCKED_TAXPAYER,
    TAX_COLLECTOR_TAXPAYER,
    INPUT_SERVICE_DISTRIBUTOR_TAXPAYER,
    NEW_TAXPAYER,
)
"""The taxpayers with a name, for documentation and tests."""

_BY_GSTIN: Final = {taxpayer.gstin: taxpayer for taxpayer in TAXPAYERS}


def find(gstin: str) -> Taxpayer | None:
    """The taxpayer of a GSTIN; None when the text has not the form of one."""
    if not is_gstin(gstin):
        return None
    named = _BY_GSTIN.get(gstin)
    return named if named is not None else _made_up(gstin)


def synced(gstin: str) -> Taxpayer | None:
    """The taxpayer as the common portal has it: what the master lacked is filled in."""
    found = find(gstin)
    if found is not None and found.status == CANCELLED and found.deregistered is None:
        return replace(found, deregistered=date(2025, 3, 31))
    return found


def _made_up(gstin: str) -> Taxpayer:
    number = int.from_bytes(hashlib.sha256(gstin.encode("ascii")).digest()[:4], "big")
    name = f"{_WORDS[number % len(_WORDS)]} {_TRADES[number // len(_WORDS) % len(_TRADES)]}"
    return Taxpayer(gstin=gstin, name=name, registered=date(2017, 7, 1))

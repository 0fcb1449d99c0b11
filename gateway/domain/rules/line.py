"""One line of a document, read once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from gateway.domain.rules.reading import NOUGHT, amount

_SERVICES: Final = "99"
"""What the HSN codes of services begin with; no goods begin so."""
_HSN: Final = re.compile(r"(?:[0-9]{2}){2,4}", re.ASCII)
_SERIAL_DIGITS_MAX: Final = 6
_OPTIONAL: Final = (
    "Discount",
    "IgstAmt",
    "CgstAmt",
    "SgstAmt",
    "CesAmt",
    "CesNonAdvlAmt",
    "StateCesAmt",
    "StateCesNonAdvlAmt",
    "OthChrg",
    "CesRt",
    "StateCesRt",
)
_REQUIRED: Final = ("TotAmt", "AssAmt", "GstRt", "TotItemVal")


class Line:
    """One line. `sound`: all of its amounts are known; those that may be missing are then nought."""

    __slots__ = (
        "cess",
        "cess_fixed",
        "cess_rate",
        "cgst",
        "discount",
        "gross",
        "hsn",
        "igst",
        "index",
        "number",
        "other",
        "rate",
        "raw",
        "service",
        "sgst",
        "sound",
        "state_cess",
        "state_cess_fixed",
        "state_cess_rate",
        "taxable",
        "total",
    )

    def __init__(self, index: int, raw: Mapping[str, Any]) -> None:
        get = raw.get
        optional = [amount(get(name, NOUGHT)) for name in _OPTIONAL]
        required = [amount(get(name)) for name in _REQUIRED]
        hsn, number = get("HsnCd"), get("SlNo")
        self.index = index
        self.raw = raw
        self.sound = None not in optional and None not in required
        self.gross, self.taxable, self.rate, self.total = (value or NOUGHT for value in required)
        (
            self.discount,
            self.igst,
            self.cgst,
            self.sgst,
            self.cess,
            self.cess_fixed,
            self.state_cess,
            self.state_cess_fixed,
            self.other,
            self.cess_rate,
            self.state_cess_rate,
        ) = (value or NOUGHT for value in optional)
        self.hsn = hsn if isinstance(hsn, str) and _HSN.fullmatch(hsn) else None
        self.number = _serial(number)
        self.service = get("IsServc")

    @property
    def at(self) -> str:
        """JSON Pointer to it."""
        return f"/ItemList/{self.index}"

    @property
    def tax(self) -> Decimal:
        """GST of the line: IGST, CGST and SGST."""
        return self.igst + self.cgst + self.sgst

    @property
    def cesses(self) -> Decimal:
        """Cess and state cess of the line, by value and by quantity."""
        return self.cess + self.cess_fixed + self.state_cess + self.state_cess_fixed


def is_service(hsn: str) -> bool:
    """Whether an HSN code is one of services."""
    return hsn.startswith(_SERVICES)


def _serial(value: Any) -> int | None:
    if isinstance(value, str) and len(value) <= _SERIAL_DIGITS_MAX and value.isascii() and value.isdigit():
        return int(value)
    return None

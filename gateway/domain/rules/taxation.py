"""How a document is taxed, and what the taxes of its lines come to."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from gateway.domain.rules.line import Line
from gateway.domain.rules.tolerance import RUPEE_BEYOND_THE_WHOLE

near: Final = RUPEE_BEYOND_THE_WHOLE.accepts
"""Whether an amount is as good as the one computed, to the portal."""

_PAISA: Final = Decimal("0.01")
_PAN_MASALA: Final = "21069020"
_TOBACCO: Final = ("2401", "2402", "2403", "24041100", "24041900")
_BIDIS: Final = ("2403192",)
"""24031921 and 24031929 in the customs tariff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxation:
    """The manner in which one document is taxed.

    `intra`: within one state, so CGST and SGST are due and no IGST; None when it cannot be known. `by_rate`: taxes are
    held against the rate, which they are not on notes. `untaxed`: IGST may be left out. `tax_apart`: line totals may
    leave the tax out. `by_retail_price`: some goods are taxed on their printed price.
    """

    intra: bool | None
    by_rate: bool
    untaxed: bool
    tax_apart: bool
    by_retail_price: bool

    def judges(self, line: Line) -> bool:
        """Whether the taxes of a line are held against its rate."""
        return line.sound and self.by_rate and not self.is_retail(line)

    def is_retail(self, line: Line) -> bool:
        """Whether the tax of a line comes from the printed retail price, which the document does not tell."""
        return self.by_retail_price and is_tobacco_or_pan_masala(line.hsn) and not is_bidi(line.hsn)

    def takes_total(self, total: Decimal, *, parts: Decimal, tax: Decimal, cesses: Decimal, retail: bool) -> bool:
        """Whether a line's total stands for its parts. `parts` is all of them together, tax and cesses among them."""
        if retail:
            return total >= parts or near(total, parts)
        if near(total, parts):
            return True
        return self.tax_apart and (near(total, parts - tax) or near(total, parts - tax - cesses))


def is_tobacco_or_pan_masala(hsn: str | None) -> bool:
    """Tobacco, what is made of it and what stands in for it, and pan masala: the goods under cess until 2026."""
    return hsn is not None and (hsn == _PAN_MASALA or hsn.startswith(_TOBACCO))


def is_bidi(hsn: str | None) -> bool:
    """Bidis stay taxed on their value (notifications 19 and 20/2025-CT)."""
    return hsn is not None and hsn.startswith(_BIDIS)


def full_tax(taxable: Decimal, rate: Decimal) -> Decimal:
    """IGST, or a cess by value."""
    return taxable * rate / Decimal(100)


def half_tax(taxable: Decimal, rate: Decimal) -> Decimal:
    """CGST, and SGST: half of the rate each."""
    return taxable * rate / Decimal(200)


def rounded(value: Decimal) -> Decimal:
    """To the paisa, halves up."""
    return value.quantize(_PAISA, rounding=ROUND_HALF_UP)

"""What the amounts of a document would be if it added up, for the patches that are offered.

What is taken for given: gross amount, discount, rate, the kind of supply, and every amount that the portal would take.
All patches of one document come from one mended whole, so any of them may be applied, in any order and more than once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from gateway.domain.rules.line import Line
from gateway.domain.rules.reading import NOUGHT, amount, signed_amount
from gateway.domain.rules.taxation import Taxation, full_tax, half_tax, near, rounded

Changes = dict[str, Decimal]
"""Members of one object with what they would be."""

SUMS: Final[Mapping[str, Callable[[Line], Decimal]]] = {
    "AssVal": lambda line: line.taxable,
    "CgstVal": lambda line: line.cgst,
    "SgstVal": lambda line: line.sgst,
    "IgstVal": lambda line: line.igst,
    "CesVal": lambda line: line.cess + line.cess_fixed,
    "StCesVal": lambda line: line.state_cess + line.state_cess_fixed,
}
"""The totals that add up one thing over the lines (NIC, errors 2182 to 2187)."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What would change: members of lines by their index, and members of ValDtls."""

    lines: Mapping[int, Changes]
    totals: Changes


def mend(lines: Sequence[Line], totals: Mapping[str, Any], taxation: Taxation) -> Mended:
    """The smallest change of taxes and sums after which they hold. Lines with unknown amounts stay as they are.

    Nothing is changed in a document that would come to less than nought: then what is taken for given is wrong.
    """
    changed: dict[int, Changes] = {}
    after = list(lines)
    for position, line in enumerate(lines):
        if line.sound and (changes := _of_line(line, taxation)):
            changed[line.index] = changes
            after[position] = Line(line.index, {**line.raw, **changes})
    if not all(line.sound for line in after):
        return Mended(lines=changed, totals={})
    total = document_total(after, totals)
    if total is not None and total < 0:
        return Mended(lines={}, totals={})
    return Mended(lines=changed, totals=_of_totals(after, totals, total=total))


def _of_line(line: Line, taxation: Taxation) -> Changes:
    changes: Changes = {}
    net = line.gross - line.discount
    if net >= 0 and not near(line.taxable, net):
        changes["AssAmt"] = rounded(net)
    taxable = changes.get("AssAmt", line.taxable)
    if taxation.intra is not None:
        changes |= (_within_a_state if taxation.intra else _between_states)(line, taxable, taxation)
    if taxation.judges(line):
        changes |= _kept_if_near({"CesAmt": (line.cess, full_tax(taxable, line.cess_rate))})
        changes |= _kept_if_near({"StateCesAmt": (line.state_cess, full_tax(taxable, line.state_cess_rate))})
    after = Line(line.index, {**line.raw, **changes}) if changes else line
    parts = parts_of(after)
    retail = taxation.is_retail(line)
    if not taxation.takes_total(line.total, parts=parts, tax=after.tax, cesses=after.cesses, retail=retail):
        changes["TotItemVal"] = rounded(parts)
    return changes


def added(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of amounts."""
    return sum(amounts, start=NOUGHT)


def parts_of(line: Line) -> Decimal:
    """All that a line's total is made of (NIC, error 2194)."""
    return line.taxable + line.tax + line.cesses + line.other


def _within_a_state(line: Line, taxable: Decimal, taxation: Taxation) -> Changes:
    half = half_tax(taxable, line.rate) if taxation.judges(line) else line.tax / Decimal(2)
    if line.igst:
        return {"IgstAmt": NOUGHT, "CgstAmt": rounded(half), "SgstAmt": rounded(half)}
    changes = _kept_if_near({"CgstAmt": (line.cgst, half), "SgstAmt": (line.sgst, half)})
    alike = abs(changes.get("CgstAmt", line.cgst) - changes.get("SgstAmt", line.sgst)) <= 1
    return changes if alike else {"CgstAmt": rounded(half), "SgstAmt": rounded(half)}


def _between_states(line: Line, taxable: Decimal, taxation: Taxation) -> Changes:
    full = full_tax(taxable, line.rate) if taxation.judges(line) else line.tax
    if line.cgst or line.sgst:
        return {"IgstAmt": rounded(full), "CgstAmt": NOUGHT, "SgstAmt": NOUGHT}
    return {} if taxation.untaxed and not line.igst else _kept_if_near({"IgstAmt": (line.igst, full)})


def _kept_if_near(amounts: Mapping[str, tuple[Decimal, Decimal]]) -> Changes:
    return {name: rounded(exact) for name, (given, exact) in amounts.items() if not near(given, exact)}


def _of_totals(lines: Sequence[Line], totals: Mapping[str, Any], *, total: Decimal | None) -> Changes:
    changes: Changes = {}
    for name, of in SUMS.items():
        given, exact = amount(totals.get(name, NOUGHT)), added(map(of, lines))
        if given is None or not near(given, exact):
            changes[name] = rounded(exact)
    given = amount(totals.get("TotInvVal"))
    if total is not None and (given is None or not near(given, total)):
        changes["TotInvVal"] = rounded(total)
    return changes


def document_total(lines: Iterable[Line], totals: Mapping[str, Any]) -> Decimal | None:
    """The lines' totals with the document's own discount, charges and rounding (NIC, error 2189)."""
    discount, charges = amount(totals.get("Discount", NOUGHT)), amount(totals.get("OthChrg", NOUGHT))
    rounding = signed_amount(totals.get("RndOffAmt", NOUGHT))
    if discount is None or charges is None or rounding is None:
        return None
    return added(line.total for line in lines) - discount + charges + rounding

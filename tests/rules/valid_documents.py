"""Valid documents of every kind of supply and of every type, made by hypothesis from the bases of the rules."""

from __future__ import annotations

import copy
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from hypothesis import strategies as st

from tests.rules.rule_cases import base

BASES: Final = ("intra", "inter", "zone", "bond", "export", "deemed", "service", "reverse")
TYPES: Final = ("INV", "CRN", "DBN")
RATES: Final = (Decimal(0), Decimal(5), Decimal(18), Decimal(40))
LINES_MAX: Final = 6
_PAISA: Final = Decimal("0.01")
_HALF: Final = 2

_amounts = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(99_999), places=2)
_quantities = st.decimals(min_value=Decimal("0.001"), max_value=Decimal(999), places=3)
_shares = st.sampled_from((Decimal(0), Decimal("0.05"), Decimal("0.5")))
_lines = st.lists(st.tuples(_quantities, _amounts, _shares, st.sampled_from(RATES)), min_size=1, max_size=LINES_MAX)
valid_documents = st.builds(
    lambda name, doc_type, number, lines: _document(name, doc_type, f"HYP/{number}", lines),
    st.sampled_from(BASES),
    st.sampled_from(TYPES),
    st.integers(1, 10**6),
    _lines,
)
"""Documents without a fault and without a warning."""


def _document(name: str, doc_type: str, number: str, lines: list[tuple[Decimal, Decimal, Decimal, Decimal]]) -> Any:
    document = copy.deepcopy(base(name))
    document["DocDtls"] |= {"Typ": doc_type, "No": number}
    pattern = document["ItemList"][0]
    taxes = [member for member in ("IgstAmt", "CgstAmt", "SgstAmt") if pattern.get(member)]
    document["ItemList"] = [_line(pattern, place, line, taxes) for place, line in enumerate(lines, start=1)]
    document["ValDtls"] = _totals(document["ItemList"], taxes)
    return document


def _line(
    pattern: dict[str, Any], place: int, line: tuple[Decimal, Decimal, Decimal, Decimal], taxes: list[str]
) -> dict[str, Any]:
    quantity, price, share, rate = line
    gross = _rounded(quantity * price)
    discount = _rounded(gross * share)
    value = gross - discount
    tax = _rounded(value * rate / 100 / (_HALF if len(taxes) == _HALF else 1))
    amounts = dict.fromkeys(taxes, tax)
    made = {name: each for name, each in pattern.items() if name not in ("IgstAmt", "CgstAmt", "SgstAmt")}
    made |= {"SlNo": str(place), "UnitPrice": price, "TotAmt": gross, "AssAmt": value, "GstRt": rate}
    if "Qty" in pattern:
        made["Qty"] = quantity
    if discount:
        made["Discount"] = discount
    return made | amounts | {"TotItemVal": value + sum(amounts.values())}


def _totals(lines: list[dict[str, Any]], taxes: list[str]) -> dict[str, Any]:
    names = {"IgstAmt": "IgstVal", "CgstAmt": "CgstVal", "SgstAmt": "SgstVal"}
    totals = {names[member]: sum(line[member] for line in lines) for member in taxes}
    value = sum(line["AssAmt"] for line in lines)
    return {"AssVal": value, **totals, "TotInvVal": value + sum(totals.values())}


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_PAISA, ROUND_HALF_UP)

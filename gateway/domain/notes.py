"""Credit notes: what is left of an invoice that can no longer be cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from gateway.domain.calendar import write_portal_date

INVOICE: Final = "INV"
CREDIT_NOTE: Final = "CRN"

_OF_THE_PORTAL: Final = frozenset({"AckNo", "AckDt", "Irn", "Status"})
_OF_THE_INVOICE_ALONE: Final = frozenset({"EwbDtls", "PayDtls", "RefDtls", "AddlDocDtls"})
"""Goods do not move with a note, and what was said of paying for the invoice is not said of the note."""


def credit_note(invoice: Mapping[str, Any], *, on: date) -> dict[str, Any]:
    """A draft of the note that takes a whole invoice back: the same parties, lines and values, and a reference to it.

    It has no number: that is the sender's to give, and without one it is no document yet. Members that are null in the
    signed copy, and those that the portal or the invoice alone has, are left out.
    """
    details = invoice["DocDtls"]
    kept = {name: each for name, each in invoice.items() if name not in _OF_THE_PORTAL | _OF_THE_INVOICE_ALONE}
    preceding = {"InvNo": details["No"], "InvDt": details["Dt"]}
    note = kept | {
        "DocDtls": {"Typ": CREDIT_NOTE, "Dt": write_portal_date(on)},
        "RefDtls": {"PrecDocDtls": [preceding]},
        "ItemList": [{name: each for name, each in line.items() if name != "ItemNo"} for line in invoice["ItemList"]],
    }
    drafted: dict[str, Any] = _without_nulls(note)
    return drafted


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value

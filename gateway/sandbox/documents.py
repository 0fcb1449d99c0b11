"""The texts that the portal signs: the registered invoice and the content of its QR code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from gateway.domain import canonical
from gateway.domain.calendar import write_portal_time
from gateway.domain.invoice import Invoice

_BLOCKS: Final = (
    "Version",
    "TranDtls",
    "DocDtls",
    "SellerDtls",
    "BuyerDtls",
    "DispDtls",
    "ShipDtls",
    "ItemList",
    "ValDtls",
    "PayDtls",
    "RefDtls",
    "AddlDocDtls",
    "ExpDtls",
    "EwbDtls",
)
_DOCUMENT: Final = ("Typ", "No", "Dt")
_LINE: Final = (
    "SlNo",
    "IsServc",
    "PrdDesc",
    "HsnCd",
    "Barcde",
    "Qty",
    "FreeQty",
    "Unit",
    "UnitPrice",
    "TotAmt",
    "Discount",
    "PreTaxVal",
    "AssAmt",
    "GstRt",
    "IgstAmt",
    "CgstAmt",
    "SgstAmt",
    "CesRt",
    "CesAmt",
    "CesNonAdvlAmt",
    "StateCesRt",
    "StateCesAmt",
    "StateCesNonAdvlAmt",
    "OthChrg",
    "TotItemVal",
)


def without_nulls(value: Any) -> Any:
    """The document without members that are null: the portal reads them as not sent."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def signed_invoice(document: Mapping[str, Any], *, ack_no: int, ack_at: datetime, irn: str) -> str:
    """The text inside a signed invoice: acknowledgement first, blocks in the published order, numbers as sent.

    Each line starts with `"ItemNo":0`, whatever the sender put there.
    """
    ordered = _in_order(document, _BLOCKS)
    ordered.pop("Irn", None)
    ordered["DocDtls"] = _in_order(document["DocDtls"], _DOCUMENT)
    ordered["ItemList"] = [{"ItemNo": 0} | _line(line) for line in document["ItemList"]]
    head = {"AckNo": ack_no, "AckDt": write_portal_time(ack_at), "Irn": irn}
    return canonical.write(head | ordered)


def qr_content(document: Mapping[str, Any], invoice: Invoice, *, ack_at: datetime, irn: str) -> str:
    """The text inside a signed QR code, its ten members in the published order."""
    members = {
        "SellerGstin": invoice.seller_gstin,
        "BuyerGstin": invoice.buyer_gstin,
        "DocNo": invoice.doc_no,
        "DocTyp": invoice.doc_type,
        "DocDt": document["DocDtls"]["Dt"],
        "TotInvVal": _with_a_decimal(invoice.total),
        "ItemCnt": invoice.lines,
        "MainHsnCode": _main_hsn(document),
        "Irn": irn,
        "IrnDt": write_portal_time(ack_at),
    }
    return canonical.write(members)


def _main_hsn(document: Mapping[str, Any]) -> str:
    """The HSN of the line with the highest taxable value, the first of equals."""
    return str(max(document["ItemList"], key=lambda line: Decimal(line["AssAmt"]))["HsnCd"])


def _with_a_decimal(amount: Decimal) -> Decimal:
    """`100` and `100.00` as `100.0`: recorded QR codes print whole amounts so."""
    text = f"{amount:f}".rstrip("0") if "." in f"{amount:f}" else f"{amount:f}."
    return Decimal(f"{text}0" if text.endswith(".") else text)


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in _in_order(line, _LINE).items() if name != "ItemNo"}


def _in_order(members: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    first = {name: members[name] for name in names if name in members}
    return first | {name: value for name, value in members.items() if name not in first}

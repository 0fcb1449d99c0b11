"""What stands in the documents and QR codes that a portal signed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.irp import portal_json
from gateway.irp.signatures import BadContent, Signed, read_signed_invoice, read_signed_qr

_IRN = "a5c12dca80e743321740b001fd70953e8738d109865d28ba4013750f2046f229"
_QR = (
    '{"SellerGstin":"01AMBPG7773M002","BuyerGstin":"36AABCT1332L011","DocNo":"Tax/1","DocTyp":"INV","DocDt":"05/10/2022",'
    f'"TotInvVal":100.00,"ItemCnt":2,"MainHsnCode":"1001","Irn":"{_IRN}","IrnDt":"2022-10-05 23:30:01"}}'
)
_INVOICE: dict[str, Any] = {
    "AckNo": 112210087654321987,
    "AckDt": "2022-10-05 00:10:39",
    "Irn": _IRN,
    "Version": "1.1",
    "DocDtls": {"Typ": "INV", "No": "Tax/1", "Dt": "05/10/2022"},
    "SellerDtls": {"Gstin": "01AMBPG7773M002"},
    "BuyerDtls": {"Gstin": "36AABCT1332L011"},
    "ItemList": [{"ItemNo": 0, "SlNo": "1"}, {"ItemNo": 0, "SlNo": "2"}],
    "ValDtls": {"TotInvVal": Decimal("100.5")},
}


def _signed(data: dict[str, Any]) -> Signed:
    return Signed("kid", "NIC", data, "")


def test_a_signed_invoice_is_read() -> None:
    """Identity, acknowledgement and amounts come out exactly; the time of the acknowledgement is IST."""
    read = read_signed_invoice(_signed(_INVOICE))
    assert (read.irn, read.ack_no, read.lines) == (_IRN, "112210087654321987", 2)
    assert read.ack_at == datetime(2022, 10, 4, 18, 40, 39, tzinfo=UTC)
    assert (read.seller_gstin, read.buyer_gstin) == ("01AMBPG7773M002", "36AABCT1332L011")
    assert (read.doc_type, read.doc_no, read.doc_date) == ("INV", "Tax/1", date(2022, 10, 5))
    assert read.total == Decimal("100.5")
    assert read.document["ItemList"][0]["ItemNo"] == 0


def test_a_signed_qr_is_read() -> None:
    """All ten fields come out of a QR code."""
    read = read_signed_qr(_signed(portal_json.read(_QR)))
    assert (read.irn, read.lines, read.main_hsn, read.total) == (_IRN, 2, "1001", Decimal(100))
    assert read.irn_at == datetime(2022, 10, 5, 18, 0, 1, tzinfo=UTC)
    assert (read.seller_gstin, read.buyer_gstin) == ("01AMBPG7773M002", "36AABCT1332L011")
    assert (read.doc_type, read.doc_no, read.doc_date) == ("INV", "Tax/1", date(2022, 10, 5))


def test_early_documents_have_fewer_fields_and_numbers_as_text() -> None:
    """Codes of 2020 lack IrnDt; amounts and numbers may be text."""
    data = portal_json.read(_QR) | {"IrnDt": None, "TotInvVal": " 100.00 ", "ItemCnt": "2", "DocTyp": "inv"}
    read = read_signed_qr(_signed(data))
    assert (read.irn_at, read.total, read.lines, read.doc_type) == (None, Decimal(100), 2, "INV")
    assert read_signed_invoice(_signed(_INVOICE | {"AckNo": "16100028677"})).ack_no == "16100028677"


@pytest.mark.parametrize(
    "changes",
    [
        {"Irn": None}, {"Irn": ""}, {"Irn": 7}, {"AckNo": None}, {"AckNo": "12a"}, {"AckNo": Decimal("1.5")},
        {"AckNo": True}, {"AckNo": "1" * 21}, {"AckDt": None}, {"AckDt": "05/10/2022"},
        {"AckDt": "2022-13-01 00:00:00"}, {"AckDt": "0001-01-01 00:00:00"}, {"DocDtls": None},
        {"DocDtls": []}, {"DocDtls": {"Typ": "INV", "No": "1"}},
        {"DocDtls": {"Typ": "INV", "No": "1", "Dt": "2022-10-05"}}, {"SellerDtls": {}}, {"BuyerDtls": {"Gstin": None}},
        {"ItemList": None}, {"ItemList": {}}, {"ValDtls": {"TotInvVal": None}}, {"ValDtls": {"TotInvVal": "1,000"}},
        {"ValDtls": {"TotInvVal": True}}, {"ValDtls": {"TotInvVal": "1e5"}}, {"ValDtls": {"TotInvVal": "१"}},
    ],
)  # fmt: skip
def test_an_invoice_without_a_usable_field_is_no_invoice(changes: dict[str, Any]) -> None:
    """Nothing is filled in by guess; the error says which field is missing and not what stood there."""
    with pytest.raises(BadContent, match="no usable"):
        read_signed_invoice(_signed(_INVOICE | changes))


def test_a_qr_code_is_no_invoice_and_an_invoice_no_qr_code() -> None:
    """The two kinds of token are told apart by their content."""
    with pytest.raises(BadContent):
        read_signed_invoice(_signed(portal_json.read(_QR)))
    with pytest.raises(BadContent):
        read_signed_qr(_signed(_INVOICE))

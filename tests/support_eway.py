"""Payloads of the e-way bill system, with plain values."""

from __future__ import annotations

from typing import Any, Final

from gateway.sandbox import master

SELLER: Final = "29AAHCT7421P1ZM"
"""The seller of the documents in `tests/documents`."""
BUYER: Final = master.ACTIVE_BUYER.gstin
TRANSPORTER: Final = "29AAACM0013N1Z1"


def part_a(**members: Any) -> dict[str, Any]:
    """A bill from Bengaluru to Pune by road. Members are replaced, or left out when they are None."""
    payload: dict[str, Any] = {
        "supplyType": "O",
        "subSupplyType": "1",
        "docType": "INV",
        "docNo": "KA/26/0001",
        "docDate": "01/06/2026",
        "transactionType": 1,
        "fromGstin": SELLER,
        "fromTrdName": "Tungabhadra Instruments",
        "fromAddr1": "12 Residency Road",
        "fromPlace": "Bengaluru",
        "fromPincode": 560025,
        "fromStateCode": 29,
        "actFromStateCode": 29,
        "toGstin": BUYER,
        "toTrdName": "Sahyadri Retail",
        "toAddr1": "4 Laxmi Road",
        "toPlace": "Pune",
        "toPincode": 411030,
        "toStateCode": 27,
        "actToStateCode": 27,
        "totalValue": 100000,
        "cgstValue": 0,
        "sgstValue": 0,
        "igstValue": 18000,
        "cessValue": 0,
        "cessNonAdvolValue": 0,
        "otherValue": 0,
        "totInvValue": 118000,
        "transMode": "1",
        "transDistance": "840",
        "vehicleNo": "KA01AB1234",
        "vehicleType": "R",
        "itemList": [
            {
                "productName": "Gauge",
                "hsnCode": 90262000,
                "quantity": 10,
                "qtyUnit": "NOS",
                "taxableAmount": 100000,
                "igstRate": 18,
                "cgstRate": 0,
                "sgstRate": 0,
            }
        ],
    }
    return {name: value for name, value in (payload | members).items() if value is not None}


def part_b(number: int, **members: Any) -> dict[str, Any]:
    """Another vehicle."""
    payload = {
        "ewbNo": number,
        "vehicleNo": "KA05CD5678",
        "fromPlace": "Hubballi",
        "fromState": 29,
        "reasonCode": "1",
        "reasonRem": "broke down",
        "transMode": "1",
    }
    return payload | members


def extension(number: int, **members: Any) -> dict[str, Any]:
    """A longer validity for 300 km more."""
    payload = {
        "ewbNo": number,
        "vehicleNo": "KA05CD5678",
        "fromPlace": "Hubballi",
        "fromState": 29,
        "fromPincode": 580020,
        "remainingDistance": 300,
        "transMode": "1",
        "extnRsnCode": 1,
        "extnRemarks": "flood",
        "consignmentStatus": "M",
    }
    return payload | members


def trip(*numbers: int, **members: Any) -> dict[str, Any]:
    """A consolidated bill."""
    payload = {
        "fromPlace": "Hubballi",
        "fromState": 29,
        "vehicleNo": "KA05CD5678",
        "transMode": "1",
        "tripSheetEwbBills": [{"ewbNo": number} for number in numbers],
    }
    return payload | members

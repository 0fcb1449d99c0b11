"""Every bound of the other requests bites. The tables are written by hand, not read from our schemas."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway import shape
from gateway.domain import strict_json
from tests.bounds import Bound, changed, form, found, number, pointer, rules, text, words

ROOT = Path(__file__).parents[2]
DOCUMENTS: dict[str, Any] = strict_json.read((ROOT / "tests" / "documents" / "requests.json").read_bytes())

GSTIN_WRONG = ("29AAHCT7421P1Z", "29AAHCT7421P1ZMM", "29aahct7421p1zm", "A9AAHCT7421P1ZM")
DATE_WRONG = ("1/11/2026", "2026-11-01", "32/11/2026", "01/13/2026", "31/12/2009", "01/01/2030")
GSTIN = form(("29AAHCT7421P1ZM",), (*GSTIN_WRONG, "URP"))
PARTY = form(("29AAHCT7421P1ZM", "URP"), (*GSTIN_WRONG, "urp"))
DATE = form(("01/01/2010", "31/12/2029"), DATE_WRONG)
STATE_TEXT = form(("1", "09", "99"), ("0", "00", "100", "K"))
STATE, PIN = number("1", "99", "1"), number("100000", "999999", "1")
QUANTITY, RATE = number("0", "9999999999.999", "0.001"), number("0", "999.999", "0.001")
AMOUNT, DISTANCE = number("0", "99999999999999.99", "0.01"), number("0", "4000", "1")
MODE, REASON = words("1", "2", "3", "4"), words("1", "2", "3", "4")


def or_none(bound: Bound) -> Bound:
    """The same, where the empty text stands for nothing."""
    return Bound((*bound.inside, ""), tuple(each for each in bound.outside if each[0] != ""))


def up_to(most: int) -> Bound:
    """Free text that may be empty."""
    outside = (('"', "schema-pattern"), ("x" * (most + 1), "schema-length"), (5, "schema-type"), (None, "schema-null"))
    return Bound(("", "x" * most, "\u0915" * most), outside)


VEHICLE = or_none(form(("KA02", "k" * 15), ("KA0", "K" * 16, "KA 02", "KA-02")))
PAPER = or_none(form(("0", "A" * 15, "/-"), ("A" * 16, "A 1", "A_1")))
HSN = number("100", "99999999", "1")
FROM: Mapping[str, Bound] = {"fromPlace": text(1, 50), "fromState": STATE}
WHY: Mapping[str, Bound] = {"reasonCode": REASON, "reasonRem": up_to(50)}
JOURNEY: Mapping[str, Bound] = {"transDocNo": PAPER, "transDocDate": or_none(DATE), "vehicleNo": VEHICLE}
NUMBER: Mapping[str, Bound] = {"ewbNo": number("100000000000", "999999999999", "1")}
GROUP: Mapping[str, Bound] = {**NUMBER, "groupNo": number("1", "9999", "1")}
IRN = form(("0" * 64, "f" * 64), ("0" * 63, "0" * 65, "F" * 64, "g" * 64))


def side(name: str) -> dict[str, Bound]:
    """Who sends or who receives."""
    return {
        f"{name}Gstin": PARTY,
        f"{name}TrdName": up_to(100),
        f"{name}Addr1": up_to(120),
        f"{name}Addr2": up_to(120),
        f"{name}Place": up_to(50),
        f"{name}Pincode": PIN,
        f"{name}StateCode": STATE,
        f"act{name.capitalize()}StateCode": STATE,
    }


BOUNDS: dict[str, Mapping[str, Bound]] = {
    "einvoice/1.03#cancel": {"Irn": IRN, "CnlRsn": REASON, "CnlRem": text(1, 100)},
    "einvoice/1.03#ewb": {
        "Irn": IRN,
        "TransId": GSTIN,
        "TransName": text(3, 100),
        "TransMode": MODE,
        "Distance": DISTANCE,
        "TransDocNo": form(("0", "A" * 15, "/-"), ("A" * 16, "A 1", "A_1")),
        "TransDocDt": DATE,
        "VehNo": form(("KA02", "k" * 20), ("KA0", "K" * 21, "KA 02")),
        "VehType": words("O", "R"),
        "ExpShipDtls.Gstin": PARTY,
        "ExpShipDtls.TrdNm": text(3, 100),
        "DispDtls.Nm": text(3, 100),
        **{f"{part}.Addr1": text(1, 100) for part in ("ExpShipDtls", "DispDtls")},
        **{f"{part}.Addr2": text(3, 100) for part in ("ExpShipDtls", "DispDtls")},
        **{f"{part}.Loc": text(3, 100) for part in ("ExpShipDtls", "DispDtls")},
        **{f"{part}.Pin": PIN for part in ("ExpShipDtls", "DispDtls")},
        **{f"{part}.Stcd": STATE_TEXT for part in ("ExpShipDtls", "DispDtls")},
    },
    "ewaybill/1.03#generate": {
        "userGstin": GSTIN,
        "supplyType": words("O", "I"),
        "subSupplyType": words("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"),
        "subSupplyDesc": up_to(20),
        "docType": words("INV", "BIL", "BOE", "CHL", "CNT", "OTH"),
        "docNo": form(("0", "a" * 16, "/-"), ("A" * 17, "A 1", "A_1")),
        "docDate": DATE,
        "transactionType": number("1", "4", "1"),
        **side("from"),
        **side("to"),
        "dispatchFromGSTIN": or_none(PARTY),
        "dispatchFromTradeName": up_to(100),
        "shipToGSTIN": or_none(PARTY),
        "shipToTradeName": up_to(100),
        **{f"{tax}Value": AMOUNT for tax in ("total", "cgst", "sgst", "igst", "cess", "cessNonAdvol", "totInv")},
        "otherValue": number("-99999999999999.99", "99999999999999.99", "0.01"),
        "transMode": MODE,
        "transDistance": form(("0", "999", "1000", "3999", "4000"), ("4001", "10000", "-1", "1.5")),
        "transporterId": or_none(GSTIN),
        "transporterName": up_to(100),
        **JOURNEY,
        "vehicleType": words("R", "O"),
        "mainHsnCode": HSN,
        "itemList[].itemNo": number("0", "9999", "1"),
        "itemList[].productName": up_to(100),
        "itemList[].productDesc": up_to(100),
        "itemList[].hsnCode": HSN,
        "itemList[].quantity": QUANTITY,
        "itemList[].qtyUnit": or_none(form(("NOS", "nos"), ("NO", "NOSX", "N1S"))),
        "itemList[].taxableAmount": AMOUNT,
        **{f"itemList[].{tax}Rate": RATE for tax in ("cgst", "sgst", "igst", "cess")},
        "itemList[].cessNonAdvol": AMOUNT,
    },
    "ewaybill/1.03#cancel": {**NUMBER, "cancelRsnCode": number("1", "4", "1"), "cancelRmrk": up_to(50)},
    "ewaybill/1.03#vehicle": {**NUMBER, **FROM, **WHY, **JOURNEY, "transMode": MODE, "vehicleType": words("R", "O")},
    "ewaybill/1.03#transporter": {**NUMBER, "transporterId": GSTIN},
    "ewaybill/1.03#extend": {
        **NUMBER,
        **FROM,
        **JOURNEY,
        "fromPincode": PIN,
        "remainingDistance": DISTANCE,
        "transMode": words("1", "2", "3", "4", "5"),
        "extnRsnCode": Bound((1, 2, 4, 5, 99), tuple((each, "schema-enum") for each in (0, 3, 6, 98, 100))),
        "extnRemarks": text(1, 50),
        "consignmentStatus": words("M", "T"),
        "transitType": or_none(words("R", "W", "O")),
        **{f"addressLine{line}": up_to(120) for line in (1, 2, 3)},
    },
    "ewaybill/1.03#consolidated": {**FROM, **JOURNEY, "transMode": MODE, "tripSheetEwbBills[].ewbNo": NUMBER["ewbNo"]},
    "ewaybill/1.03#tripSheet": {
        "tripSheetNo": number("1000000000", "999999999999", "1"),
        **FROM,
        **JOURNEY,
        **WHY,
        "transMode": MODE,
    },
    "ewaybill/1.03#reject": NUMBER,
    "ewaybill/1.03#close": {**NUMBER, "closureDate": DATE, "remarks": up_to(50)},
    "ewaybill/1.03#multiVehicleStart": {
        **NUMBER,
        **FROM,
        **WHY,
        "toPlace": text(1, 50),
        "toState": STATE,
        "transMode": MODE,
        "totalQuantity": QUANTITY,
        "unitCode": form(("NOS", "nos"), ("NO", "NOSX", "N1S")),
    },
    "ewaybill/1.03#multiVehicleAdd": {**GROUP, **JOURNEY, "quantity": QUANTITY},
    "ewaybill/1.03#multiVehicleChange": {
        **GROUP,
        **FROM,
        **WHY,
        "oldvehicleNo": VEHICLE,
        "newVehicleNo": VEHICLE,
        "oldTranNo": PAPER,
        "newTranNo": PAPER,
    },
}

REQUIRED: dict[tuple[str, str], str] = {
    ("einvoice/1.03#cancel", ""): "Irn CnlRsn CnlRem",
    ("einvoice/1.03#ewb", ""): "Irn Distance",
    ("einvoice/1.03#ewb", "ExpShipDtls"): "Addr1 Loc Pin Stcd",
    ("einvoice/1.03#ewb", "DispDtls"): "Nm Addr1 Loc Pin Stcd",
    ("ewaybill/1.03#generate", ""): (
        "supplyType subSupplyType docType docNo docDate transactionType fromGstin fromPincode fromStateCode "
        "actFromStateCode toGstin toPincode toStateCode actToStateCode totInvValue transDistance itemList"
    ),
    ("ewaybill/1.03#generate", "itemList[]"): "hsnCode taxableAmount",
    ("ewaybill/1.03#cancel", ""): "ewbNo cancelRsnCode",
    ("ewaybill/1.03#vehicle", ""): "ewbNo fromPlace fromState reasonCode transMode",
    ("ewaybill/1.03#transporter", ""): "ewbNo transporterId",
    ("ewaybill/1.03#extend", ""): (
        "ewbNo fromPlace fromState fromPincode remainingDistance transMode extnRsnCode extnRemarks consignmentStatus"
    ),
    ("ewaybill/1.03#consolidated", ""): "fromPlace fromState transMode tripSheetEwbBills",
    ("ewaybill/1.03#consolidated", "tripSheetEwbBills[]"): "ewbNo",
    ("ewaybill/1.03#tripSheet", ""): "tripSheetNo fromPlace fromState transMode reasonCode",
    ("ewaybill/1.03#reject", ""): "ewbNo",
    ("ewaybill/1.03#close", ""): "ewbNo closureDate",
    ("ewaybill/1.03#multiVehicleStart", ""): (
        "ewbNo reasonCode fromPlace fromState toPlace toState transMode totalQuantity unitCode"
    ),
    ("ewaybill/1.03#multiVehicleAdd", ""): "ewbNo groupNo quantity",
    ("ewaybill/1.03#multiVehicleChange", ""): "ewbNo groupNo fromPlace fromState reasonCode",
}
ENTRIES = (("ewaybill/1.03#generate", "itemList", 250), ("ewaybill/1.03#consolidated", "tripSheetEwbBills", 1000))


def told(request: str, document: Any) -> list[tuple[str, str]]:
    return [(each.code, each.at) for each in shape.check(document, request)]


@pytest.mark.parametrize("request_name", BOUNDS)
def test_each_bound_of_a_request_bites(request_name: str) -> None:
    """A value just inside passes; one just outside is the one fault, with its code, at the very member."""
    full = DOCUMENTS[request_name]
    for place, bound in BOUNDS[request_name].items():
        for value in bound.inside:
            assert told(request_name, changed(full, place, value)) == [], (place, value)
        for value, code in bound.outside:
            assert told(request_name, changed(full, place, value)) == [(code, pointer(place))], (place, value)


@pytest.mark.parametrize(("request_name", "place"), REQUIRED)
def test_a_request_needs_exactly_what_is_marked(request_name: str, place: str) -> None:
    """Leaving out a required member is a fault at that member; leaving out any other is none."""
    required = REQUIRED[request_name, place].split()
    for name in found(DOCUMENTS[request_name], place):
        document = copy.deepcopy(DOCUMENTS[request_name])
        del found(document, place)[name]
        expected = [("schema-required", f"{pointer(place)}/{name}")] if name in required else []
        assert told(request_name, document) == expected


@pytest.mark.parametrize(("request_name", "place", "most"), ENTRIES)
def test_a_list_of_a_request_has_its_length(request_name: str, place: str, most: int) -> None:
    """One entry and the most pass; none, and one more, are one fault at the list."""
    entry = DOCUMENTS[request_name][place][0]
    for count, legal in ((0, False), (1, True), (most, True), (most + 1, False)):
        faults = told(request_name, changed(DOCUMENTS[request_name], place, [entry] * count))
        assert faults == ([] if legal else [("schema-items", f"/{place}")])


def test_the_tables_have_every_field_of_every_request() -> None:
    """No request, field or object of the schemas is without a row above, and no row is without a field."""
    names = set()
    for file in ("einvoice/1.03", "ewaybill/1.03"):
        root = json.loads((ROOT / "schemas" / f"{file}.json").read_text(encoding="utf-8"))
        for name in root["requests"]:
            places = dict(rules({"$ref": f"#/$defs/{name}"}, root=root))
            names.add(f"{file}#{name}")
            fields = {place for place, rule in places.items() if "properties" not in rule}
            assert fields == set(BOUNDS[f"{file}#{name}"])
            objects = {(f"{file}#{name}", place) for place, rule in places.items() if "properties" in rule}
            assert objects == {each for each in REQUIRED if each[0] == f"{file}#{name}"}
    assert names == set(BOUNDS) == set(DOCUMENTS)


def test_a_fault_carries_the_code_of_its_own_portal() -> None:
    """The e-way bill API answers 100 to what has not its form, the e-invoice API 5002."""
    assert [each.portal_code for each in shape.check({}, "ewaybill/1.03#reject")] == ["100"]
    assert [each.portal_code for each in shape.check({}, "einvoice/1.03#cancel")] == ["5002"] * 3

"""Every bound of INV-01 bites. The table is written by hand from the published form, not read from our schema."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from gateway import shape
from gateway.domain import strict_json
from tests.bounds import Bound, changed, form, found, number, pointer, rules, text, words

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schemas" / "inv-01" / "1.1.json"
FULL = strict_json.read((ROOT / "tests" / "documents" / "full.json").read_bytes())


ARABIC_TWO = "\u0662"
GSTIN_WRONG = (
    "29AAHCT7421P1Z",
    "29AAHCT7421P1ZMM",
    "29aahct7421p1zm",
    "A9AAHCT7421P1ZM",
    f"{ARABIC_TWO}9AAHCT7421P1ZM",
)
GSTIN = form(("29AAHCT7421P1ZM", "000000000000000"), (*GSTIN_WRONG, "URP"))
PARTY = form(("29AAHCT7421P1ZM", "URP"), (*GSTIN_WRONG, "urp", "URPX", "UR"))
STATE = form(("1", "9", "01", "09", "10", "37", "96", "99"), ("0", "00", "100", "001", "K", "1A", ARABIC_TWO))
PIN = number("100000", "999999", "1")
PHONE = form(("123456", "123456789012"), ("12345", "1234567890123", "+9112345", "12345 6"))
DATE_WRONG = ("1/11/2026", "2026-11-01", "01-11-2026", "00/11/2026", "32/11/2026", "01/00/2026", "01/13/2026")
DATE = form(("01/01/2010", "31/12/2029", "29/02/2028"), (*DATE_WRONG, "31/12/2009", "01/01/2030", "01/01/26"))
LONG_DATE = form(("01/01/1980", "31/12/2059", "30/06/2031"), (*DATE_WRONG, "31/12/1979", "01/01/2060"))
EMAIL = Bound(
    inside=("a@b.in", f"{'x' * 94}@b.com", "A.b-c_d+1@mail.example"),
    outside=(
        ("a@b.c", "schema-length"),
        (f"{'x' * 95}@b.com", "schema-length"),
        ("no-at-sign", "schema-pattern"),
        ("two@signs@mail.example", "schema-pattern"),
        ("a b@mail.example", "schema-pattern"),
        ("a@mail.example\n", "schema-pattern"),
        (5, "schema-type"),
        (None, "schema-null"),
    ),
)
QUANTITY = number("0", "9999999999.999", "0.001")
PRICE = number("0", "999999999999.999", "0.001")
RATE = number("0", "999.999", "0.001")
AMOUNT = number("0", "999999999999.99", "0.01")
TOTAL = number("0", "99999999999999.99", "0.01")
YES_NO = words("Y", "N")

BOUNDS: dict[str, Bound] = {
    "Version": words("1.1", "1.01"),
    "Irn": form(("0" * 64, "f" * 64), ("0" * 63, "0" * 65, "F" * 64, "g" * 64)),
    "TranDtls.TaxSch": words("GST"),
    "TranDtls.SupTyp": words("B2B", "SEZWP", "SEZWOP", "EXPWP", "EXPWOP", "DEXP"),
    "TranDtls.RegRev": YES_NO,
    "TranDtls.EcmGstin": GSTIN,
    "TranDtls.IgstOnIntra": YES_NO,
    "DocDtls.Typ": words("INV", "CRN", "DBN"),
    "DocDtls.No": form(("A", "1", "a" * 16, "A/-0"), ("0", "/1", "-1", "A" * 17, "A 1", "A_1", "\u00c41", "A\\")),
    "DocDtls.Dt": DATE,
    "SellerDtls.Gstin": GSTIN,
    "SellerDtls.LglNm": text(3, 100),
    "SellerDtls.TrdNm": text(3, 100),
    "SellerDtls.Addr1": text(1, 100),
    "SellerDtls.Addr2": text(3, 100),
    "SellerDtls.Loc": text(3, 50),
    "SellerDtls.Pin": PIN,
    "SellerDtls.Stcd": STATE,
    "SellerDtls.Ph": PHONE,
    "SellerDtls.Em": EMAIL,
    "BuyerDtls.Gstin": PARTY,
    "BuyerDtls.LglNm": text(3, 100),
    "BuyerDtls.TrdNm": text(3, 100),
    "BuyerDtls.Pos": STATE,
    "BuyerDtls.Addr1": text(1, 100),
    "BuyerDtls.Addr2": text(3, 100),
    "BuyerDtls.Loc": text(3, 100),
    "BuyerDtls.Pin": PIN,
    "BuyerDtls.Stcd": STATE,
    "BuyerDtls.Ph": PHONE,
    "BuyerDtls.Em": EMAIL,
    "DispDtls.Nm": text(3, 100),
    "DispDtls.Addr1": text(1, 100),
    "DispDtls.Addr2": text(3, 100),
    "DispDtls.Loc": text(3, 100),
    "DispDtls.Pin": PIN,
    "DispDtls.Stcd": STATE,
    "ShipDtls.Gstin": PARTY,
    "ShipDtls.LglNm": text(3, 100),
    "ShipDtls.TrdNm": text(3, 100),
    "ShipDtls.Addr1": text(1, 100),
    "ShipDtls.Addr2": text(3, 100),
    "ShipDtls.Loc": text(3, 100),
    "ShipDtls.Pin": PIN,
    "ShipDtls.Stcd": STATE,
    "ItemList[].SlNo": form(("0", "1", "999999"), ("1000000", "A", "1.0", ARABIC_TWO)),
    "ItemList[].PrdDesc": text(3, 300),
    "ItemList[].IsServc": YES_NO,
    "ItemList[].HsnCd": form(("1001", "100190", "10019020", "0001"), ("123", "12345", "1234567", "123456789", "0000")),
    "ItemList[].Barcde": text(3, 30),
    "ItemList[].Qty": QUANTITY,
    "ItemList[].FreeQty": QUANTITY,
    "ItemList[].Unit": form(("NOS", "nos", "A" * 8), ("NO", "A" * 9, "N|S", "NO1")),
    "ItemList[].UnitPrice": PRICE,
    "ItemList[].TotAmt": AMOUNT,
    "ItemList[].Discount": AMOUNT,
    "ItemList[].PreTaxVal": AMOUNT,
    "ItemList[].AssAmt": AMOUNT,
    "ItemList[].GstRt": RATE,
    "ItemList[].IgstAmt": AMOUNT,
    "ItemList[].CgstAmt": AMOUNT,
    "ItemList[].SgstAmt": AMOUNT,
    "ItemList[].CesRt": RATE,
    "ItemList[].CesAmt": AMOUNT,
    "ItemList[].CesNonAdvlAmt": AMOUNT,
    "ItemList[].StateCesRt": RATE,
    "ItemList[].StateCesAmt": AMOUNT,
    "ItemList[].StateCesNonAdvlAmt": AMOUNT,
    "ItemList[].OthChrg": AMOUNT,
    "ItemList[].TotItemVal": AMOUNT,
    "ItemList[].OrdLineRef": text(1, 50),
    "ItemList[].OrgCntry": form(("IN", "in"), ("I", "IND", "I|", "I1")),
    "ItemList[].PrdSlNo": text(1, 20),
    "ItemList[].BchDtls.Nm": text(3, 20),
    "ItemList[].BchDtls.ExpDt": LONG_DATE,
    "ItemList[].BchDtls.WrDt": LONG_DATE,
    "ItemList[].AttribDtls[].Nm": text(1, 100),
    "ItemList[].AttribDtls[].Val": text(1, 100),
    "ValDtls.AssVal": TOTAL,
    "ValDtls.CgstVal": TOTAL,
    "ValDtls.SgstVal": TOTAL,
    "ValDtls.IgstVal": TOTAL,
    "ValDtls.CesVal": TOTAL,
    "ValDtls.StCesVal": TOTAL,
    "ValDtls.Discount": TOTAL,
    "ValDtls.OthChrg": TOTAL,
    "ValDtls.RndOffAmt": number("-99.99", "99.99", "0.01"),
    "ValDtls.TotInvVal": TOTAL,
    "ValDtls.TotInvValFc": TOTAL,
    "PayDtls.Nm": text(1, 100),
    "PayDtls.AccDet": text(1, 18),
    "PayDtls.Mode": text(1, 18),
    "PayDtls.FinInsBr": text(1, 11),
    "PayDtls.PayTerm": text(1, 100),
    "PayDtls.PayInstr": text(1, 100),
    "PayDtls.CrTrn": text(1, 100),
    "PayDtls.DirDr": text(1, 100),
    "PayDtls.CrDay": number("0", "9999", "1"),
    "PayDtls.PaidAmt": TOTAL,
    "PayDtls.PaymtDue": TOTAL,
    "RefDtls.InvRm": text(3, 100),
    "RefDtls.DocPerdDtls.InvStDt": LONG_DATE,
    "RefDtls.DocPerdDtls.InvEndDt": LONG_DATE,
    "RefDtls.PrecDocDtls[].InvNo": form(("A1", "a" * 16, "1/-0"), ("A", "01", "/1", "-1", "A" * 17, "A 1")),
    "RefDtls.PrecDocDtls[].InvDt": DATE,
    "RefDtls.PrecDocDtls[].OthRefNo": text(1, 20),
    "RefDtls.ContrDtls[].RecAdvRefr": text(1, 20),
    "RefDtls.ContrDtls[].RecAdvDt": DATE,
    "RefDtls.ContrDtls[].TendRefr": text(1, 20),
    "RefDtls.ContrDtls[].ContrRefr": text(1, 20),
    "RefDtls.ContrDtls[].ExtRefr": text(1, 20),
    "RefDtls.ContrDtls[].ProjRefr": text(1, 20),
    "RefDtls.ContrDtls[].PORefr": text(1, 16),
    "RefDtls.ContrDtls[].PORefDt": DATE,
    "AddlDocDtls[].Url": text(3, 100),
    "AddlDocDtls[].Docs": text(3, 1000),
    "AddlDocDtls[].Info": text(3, 1000),
    "ExpDtls.ShipBNo": text(1, 20),
    "ExpDtls.ShipBDt": DATE,
    "ExpDtls.Port": form(("IN", "INBOM4", "a" * 10), ("I", "A" * 11, "IN|M", "IN M")),
    "ExpDtls.RefClm": YES_NO,
    "ExpDtls.ForCur": form(("USD", "usd", "A" * 16), ("US", "A" * 17, "US|", "US1")),
    "ExpDtls.CntCode": form(("AE",), ("ae", "A", "ARE", "A1")),
    "ExpDtls.ExpDuty": AMOUNT,
    "EwbDtls.TransId": GSTIN,
    "EwbDtls.TransName": text(3, 100),
    "EwbDtls.TransMode": words("1", "2", "3", "4"),
    "EwbDtls.Distance": number("0", "4000", "1"),
    "EwbDtls.TransDocNo": form(("0", "A" * 15, "/-"), ("A" * 16, "A 1", "A_1")),
    "EwbDtls.TransDocDt": DATE,
    "EwbDtls.VehNo": form(("KA02", "k" * 20), ("KA0", "K" * 21, "KA 02", "KA|02", "KA-02")),
    "EwbDtls.VehType": words("O", "R"),
}

REQUIRED: dict[str, str] = {
    "": "Version TranDtls DocDtls SellerDtls BuyerDtls ItemList ValDtls",
    "TranDtls": "TaxSch SupTyp",
    "DocDtls": "Typ No Dt",
    "SellerDtls": "Gstin LglNm Addr1 Loc Pin Stcd",
    "BuyerDtls": "Gstin LglNm Pos Addr1 Loc Stcd",
    "DispDtls": "Nm Addr1 Loc Pin Stcd",
    "ShipDtls": "LglNm Addr1 Loc Pin Stcd",
    "ItemList[]": "SlNo IsServc HsnCd UnitPrice TotAmt AssAmt GstRt TotItemVal",
    "ItemList[].BchDtls": "Nm",
    "ItemList[].AttribDtls[]": "",
    "ValDtls": "AssVal TotInvVal",
    "PayDtls": "",
    "RefDtls": "",
    "RefDtls.DocPerdDtls": "InvStDt InvEndDt",
    "RefDtls.PrecDocDtls[]": "InvNo InvDt",
    "RefDtls.ContrDtls[]": "",
    "AddlDocDtls[]": "",
    "ExpDtls": "",
    "EwbDtls": "Distance",
}


@pytest.mark.parametrize("place", BOUNDS)
def test_each_bound_of_a_field_bites(place: str) -> None:
    """A value just inside passes; one just outside is the one fault, with its code, at the very member."""
    for value in BOUNDS[place].inside:
        assert shape.check(changed(FULL, place, value)) == [], value
    for value, code in BOUNDS[place].outside:
        faults = shape.check(changed(FULL, place, value))
        assert [(each.code, each.at) for each in faults] == [(code, pointer(place))], value


@pytest.mark.parametrize("place", REQUIRED)
def test_an_object_needs_exactly_what_the_form_marks(place: str) -> None:
    """Leaving out a required member is a fault at that member; leaving out any other member is none."""
    required = REQUIRED[place].split()
    for name in found(FULL, place):
        document = copy.deepcopy(FULL)
        del found(document, place)[name]
        expected = [("schema-required", f"{pointer(place)}/{name}")] if name in required else []
        assert [(each.code, each.at) for each in shape.check(document)] == expected


@pytest.mark.parametrize("place", REQUIRED)
def test_an_object_takes_other_members_and_no_other_type(place: str) -> None:
    """An unknown member is passed over; null, text and an array are no object."""
    document = copy.deepcopy(FULL)
    found(document, place)["Gstin "] = None
    assert shape.check(document) == []
    for value, code in ((None, "schema-null"), ("x", "schema-type"), ([], "schema-type")):
        faults = shape.check(changed(FULL, place, value) if place else value)
        assert [(each.code, each.at) for each in faults] == [(code, pointer(place))]


@pytest.mark.parametrize("place", sorted({place.rpartition("[]")[0] for place in REQUIRED if place.endswith("[]")}))
def test_an_array_is_an_array(place: str) -> None:
    """Null, text and an object are no array; only the lines must not be empty."""
    for value, code in ((None, "schema-null"), ("x", "schema-type"), ({}, "schema-type")):
        faults = shape.check(changed(FULL, place, value))
        assert [(each.code, each.at) for each in faults] == [(code, pointer(place))]
    assert bool(shape.check(changed(FULL, place, []))) is (place == "ItemList")


@pytest.mark.parametrize(("lines", "legal"), [(0, False), (1, True), (1000, True), (1001, False)])
def test_a_document_has_one_to_a_thousand_lines(lines: int, *, legal: bool) -> None:
    """1 and 1000 lines pass; none, and 1001, are one fault at the list."""
    faults = shape.check(changed(FULL, "ItemList", FULL["ItemList"][:1] * lines))
    assert [(each.code, each.at) for each in faults] == ([] if legal else [("schema-items", "/ItemList")])


def test_the_table_has_every_field_of_the_schema() -> None:
    """No field and no object of the schema is without a row above, and no row is without a field."""
    root = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert {place for place, rule in rules(root, root=root) if "properties" not in rule} == set(BOUNDS)
    assert {place for place, rule in rules(root, root=root) if "properties" in rule} == set(REQUIRED)


def test_the_full_document_has_every_field() -> None:
    """The document that the bounds are tried on leaves nothing out."""
    for place in (*BOUNDS, *REQUIRED):
        found(FULL, place)

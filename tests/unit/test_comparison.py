"""Comparing what was sent with what the portal registered."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.comparison import Difference, differences, identity_differences

_SENT: dict[str, Any] = {
    "Version": "1.1",
    "TranDtls": {"TaxSch": "GST", "SupTyp": "B2B", "RegRev": "N"},
    "DocDtls": {"Typ": "INV", "No": "Tax/001", "Dt": "05/10/2026"},
    "SellerDtls": {"Gstin": "29AAFCC9980M1ZR", "LglNm": "Surya Mills", "Addr1": "Plot 1", "Pin": 560001, "Stcd": "29"},
    "BuyerDtls": {"Gstin": "27AAPFU0939F1ZV", "LglNm": "Tara Traders", "Pos": "27", "Pin": 400001, "Stcd": "27"},
    "ItemList": [
        {"SlNo": "1", "IsServc": "N", "HsnCd": "1001", "Qty": 10, "Unit": "KGS", "TotAmt": Decimal("100.00"),
         "BchDtls": {"Nm": "B1", "ExpDt": "01/01/2027"}, "AttribDtls": [{"Nm": "colour", "Val": "red"}]},
        {"SlNo": "2", "IsServc": "Y", "HsnCd": "9983", "TotAmt": Decimal("50.5")},
    ],
    "ValDtls": {"AssVal": Decimal("150.50"), "IgstVal": Decimal("27.09"), "TotInvVal": Decimal("177.59")},
    "PayDtls": {"Nm": "Surya", "CrDay": 30},
    "ExpDtls": {"ForCur": "USD"},
    "AddlDocDtls": [{"Url": "https://surya.example/1"}],
    "EwbDtls": {"TransId": "29AAFCC9980M1ZR", "Distance": 100},
}  # fmt: skip


def _registered(at: str = "", value: Any = ..., /, **top: Any) -> dict[str, Any]:
    """The sent document as a portal would sign it, with one place changed (or taken out, by None)."""
    document = copy.deepcopy(_SENT) | {"AckNo": 112610087654321, "AckDt": "2026-10-05 10:00:00", "Irn": "a" * 64} | top
    for line in document["ItemList"]:
        line["ItemNo"] = 0
    if at:
        *path, name = at.split("/")[1:]
        place: Any = document
        for step in path:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[name] = value
    return document


def test_a_signed_copy_of_the_same_document_has_no_differences() -> None:
    """What the portal adds, on top and in the lines, is none."""
    assert differences(_SENT, _registered()) == []
    assert identity_differences(_SENT, _registered()) == []


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("/ItemList/0/TotAmt", Decimal(100)),
        ("/ItemList/0/TotAmt", 100),
        ("/ItemList/0/TotAmt", Decimal("1.000E+2")),
        ("/ItemList/0/TotAmt", "100.0"),
        ("/ItemList/0/Qty", "10"),
        ("/ItemList/0/Qty", Decimal("10.000")),
        ("/SellerDtls/Pin", "560001"),
        ("/SellerDtls/Stcd", 29),
        ("/BuyerDtls/Pos", "027"),
        ("/SellerDtls/LglNm", " Surya Mills "),
        ("/SellerDtls/TrdNm", None),
        ("/SellerDtls/TrdNm", ""),
        ("/SellerDtls/TrdNm", "  "),
        ("/DocDtls/No", "TAX/001"),
        ("/DocDtls/No", "tax/001"),
        ("/DocDtls/Typ", "inv"),
        ("/TranDtls/SupTyp", "b2b"),
        ("/TranDtls/RegRev", "n"),
        ("/TranDtls/EcmGstin", None),
        ("/ItemList/0/Unit", "kgs"),
        ("/ItemList/0/FreeQty", 0),
        ("/ItemList/0/Discount", Decimal("0.00")),
        ("/ItemList/0/ItemNo", 7),
        ("/RefDtls", None),
        ("/RefDtls", {}),
        ("/RefDtls", {"PrecDocDtls": [], "DocPerdDtls": {"InvStDt": None}}),
        ("/Version", "1.03"),
        ("/EwbDtls", None),
        ("/EwbDtls", {"Distance": 2467, "VehNo": "KA01AB1234"}),
        ("/ExpDtls", None),
        ("/AddlDocDtls", None),
        ("/AddlDocDtls", []),
        ("/AckNo", "1"),
    ],
)
def test_what_says_the_same_is_no_difference(at: str, value: Any) -> None:
    """Decimals, text for numbers, blanks, letter case of codes, nulls, zeros and what portals drop or add."""
    assert differences(_SENT, _registered(at, value)) == []


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("/ItemList/0/TotAmt", Decimal("100.01")),
        ("/ItemList/0/TotAmt", "100,00"),
        ("/ItemList/0/TotAmt", None),
        ("/ItemList/0/TotAmt", True),
        ("/ItemList/0/Qty", "१०"),
        ("/ItemList/0/HsnCd", "1002"),
        ("/ItemList/0/HsnCd", "01001"),
        ("/ItemList/0/Discount", 1),
        ("/ItemList/0/BchDtls/Nm", "B2"),
        ("/ItemList/0/BchDtls/ExpDt", None),
        ("/ItemList/0/AttribDtls/0/Val", "blue"),
        ("/ItemList/1/SlNo", "3"),
        ("/DocDtls/No", "TAX/01"),
        ("/DocDtls/No", "1001"),
        ("/DocDtls/Typ", "CRN"),
        ("/DocDtls/Dt", "06/10/2026"),
        ("/SellerDtls/LglNm", "SURYA MILLS"),
        ("/SellerDtls/Gstin", "24AAACJ3770E2ZV"),
        ("/BuyerDtls/Pos", "29"),
        ("/BuyerDtls/Pos", "270"),
        ("/SellerDtls/TrdNm", "Surya"),
        ("/SellerDtls/ItemNo", 1),
        ("/ValDtls/TotInvVal", Decimal("177.60")),
        ("/PayDtls/CrDay", 31),
        ("/PayDtls/Nm", None),
        ("/ExpDtls/ForCur", "EUR"),
        ("/AddlDocDtls/0/Url", "https://tara.example/1"),
        ("/TranDtls/A~b/c", "x"),
    ],
)
def test_what_says_something_else_is_one_difference_at_its_place(at: str, value: Any) -> None:
    """Another value, a missing one and an added one are reported with their JSON Pointer and both values."""
    if "~" in at:
        registered = _registered()
        registered["TranDtls"]["A~b/c"] = value
        at = "/TranDtls/A~0b~1c"
    else:
        registered = _registered(at, value)
    (found,) = differences(_SENT, registered)
    assert (found.at, found.registered) == (at, value)
    assert found.left_out == (value is None)
    assert found.as_json() == {"at": at, "sent": found.sent, "registered": value}


def test_a_whole_part_that_is_missing_is_one_difference() -> None:
    """Payment details are not among the parts that portals drop whole."""
    (found,) = differences(_SENT, _registered("/PayDtls", None))
    assert found == Difference("/PayDtls", _SENT["PayDtls"], None)


def test_a_line_more_or_less_is_a_difference_of_that_line() -> None:
    """Lines are compared in their order; one that has no partner is reported whole."""
    fewer = _registered()
    line = fewer["ItemList"].pop()
    assert [(each.at, each.registered) for each in differences(_SENT, fewer)] == [("/ItemList/1", None)]
    more = _registered()
    more["ItemList"].append(line)
    assert [(each.at, each.sent) for each in differences(_SENT, more)] == [("/ItemList/2", None)]
    for registered in (fewer, more):
        assert [each.at for each in identity_differences(_SENT, registered)] == ["/ItemList"]


def test_a_document_number_outside_ascii_is_not_taken_for_another() -> None:
    """Upper-casing outside ASCII would make different letters one, so it is not done."""
    sent = copy.deepcopy(_SENT)
    sent["DocDtls"]["No"] = "TAX\N{LATIN SMALL LETTER DOTLESS I}"
    assert [each.at for each in differences(sent, _registered("/DocDtls/No", "TAXI"))] == ["/DocDtls/No"]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("/SellerDtls/Gstin", "24AAACJ3770E2ZV"),
        ("/DocDtls/Typ", "DBN"),
        ("/DocDtls/No", "TAX/002"),
        ("/DocDtls/Dt", "05/11/2026"),
        ("/BuyerDtls/Gstin", "URP"),
        ("/ValDtls/TotInvVal", Decimal("177.58")),
        ("/ValDtls/TotInvVal", None),
    ],
)
def test_each_part_of_the_identity_counts(at: str, value: Any) -> None:
    """Seller, type, number, date, buyer and total: one that differs makes it another document."""
    assert [each.at for each in identity_differences(_SENT, _registered(at, value))] == [at]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("/DocDtls/No", "TAX/001"),
        ("/DocDtls/Typ", "inv"),
        ("/ValDtls/TotInvVal", "177.590"),
        ("/SellerDtls/LglNm", "Another Name"),
        ("/ItemList/0/TotAmt", 5),
    ],
)
def test_what_is_no_part_of_the_identity_does_not_count_in_it(at: str, value: Any) -> None:
    """Writing and details do not make it another document."""
    assert identity_differences(_SENT, _registered(at, value)) == []


@pytest.mark.parametrize("registered", [{}, {"DocDtls": None}, {"DocDtls": 7, "ItemList": {}, "ValDtls": []}])
def test_a_registered_copy_of_any_shape_is_compared(registered: dict[str, Any]) -> None:
    """A copy without the parts differs in all seven, and nothing raises."""
    assert len(identity_differences(_SENT, registered)) == 7
    assert differences(_SENT, registered) != []


def _shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shuffled(value[name]) for name in reversed(value)}
    return [_shuffled(each) for each in value] if isinstance(value, list) else value


def test_a_truth_value_is_no_number() -> None:
    """`true` is neither 1 nor text, on either side, and equals itself."""
    for other in (1, Decimal(1), "1", "true", None):
        assert len(differences({"a": True}, {"a": other})) == len(differences({"a": other}, {"a": True})) == 1
    assert differences({"a": True}, {"a": True}) == []


def test_the_order_of_members_does_not_matter() -> None:
    """A portal writes members in its own order."""
    assert differences(_SENT, _shuffled(_registered())) == []


_NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
_DOCUMENTS = st.dictionaries(st.text(max_size=3), _VALUES, max_size=4)


@settings(max_examples=200, deadline=None)
@given(document=_DOCUMENTS)
def test_every_document_equals_itself(document: dict[str, Any]) -> None:
    """Whatever a document holds, comparing it with itself finds nothing."""
    assert differences(document, document) == []
    assert identity_differences(document, document) == []


@settings(max_examples=200, deadline=None)
@given(one=_DOCUMENTS, other=_DOCUMENTS)
def test_differences_are_the_same_from_both_sides(one: dict[str, Any], other: dict[str, Any]) -> None:
    """The same number of differences is found in either direction, for parts that portals treat like any other."""
    assert len(differences(one, other)) == len(differences(other, one))

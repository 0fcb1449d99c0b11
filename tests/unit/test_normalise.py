"""What a portal takes and the form does not is read, told, and changes the meaning of nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import form, shape
from gateway.domain import canonical, normalise, strict_json
from gateway.domain.faults import Fault
from tests.bounds import changed

ROOT = Path(__file__).parents[2]
FULL = strict_json.read((ROOT / "tests" / "documents" / "full.json").read_bytes())


def told(read: normalise.Normalised) -> list[tuple[str, str]]:
    return [(each.code, each.at) for each in read.warnings]


def renamed(place: str, name: str) -> Any:
    """The full document with one member of an object under another name, in its old place."""
    parent, _, old = place.rpartition(".")
    document = copy.deepcopy(FULL)
    around = document[parent] if parent else document
    members = [(name if each == old else each, value) for each, value in around.items()]
    around.clear()
    around.update(members)
    return document


def test_a_document_in_its_form_is_not_touched() -> None:
    """What has the form comes back as the very object that went in, without a warning."""
    read = form.read(FULL)
    assert read.document is FULL
    assert (read.warnings, read.faults) == ([], [])


CHANGES: list[tuple[str, Any, Any, str]] = [
    ("SellerDtls.Pin", "560058", 560058, "read-number"),
    ("SellerDtls.Pin", " 560058 ", 560058, "read-number"),
    ("ValDtls.TotInvVal", "1180.50", Decimal("1180.50"), "read-number"),
    ("ValDtls.RndOffAmt", "-0.30", Decimal("-0.30"), "read-number"),
    ("ItemList[].SlNo", 1, "1", "read-text"),
    ("ItemList[].HsnCd", Decimal("1001.0"), "1001", "read-text"),
    ("BuyerDtls.Stcd", 7, "7", "read-text"),
    ("Version", Decimal("1.1"), "1.1", "read-text"),
    ("EwbDtls.TransMode", 1, "1", "read-text"),
    ("DocDtls.Typ", "inv", "INV", "read-word"),
    ("TranDtls.SupTyp", " b2b", "B2B", "read-word"),
    ("TranDtls.RegRev", "n", "N", "read-word"),
    ("DocDtls.No", " MH/1 ", "MH/1", "read-blanks"),
    ("SellerDtls.Gstin", "29AAHCT7421P1ZM\u00a0", "29AAHCT7421P1ZM", "read-blanks"),
    ("DocDtls.Dt", "21/11/2026 ", "21/11/2026", "read-blanks"),
    ("ItemList[].PrdDesc", f" {'x' * 300}", "x" * 300, "read-blanks"),
]


@pytest.mark.parametrize(("place", "sent", "meant", "code"), CHANGES)
def test_a_value_is_read_as_the_form_has_it(place: str, sent: Any, meant: Any, code: str) -> None:
    """The value that was meant stands in the document, the change is told at its place, and the form is content."""
    read = form.read(changed(FULL, place, sent))
    found = read.document
    for step in place.replace("[]", ".0").split("."):
        found = found[int(step) if step == "0" else step]
    assert (found, type(found)) == (meant, type(meant))
    assert [each.code for each in read.warnings] == [code]
    assert shape.check(read.document) == []


KEPT: list[tuple[str, Any]] = [
    ("SellerDtls.LglNm", " Malnad Looms "),
    ("SellerDtls.LglNm", "ab "),
    ("SellerDtls.Pin", "5600 58"),
    ("SellerDtls.Pin", "560,058"),
    ("SellerDtls.Pin", "+560058"),
    ("SellerDtls.Pin", "\u0665\u0666\u0660\u0660\u0665\u0668"),
    ("ValDtls.TotInvVal", "1e3"),
    ("ValDtls.TotInvVal", ""),
    ("ValDtls.TotInvVal", "1" * 41),
    ("ValDtls.TotInvVal", True),
    ("SellerDtls.Gstin", "29aahct7421p1zm"),
    ("DocDtls.No", "mh/42"),
    ("DocDtls.No", True),
    ("DocDtls.Typ", "\u0131nv"),
    ("DocDtls.Dt", "21-11-2026"),
    ("ItemList[].PrdDesc", ["x"]),
    ("ItemList[].AttribDtls", {"Nm": "x"}),
    ("ItemList", "x"),
    ("ItemList", [None]),
    ("SellerDtls", [1]),
]


@pytest.mark.parametrize(("place", "sent"), KEPT)
def test_what_is_no_mere_matter_of_form_is_left(place: str, sent: Any) -> None:
    """What is right as it stands, and what could only be guessed, comes back as it was sent."""
    document = changed(FULL, place, sent)
    read = form.read(document)
    assert read.document is document
    assert (read.warnings, read.faults) == ([], [])


@pytest.mark.parametrize(
    ("place", "name", "at"),
    [
        ("BuyerDtls.Pos", "POS", "/BuyerDtls/POS"),
        ("SellerDtls.Gstin", "GSTIN", "/SellerDtls/GSTIN"),
        ("ItemList", "itemList", "/itemList"),
    ],
)
def test_a_member_in_other_letters_is_the_member(place: str, name: str, at: str) -> None:
    """Its value stands under its right name, in its place."""
    read = form.read(renamed(place, name))
    assert canonical.write(read.document) == canonical.write(FULL)
    assert told(read) == [("read-name", at)]


def test_two_members_in_different_letters_are_a_fault() -> None:
    """Which of the two counts is never chosen, not even when one of them is null."""
    for value in ("29", None):
        document = copy.deepcopy(FULL)
        document["BuyerDtls"]["POS"] = value
        read = form.read(document)
        assert [(each.code, each.at) for each in read.faults] == [("member-twice", "/BuyerDtls/POS")]
        assert read.document["BuyerDtls"] == document["BuyerDtls"]


def test_a_letter_that_only_looks_alike_makes_another_name() -> None:
    """Only the letters of ASCII have two cases here: a long s is no s."""
    document = copy.deepcopy(FULL)
    document["ItemList"][0]["\u017flNo"] = "9"
    assert told(form.read(document)) == [("member-unknown", "/ItemList/0/\u017flNo")]


def test_a_null_is_left_out() -> None:
    """A null of the form is dropped wherever it stands; a required one is then missing; an unknown one stays."""
    read = form.read(changed(FULL, "TranDtls.EcmGstin", None))
    assert "EcmGstin" not in read.document["TranDtls"]
    assert told(read) == [("read-null", "/TranDtls/EcmGstin")]
    assert [each.code for each in shape.check(form.read(changed(FULL, "ValDtls", None)).document)] == [
        "schema-required"
    ]
    odd = changed(FULL, "Remark", None)
    assert form.read(odd).document is odd


def test_an_object_that_says_nothing_is_left_out() -> None:
    """One of nulls, blanks and zeros is no object; one with a value that the form does not know is, and is refused."""
    read = form.read(changed(FULL, "DispDtls", {"DisTrdNm": None, "DisPin": 0, "nm": None}))
    assert "DispDtls" not in read.document
    assert told(read) == [("read-empty", "/DispDtls")]
    for telling in ({"DisTrdNm": "Works"}, {"x": False}, {"Pin": 0}):
        assert "DispDtls" in form.read(changed(FULL, "DispDtls", telling)).document
    assert "SellerDtls" in form.read(changed(FULL, "SellerDtls", {})).document


def test_an_unknown_member_is_told_once_and_passes() -> None:
    """A thousand lines with the same one have one cause."""
    lines = [{**FULL["ItemList"][0], "ItemNo": line, "a/b~": 1} for line in range(1000)]
    document = changed(FULL, "ItemList", lines)
    read = form.read(document)
    assert read.document is document
    assert told(read) == [("member-unknown", "/ItemList/0/ItemNo"), ("member-unknown", "/ItemList/0/a~1b~0")]


def test_warnings_end() -> None:
    """Of very many changes the first are told, and how many more there are."""
    lines = [{**FULL["ItemList"][0], "Barcde": None, "OthChrg": None} for _ in range(1000)]
    read = form.read(changed(FULL, "ItemList", lines))
    assert len(read.changes) == 2000
    assert len(read.warnings) == normalise.WARNINGS_MAX
    assert read.warnings[-1].code == "read-more"
    assert read.warnings[-1].message.startswith("1901 ")


def test_pointers_and_patches_lead_into_what_was_sent() -> None:
    """A fault of the document as it is read is told at the name that the sender wrote."""
    document = renamed("BuyerDtls.Pos", "POS")
    document["buyerdtls"] = document.pop("BuyerDtls")
    fix = (
        {"op": "replace", "path": "/BuyerDtls/Pos", "value": "29"},
        {"op": "add", "path": "/BuyerDtls/Pin", "value": 1},
    )
    [fault] = form.read(document).as_sent([Fault("x", "/BuyerDtls/Pos", "X.", "Y.", fix=fix)])
    assert fault.at == "/buyerdtls/POS"
    assert [step["path"] for step in fault.fix or ()] == ["/buyerdtls/POS", "/buyerdtls/Pin"]


def test_other_requests_are_read_by_their_own_form() -> None:
    """Part B with capital letters and numbers as text, as e-way bill programs send it, is read."""
    sent = {"EwbNo": "141010282832", "FromPlace": "Hubballi", "FromState": "09", "ReasonCode": 1, "TransMode": 1}
    read = form.read(sent, "ewaybill/1.03#vehicle").document
    meant = {"ewbNo": 141010282832, "fromPlace": "Hubballi", "fromState": 9, "reasonCode": "1", "transMode": "1"}
    assert read == meant
    assert shape.check(read, "ewaybill/1.03#vehicle") == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.decimals(-1000, 1000, places=3)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Pin", "pin", "SlNo", "x", "DocDtls", "ItemList", "itemlist"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


def leaves(value: Any, *, way: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inner:
        yield from leaves(each, way=(*way, step))
    if way and not isinstance(value, dict | list):
        yield way, value


LEAVES = list(leaves(FULL))
DISTORTIONS = st.lists(
    st.tuples(st.sampled_from(LEAVES), st.sampled_from(["type", "case", "name", "junk"]), JSON), max_size=6
)


def distorted(steps: list[tuple[tuple[tuple[str | int, ...], Any], str, Any]]) -> Any:
    """The full document with values in another type or letter-case, members in other letters, and any values at all."""
    document = copy.deepcopy(FULL)
    for (way, value), how, junk in steps:
        around = document
        try:
            for step in way[:-1]:
                around = around[step]
            put(around, way[-1], value, how=how, junk=junk)
        except (KeyError, TypeError, IndexError):
            continue  # an earlier change took the way away
    return document


def put(around: Any, last: Any, value: Any, *, how: str, junk: Any) -> None:
    if how == "junk":
        around[last] = junk
    elif how == "name" and last in around:
        around[last.swapcase()] = around.pop(last)
    elif how == "case" and isinstance(value, str):
        around[last] = f" {value.swapcase()} "
    elif how == "type":
        around[last] = str(value) if not isinstance(value, str) else Decimal(value) if value.isdigit() else value


@settings(max_examples=300, deadline=None)  # a shared machine may stall one example
@given(DISTORTIONS)
def test_reading_is_idempotent_and_its_patches_say_all_of_it(steps: list[Any]) -> None:
    """Reading twice is reading once, and the warnings' patches turn what was sent into exactly what was read."""
    document = distorted(steps)
    before = copy.deepcopy(document)
    read = form.read(document)
    again = form.read(read.document)
    assert document == before
    assert again.document is read.document
    assert {each.code for each in again.changes} <= {"member-unknown"}
    if len(read.changes) <= normalise.WARNINGS_MAX:
        patch = [step for each in read.warnings for step in each.fix or ()]
        assert jsonpatch.apply_patch(document, patch) == read.document


@settings(max_examples=300, deadline=None)  # a shared machine may stall one example
@given(DISTORTIONS)
def test_reading_keeps_every_number_and_every_character(steps: list[Any]) -> None:
    """A change keeps a number's value and a text's letters; what had the form before is never changed."""
    document = distorted(steps)
    read = form.read(document)
    for change in read.changes:
        if change.code in {"read-number", "read-text"}:
            assert Decimal(str(change.before).strip()) == Decimal(str(change.after))
        elif change.code in {"read-word", "read-blanks", "read-name"}:
            assert change.before.strip().lower() == change.after.lower()
        else:
            assert change.after is None
    if not read.renamed and not shape.check(document):
        assert not shape.check(read.document)


@settings(max_examples=200, deadline=None)  # a shared machine may stall one example
@given(JSON)
def test_reading_never_raises(value: Any) -> None:
    """Any JSON value comes back read, or as it is."""
    read = form.read(value)
    assert form.read(read.document).document == read.document
    assert all(each.message.endswith(".") and each.help.endswith(".") for each in [*read.warnings, *read.faults])

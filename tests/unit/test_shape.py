"""Faults of form: their words, their order and their limits."""

from __future__ import annotations

import copy
import difflib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway import shape
from gateway.domain import strict_json
from gateway.domain.faults import Fault
from gateway.domain.identifiers import gstin_check_digit_holds

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "tests" / "documents"
SCHEMA = json.loads((ROOT / "schemas" / "inv-01" / "1.1.json").read_text(encoding="utf-8"), parse_float=Decimal)
FULL = strict_json.read((DOCUMENTS / "full.json").read_bytes())


def document(name: str = "minimal") -> Any:
    return strict_json.read((DOCUMENTS / f"{name}.json").read_bytes())


def only_fault(of: Any) -> Fault:
    (fault,) = shape.check(of)
    return fault


@pytest.mark.parametrize("name", ["minimal", "with_ewb", "credit_note", "full"])
def test_our_own_documents_are_right(name: str) -> None:
    """The documents that tests build on have the right form, and GSTINs with the right check digit."""
    assert shape.check(document(name)) == []
    gstins = re.findall(r"\b[0-9]{2}[A-Z]{5}[0-9]{4}[0-9A-Z]{4}\b", (DOCUMENTS / f"{name}.json").read_text("utf-8"))
    assert len(gstins) >= 2
    assert all(gstin_check_digit_holds(each) for each in gstins)


@pytest.mark.parametrize("name", ["minimal", "with_ewb", "credit_note", "full"])
def test_our_own_documents_add_up(name: str) -> None:
    """Each line and each total of the documents that tests build on is the sum that the portal computes, exactly."""
    of = document(name)
    added = ["Igst", "Cgst", "Sgst", "Ces", "CesNonAdvl", "StateCes", "StateCesNonAdvl"]
    lines, totals = of["ItemList"], of["ValDtls"]
    for line in lines:
        assert line["TotAmt"] == line["UnitPrice"] * line.get("Qty", 1)
        assert line["AssAmt"] == line["TotAmt"] - line.get("Discount", 0)
        taxes = sum(line.get(f"{each}Amt", 0) for each in added)
        assert line["TotItemVal"] == line["AssAmt"] + taxes + line.get("OthChrg", 0)
    assert totals["AssVal"] == sum(line["AssAmt"] for line in lines)
    extra = totals.get("OthChrg", 0) - totals.get("Discount", 0) + totals.get("RndOffAmt", 0)
    assert totals["TotInvVal"] == sum(line["TotItemVal"] for line in lines) + extra


def test_the_largest_amount_passes_and_the_next_does_not() -> None:
    """99999999999999.99, which no float holds, is legal and stays as it is; 100000000000000 is not."""
    of = document()
    of["ValDtls"]["TotInvVal"] = strict_json.read(b"99999999999999.99")
    assert shape.check(of) == []
    assert str(of["ValDtls"]["TotInvVal"]) == "99999999999999.99"
    of["ValDtls"]["TotInvVal"] = strict_json.read(b"100000000000000")
    fault = only_fault(of)
    assert (fault.code, fault.at) == ("schema-range", "/ValDtls/TotInvVal")


@pytest.mark.parametrize(
    ("at", "value", "message", "help_"),
    [
        ("SellerDtls.LglNm", "Ka", "has 2 characters; 3 to 100 are allowed.", "Write at least 3."),
        (
            "BuyerDtls.TrdNm",
            "",
            "has 0 characters; 3 to 100 are allowed.",
            "Write at least 3, or leave the member out.",
        ),
        ("SellerDtls.Loc", "x" * 57, "has 57 characters; 3 to 50 are allowed.", "Shorten it by 7."),
        ("SellerDtls.Pin", "560058", 'is "560058", where a number belongs.', "Write the number without quotes."),
        ("SellerDtls.Pin", "", 'is "", where a number belongs.', "Send a number."),
        ("SellerDtls.Stcd", 29, "is 29, where text in quotes belongs.", "Put the value in double quotes."),
        ("SellerDtls.Stcd", True, "is true, where text in quotes belongs.", "Send text in quotes."),
        ("ItemList", {}, "is an object, where an array belongs.", "Send an array."),
        ("ItemList", [], "has 0 entries; 1 to 1000 are allowed.", "Send at least 1."),
        ("ValDtls", [], "is an array, where an object belongs.", "Send an object."),
        ("DocDtls.Typ", "inv", 'is "inv"; allowed is "INV" or "CRN" or "DBN".', 'Write it in capitals: "INV".'),
        ("Version", "1.0", 'is "1.0"; allowed is "1.1" or "1.01".', "Send a value from this list, written exactly so."),
        ("BuyerDtls.Pos", None, "is null, which says nothing.", "Give it a value; it cannot be left out."),
        ("BuyerDtls.Pin", None, "is null, which says nothing.", "Leave it out instead."),
        (
            "SellerDtls.Pin",
            Decimal("560058.5"),
            "is 560058.5, with 1 decimals; none can be kept.",
            "Send a whole number.",
        ),
        (
            "ValDtls.AssVal",
            Decimal("1.2345"),
            "is 1.2345, with 4 decimals; 2 can be kept.",
            "Round it to 2 decimals.",
        ),
        (
            "ValDtls.AssVal",
            Decimal("-1.00"),
            "is -1.00; 0 to 99999999999999.99 is allowed.",
            "Send it without a sign: the document type says which way it counts.",
        ),
        ("SellerDtls.Pin", 99999, "is 99999; 100000 to 999999 is allowed.", "Send a number within these bounds."),
        (
            "SellerDtls.Gstin",
            "9" * 50,
            f'is "{"9" * 40}…", which is not in its form.',
            "Write 15 characters: 2 digits, then 13 digits or capital letters.",
        ),
    ],
)
def test_a_fault_names_the_field_what_is_allowed_and_what_was_found(
    at: str, value: Any, message: str, help_: str
) -> None:
    """The message names the member, what is allowed and what was found, shortened; the help says what to do."""
    of = document()
    *way, last = at.split(".")
    inner = of
    for step in way:
        inner = inner[step]
    inner[last] = value
    fault = only_fault(of)
    assert re.fullmatch(rf"{re.escape(at)} \(.+?\) (.+)", fault.message)[1] == message  # type: ignore[index]  # asserted
    assert fault.help == help_
    assert fault.at == "/" + at.replace(".", "/")
    assert fault.portal_code == "5002"


def test_a_missing_member_is_named_where_it_belongs() -> None:
    """A missing member's fault points at the member and names the object that cannot be without it."""
    of = document()
    del of["SellerDtls"]["Gstin"]
    fault = only_fault(of)
    assert fault.at == "/SellerDtls/Gstin"
    assert fault.message == "SellerDtls.Gstin (the seller's GSTIN) is missing."
    assert fault.help == "Add the member Gstin: SellerDtls cannot be without it."


@pytest.mark.parametrize("pin", ["560058.0000000000000000001", "560057.9999999999999999999", "560058.1", "560058.5"])
def test_a_whole_number_is_whole_to_the_last_digit(pin: str) -> None:
    """A fraction that no float can hold is a fraction all the same."""
    of = document()
    of["SellerDtls"]["Pin"] = Decimal(pin)
    assert only_fault(of).code == "schema-decimals"


@pytest.mark.parametrize("name", ["GSTIN", "gstin", "Gstn"])
def test_a_misspelt_member_is_recognised(name: str) -> None:
    """A missing member is looked for among the unknown ones beside it."""
    of = document()
    of["SellerDtls"][name] = of["SellerDtls"].pop("Gstin")
    fault = only_fault(of)
    assert (fault.code, fault.at) == ("schema-required", "/SellerDtls/Gstin")
    assert fault.help == f"There is {name}: did you mean Gstin?"


@pytest.mark.parametrize("name", ["addr2", "Remarks", "Addr1" + "x" * 1_000_000])
def test_a_member_that_means_something_else_is_not_offered(name: str) -> None:
    """Neither another member of the form in other letters, nor a far name, nor a hostile one is taken for Addr1."""
    of = document()
    of["SellerDtls"][name] = of["SellerDtls"].pop("Addr1")
    assert only_fault(of).help == "Add the member Addr1: SellerDtls cannot be without it."


def test_a_missing_member_is_looked_for_among_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a million unknown members do not make a missing one dear: no more are compared than anyone misspells."""
    of = document()
    of["SellerDtls"] = {f"a{number}": 1 for number in range(500_000)}
    compared: list[int] = []

    def close_matches(word: str, possibilities: dict[str, str], n: int, cutoff: float) -> list[str]:
        compared.append(len(possibilities))
        return close(word, possibilities, n, cutoff)

    close = difflib.get_close_matches
    monkeypatch.setattr(difflib, "get_close_matches", close_matches)
    faults = shape.check(of)
    assert [each.code for each in faults] == ["schema-required"] * 6
    assert compared == [200] * 6


def test_a_member_that_the_form_does_not_know_is_passed_over() -> None:
    """The portal ignores such members, so they are no fault, whatever they hold."""
    of = document()
    of["AckNo"], of["SellerDtls"]["Remarks"], of["ItemList"][0]["ItemNo"] = None, "x", 0
    assert shape.check(of) == []


def test_all_faults_come_at_once_in_the_order_of_the_form() -> None:
    """Every fault is told, as the form lists its members and by line, whatever order the document has."""
    of = document("with_ewb")
    of["ItemList"] = [copy.deepcopy(of["ItemList"][0]) for _ in range(12)]
    of = dict(reversed(list(of.items())))
    of["EwbDtls"]["Distance"] = 4001
    of["ItemList"][10]["HsnCd"] = "1"
    of["ItemList"][2]["TotAmt"] = None
    of["ItemList"][2]["SlNo"] = ""
    of["BuyerDtls"]["Pos"] = "0"
    del of["SellerDtls"]["LglNm"]
    assert [each.at for each in shape.check(of)] == [
        "/SellerDtls/LglNm",
        "/BuyerDtls/Pos",
        "/ItemList/2/SlNo",
        "/ItemList/2/TotAmt",
        "/ItemList/10/HsnCd",
        "/EwbDtls/Distance",
    ]


def test_one_value_can_break_two_rules() -> None:
    """A value that breaks two rules has two faults, so that it is mended once."""
    of = document()
    of["SellerDtls"]["LglNm"] = '"'
    of["ValDtls"]["AssVal"] = Decimal("-0.001")
    assert sorted(each.code for each in shape.check(of)) == [
        "schema-decimals",
        "schema-length",
        "schema-pattern",
        "schema-range",
    ]


@pytest.mark.parametrize(
    ("wrong_lines", "listed", "last"),
    [
        (99, 99, None),
        (100, 100, None),
        (101, 100, "2 further faults are not listed."),
        (1000, 100, "901 further faults are not listed."),
    ],
)
def test_at_most_a_hundred_faults_are_listed(wrong_lines: int, listed: int, last: str | None) -> None:
    """A hundred faults are listed; when there are more, the last one counts those that are not."""
    of = document()
    of["ItemList"] = [{**of["ItemList"][0], "HsnCd": "1"} for _ in range(wrong_lines)]
    faults = shape.check(of)
    assert len(faults) == listed
    assert faults[98].at == "/ItemList/98/HsnCd"
    assert (faults[-1].code == "schema-more") is (last is not None)
    assert last is None or faults[-1].message == last


def test_counting_ends_where_it_would_serve_nobody() -> None:
    """In a document of countless faults the search stops, and the last fault says that there are at least so many."""
    of = document()
    of["ItemList"] = [{}] * 100_000
    faults = shape.check(of)
    assert len(faults) == shape.FAULTS_MAX
    assert faults[-1].message.startswith("At least 9")


@pytest.mark.parametrize("value", [None, True, 1, Decimal("1.5"), "x", []])
def test_a_document_that_is_no_object_is_one_fault(value: Any) -> None:
    """Whatever strict JSON lets through is judged, and never raises."""
    fault = only_fault(value)
    assert fault.at == ""
    assert fault.message.startswith("The document is ")


def test_entries_of_the_wrong_type_are_pointed_at() -> None:
    """An entry of a list that is no object is a fault at its index."""
    of = document()
    of["AddlDocDtls"] = [{"Info": "Packing list"}, None, "x"]
    assert [(each.code, each.at) for each in shape.check(of)] == [
        ("schema-null", "/AddlDocDtls/1"),
        ("schema-type", "/AddlDocDtls/2"),
    ]


def test_a_schema_is_compiled_once_however_many_ask() -> None:
    """Eight threads that need a schema first, and at once, all get their answer from one compilation."""
    shape._compiled_shape.cache_clear()
    together = Barrier(8)

    def ask(_: int) -> list[Fault]:
        together.wait(timeout=120)
        return shape.check(FULL)

    with ThreadPoolExecutor(max_workers=8) as threads:
        assert list(threads.map(ask, range(8))) == [[]] * 8
    assert shape._compiled_shape.cache_info().misses == 1


def test_the_schema_file_keeps_the_conventions_that_messages_rest_on() -> None:
    """Every object is open, every property has a title, every pattern is anchored and told, every step is a ten."""
    for place, rule in subschemas(SCHEMA):
        if "properties" in rule:
            assert "additionalProperties" not in rule, place
            assert all("title" in each for each in rule["properties"].values()), place
            assert set(rule.get("required", ())) <= set(rule["properties"]), place
        if "pattern" in rule:
            assert re.fullmatch(r"\^.*\$", rule["pattern"]), place
            assert "description" in rule, place
        if "multipleOf" in rule:
            assert rule["multipleOf"] in {1, Decimal("0.01"), Decimal("0.001")}, place
        assert ("minLength" in rule) is ("maxLength" in rule), place
        assert ("minimum" in rule) is ("maximum" in rule), place
    Draft202012Validator.check_schema(json.loads((ROOT / "schemas" / "inv-01" / "1.1.json").read_text("utf-8")))


def subschemas(rule: Any, *, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(rule, dict):
        yield at, rule
        for name, inner in rule.items():
            yield from subschemas(inner, at=f"{at}/{name}")

"""The table of the portal's codes: complete, unambiguous in form, and careful in substance."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from gateway.irp import codes
from gateway.irp.codes import Disposition, disposition, explain, verdict
from gateway.irp.envelope import PortalError

_REFERENCE = Path(
    os.environ.get("MOHAR_TEST_REFERENCE", str(Path(__file__).parents[2].parent / "shared" / "reference"))
)
_EWB_API = "EWB API"
"""How the collection calls the codes of the e-way bill system, which are `ewb` in ours."""
_EWB_CODES = 251
"""As many are known of the e-way bill system."""


def _rows() -> list[dict[str, str]]:
    text = resources.files("schemas").joinpath("codes", "portal-codes.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """The collected meanings by code."""
    file = _REFERENCE / "error-codes.csv"
    if not file.exists():
        pytest.skip("the collected error codes are not at hand; set MOHAR_TEST_REFERENCE to their folder")
    with file.open(encoding="utf-8", newline="") as lines:
        return {row["code"]: row["meaning"] for row in csv.DictReader(lines)}


def test_all_codes_of_the_eway_bill_system_have_a_meaning() -> None:
    """None of the 251 is missing, and each says what it does to the e-way bill and what to do next."""
    known = [row for row in codes.table().values() if row.api == "ewb"]
    assert len(known) == _EWB_CODES
    assert {row.disposition for row in known} <= set(Disposition)
    assert all(disposition(row.code) is row.disposition for row in known)
    assert disposition("999") is Disposition.AMBIGUOUS


def test_the_codes_of_the_eway_bill_system_are_the_collected_ones() -> None:
    """Neither system's codes are taken for the other's."""
    file = _REFERENCE / "error-codes.csv"
    if not file.exists():
        pytest.skip("the collected error codes are not at hand; set MOHAR_TEST_REFERENCE to their folder")
    with file.open(encoding="utf-8", newline="") as lines:
        collected = {row["code"] for row in csv.DictReader(lines) if row["api"] == _EWB_API}
    assert {row.code for row in codes.table().values() if row.api == "ewb"} == collected


def test_every_collected_code_is_in_the_table(reference: dict[str, str]) -> None:
    """No code that is known of e-invoicing portals is missing."""
    assert len(reference) > 200
    assert set(reference) <= set(codes.table())


def test_every_sentence_is_our_own(reference: dict[str, str]) -> None:
    """Facts are shared with the collection, sentences are not."""

    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()

    foreign = {plain(meaning) for meaning in reference.values()}
    assert [row["code"] for row in _rows() if plain(row["sentence"]) in foreign] == []


def test_no_code_stands_twice() -> None:
    """One code has one row, in its own family and in all together, so that it can be asked for by itself."""
    assert [code for code, count in Counter(row["code"] for row in _rows()).items() if count > 1] == []


def test_every_row_is_whole_and_readable() -> None:
    """Each row names a family and a class, and says a short sentence and a short advice that ends."""
    for row in _rows():
        assert row["api"] in {"eivital", "eicore", "eiewb", "ewb", "info"}, row
        assert row["disposition"] in set(Disposition), row
        for text in (row["sentence"], row["advice"]):
            assert 10 <= len(text) <= 120, row
            assert text[0].isupper() or text[0].isdigit(), row
            assert text.endswith("."), row
            assert text.isascii(), row


def test_every_class_is_in_use() -> None:
    """The classes are a closed list, and none is there for nothing."""
    assert {row["disposition"] for row in _rows()} == set(Disposition)


@pytest.mark.parametrize("code", ["", " ", "0", "6000", "2150 ", "dupirn", "GSPERR300", "UNKNOWN", "2288", "¹"])
def test_a_code_in_no_table_is_ambiguous(code: str) -> None:
    """What nobody has described may have had an effect."""
    assert disposition(code) is Disposition.AMBIGUOUS
    assert explain(code) is None


@pytest.mark.parametrize(
    ("expected", "members"),
    [
        (Disposition.SESSION, ["1005", "105", "106", "238"]),
        (Disposition.CREDENTIALS, ["1008", "1010", "1013", "1016", "1019", "3000", "4025"]),
        (Disposition.ACCOUNT, ["1014", "3046", "3060", "3068", "3098"]),
        (Disposition.DUPLICATE, ["2149", "2150", "2295", "4002", "4026", "604", "DUPIRN", "DUPIRNGLP"]),
        (Disposition.ABSENT, ["2148", "2154", "4003", "4005"]),
        (Disposition.TOO_OLD, ["2283"]),
        (Disposition.STATE, ["2143", "2230", "2270", "2302", "4000", "4055", "9999", "312", "315", "382", "444"]),
        (Disposition.GSTIN_UNSYNCED, ["3028", "3029", "3074", "3075", "3076", "3077", "3078", "3079"]),
        (Disposition.REFUSED, ["2140", "2172", "2189", "2240", "2278", "2305", "2323", "3038", "3039", "5002"]),
        (Disposition.THROTTLED, ["118"]),
        (Disposition.QUOTA, ["658"]),
        (Disposition.RETRY, ["2255", "3009", "5003"]),
    ],
)
def test_codes_that_decide_what_happens_have_their_class(expected: Disposition, members: list[str]) -> None:
    """The codes on which the engine's behaviour hangs are pinned by name."""
    assert {code: disposition(code) for code in members} == dict.fromkeys(members, expected)


@pytest.mark.parametrize(
    "code",
    [
        "2139", "2141", "2146", "2147", "2256", "2271", "2300", "3001", "3005", "3011", "3020", "3043", "3058", "4001",
        "4004", "5001", "SYS_5001", "EWBERR", "114", "240", "309", "317", "325", "357", "383", "800",
    ],
)  # fmt: skip
def test_a_fault_of_the_portal_is_never_a_verdict(code: str) -> None:
    """Breakdowns, unnamed reasons and undocumented codes are looked up before anything is concluded."""
    assert disposition(code) is Disposition.AMBIGUOUS


def test_what_is_absent_in_a_master_list_is_not_an_absent_document() -> None:
    """Only the codes of a document or an e-way bill say that there is none: a wrong "absent" would lose it."""
    absent = {row["code"] for row in _rows() if row["disposition"] == "absent"}
    assert absent == {"2148", "2154", "4003", "4005", "4007", "387", "418"}
    assert {Disposition.ABSENT, Disposition.TOO_OLD} == codes.LOOK_UP_ONLY


@pytest.mark.parametrize(
    "message",
    [
        "Application error, issue with application while processing the request. Please try again.",
        "APPLICATION ERROR",
        "Internal Server Error",
        "Request timed out",
        "Unable to process, try again after some time",
    ],
)
def test_5002_with_the_text_of_a_breakdown_is_ambiguous(message: str) -> None:
    """The code is used for schema faults and for breakdowns; the text tells which."""
    assert disposition("5002", message=message) is Disposition.AMBIGUOUS


@pytest.mark.parametrize(
    "message",
    [
        "",
        "The field Location must be a string with a minimum length of 3 and a maximum length of 50",
        "Unexpected character encountered while parsing value: x. Path 'ItemList[0].Qty'",
        "The ShipDtls.Gstin field is required.",
    ],
)
def test_5002_with_the_text_of_a_schema_fault_is_a_refusal(message: str) -> None:
    """A field that breaks the schema is the portal's verdict."""
    assert disposition("5002", message=message) is Disposition.REFUSED


def test_other_refusals_do_not_hang_on_their_words() -> None:
    """A clear code stays what it is, whatever its sentence says."""
    assert disposition("3038", message="Invalid PIN, please try again") is Disposition.REFUSED


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], Disposition.AMBIGUOUS),
        (["2189"], Disposition.REFUSED),
        (["2189", "3028"], Disposition.REFUSED),
        (["2189", "5001"], Disposition.AMBIGUOUS),
        (["2189", "no such code"], Disposition.AMBIGUOUS),
        (["2189", "2150"], Disposition.DUPLICATE),
        (["1005", "2189"], Disposition.SESSION),
        (["2148", "2154"], Disposition.ABSENT),
        (["2148", "5002"], Disposition.REFUSED),
        (["2154", "2283"], Disposition.TOO_OLD),
    ],
)
def test_of_several_errors_the_most_doubtful_decides(found: list[str], expected: Disposition) -> None:
    """An answer is no more certain than its least certain error, in whichever order they come."""
    errors = [PortalError(code, "") for code in found]
    assert verdict(errors) is expected
    assert verdict(reversed(errors)) is expected


def test_a_message_counts_in_the_verdict_too() -> None:
    """5002 keeps its two faces among others."""
    assert verdict([PortalError("5002", "Application error"), PortalError("2189", "")]) is Disposition.AMBIGUOUS


def test_a_code_is_explained() -> None:
    """What a client reads beside the portal's code names the fault and the next step."""
    row = explain("2278")
    assert row is not None
    assert "cancelled" in row.sentence
    assert "new number" in row.advice


def test_the_table_cannot_be_changed() -> None:
    """It is shared by all threads."""
    with pytest.raises(TypeError):
        codes.table()["2150"] = codes.table()["2189"]  # type: ignore[index]  # the point

"""The documents of the demo."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from gateway import shape
from gateway.cli import paper
from gateway.cli.paper import Paper
from gateway.domain.identifiers import gstin_check_digit_holds

EVENING = datetime(2026, 4, 1, 20, 0, tzinfo=UTC)
"""Half past one of the next day in India."""


@pytest.fixture
def example() -> Paper:
    """The invoice, as it is sent in that night."""
    return paper.example(EVENING)


def test_the_example_has_no_faults(example: Paper) -> None:
    """It passes the form, and both parties have real check digits."""
    assert example.faults() == []
    parties = [example.content["SellerDtls"]["Gstin"], example.content["BuyerDtls"]["Gstin"]]
    assert all(gstin_check_digit_holds(gstin) for gstin in [*parties, example.content["EwbDtls"]["TransId"]])


def test_the_example_adds_up(example: Paper) -> None:
    """Every line, every total, to the paisa."""
    lines, totals = example.content["ItemList"], example.content["ValDtls"]
    for line in lines:
        assert line["Qty"] * Decimal(line["UnitPrice"]) == line["TotAmt"]
        assert line["TotAmt"] - line.get("Discount", 0) == line["AssAmt"]
        assert line["AssAmt"] * line["GstRt"] / 100 == line["IgstAmt"]
        assert line["AssAmt"] + line["IgstAmt"] == line["TotItemVal"]
    assert sum(line["AssAmt"] for line in lines) == totals["AssVal"]
    assert sum(line["IgstAmt"] for line in lines) == totals["IgstVal"]
    assert sum(line["TotItemVal"] for line in lines) + totals["RndOffAmt"] == totals["TotInvVal"]


def test_the_example_is_of_today_in_india(example: Paper) -> None:
    """Its date is the Indian one, and so is the financial year in its number."""
    assert example.dated == date(2026, 4, 2)
    assert example.content["EwbDtls"]["TransDocDt"] == "02/04/2026"
    assert example.content["DocDtls"]["No"] == "CI/26-27/013000"


def test_the_example_between_two_states_pays_integrated_tax(example: Paper) -> None:
    """Its place of supply is not the seller's state."""
    assert example.content["BuyerDtls"]["Pos"] != example.content["SellerDtls"]["Stcd"]


def test_mistakes_are_two_and_nothing_else(example: Paper) -> None:
    """The place of supply is missing and a code of goods is wrong; the example itself stays as it was."""
    assert [fault.at for fault in example.with_mistakes().faults()] == ["/BuyerDtls/Pos", "/ItemList/0/HsnCd"]
    assert shape.check(example.content) == []


@pytest.mark.parametrize(("doc_type", "path"), [("INV", "/irn"), ("CRN", "/cdnr"), ("DBN", "/cdnr"), ("?", "/irn")])
def test_the_type_of_a_document_chooses_its_call(doc_type: str, path: str) -> None:
    """Notes go to /cdnr, all else to /irn, which explains what is wrong."""
    assert paper.of_bytes(b'{"DocDtls": {"Typ": "%s"}}' % doc_type.encode()).path == path


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b"{}", b'{"DocDtls": 1, "SellerDtls": {"Gstin": 5}}', b'{"DocDtls": {"Dt": 3}}']
)
def test_whatever_a_file_holds_it_is_read(raw: bytes) -> None:
    """What is no document is passed on as it is: nothing is known of it, and nothing raises."""
    document = paper.of_bytes(raw)
    assert (document.raw, document.path, document.seller, document.dated) == (raw, "/irn", None, None)
    assert document.reading() is None

"""POST /validate and the report of what would break: what would be said, and nothing else happens."""

from __future__ import annotations

from datetime import date
from typing import Any

import jsonpatch
import pytest

from gateway.domain import strict_json
from gateway.domain.operations import Environment
from gateway.services import validation
from tests.support_api import SELLER, Stack, add_seller, document, refused


def validated(stack: Stack, sent: Any, query: str = "") -> dict[str, Any]:
    answer = stack.post(sent, f"/validate{query}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = strict_json.read(answer.content)
    return told


def test_a_good_document_is_valid_and_has_its_irn(stack: Stack) -> None:
    """The IRN is told beforehand; nothing is sent, and the document can be registered afterwards with that IRN."""
    told = validated(stack, document())
    assert (told["valid"], told["errors"], told["warnings"]) == (True, [], [])
    assert stack.calls() == []
    assert stack.post(document()).json()["irn"] == told["irn"]


def test_notes_are_taken_at_the_same_place(stack: Stack) -> None:
    """A credit note needs no path of its own, because nothing is registered."""
    assert validated(stack, document("credit_note"))["valid"] is True


def test_what_is_read_leniently_is_told_with_its_patch(stack: Stack) -> None:
    """The warnings' patches bring a sloppy document into its form; it is registered either way, and told the same."""
    sent = document()
    sent["BuyerDtls"]["POS"] = sent["BuyerDtls"].pop("Pos")
    sent["SellerDtls"]["Pin"], sent["TranDtls"]["EcmGstin"] = "560058", None
    told = validated(stack, sent)
    codes = {"read-name", "read-number", "read-null"}
    assert (told["valid"], {each["code"] for each in told["warnings"]}) == (True, codes)
    mended = jsonpatch.apply_patch(sent, [step for each in told["warnings"] for step in each["fix"]])
    assert validated(stack, mended)["warnings"] == []
    assert mended == document()
    answer = stack.post(sent)
    assert (answer.status_code, answer.json()["warnings"]) == (201, told["warnings"])
    assert stack.post(document()).json()["irn"] == answer.json()["irn"]


def test_form_and_content_are_told_at_once(stack: Stack) -> None:
    """A broken form does not hide what is wrong with the content, in an answer of /validate and in one of /irn."""
    sent = document()
    sent["SellerDtls"]["Ph"] = "none"
    sent["ValDtls"]["TotInvVal"] = 1
    places = {"/SellerDtls/Ph", "/ValDtls/TotInvVal"}
    told = validated(stack, sent)
    assert {each["at"] for each in told["errors"]} == places
    assert {each["at"] for each in refused(stack.post(sent), 400, "document-invalid")["errors"]} == places


def test_the_day_can_be_another(stack: Stack) -> None:
    """What is dated tomorrow is refused today and valid tomorrow."""
    sent = document(Dt="21/11/2026")
    assert [each["code"] for each in validated(stack, sent)["errors"]] == ["GSP-HDR-02"]
    assert validated(stack, sent, "?as_of=2026-11-21")["valid"] is True


def test_another_s_document_is_not_valid_here(stack: Stack) -> None:
    """The token speaks for one seller, and so does the answer."""
    sent = document()
    sent["SellerDtls"]["Gstin"] = "29AAACM0001A1ZH"
    assert "seller-not-yours" in {each["code"] for each in validated(stack, sent)["errors"]}


@pytest.mark.parametrize("query", ["?as_of=2026-13-01", "?as_of=21/11/2026", "?as_of=2026-W47-5", "?allow=%22"])
def test_a_question_that_means_nothing_is_400(stack: Stack, query: str) -> None:
    """A day that is none and codes that can be none are said to be so."""
    answer = stack.post(document(), f"/validate{query}")
    refused(answer, 400, "allow-malformed" if "allow" in query else "date-malformed")


@pytest.mark.parametrize("sent", [None, [], "x", 1, {}, {"ItemList": {}}, {"DocDtls": {"Typ": "CRN"}, "RefDtls": []}])
def test_whatever_is_json_is_judged(stack: Stack, sent: Any) -> None:
    """No JSON value is a failure of ours."""
    assert validated(stack, sent)["valid"] is False


def test_a_note_above_its_original_is_refused_unless_it_is_meant(stack: Stack) -> None:
    """The own ledger knows the original: too large a note is a fault, and a warning once its sender allows it."""
    stack.post(document())
    note = document("credit_note", Dt="15/11/2026")
    note["RefDtls"] = {"PrecDocDtls": [{"InvNo": document()["DocDtls"]["No"], "InvDt": document()["DocDtls"]["Dt"]}]}
    note["ValDtls"]["OthChrg"] = 5000
    note["ValDtls"]["TotInvVal"] += 5000
    told = validated(stack, note)
    assert [each["code"] for each in told["errors"]] == ["GSP-NOT-04"]
    allowed = validated(stack, note, "?allow=GSP-NOT-04")
    assert (allowed["valid"], "GSP-NOT-04" in {each["code"] for each in allowed["warnings"]}) == (True, True)


def test_stored_documents_are_held_to_the_rules_of_a_later_day(stack: Stack) -> None:
    """What breaks only then is told, of the documents of the period alone."""
    stack.post(document())
    stack.post(document(No="OLD/1", Dt="01/11/2026"))
    seller = stack.ports.directory.seller(environment=Environment.TEST, gstin=SELLER)
    assert seller is not None

    def broken(as_of: date) -> list[tuple[str | None, set[str]]]:
        found = stack.wiring.archive.of_period(
            environment=Environment.TEST, since=date(2026, 11, 10), until=date(2026, 11, 30)
        )
        looked = validation.prospects(found, [seller], as_of=as_of, ports=stack.ports)
        return [(each.stored.doc_no, {fault.at for fault in each.errors}) for each in looked]

    number = document()["DocDtls"]["No"]
    assert broken(date(2027, 1, 1)) == [(number, set())]
    assert broken(date(2030, 1, 1)) == [(number, {"/DocDtls/Dt"})]  # the published form of dates ends with 2029


def test_a_route_decides_about_check_digits(stack: Stack) -> None:
    """The sandbox takes a GSTIN whose last character does not fit, as its own examples have them, with a warning."""
    odd = "29AABCT1332L000"
    add_seller(odd, ports=stack.ports)
    sent = document()
    sent["BuyerDtls"]["Gstin"] = odd
    told = validated(stack, sent)
    assert (told["valid"], {each["code"] for each in told["warnings"]}) == (True, {"GSP-PTY-02"})

"""The rules through the door: every finding at once with its patch, what is allowed, and what is only a warning."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

from tests.support_api import Blueprint, Stack, document, refused


@pytest.fixture
def stack(tmp_path: Path, blueprint: Blueprint) -> Iterator[Stack]:
    """A gateway and a portal of its own."""
    with Stack(tmp_path, blueprint) as made:
        yield made


def wrong() -> dict[str, Any]:
    """An invoice with a wrong state, tax and total."""
    sent = document("credit_note", Typ="INV", No="TGW/26-27/0777")
    sent["BuyerDtls"]["Stcd"] = "30"
    sent["BuyerDtls"]["Pin"] = 444001
    sent["ItemList"][0]["IgstAmt"] = 1
    sent["ValDtls"]["TotInvVal"] = 1
    return sent


def patched(sent: dict[str, Any], faults: list[dict[str, Any]]) -> Any:
    """The document after the patches of an answer."""
    for fault in faults:
        sent = jsonpatch.apply_patch(sent, fault.get("fix", []))
    return sent


def test_the_patches_of_an_answer_make_the_document_right(stack: Stack) -> None:
    """All findings come at once with the portal's codes; the document that their patches make is registered."""
    problem = refused(stack.post(wrong()), 400, "document-invalid")
    told = {(fault["code"], fault["at"], fault["portal_code"]) for fault in problem["errors"]}
    assert told >= {
        ("GSP-PTY-08", "/BuyerDtls/Stcd", "2265"),
        ("GSP-TAX-10", "/ItemList/0/IgstAmt", "2235"),
        ("GSP-TOT-09", "/ValDtls/TotInvVal", "2189"),
    }
    assert stack.calls() == []
    assert stack.post(patched(wrong(), problem["errors"])).status_code == 201


def test_patches_fit_the_letters_that_were_sent(stack: Stack) -> None:
    """A member that was written in other letters is mended where it stands."""
    sent = wrong()
    sent["buyerdtls"] = sent.pop("BuyerDtls")
    sent["buyerdtls"]["STCD"] = sent["buyerdtls"].pop("Stcd")
    problem = refused(stack.post(sent), 400, "document-invalid")
    assert "/buyerdtls/STCD" in {fault["at"] for fault in problem["errors"]}
    assert stack.post(patched(sent, problem["errors"])).status_code == 201


def test_what_a_caller_allows_is_a_warning(stack: Stack) -> None:
    """An e-way bill that cannot be made stops an invoice, unless the caller wants the IRN all the same."""
    sent = document("with_ewb")
    del sent["EwbDtls"]["VehNo"]
    problem = refused(stack.post(sent), 400, "document-invalid")
    assert [fault["code"] for fault in problem["errors"]] == ["GSP-EWB-05"]

    answer = stack.post(sent, "/irn?allow=GSP-EWB-05")
    told = answer.json()
    assert (answer.status_code, [each["code"] for each in told["warnings"]]) == (201, ["GSP-EWB-05"])
    assert [error["portal_code"] for error in told["ewb"]["errors"]] == ["4011"]


def test_a_note_is_held_to_its_original(stack: Stack) -> None:
    """What the ledger knows of the document that a note names counts: unknown is a warning, too much is an error."""
    original = document(No="TGW/26-27/0500")
    assert stack.post(original).status_code == 201
    note = copy.deepcopy(original)
    note["DocDtls"] |= {"Typ": "CRN", "No": "TGW/C-1"}
    note["RefDtls"] = {"PrecDocDtls": [{"InvNo": "TGW/26-27/0500", "InvDt": original["DocDtls"]["Dt"]}]}
    note["ValDtls"] |= {"OthChrg": 1, "TotInvVal": 2951}
    problem = refused(stack.post(note, "/cdnr"), 400, "document-invalid")
    assert [fault["code"] for fault in problem["errors"]] == ["GSP-NOT-04"]
    assert stack.post(note, "/cdnr?allow=GSP-NOT-04").status_code == 201

    note["DocDtls"]["No"] = "TGW/C-2"
    note["RefDtls"]["PrecDocDtls"][0]["InvNo"] = "TGW/26-27/0501"
    answer = stack.post(note, "/cdnr")
    assert (answer.status_code, [each["code"] for each in answer.json()["warnings"]]) == (201, ["GSP-NOT-01"])

"""What a person does with operations that do not end by themselves, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support_api import Stack, document, refused


def parked(stack: Stack) -> tuple[str, dict[str, Any]]:
    """An operation that the portal cannot be asked about, and the portal's own answer, as its pages show it."""
    with stack.visitor() as visitor:
        answer = visitor.generate(document()).data
    stack.clock.step(hours=49)
    waiting = stack.post(document()).json()
    assert waiting["status"] == "parked", waiting
    return waiting["id"], answer


def test_a_person_says_that_it_stands(stack: Stack) -> None:
    """With the portal's answer, whose signature is checked: the document is in the ledger as if it was read back."""
    operation, answer = parked(stack)
    body = {"verdict": "stands", "note": "seen", "answer": answer}
    told = stack.post(body, f"/operations/{operation}/verdict")
    assert told.status_code == 200, told.text
    assert told.json()["status"] == "succeeded"
    assert stack.get(f"/irn/{answer['Irn']}").json()["signed_qr"] == answer["SignedQRCode"]
    refused(stack.post(body, f"/operations/{operation}/verdict"), 409, "not-in-doubt")


def test_an_answer_that_proves_nothing_is_not_taken(stack: Stack) -> None:
    """Altered, or another's: 400, and the operation stays as it was."""
    operation, answer = parked(stack)
    altered = answer | {"SignedInvoice": answer["SignedInvoice"][:-4] + "AAAA"}
    for wrong in (altered, {}, {"Irn": answer["Irn"]}):
        body = {"verdict": "stands", "note": "seen", "answer": wrong}
        refused(stack.post(body, f"/operations/{operation}/verdict"), 400, "answer-proves-nothing")
    assert stack.get(f"/operations/{operation}").json()["status"] == "parked"


def test_a_person_says_that_it_does_not_stand(stack: Stack) -> None:
    """Only once the portal cannot be asked any more; then the number is free, and the word is on record."""
    operation, _ = parked(stack)
    body = {"verdict": "does_not_stand", "note": "not among the e-invoices of that day"}
    refused(stack.post(body, f"/operations/{operation}/verdict"), 409, "portal-can-tell")
    stack.clock.step(hours=48)
    told = stack.post(body, f"/operations/{operation}/verdict")
    assert (told.status_code, told.json()["status"]) == (200, "rejected")


def test_a_parked_operation_is_resumed_by_a_look_up(stack: Stack) -> None:
    """It goes on, with its turn told, and is not sent before it was looked up; what is not parked is not resumed."""
    operation, _ = parked(stack)
    sent = stack.calls().count("generate")
    resumed = stack.post({}, f"/operations/{operation}/resume")
    assert resumed.status_code == 202
    assert (resumed.json()["position"], "expected_at" in resumed.json()) == (0, True)
    stack.drain()
    assert stack.calls().count("generate") == sent
    done = stack.post(document(No="R/1")).json()["id"]
    refused(stack.post({}, f"/operations/{done}/resume"), 409, "not-parked")
    refused(stack.post({}, f"/operations/{done}/withdraw"), 409, "not-withdrawable")


@pytest.mark.parametrize("body", [{}, {"verdict": "perhaps", "note": "x"}, {"verdict": "stands", "note": "x"}])
def test_a_verdict_needs_its_members(stack: Stack, body: dict[str, Any]) -> None:
    """400 before anything is looked at."""
    operation, _ = parked(stack)
    refused(stack.post(body, f"/operations/{operation}/verdict"), 400, "verdict-malformed")

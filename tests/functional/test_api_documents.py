"""POST /irn and /cdnr: every way in which a document's registration can end, as its sender sees it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api import asking
from gateway.domain import strict_json
from gateway.domain.calendar import write_instant
from gateway.domain.operations import Environment, Lane
from gateway.domain.settlement import Event
from gateway.ports import Seller
from gateway.sandbox import master
from gateway.services import access
from tests.support import START
from tests.support_api import (
    PASSWORD,
    ROUTE,
    SELLER,
    USER,
    Blueprint,
    Stack,
    add_seller,
    document,
    refused,
    until,
    written,
)

LANE = Lane(Environment.TEST, SELLER)
ASYNC = {"Prefer": "respond-async"}
NO_WAIT = {"Prefer": "wait=0"}


def irn_of(sent: dict[str, Any], *, year: str = "2026-27") -> str:
    """The IRN of a document, from the published recipe and the standard library alone."""
    details = sent["DocDtls"]
    recipe = f"{sent['SellerDtls']['Gstin']}{year}{details['Typ']}{details['No'].upper()}"
    return hashlib.sha256(recipe.encode()).hexdigest()


def sold_into_a_zone() -> dict[str, Any]:
    """A document that only the portal refuses: it knows that the buyer is in a special economic zone (2246)."""
    sent = document()
    sent["BuyerDtls"]["Gstin"] = master.SEZ_UNIT_TAXPAYER.gstin
    return sent


def test_an_invoice_is_registered(stack: Stack) -> None:
    """POST /irn answers 201 with everything that the law has printed, and where to find it again."""
    sent = document()
    answer = stack.post(sent)
    told = answer.json()
    irn = irn_of(sent)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/irn/{irn}"
    assert "idempotent-replayed" not in answer.headers
    assert set(told) == {
        "id", "status", "irn", "ack_no", "ack_date", "signed_invoice", "signed_qr", "ewb", "document", "links",
    }  # fmt: skip
    assert (told["status"], told["irn"], told["ewb"]) == ("succeeded", irn, None)
    assert (told["ack_no"], told["ack_date"]) == ("112610000000001", "2026-11-20T12:00:00+05:30")
    assert (told["signed_invoice"].count("."), told["signed_qr"].count(".")) == (2, 2)
    assert told["document"] == {
        "doc_type": "INV",
        "doc_no": "TGW/26-27/0401",
        "doc_date": "2026-11-10",
        "seller_gstin": SELLER,
        "buyer_gstin": "29AABCA5312L1ZP",
        "total": 2950,
    }
    assert told["links"] == {
        "self": f"/irn/{irn}",
        "operation": f"/operations/{told['id']}",
        "qr_png": f"/irn/{irn}/qr.png",
        "qr_svg": f"/irn/{irn}/qr.svg",
    }
    assert stack.calls() == ["login", "generate"]


def test_an_amount_is_never_a_float(stack: Stack) -> None:
    """The largest legal amount comes back with every digit."""
    sent = document()
    sent["ValDtls"] |= strict_json.read(b'{"OthChrg":99999999997049.99,"TotInvVal":99999999999999.99}')
    assert b'"total":99999999999999.99' in stack.post(sent).content


@pytest.mark.parametrize("kind", ["CRN", "DBN"])
def test_notes_are_registered_at_their_own_path(stack: Stack, kind: str) -> None:
    """POST /cdnr takes credit and debit notes, and gives what /irn gives."""
    sent = document("credit_note", Typ=kind)
    answer = stack.post(sent, "/cdnr")
    assert (answer.status_code, answer.json()["irn"]) == (201, irn_of(sent))
    assert answer.json()["document"]["doc_type"] == kind


def test_an_eway_bill_comes_with_the_invoice(stack: Stack) -> None:
    """An e-way bill that was asked for is in the answer."""
    ewb = stack.post(document("with_ewb")).json()["ewb"]
    assert (ewb["status"], ewb["number"], ewb["errors"]) == ("generated", "180000000001", [])


def test_an_invoice_stands_without_its_eway_bill(stack: Stack) -> None:
    """When only the e-way bill fails, the invoice is registered and the portal's reason is given."""
    stack.strike("ewb_fail")
    answer = stack.post(document("with_ewb"))
    ewb = answer.json()["ewb"]
    assert (answer.status_code, ewb["status"], ewb["number"]) == (201, "failed", None)
    assert [error["portal_code"] for error in ewb["errors"]] == ["4013"]


@pytest.mark.parametrize(
    ("name", "path", "belongs"), [("minimal", "/cdnr", "POST /irn"), ("credit_note", "/irn", "POST /cdnr")]
)
def test_a_document_at_the_wrong_path_is_sent_on(stack: Stack, name: str, path: str, belongs: str) -> None:
    """An invoice at /cdnr, or a note at /irn, is refused with the path where it belongs."""
    problem = refused(stack.post(document(name), path), 400, "document-invalid")
    assert [(fault["code"], fault["at"]) for fault in problem["errors"]] == [("GSP-HDR-04", "/DocDtls/Typ")]
    assert belongs in problem["errors"][0]["help"]
    assert stack.calls() == []


def test_the_in_product_flow_answers_at_once(stack: Stack) -> None:
    """`respond-async` is 202 with the predicted IRN, the place in the queue and the time of its turn."""
    stack.idle = True
    first = stack.post(document(), headers=ASYNC)
    second = stack.post(document(No="TGW/26-27/0402"), headers=ASYNC)
    told = first.json()
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.headers["location"] == f"/operations/{told['id']}"
    assert (told["status"], told["irn"], told["irn_confirmed"]) == ("queued", irn_of(document()), False)
    assert (told["position"], second.json()["position"]) == (0, 0)  # accepted at the same instant
    assert told["expected_at"] == write_instant(START)
    assert told["advice"]
    stack.drain()
    assert stack.get(f"/operations/{told['id']}").json()["result"]["irn"] == told["irn"]


def test_the_place_in_the_queue_counts_who_came_before(stack: Stack) -> None:
    """`position` is how many come first, and `expected_at` moves with it."""
    stack.idle = True
    told = []
    for number in range(3):
        stack.clock.step(seconds=1)
        sent = document(No=f"Q/{number}")
        told.append(stack.post(sent, headers=ASYNC).json())
    assert [each["position"] for each in told] == [0, 1, 2]
    interval = timedelta(seconds=0.01)
    assert told[2]["expected_at"] == write_instant(START + timedelta(seconds=3) + 2 * interval)


@pytest.mark.parametrize(
    ("client", "prefer", "direct"),
    [
        ("erp", None, True),
        ("erp", "respond-async", False),
        ("erp", "Respond-Async; x=1, wait=5", False),
        ("erp", "return=minimal, unheard-of", True),
        ("erp", "await=3", True),
        ("queueing", None, False),
        ("queueing", "wait=0", True),
        ("queueing", 'WAIT = "0"', True),
        ("queueing", "await=3", False),
        ("queueing", "wait=soon", False),
        ("queueing", "wait=9999999999", False),
    ],
)
def test_prefer_comes_before_the_client_s_own_way(
    tmp_path: Path, blueprint: Blueprint, *, client: str, prefer: str | None, direct: bool
) -> None:
    """Who says nothing gets its registered way; `respond-async` queues and `wait` waits, however they are spelt."""
    with Stack(tmp_path, blueprint, direct_wait_seconds=0) as stack:
        stack.idle = True
        answer = stack.post(document(), client=client, headers={} if prefer is None else {"Prefer": prefer})
        assert answer.status_code == 202
        assert list(stack.bell.rung) == [(LANE, direct)]


def test_patience_over_is_no_failure(stack: Stack) -> None:
    """A caller who waits no longer gets 202, and the gateway finishes the work."""
    stack.idle = True
    answer = stack.post(document(), headers=NO_WAIT)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    stack.drain()
    assert stack.post(document()).status_code == 200
    assert stack.calls().count("generate") == 1


def test_a_document_under_way_tells_its_turn(stack: Stack) -> None:
    """Found by its IRN or by its details, it is told like any other answer for what queues."""
    stack.idle = True
    stack.post(document(), headers=ASYNC)
    stack.clock.step(seconds=1)
    told = stack.post(document(No="T/1"), headers=ASYNC).json()
    details = f"doc_type=INV&doc_no=T/1&doc_date={told['document']['doc_date']}"
    for found in (stack.get(f"/irn/{told['irn']}"), stack.get(f"/irn?{details}")):
        assert found.status_code == 202
        assert (found.json()["position"], found.json()["expected_at"]) == (1, told["expected_at"])
        assert found.headers["location"] == f"/operations/{told['id']}"


def test_a_waiting_caller_is_woken(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes when the work is settled, not when somebody happens to look."""
    monkeypatch.setattr(asking, "LOOK_SECONDS", 60)
    stack.idle = True

    async def call() -> tuple[httpx.Response, httpx.Response]:
        first = asyncio.create_task(sent_by(stack, headers={"Idempotency-Key": "one"}))
        await until(lambda: bool(stack.bell.rung))
        second = asyncio.create_task(sent_by(stack, headers={"Idempotency-Key": "one"}))
        expected = stack.listening.expected
        await until(lambda: len(expected) > 2 and expected[-1] == expected[0])  # it now listens for the first
        await asyncio.to_thread(stack.drain)
        return await first, await second

    stack.token()
    first, second = stack.run(call())
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["idempotent-replayed"] == "true"
    assert first.content == second.content


async def sent_by(stack: Stack, headers: dict[str, str]) -> httpx.Response:
    """A document on its way, while others are."""
    return await stack.asend("POST", "/irn", content=written(document()), headers=stack.headers("erp", headers))


def test_a_lost_announcement_costs_a_look(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits looks for itself too: a settlement that nobody announced is found."""
    monkeypatch.setattr(asking, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(stack.listening, "_wake", lambda _: None)
    stack.idle = True

    async def call() -> httpx.Response:
        task = asyncio.create_task(sent_by(stack, headers={}))
        await until(lambda: bool(stack.bell.rung))
        await asyncio.to_thread(stack.drain)
        return await task

    stack.token()
    assert stack.run(call()).status_code == 201


def test_the_portal_s_refusal_is_422_with_its_own_code(stack: Stack) -> None:
    """An authority's No is no failure of ours: its code and its words come through as they are."""
    problem = refused(stack.post(sold_into_a_zone()), 422, "portal-refused")
    assert (problem["portal_code"], problem["errors"][0]["portal_code"]) == ("2246", "2246")
    assert problem["detail"] == "The recipient is in a SEZ: the type of supply has to be SEZWP or SEZWOP."
    operation = stack.get(f"/operations/{problem['operation_id']}").json()
    assert (operation["status"], operation["portal_code"]) == ("rejected", "2246")


def test_a_refused_number_may_be_used_again(stack: Stack) -> None:
    """The corrected document under the same number is a new registration."""
    assert stack.post(sold_into_a_zone()).status_code == 422
    assert stack.post(document()).status_code == 201


def test_what_the_portal_refused_is_not_sent_again_unchanged(stack: Stack) -> None:
    """The earlier refusal answers, marked as such, and the portal is not called once more."""
    first = refused(stack.post(sold_into_a_zone()), 422, "portal-refused")
    calls = stack.calls()
    answer = stack.post(sold_into_a_zone())
    again = refused(answer, 422, "portal-refused")
    assert (again["operation_id"], again["portal_code"]) == (first["operation_id"], first["portal_code"])
    assert (answer.headers["refusal-replayed"], again["replayed"]) == ("true", True)
    assert stack.calls() == calls


@pytest.mark.parametrize("why", ["asked for", "another day"])
def test_a_refused_document_is_sent_again_for_a_reason(stack: Stack, why: str) -> None:
    """Where the caller insists, or on another Indian day, when rates and registrations may be others."""
    first = refused(stack.post(sold_into_a_zone()), 422, "portal-refused")
    stack.clock.step(hours=13 if why == "another day" else 0)
    headers = {"Mohar-Retry-Refused": "true"} if why == "asked for" else {}
    again = refused(stack.post(sold_into_a_zone(), headers=headers), 422, "portal-refused")
    assert again["operation_id"] != first["operation_id"]
    assert "replayed" not in again


def test_a_number_that_another_program_registered_is_a_conflict(stack: Stack) -> None:
    """Registered with other content by somebody else: 409 with every difference, and the foreign document is shown."""
    other = document()
    other["ValDtls"]["TotInvVal"] = 2951
    with stack.visitor() as visitor:
        assert visitor.generate(other).codes == []
    problem = refused(stack.post(document()), 409, "registered-with-other-content")
    assert problem["differences"] == [{"at": "/ValDtls/TotInvVal", "sent": "2950.00", "registered": "2951"}]
    operation = stack.get(f"/operations/{problem['operation_id']}").json()
    assert (operation["status"], operation["differences"]) == ("conflict", problem["differences"])
    shown = stack.get(f"/irn/{problem['irn']}").json()
    assert (shown["differences"], shown["document"]["total"]) == (problem["differences"], 2951)
    refused(stack.post(document()), 409, "document-number-taken")


def test_what_another_program_registered_alike_is_adopted(stack: Stack) -> None:
    """The same content registered by somebody else is success: its IRN and signatures are given."""
    with stack.visitor() as visitor:
        registered = visitor.generate(document()).data
    told = stack.post(document()).json()
    assert (told["irn"], told["signed_invoice"]) == (registered["Irn"], registered["SignedInvoice"])


def test_a_wrong_portal_password_holds_the_work(stack: Stack) -> None:
    """The document waits, its sender is told why, and a right password lets it go on by itself."""
    with stack.visitor():
        add_seller(SELLER, ports=stack.ports, password="mistyped")
    answer = stack.post(document())
    told = answer.json()
    assert (answer.status_code, told["status"]) == (202, "held")
    assert (told["hold_cause"], told["portal_code"], told["in_doubt"]) == ("credentials", "1019", False)
    assert "mohar gstin add" in told["advice"]
    assert stack.post(document()).json()["status"] == "held"
    add_seller(SELLER, ports=stack.ports, password=PASSWORD)
    stack.later(seconds=1)
    assert stack.post(document()).status_code == 200


def test_a_lost_answer_is_doubt_not_failure(stack: Stack) -> None:
    """The portal registered it and its answer was lost: 202, the advice not to renumber, and by when it is settled."""
    stack.strike("drop_after")
    answer = stack.post(document(), headers={"Idempotency-Key": "k"})
    told = answer.json()
    assert (answer.status_code, told["status"], told["in_doubt"]) == (202, "indeterminate", True)
    assert "do not renumber" in told["advice"]
    assert told["settles_by"] == write_instant(START + timedelta(hours=48))
    stack.later(seconds=2)
    settled = stack.post(document(), headers={"Idempotency-Key": "k"})
    assert (settled.status_code, settled.json()["id"]) == (201, told["id"])
    assert stack.calls().count("generate") == 1
    history = stack.get(f"/operations/{told['id']}").json()["history"]
    assert [(each["certainty"], each["looked_up_first"]) for each in history] == [
        ("ambiguous", False),
        ("definite success", True),
    ]


def test_a_refusal_after_a_lost_request_is_watched(stack: Stack) -> None:
    """Refused while an earlier request may still land: 202 `quarantined` until that is certain, then 422."""
    stack.strike("drop_before")
    key = {"Idempotency-Key": "k"}
    assert stack.post(sold_into_a_zone(), headers=key).json()["status"] == "indeterminate"
    stack.later(seconds=2)
    told = stack.post(sold_into_a_zone(), headers=key).json()
    assert (told["status"], told["portal_code"], told["in_doubt"]) == ("quarantined", "2246", True)
    assert told["settles_by"] == write_instant(START + timedelta(seconds=2, hours=24))
    assert "do not renumber" in told["advice"]
    for _ in range(3):
        stack.later(hours=8)
    refused(stack.post(sold_into_a_zone(), headers=key), 422, "portal-refused")


def test_a_signature_by_an_unknown_key_waits_for_the_key(stack: Stack) -> None:
    """The portal signed with a key that is not installed: held, with the warning that it may be registered."""
    stack.strike("signing_unknown")
    told = stack.post(document()).json()
    assert (told["status"], told["hold_cause"], told["in_doubt"]) == ("held", "signing_key_unknown", True)
    assert "do not renumber" in told["advice"]
    key = stack.sandbox.keys.current
    access.add_portal_key(route=ROUTE, purpose="signing", kid="new", pem=key.certificate_pem, ports=stack.ports)


def test_a_portal_that_is_not_reached_is_tried_again(stack: Stack) -> None:
    """No byte was sent: the document stays `queued`, with the time of the next try, and then succeeds."""
    stack.strike("refuse")
    link = stack.post(document(), headers=NO_WAIT).headers["location"]
    told = stack.get(link).json()
    assert (told["status"], told["in_doubt"], told["attempts"]) == ("queued", False, 1)
    assert told["next_attempt_at"] == told["expected_at"] == write_instant(START + timedelta(seconds=1))
    stack.later(seconds=1)
    assert stack.post(document()).status_code == 200


def test_a_window_that_closes_is_told(stack: Stack) -> None:
    """A document that waited past its legal deadline is 422 `window-closed`, and was never sent."""
    org_id = access.ensure_organisation("Tungabhadra", ports=stack.ports)
    seller = Seller(environment=Environment.TEST, gstin=SELLER, org_id=org_id, route=ROUTE.name, reporting_days=30)
    access.put_seller(seller, user_name=USER, password=PASSWORD, ports=stack.ports)
    stack.idle = True
    key = {"Idempotency-Key": "k", **ASYNC}
    assert stack.post(document(Dt="22/10/2026"), headers=key).status_code == 202
    stack.later(hours=12, seconds=1)
    refused(stack.post(document(Dt="22/10/2026"), headers=key), 422, "window-closed")
    assert stack.calls() == []


def test_what_was_taken_back_is_told(stack: Stack) -> None:
    """A withdrawn operation answers its repetition with 409, and its number is free."""
    stack.idle = True
    key = {"Idempotency-Key": "k"}
    told = stack.post(document(), headers=key | ASYNC).json()
    stack.ports.upkeep.close(told["id"], Event.WITHDRAWN, actor="operator", at=stack.clock.now())
    refused(stack.post(document(), headers=key), 409, "withdrawn")
    assert stack.post(document(), headers=ASYNC).status_code == 202


def test_amounts_reach_the_portal_as_they_were_written(stack: Stack) -> None:
    """What the portal signs has the client's own digits."""
    sent = document()
    sent["ItemList"][0]["UnitPrice"] = strict_json.read(b"2500.125")
    signed = stack.post(sent).json()["signed_invoice"].split(".")[1]
    content = strict_json.read(base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4)))
    assert '"UnitPrice":2500.125' in content["data"]

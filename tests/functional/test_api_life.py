"""The life of a document after its IRN: cancelled, reversed, with e-way bills and notes, as its sender sees it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.domain.calendar import write_instant
from tests.support import START
from tests.support_api import SELLER, Stack, document, refused

ASYNC = {"Prefer": "respond-async"}
REASON = {"reason": "order_cancelled", "remarks": "The buyer withdrew"}
TRUCK = {"Distance": 0, "TransMode": "1", "VehNo": "KA01AB1234", "VehType": "R"}


def registered(stack: Stack, name: str = "minimal", **details: Any) -> str:
    """The IRN of a document that stands."""
    answer = stack.post(document(name, **details))
    assert answer.status_code == 201, answer.text
    irn: str = answer.json()["irn"]
    return irn


def goods(stack: Stack) -> str:
    """The IRN of an invoice of goods that did not ask for an e-way bill."""
    sent = document("with_ewb")
    del sent["EwbDtls"]
    irn: str = stack.post(sent).json()["irn"]
    return irn


def cancel(stack: Stack, irn: str, body: Any = None, **options: Any) -> httpx.Response:
    """Ask for a cancellation."""
    return stack.post(body or REASON, f"/irn/{irn}/cancel", **options)


def bill_of(stack: Stack, irn: str) -> str:
    """The number of an e-way bill that was made for an IRN."""
    answer = stack.post({"Irn": irn, **TRUCK}, "/ewb")
    assert answer.status_code == 201, answer.text
    number: str = answer.json()["number"]
    return number


# Cancelling -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        REASON,
        {"reason": "3", "remarks": "x"},
        {"reason": 3, "remarks": "x"},
        {"CnlRsn": "3", "CnlRem": "x"},
        {"reason": "Order_Cancelled", "CnlRem": "x"},
    ],
)
def test_a_document_is_cancelled(stack: Stack, body: dict[str, Any]) -> None:
    """By a reason in words or the portal's code: 200 with the portal's time, and the document says so."""
    irn = registered(stack)
    stack.clock.step(minutes=5)
    answer = cancel(stack, irn, body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["irn"], told["status"]) == (irn, "succeeded")
    assert told["cancelled_at"] == write_instant(START + timedelta(minutes=5))
    found = stack.get(f"/irn/{irn}").json()
    assert (found["status"], found["cancelled_at"]) == ("cancelled", told["cancelled_at"])


def test_a_cancelled_number_stays_burnt(stack: Stack) -> None:
    """The same document, and another under its number, are refused without asking the portal."""
    irn = registered(stack)
    assert cancel(stack, irn).status_code == 200
    calls = stack.calls()
    assert refused(stack.post(document()), 409, "document-number-burnt")["irn"] == irn
    other = document()
    other["ValDtls"]["OthChrg"] = 0
    refused(stack.post(other), 409, "document-number-taken")
    assert stack.calls() == calls


def test_a_second_cancellation_meets_the_first(stack: Stack) -> None:
    """Done once; whoever asks again, in the same words or others, is told of the first."""
    irn = registered(stack)
    first = cancel(stack, irn).json()
    calls = stack.calls()
    again = cancel(stack, irn, {"reason": "other", "remarks": "again"})
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert stack.calls() == calls


def test_what_was_cancelled_elsewhere_is_settled(stack: Stack) -> None:
    """The portal says that it is not active (9999): its status is looked up, and that is a success."""
    irn = registered(stack)
    with stack.visitor() as visitor:
        assert visitor.cancel(irn).codes == []
    answer = cancel(stack, irn)
    assert (answer.status_code, answer.json()["cancelled_at"]) == (200, None)
    assert stack.calls()[-2:] == ["cancel", "get_irn"]
    assert stack.get(f"/irn/{irn}").json()["status"] == "cancelled"


def test_a_document_of_somebody_else_is_read_back_and_cancelled(stack: Stack) -> None:
    """One that the gateway did not register is read back first, and kept."""
    with stack.visitor() as visitor:
        irn = visitor.generate(document()).data["Irn"]
    assert cancel(stack, irn).status_code == 200
    assert stack.get(f"/irn/{irn}").json()["status"] == "cancelled"


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "garble", "unknown_code"])
def test_an_unanswered_cancellation_is_looked_up(stack: Stack, fault: str) -> None:
    """Whether or not it arrived, the status of the IRN tells, and it is never called done without that."""
    irn = registered(stack)
    stack.strike(fault, operations=["cancel"])
    answer = cancel(stack, irn)
    assert (answer.status_code, answer.json()["in_doubt"]) == (202, True)
    assert "neither outcome" in answer.json()["advice"]
    assert "renumber" not in answer.json()["advice"], "there is no number to change"
    stack.later(seconds=2)
    stack.drain()
    assert stack.get(answer.headers["location"]).json()["status"] == "succeeded"
    assert stack.get(f"/irn/{irn}").json()["status"] == "cancelled"


def test_the_window_closes_two_minutes_early(stack: Stack) -> None:
    """24 hours from the acknowledgement, less what a call may take: then 422 with the way out, and nothing is sent."""
    irn = registered(stack)
    calls = stack.calls()
    stack.clock.step(hours=23, minutes=58)
    problem = refused(cancel(stack, irn), 422, "window-closed")
    assert "/cdnr" in problem["help"]
    assert stack.calls() == calls


def test_a_window_that_closes_while_it_waits_is_told(stack: Stack) -> None:
    """Accepted in time and not sent in time: expired, with the way out in the answer, and not a call too late."""
    irn = registered(stack)
    stack.idle = True
    headers = ASYNC | {"Idempotency-Key": "late"}
    answer = cancel(stack, irn, headers=headers)
    assert answer.status_code == 202
    stack.later(hours=23, minutes=59)
    stack.drain()
    assert stack.get(answer.headers["location"]).json()["status"] == "expired"
    problem = refused(cancel(stack, irn, headers=headers), 422, "window-closed")
    assert f"/irn/{irn}/reverse" in problem["help"]
    assert "cancel" not in stack.calls()


@pytest.mark.parametrize("ahead", [-90, 90])
def test_a_cancellation_waits_for_clocks_that_agree(stack: Stack, ahead: int) -> None:
    """While the portal's clock is over a minute off, nothing with a window goes out; once it is set, all goes on."""
    stack.sandbox.configure(now=(stack.clock.now() + timedelta(seconds=ahead)).isoformat())
    irn = registered(stack)
    waiting = cancel(stack, irn, headers=ASYNC).headers["location"]
    stack.later(seconds=61)
    stack.drain()
    found = stack.get(waiting).json()
    assert (found["status"], found["portal_code"]) == ("queued", "clocks-apart")
    assert "cancel" not in stack.calls()
    stack.sandbox.configure(now=stack.clock.now().isoformat())
    stack.later(seconds=61)
    stack.drain()
    assert stack.get(waiting).json()["status"] == "succeeded"


def test_the_portals_clock_closes_the_window(stack: Stack) -> None:
    """Ours is half a minute slow: what looks just in time to us is too late at the portal, and is not sent."""
    irn = registered(stack)
    stack.idle = True
    waiting = cancel(stack, irn, headers=ASYNC).headers["location"]
    stack.sandbox.configure(now=(stack.clock.now() + timedelta(seconds=40)).isoformat())
    stack.get(f"/gstins/{SELLER}")
    stack.clock.step(hours=23, minutes=57, seconds=30)
    stack.drain()
    assert stack.get(waiting).json()["status"] == "expired"
    assert "cancel" not in stack.calls()


def test_a_cancellation_waits_for_an_unknown_registration(stack: Stack) -> None:
    """While nobody knows whether it is registered it is not sent; once that is known it goes on by itself."""
    stack.strike("drop_after")
    registering = stack.post(document()).json()
    waiting = cancel(stack, registering["irn"], headers=ASYNC)
    assert waiting.status_code == 202, waiting.text
    assert waiting.json()["waits_for"] == registering["id"]
    assert "cancel" not in stack.calls()
    for _ in range(2):  # the registration is found out, and then what waits for it has its turn
        stack.later(seconds=2)
        stack.drain()
    found = stack.get(waiting.headers["location"]).json()
    assert (found["status"], [step["kind"] for step in found["steps"]]) == ("succeeded", ["irn.generate", "irn.cancel"])
    assert stack.get(f"/irn/{registering['irn']}").json()["status"] == "cancelled"


def test_a_cancellation_of_what_is_never_registered_is_withdrawn(stack: Stack) -> None:
    """The registration is taken back: what waits for it makes no sense any more, and says why."""
    stack.idle = True
    registering = stack.post(document(), headers=ASYNC).json()
    waiting = cancel(stack, registering["irn"], headers=ASYNC)
    assert stack.post({}, f"/operations/{registering['id']}/withdraw").status_code == 200
    found = stack.get(waiting.headers["location"]).json()
    assert found["status"] == "withdrawn"
    assert registering["id"] in found["portal_message"]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "/reason"),
        ({"reason": "duplicate"}, "/remarks"),
        ({"reason": "because", "remarks": "x"}, "/reason"),
        ({"CnlRsn": "5", "CnlRem": "x"}, "/CnlRsn"),
        ({"reason": "duplicate", "remarks": "x" * 101}, "/remarks"),
    ],
)
def test_a_wrong_cancellation_is_told_where(stack: Stack, body: dict[str, Any], at: str) -> None:
    """400 with the place as the client wrote it."""
    irn = registered(stack)
    problem = refused(stack.post(body, f"/irn/{irn}/cancel"), 400, "request-invalid")
    assert at in [fault["at"] for fault in problem["errors"]]


# E-way bills ----------------------------------------------------------------------------------------------------------


def test_an_eway_bill_is_made_for_an_irn(stack: Stack) -> None:
    """201 with its number and validity; the document tells of it; asking the same again brings the same."""
    irn = goods(stack)
    answer = stack.post({"Irn": irn, **TRUCK}, "/ewb")
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert answer.headers["location"] == f"/ewb/{told['number']}"
    assert stack.get(f"/ewb/{told['number']}").json()["standing"] == "active"
    assert stack.get(f"/irn/{irn}").json()["ewb"]["number"] == told["number"]
    again = stack.post({"Irn": irn, **TRUCK}, "/ewb")
    assert (again.status_code, again.json()["number"]) == (200, told["number"])
    refused(stack.post({"Irn": irn, **TRUCK, "VehNo": "KA01AB9999"}, "/ewb"), 409, "ewb-exists")


@pytest.mark.parametrize(("asked", "days"), [({"Distance": 0}, None), ({"VehType": "O"}, 10), ({}, 1)])
def test_the_end_that_the_distance_gives_stands_beside_the_portals(
    stack: Stack, asked: dict[str, Any], days: int | None
) -> None:
    """A day for 200 km or for 20, of a bill with an invoice and of one by IRN; not where the portal found the way."""
    sent = document("with_ewb")
    sent["EwbDtls"] |= asked
    way = dict(sent["EwbDtls"])
    numbers = [stack.post(sent).json()["ewb"]["number"]]
    del sent["EwbDtls"]
    sent["DocDtls"]["No"] += "A"
    irn = stack.post(sent).json()["irn"]
    told = stack.post({"Irn": irn, **way}, "/ewb")
    assert told.status_code == 201, told.text
    numbers.append(told.json()["number"])
    for number in numbers:
        bill = stack.get(f"/ewb/{number}").json()
        end = None if days is None else f"2026-11-{20 + days}T23:59:00+05:30"
        assert bill["computed_until"] == end
        assert bill["valid_until"] == (end or bill["valid_until"])


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "garble"])
def test_an_unanswered_eway_bill_is_looked_up(stack: Stack, fault: str) -> None:
    """Made or not, the portal is asked before anything is sent again, and one bill is made."""
    irn = goods(stack)
    stack.strike(fault, operations=["bill_by_irn"])
    answer = stack.post({"Irn": irn, **TRUCK}, "/ewb")
    assert answer.status_code == 202, answer.text
    stack.later(seconds=2)
    stack.drain()
    done = stack.get(answer.headers["location"]).json()
    assert done["status"] == "succeeded"
    assert stack.get(f"/irn/{irn}/ewb?refresh=true").json()["number"] == done["result"]["number"]


def test_an_irn_with_a_failed_eway_bill_is_a_success(stack: Stack) -> None:
    """The document is registered, and the answer says why its bill was not made; one can be asked for afterwards."""
    stack.strike("ewb_fail")
    told = stack.post(document("with_ewb")).json()
    assert (told["status"], told["ewb"]["status"]) == ("succeeded", "failed")
    assert told["ewb"]["errors"][0]["portal_code"] == "4013"
    assert bill_of(stack, told["irn"])


def test_an_active_eway_bill_keeps_its_irn(stack: Stack) -> None:
    """409 before a call is spent; after the bill is cancelled, the IRN can be."""
    irn = goods(stack)
    number = bill_of(stack, irn)
    assert refused(cancel(stack, irn), 409, "ewb-active")["portal_code"] == "2230"
    answer = stack.post(REASON, f"/ewb/{number}/cancel")
    assert answer.status_code == 200, answer.text
    assert stack.get(f"/ewb/{number}").json()["standing"] == "cancelled"
    assert cancel(stack, irn).status_code == 200


def test_a_bill_of_nobody_is_404(stack: Stack) -> None:
    """An unknown number, and what is no number, look alike."""
    for number in ("181000000001", "x"):
        refused(stack.get(f"/ewb/{number}"), 404, "ewb-unknown")


# Reversing ------------------------------------------------------------------------------------------------------------


def test_a_reversal_cancels_bill_and_document(stack: Stack) -> None:
    """Two steps that can be seen, the second after the first; both are done in the end."""
    irn = goods(stack)
    number = bill_of(stack, irn)
    answer = stack.post({}, f"/irn/{irn}/reverse", headers={"Prefer": "wait=0"})
    stack.drain()
    operation = answer.json()["id"]
    found = stack.get(f"/operations/{operation}").json()
    steps = [(step["kind"], step["status"]) for step in found["steps"]]
    assert steps == [("ewb.cancel", "succeeded"), ("irn.cancel", "succeeded")]
    assert stack.get(f"/ewb/{number}").json()["standing"] == "cancelled"
    assert stack.get(f"/irn/{irn}").json()["status"] == "cancelled"


def test_a_reversal_stops_where_a_step_is_refused(stack: Stack) -> None:
    """A bill that was cancelled elsewhere is none in the way; one that cannot be cancelled keeps the IRN."""
    irn = goods(stack)
    bill_of(stack, irn)
    stack.idle = True
    answer = stack.post({}, f"/irn/{irn}/reverse", headers=ASYNC).json()
    first = stack.get(f"/operations/{answer['id']}").json()["steps"][0]
    assert stack.post({}, f"/operations/{first['id']}/withdraw").status_code == 200
    assert stack.get(f"/operations/{answer['id']}").json()["status"] == "withdrawn"
    assert stack.get(f"/irn/{irn}").json()["status"] == "active"


def test_after_a_day_a_reversal_drafts_a_credit_note(stack: Stack) -> None:
    """The draft says the same of the same parties, and lacks a number; with one it is taken, and linked both ways."""
    irn = registered(stack)
    stack.clock.step(hours=24)
    answer = stack.post({}, f"/irn/{irn}/reverse")
    assert answer.status_code == 200, answer.text
    draft = answer.json()["draft"]
    assert draft["DocDtls"]["Typ"] == "CRN"
    assert "No" not in draft["DocDtls"]
    refused(stack.post(draft, "/cdnr"), 400, "document-invalid")
    draft["DocDtls"]["No"] = "CN/1"
    note = stack.post(draft, "/cdnr")
    assert note.status_code == 201, note.text
    [listed] = stack.get(f"/irn/{irn}").json()["notes"]
    assert (listed["irn"], listed["doc_no"], listed["doc_type"]) == (note.json()["irn"], "CN/1", "CRN")
    [original] = stack.get(f"/irn/{note.json()['irn']}").json()["originals"]
    assert original["irn"] == irn


# Lists ----------------------------------------------------------------------------------------------------------------


def pages(stack: Stack, path: str, name: str) -> list[list[dict[str, Any]]]:
    """A list, page by page."""
    found, cursor = [], ""
    while True:
        page = stack.get(f"{path}&cursor={cursor}" if cursor else path).json()
        found.append(page[name])
        if page["next"] is None:
            return found
        cursor = page["next"]


def test_documents_are_listed_newest_first(stack: Stack) -> None:
    """In pages without gap or repetition, by day, standing and buyer."""
    irns = [registered(stack, No=f"L/{number}", Dt=f"{10 + number:02}/11/2026") for number in range(5)]
    assert cancel(stack, irns[1]).status_code == 200
    found = pages(stack, "/irn?limit=2", "documents")
    assert [len(page) for page in found] == [2, 2, 1]
    assert [each["irn"] for page in found for each in page] == irns[::-1]
    within = stack.get("/irn?from=2026-11-11&to=12/11/2026").json()["documents"]
    assert [each["irn"] for each in within] == [irns[2], irns[1]]
    [cancelled] = stack.get("/irn?status=cancelled").json()["documents"]
    assert cancelled["irn"] == irns[1]
    buyer = cancelled["document"]["buyer_gstin"]
    assert len(stack.get(f"/irn?buyer={buyer}").json()["documents"]) == 5
    assert stack.get(f"/irn?buyer={SELLER}").json()["documents"] == []


def test_operations_are_listed_newest_first(stack: Stack) -> None:
    """By status and kind, in pages; another seller's are not among them."""
    irns = [registered(stack, No=f"L/{number}") for number in range(3)]
    assert cancel(stack, irns[0]).status_code == 200
    found = [each for page in pages(stack, "/operations?limit=3", "operations") for each in page]
    assert [each["kind"] for each in found] == ["irn.cancel", *["irn.generate"] * 3]
    [only] = stack.get("/operations?kind=irn.cancel&status=succeeded").json()["operations"]
    assert only["subject"] == irns[0]
    assert stack.get("/operations?status=parked").json() == {"operations": [], "next": None}
    assert stack.get("/operations", client="stranger").json()["operations"] == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/irn?limit=0", "limit-invalid"),
        ("/irn?limit=201", "limit-invalid"),
        ("/irn?cursor=xyz", "cursor-invalid"),
        ("/irn?cursor=WyJvcF8xIl0", "cursor-invalid"),
        ("/irn?from=yesterday", "date-malformed"),
        ("/irn?status=lost", "status-unknown"),
        ("/irn?buyer=me", "gstin-invalid"),
        ("/operations?status=lost", "filter-unknown"),
        ("/operations?kind=irn.forget", "filter-unknown"),
        ("/operations?cursor=WyJ4Il0", "cursor-invalid"),
    ],
)
def test_a_list_that_makes_no_sense_is_400(stack: Stack, path: str, code: str) -> None:
    """Told by its code."""
    refused(stack.get(path), 400, code)

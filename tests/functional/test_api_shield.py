"""The shield: whoever's errors have nearly used up what the portal bears is stopped, and nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.error_budget import ERRORS_MAX, Scope
from gateway.domain.operations import Environment
from gateway.errors import Throttled
from gateway.sandbox.eway_visitor import EwayVisitor
from gateway.services import access, administration
from gateway.services.administration import Manager
from gateway.services.shield import READING
from tests.support_api import PASSWORD, SELLER, USER, Stack, document, refused
from tests.support_eway import BUYER, part_a

NEARLY_ALL = ERRORS_MAX[Scope.GSTIN] * 9 // 10
LAST = ERRORS_MAX[Scope.GSTIN] * 98 // 100
TODAY = "20/11/2026"
ASYNC = {"Prefer": "respond-async"}
CANCEL = {"reason": "other", "remarks": "Ordered twice"}


def err(stack: Stack, *, caused_by: str, errors: int = NEARLY_ALL, days_ago: int = 0) -> None:
    """Let the portal have answered with so many errors to somebody."""
    seller = next(each for each in stack.ports.directory.sellers() if each.gstin == SELLER)
    stack.ports.budget.note(seller, caused_by=caused_by, errors=errors, at=stack.clock.now() - timedelta(days=days_ago))
    stack.clock.step(seconds=2)


def told(stack: Stack) -> list[Mapping[str, int]]:
    """The errors of the taxpayer by who caused them, for each day that has any."""
    at = stack.clock.now()
    return list(
        stack.ports.budget.spent(environment=Environment.TEST, scope=Scope.GSTIN, name=SELLER, at=at).days.values()
    )


def test_whoever_errs_is_stopped(stack: Stack) -> None:
    """Direct and queued alike, until the midnight of India after which enough of its errors count no more."""
    err(stack, caused_by=stack.clients["erp"][0])
    before = stack.traces()
    for headers in ({}, ASYNC):
        problem = refused(stack.post(document(), headers=headers), 429, "error-budget-spent")
        assert (problem["limit_owner"], problem["scope"]) == ("portal", "gstin")
        assert problem["reset"] == "2026-11-23T00:00:00+05:30"
        assert problem["retry_after"] == problem["retryAfter"]
    assert stack.traces() == before
    stack.clock.step(seconds=problem["retryAfter"] - 1)
    refused(stack.post(document()), 429, "error-budget-spent")
    stack.clock.step(seconds=1)
    assert stack.post(document()).status_code == 201


def test_what_is_known_is_told_to_whoever_is_stopped(stack: Stack) -> None:
    """A repetition costs no error: it is answered from the ledger, with a key or without; another document is not."""
    irn = stack.post(document()).json()["irn"]
    err(stack, caused_by=stack.clients["erp"][0])
    for headers in ({}, {"Idempotency-Key": "k"}, ASYNC):
        answer = stack.post(document(), headers=headers)
        assert (answer.status_code, answer.json()["irn"]) == (200, irn)
    refused(stack.post(document(No="OTHER/1")), 429, "error-budget-spent")


def test_a_cancellation_is_not_stopped(stack: Stack) -> None:
    """Its window is short: it goes out at once, direct or queued, though the stop is over some hours before its end."""
    irns = [stack.post(document(No=number)).json()["irn"] for number in ("C/1", "C/2", "C/3")]
    stack.idle = True
    queued = stack.post(CANCEL, f"/irn/{irns[0]}/cancel", headers=ASYNC).json()["id"]
    err(stack, caused_by=stack.clients["erp"][0], days_ago=2)
    stack.idle = False
    stack.drain()
    assert stack.get(f"/operations/{queued}").json()["status"] == "succeeded"
    assert stack.post(CANCEL, f"/irn/{irns[1]}/cancel").status_code == 200
    assert stack.post(CANCEL, f"/irn/{irns[2]}/cancel", headers=ASYNC).status_code == 202
    assert stack.calls().count("cancel") == 3


def report_within_30_days(stack: Stack) -> None:
    """Give documents a last day."""
    seller = next(each for each in stack.ports.directory.sellers() if each.gstin == SELLER)
    access.put_seller(replace(seller, reporting_days=30), user_name=USER, password=PASSWORD, ports=stack.ports)


def test_what_comes_to_its_deadline_first_is_not_stopped(stack: Stack) -> None:
    """A document goes out on its last day to be reported; before, it is stopped, and may be sent the next midnight."""
    report_within_30_days(stack)
    err(stack, caused_by=stack.clients["erp"][0])
    last_days = document(No="LAST/1", Dt="22/10/2026"), document(No="LATER/1", Dt="28/10/2026")
    assert [stack.post(each).status_code for each in last_days] == [201, 429]
    assert [stack.post(each, headers=ASYNC).status_code for each in last_days] == [200, 429]
    tomorrow = document(No="NEXT/1", Dt="23/10/2026")
    problem = refused(stack.post(tomorrow), 429, "error-budget-spent")
    assert problem["reset"] == "2026-11-21T00:00:00+05:30"
    stack.clock.step(seconds=problem["retryAfter"])
    assert stack.post(tomorrow).status_code == 201


def test_old_documents_do_not_use_up_the_last_errors(stack: Stack) -> None:
    """From 98 per cent on their last day passes no more, at the door or in the queue; a cancellation does."""
    report_within_30_days(stack)
    irn = stack.post(document(No="C/1")).json()["irn"]
    stack.idle = True
    queued = stack.post(document(No="LAST/1", Dt="22/10/2026"), headers=ASYNC).json()["id"]
    err(stack, caused_by=stack.clients["erp"][0], errors=LAST)
    stack.idle = False
    stack.drain()
    assert stack.get(f"/operations/{queued}").json()["status"] == "queued"
    refused(stack.post(document(No="LAST/2", Dt="22/10/2026")), 429, "error-budget-spent")
    assert stack.post(CANCEL, f"/irn/{irn}/cancel").status_code == 200


def test_whoever_does_not_err_goes_on(stack: Stack) -> None:
    """Errors of another caller of the same taxpayer stop that one alone."""
    err(stack, caused_by="cli_another")
    assert stack.post(document()).status_code == 201


def test_what_is_queued_is_put_off(stack: Stack) -> None:
    """Documents of a stopped caller that wait already stay queued, and look again each midnight of India."""
    stack.idle = True
    told = stack.post(document(), headers=ASYNC).json()
    err(stack, caused_by=stack.clients["erp"][0])
    calls = len(stack.calls())
    stack.drain()
    shown = stack.get(f"/operations/{told['id']}").json()
    assert (shown["status"], shown["next_attempt_at"]) == ("queued", "2026-11-21T00:00:00+05:30")
    assert len(stack.calls()) == calls
    stack.idle = False
    stack.later(days=3)
    assert stack.get(f"/operations/{told['id']}").json()["status"] == "succeeded"


def test_readers_whose_questions_are_errors_are_stopped_too(stack: Stack) -> None:
    """A question that the portal has to be asked is refused; what the gateway knows itself is told."""
    known = stack.post(document()).json()
    err(stack, caused_by=READING)
    refused(stack.get(f"/irn/{'0' * 64}"), 429, "error-budget-spent")
    assert stack.get(f"/irn/{known['irn']}").status_code == 200
    assert stack.post(document(No="OTHER/1")).status_code == 201


def test_a_login_that_is_tried_out_counts_and_can_be_stopped(stack: Stack) -> None:
    """It may be refused, which the portal counts like any error; it is not sent while questions are stopped."""
    stack.strike("unknown_code", operations=["login"], after=False)
    assert not administration.try_credentials(Manager(), SELLER, ports=stack.ports).accepted
    stack.clock.step(seconds=2)
    assert told(stack) == [{READING: 1}]
    err(stack, caused_by=READING)
    stack.clock.step(minutes=2)
    calls = stack.calls()
    with pytest.raises(Throttled) as stopped:
        administration.try_credentials(Manager(), SELLER, ports=stack.ports)
    assert (stopped.value.code, stack.calls()) == ("error-budget-spent", calls)


def test_a_refused_document_and_an_absent_one_are_errors(stack: Stack) -> None:
    """What the portal answers with an error is counted, whether it was sent or asked for: a bill's absence too."""
    stack.get(f"/irn/{'0' * 64}")
    irn = stack.post(document()).json()["irn"]
    refused(stack.get(f"/irn/{irn}/ewb"), 404, "ewb-unknown")
    stack.clock.step(seconds=2)
    assert told(stack) == [{READING: 2}]


def test_bills_that_the_portal_must_be_asked_for_are_stopped_too(stack: Stack) -> None:
    """By number, by IRN, before a change. What the ledger has is told; what has hours is looked up all the same."""
    irn = stack.post(document()).json()["irn"]
    held = stack.post(part_a(docDate=TODAY), "/ewb").json()["number"]
    buyer = EwayVisitor(stack.portal, gstin=BUYER)
    buyer.log_in()
    states = {"fromStateCode": 27, "actFromStateCode": 27, "toStateCode": 29, "actToStateCode": 29}
    incoming = part_a(docDate=TODAY, fromGstin=BUYER, toGstin=SELLER, **states)
    elsewhere = buyer.act("GENEWAYBILL", incoming).data["ewayBillNo"]
    err(stack, caused_by=READING)
    calls = len(stack.calls())
    for path in ("/ewb/999999999999", f"/ewb/{held}?refresh=true", f"/irn/{irn}/ewb"):
        refused(stack.get(path), 429, "error-budget-spent")
    closing = {"closureDate": TODAY, "remarks": "arrived"}
    refused(stack.post(closing, "/ewb/999999999999/close"), 429, "error-budget-spent")
    assert stack.get(f"/ewb/{held}").status_code == 200
    assert len(stack.calls()) == calls
    assert stack.send("POST", f"/ewb/{elsewhere}/reject", headers=stack.headers()).status_code == 200

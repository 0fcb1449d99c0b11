"""Reading back: documents, QR codes, operations, taxpayers and the state of the process."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import zxingcpp
from PIL import Image

from gateway.domain.calendar import write_instant
from tests.support_api import SECOND_SELLER, SELLER, Stack, add_seller, document, refused

ASYNC = {"Prefer": "respond-async"}
NUMBER = {"doc_type": "INV", "doc_no": "TGW/26-27/0401", "doc_date": "2026-11-10"}
NOWHERE = f"/irn/{'0' * 64}"


def named(**changes: str) -> str:
    """The path that finds the document of the tests by its number."""
    return "/irn?" + "&".join(f"{name}={value}" for name, value in (NUMBER | changes).items())


def test_a_document_is_found_by_its_irn(stack: Stack) -> None:
    """GET /irn/{irn} gives what the registration gave, with its state at the portal."""
    told = stack.post(document()).json()
    found = stack.get(told["links"]["self"])
    assert (found.status_code, found.json()) == (200, told | {"status": "active"})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"doc_date": "10/11/2026"},
        {"doc_no": "tgw/26-27/0401"},
        {"doc_type": "inv"},
        {"doc_no": "TGW%2F26-27%2F0401"},
    ],
)
def test_a_document_is_found_by_its_number(stack: Stack, changes: dict[str, str]) -> None:
    """GET /irn finds a document by type, number and date, in either form of date and any case of letters."""
    told = stack.post(document()).json()
    assert stack.get(named(**changes)).json()["irn"] == told["irn"]


def test_a_document_under_way_is_its_operation(stack: Stack) -> None:
    """What is not registered yet is 202 with the operation and where it stands, by IRN and by number."""
    stack.idle = True
    told = stack.post(document(), headers=ASYNC).json()
    for path in (told["links"]["irn"], named()):
        found = stack.get(path)
        assert (found.status_code, found.headers["location"]) == (202, told["links"]["self"])
        assert (found.json()["id"], found.json()["status"]) == (told["id"], "queued")
    refused(stack.get(f"{told['links']['irn']}/qr.png"), 404, "not-registered-yet")


@pytest.mark.parametrize(
    "path", [NOWHERE, f"{NOWHERE}/qr.png", f"{NOWHERE}/qr.svg", named(), named(doc_date="2026-11-11")]
)
def test_an_unknown_document_is_404(stack: Stack, path: str) -> None:
    """Neither we nor the portal have it: 404, after the portal was asked."""
    refused(stack.get(path), 404, "document-unknown")
    assert stack.calls()[-1] in ("get_irn", "get_by_document")


@pytest.mark.parametrize("by_number", [True, False])
def test_what_another_program_registered_is_read_back(stack: Stack, *, by_number: bool) -> None:
    """A document that we do not hold is read back from the portal, its signature checked, and says so."""
    with stack.visitor() as visitor:
        registered = visitor.generate(document()).data
    found = stack.get(named() if by_number else f"/irn/{registered['Irn']}").json()
    assert (found["source"], found["irn"], found["status"]) == ("portal", registered["Irn"], "active")
    assert found["signed_qr"] == registered["SignedQRCode"]
    assert "id" not in found
    calls = len(stack.calls())
    assert stack.get(f"/irn/{registered['Irn']}").json() == found
    assert len(stack.calls()) == calls, "what was read back is kept"
    assert stack.get(f"/irn/{registered['Irn']}/qr.png").status_code == 200


def test_a_cancelled_document_is_read_back_as_such(stack: Stack) -> None:
    """A document that was cancelled at the portal is shown as cancelled."""
    with stack.visitor() as visitor:
        irn = visitor.generate(document()).data["Irn"]
        assert visitor.cancel(irn).codes == []
    assert stack.get(f"/irn/{irn}").json()["status"] == "cancelled"


def test_a_document_that_the_portal_gives_back_no_more_is_told(stack: Stack) -> None:
    """Registered, but too old to be read back: that is not the same as unknown."""
    with stack.visitor() as visitor:
        irn = visitor.generate(document()).data["Irn"]
    stack.clock.step(hours=49)
    for path in (f"/irn/{irn}", named()):
        assert refused(stack.get(path), 404, "document-too-old")["portal_code"] == "2283"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/irn?doc_no=A/1", "date-malformed"),
        (named(doc_date="2026-13-01"), "date-malformed"),
        (named(doc_date="20261110"), "date-malformed"),
        (named(doc_date="2026-W46-2"), "date-malformed"),
        (named(doc_date="31/02/2026"), "date-malformed"),
        (named(doc_type="XYZ"), "document-details-malformed"),
        (named(doc_type="%C4%B1NV"), "document-details-malformed"),  # a dotless i, which is I in capitals
        (named(doc_no="0401"), "document-details-malformed"),
        (named(doc_no="A" * 17), "document-details-malformed"),
        (named(doc_no="A%00"), "document-details-malformed"),
        (f"/irn/{'A' * 64}", "irn-malformed"),
        (f"/irn/{'a' * 63}", "irn-malformed"),
        ("/irn/%E0%A4%AE", "irn-malformed"),
        ("/gstins/29AAHCT7421P1Z", "gstin-malformed"),
        ("/gstins/29aahct7421p1zm", "gstin-malformed"),
    ],
)
def test_a_question_that_makes_no_sense_is_400(stack: Stack, path: str, code: str) -> None:
    """What cannot be a number, a date, an IRN or a GSTIN is refused, and the portal is not asked."""
    refused(stack.get(path), 400, code)
    assert stack.calls() == []


def picture(stack: Stack, path: str) -> Any:
    """What a scanner reads in a picture."""
    answer = stack.get(path)
    assert answer.headers["content-type"] == "image/png"
    assert "private" in answer.headers["cache-control"]
    return zxingcpp.read_barcode(Image.open(io.BytesIO(answer.content)))


def test_the_qr_code_can_be_scanned(stack: Stack) -> None:
    """The PNG says exactly what the portal signed."""
    told = stack.post(document()).json()
    assert picture(stack, told["links"]["qr_png"]).text == told["signed_qr"]


def test_the_qr_code_comes_as_a_vector_too(stack: Stack) -> None:
    """The SVG is one, and nothing in it can run."""
    told = stack.post(document()).json()
    answer = stack.get(told["links"]["qr_svg"])
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert ET.fromstring(answer.content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  our own text
    assert b"<script" not in answer.content


def test_an_operation_tells_its_story(stack: Stack) -> None:
    """GET /operations/{id} has status, tries and, once it is registered, the document."""
    told = stack.post(document()).json()
    shown = stack.get(told["links"]["operation"]).json()
    assert (shown["status"], shown["irn_confirmed"], shown["attempts"]) == ("succeeded", True, 1)
    assert shown["result"] == told
    assert shown["history"] == [
        {
            "number": 1,
            "route": "sandbox",
            "began_at": "2026-11-20T12:00:00+05:30",
            "ended_at": "2026-11-20T12:00:00+05:30",
            "looked_up_first": False,
            "meaning": "registered",
            "certainty": "definite success",
            "portal_code": None,
            "message": None,
        }
    ]


@pytest.mark.parametrize(
    "id", ["op_00000000000000000000000000", "op_", "x", "%00", "op_0000000000000000000000000%0a", "'; drop table x"]
)
def test_an_operation_that_is_not_is_404(stack: Stack, id: str) -> None:
    """Whatever names no operation is unknown, however it is spelt."""
    answer = stack.get(f"/operations/{id}")
    assert answer.status_code == 404
    assert answer.json()["code"] in ("operation-unknown", "path-unknown")


@pytest.mark.parametrize("caller", ["stranger", "group"])
def test_what_is_another_s_is_not_there(stack: Stack, caller: str) -> None:
    """Another organisation, and another GSTIN of the same one, see of a document what they see of none: 404."""
    told = stack.post(document()).json()
    form = {"gstin": SECOND_SELLER} if caller == "group" else {}
    token = stack.bearer(caller, **form)
    links = told["links"]
    for path in (links["self"], links["qr_png"], links["qr_svg"], links["operation"], named()):
        theirs = stack.send("GET", path, headers=token)
        nobody_s = stack.send(
            "GET", path.replace(told["irn"], "0" * 64).replace(told["id"], "op_" + "0" * 26), headers=token
        )
        assert theirs.status_code == 404
        assert theirs.json()["code"] == nobody_s.json()["code"]


def test_a_taxpayer_is_shown_as_the_portal_has_it(stack: Stack) -> None:
    """GET /gstins/{gstin} gives the portal's own members."""
    found = stack.get(f"/gstins/{SECOND_SELLER}").json()
    assert (found["Gstin"], found["TradeName"], found["Status"]) == (SECOND_SELLER, "Sahyadri Retail", "ACT")


@pytest.mark.parametrize(
    ("strike", "members", "status", "code", "owner"),
    [
        ("throttle", {"retry_after_seconds": 7}, 429, "portal-throttles", "portal"),
        ("html", {"after": False}, 503, "portal-unavailable", "portal"),
        ("error_5xx", {"after": False, "status": 502}, 503, "portal-unavailable", "portal"),
        ("drop_after", {"style": "timeout"}, 503, "portal-unavailable", "portal"),
        ("refuse", {}, 503, "portal-unavailable", "portal"),
        ("unknown_code", {"after": False}, 503, "portal-unavailable", "portal"),
    ],
)
def test_a_portal_that_cannot_be_asked_is_no_failure_of_the_caller(
    stack: Stack, *, strike: str, members: dict[str, Any], status: int, code: str, owner: str
) -> None:
    """A reading that the portal does not answer says when to come back, and never that the document is unknown."""
    stack.strike(strike, operations=["get_irn"], **members)
    answer = stack.get(NOWHERE)
    problem = refused(answer, status, code)
    assert answer.headers["retry-after"] == str(problem["retry_after"])
    assert problem["limit_owner"] == owner


def test_a_throttle_of_the_portal_s_is_taken_to_mean_the_seller(stack: Stack) -> None:
    """It names nobody; the seller is told when to come back, as for any other limit."""
    stack.strike("throttle", operations=["get_irn"], retry_after_seconds=7)
    problem = refused(stack.get(NOWHERE), 429, "portal-throttles")
    assert (problem["scope"], problem["retryAfter"]) == ("gstin", 7)
    assert problem["reset"] == write_instant(stack.clock.now() + timedelta(seconds=7))


def test_a_login_that_the_portal_refuses_is_told(stack: Stack) -> None:
    """Without a login that the portal takes, a reading is 503 and says what an operator has to do."""
    with stack.visitor():
        add_seller(SELLER, ports=stack.ports, password="mistyped")
    assert stack.post(document()).json()["status"] == "held"
    problem = refused(stack.get(NOWHERE), 503, "no-account")
    assert "mohar gstin add" in problem["help"]
    assert (problem["limit_owner"], problem["retryAfter"]) == ("gateway", 60)


def test_the_process_says_whether_it_can_work(stack: Stack) -> None:
    """/healthz is 200 while the process lives; /readyz is 503 with the parts that are away."""
    assert stack.send("GET", "/healthz").json() == {"status": "alive"}
    assert stack.send("GET", "/readyz").json() == {"status": "ready"}
    stack.wrong = {"redis": "It does not answer: check MOHAR_REDIS_URL."}
    problem = refused(stack.send("GET", "/readyz"), 503, "not-ready")
    assert problem["wrong"] == stack.wrong
    assert (problem["limit_owner"], problem["retryAfter"]) == ("gateway", 1)


@pytest.mark.parametrize("path", ["/healthz", "/irn", NOWHERE, "/nowhere", "/openapi.json"])
def test_head_is_get_without_the_body(stack: Stack, path: str) -> None:
    """HEAD has the status and the headers of GET, and no body."""
    head, got = (stack.send(method, path, headers=stack.bearer()) for method in ("HEAD", "GET"))
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


def test_answers_are_not_kept_by_those_between(stack: Stack) -> None:
    """What tells who sold to whom is stored by no cache, and no page may frame it or guess its type."""
    headers = stack.post(document()).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["api-version"] == "2026-11-01"


@pytest.mark.parametrize(
    ("given", "kept"), [("ERP.42_a-b", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("a\xe9", False)]
)
def test_a_request_keeps_its_own_id(stack: Stack, *, given: str, kept: bool) -> None:
    """An X-Request-Id that is fit for a log is kept, any other is replaced."""
    answer = stack.send("GET", "/healthz", headers={"X-Request-Id": given.encode("latin-1")})
    told = answer.headers["x-request-id"]
    assert (told == given) is kept
    assert kept or told.startswith("req_")

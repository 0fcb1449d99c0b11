"""Every fault of the sandbox's menu: what the client meets, and what the portal has done."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from gateway.domain import strict_json
from gateway.sandbox import master
from gateway.sandbox.codec import CodecError
from gateway.sandbox.in_process import transport
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.portal import Sandbox
from gateway.sandbox.visitor import Visitor
from gateway.sandbox.wire import Request
from tests.support_sandbox import SettableClock

DOCUMENTS = Path(__file__).parents[1] / "documents"
PLAIN = strict_json.read((DOCUMENTS / "minimal.json").read_bytes())
WITH_EWB = strict_json.read((DOCUMENTS / "with_ewb.json").read_bytes())
SELLER = PLAIN["SellerDtls"]["Gstin"]


START = datetime(2026, 11, 20, 6, 0, 39, tzinfo=UTC)


@dataclass
class _Lab:
    """A sandbox with its clock, and a visitor that has logged in."""

    keys: SandboxKeys
    seed: int = 7
    time: SettableClock = field(default_factory=lambda: SettableClock(START))

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(clock=self.time, keys=self.keys, seed=self.seed)
        self.http = httpx.Client(transport=transport(self.sandbox), base_url="http://portal")
        self.visitor = Visitor(self.http, gstin=SELLER)
        self.visitor.log_in()

    def next_call_meets(self, kind: str, *, times: int = 1, **members: Any) -> None:
        self.sandbox.configure(faults=[{"kind": kind, "times": times, **members}])

    def registered(self) -> list[str]:
        return [json.loads(line)["doc_no"] for line in self.http.get("/_ledger").text.splitlines()]

    def last_call(self) -> dict[str, Any]:
        call: dict[str, Any] = json.loads(self.http.get("/_calls").text.splitlines()[-1])
        return call


@pytest.fixture(scope="module")
def keys() -> SandboxKeys:
    """One set of keys for the module."""
    return SandboxKeys.generate()


@pytest.fixture
def lab(keys: SandboxKeys) -> Iterator[_Lab]:
    """A fresh portal."""
    made = _Lab(keys)
    yield made
    made.http.close()


def _numbered(number: str) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(PLAIN)
    document["DocDtls"]["No"] = number
    return document


def _raw(lab: _Lab) -> httpx.Response:
    body = lab.visitor.seal(json.dumps(PLAIN, default=float).encode())
    return lab.http.post("/eicore/v1.03/Invoice", content=body, headers=lab.visitor.headers)


def test_a_refused_connection_registers_nothing(lab: _Lab) -> None:
    """The client knows for certain that no byte arrived."""
    lab.next_call_meets("refuse")
    with pytest.raises(httpx.ConnectError):
        lab.visitor.generate(PLAIN)
    assert lab.registered() == []
    assert lab.visitor.generate(PLAIN).codes == []


@pytest.mark.parametrize(
    ("style", "error"),
    [("reset", httpx.ReadError), ("closed", httpx.RemoteProtocolError), ("timeout", httpx.ReadTimeout)],
)
@pytest.mark.parametrize(("kind", "registered"), [("drop_before", []), ("drop_after", ["TGW/26-27/0401"])])
def test_a_dropped_answer_looks_the_same_either_way(
    lab: _Lab, kind: str, registered: list[str], style: str, error: type[httpx.TransportError]
) -> None:
    """Done or not done, the client hears nothing; only the ledger tells."""
    lab.next_call_meets(kind, style=style)
    with pytest.raises(error):
        lab.visitor.generate(PLAIN)
    assert lab.registered() == registered
    assert lab.last_call()["fault"] == kind


def test_a_drop_without_a_style_takes_one_by_chance(lab: _Lab) -> None:
    """Reset and orderly close both come up."""
    lab.next_call_meets("drop_before", times=20)
    met = set()
    for _ in range(20):
        with pytest.raises(httpx.TransportError) as caught:
            lab.visitor.generate(PLAIN)
        met.add(caught.type)
    assert met == {httpx.ReadError, httpx.RemoteProtocolError}


@pytest.mark.parametrize(("members", "seconds"), [({}, 2.0), ({"ms": 31_000}, 31.0)])
def test_a_delay_is_slept_on_the_sandbox_clock(lab: _Lab, members: dict[str, int], seconds: float) -> None:
    """The answer is right, and comes later."""
    lab.next_call_meets("delay", **members)
    assert lab.visitor.generate(PLAIN).codes == []
    assert lab.time.seconds == seconds
    assert lab.last_call()["elapsed_ms"] == seconds * 1000


def test_latency_is_added_to_every_call(lab: _Lab) -> None:
    """Also to one that is delayed besides."""
    lab.sandbox.configure(latency_ms=250, faults=[{"kind": "delay", "times": 1, "ms": 50}])
    lab.visitor.generate(PLAIN)
    lab.visitor.gstin(SELLER)
    assert lab.time.seconds == pytest.approx(0.55)


@pytest.mark.parametrize("at", [0, 1, 500])
def test_an_answer_is_cut_at_the_byte_that_was_asked_for(lab: _Lab, at: int) -> None:
    """It is registered, and the client has a part of the answer."""
    lab.next_call_meets("cut", at=at)
    with pytest.raises(httpx.RemoteProtocolError, match=f"after {at} of"):
        _raw(lab)
    assert len(lab.registered()) == 1


def test_an_answer_is_never_cut_after_its_end(lab: _Lab) -> None:
    """Whatever place is asked for or drawn, a byte at least is missing."""
    lab.next_call_meets("cut", times=30)
    lab.sandbox.configure(faults=[{"kind": "cut", "times": 1, "at": 10**9}, {"kind": "cut", "times": 30}])
    for _ in range(31):
        reply = lab.sandbox.handle(_request(lab))
        assert reply.cut_at is not None
        assert 0 <= reply.cut_at < len(reply.body)


def _request(lab: _Lab) -> Request:
    body = lab.visitor.seal(json.dumps(PLAIN, default=float).encode())
    return Request.of("POST", "/eicore/v1.03/Invoice", headers=lab.visitor.headers.items(), body=body)


def test_a_garbled_answer_does_not_decrypt_to_json(lab: _Lab) -> None:
    """It looks like an answer, and is none; the document is registered."""
    for number in range(20):
        lab.next_call_meets("garble")
        with pytest.raises((CodecError, strict_json.JsonFault)):
            lab.visitor.generate(_numbered(f"G{number}"))
    assert len(lab.registered()) == 20


def test_a_garbled_refusal_is_no_json(lab: _Lab) -> None:
    """An answer without encrypted data is damaged as a whole."""
    lab.visitor.generate(PLAIN)
    lab.next_call_meets("garble")
    with pytest.raises(strict_json.JsonFault):
        lab.visitor.generate(PLAIN)


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize(("after", "count"), [(True, 1), (False, 0)])
def test_a_gateway_error_comes_before_or_after_the_work(lab: _Lab, status: int, after: bool, count: int) -> None:  # noqa: FBT001 - a column of the table
    """The status says nothing about what was done."""
    lab.next_call_meets("error_5xx", status=status, after=after)
    assert _raw(lab).status_code == status
    assert len(lab.registered()) == count


def test_a_gateway_error_leaves_everything_else_to_chance(lab: _Lab) -> None:
    """All three statuses come up, with the work done and not done."""
    lab.next_call_meets("error_5xx", times=40)
    statuses = set()
    for number in range(40):
        body = lab.visitor.seal(json.dumps(_numbered(f"E{number}"), default=float).encode())
        statuses.add(lab.http.post("/eicore/v1.03/Invoice", content=body, headers=lab.visitor.headers).status_code)
    assert statuses == {502, 503, 504}
    assert 0 < len(lab.registered()) < 40


@pytest.mark.parametrize(("after", "count"), [(True, 1), (False, 0)])
def test_a_page_in_html_comes_with_status_200(lab: _Lab, after: bool, count: int) -> None:  # noqa: FBT001 - a column of the table
    """As from a proxy that is down for maintenance."""
    lab.next_call_meets("html", after=after)
    answer = _raw(lab)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert len(lab.registered()) == count


@pytest.mark.parametrize(("after", "count"), [(True, 1), (False, 0)])
def test_an_unknown_code_tells_nothing(lab: _Lab, after: bool, count: int) -> None:  # noqa: FBT001 - a column of the table
    """A failure by its form, whatever was done."""
    lab.next_call_meets("unknown_code", after=after)
    assert lab.visitor.generate(PLAIN).codes == ["7777"]
    assert len(lab.registered()) == count


def test_an_expired_session_refuses_and_registers_nothing(lab: _Lab) -> None:
    """1005 in the middle of a token's life; the next login opens a new session."""
    lab.next_call_meets("expire_session")
    assert lab.visitor.generate(PLAIN).codes == ["1005"]
    assert lab.registered() == []
    lab.visitor.log_in()
    assert lab.visitor.generate(PLAIN).codes == []


def test_a_throttled_call_is_told_when_to_come_back(lab: _Lab) -> None:
    """429 with Retry-After, in the portal's failure form, and nothing done."""
    lab.next_call_meets("throttle", retry_after_seconds=9)
    answer = _raw(lab)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "9")
    assert answer.json()["ErrorDetails"][0]["ErrorCode"] == "118"
    assert lab.registered() == []


def test_the_wrong_document_may_be_anybody_elses(lab: _Lab) -> None:
    """The call is served; what comes back is a registration of another taxpayer, rightly signed."""
    other = Visitor(lab.http, gstin=master.ACTIVE_SELLER.gstin)
    other.log_in()
    theirs = copy.deepcopy(PLAIN)
    theirs["SellerDtls"]["Gstin"] = master.ACTIVE_SELLER.gstin
    irn = other.generate(theirs).data["Irn"]
    lab.next_call_meets("wrong_document")
    assert lab.visitor.generate(PLAIN).data["Irn"] == irn
    assert len(lab.registered()) == 2


@pytest.mark.parametrize("members", [{}, {"fabricate": True}])
def test_the_wrong_document_may_be_made_up(lab: _Lab, members: dict[str, bool]) -> None:
    """Where there is no other, or if asked for: a number that nobody sent, in the tokens too, rightly signed."""
    lab.next_call_meets("wrong_document", **members)
    answer = lab.visitor.generate(PLAIN).data
    token = answer["SignedInvoice"]
    content = json.loads(jwt.decode(token, options={"verify_signature": False})["data"])
    assert content["Irn"] == answer["Irn"] != lab.last_call()["irn"]
    assert content["DocDtls"]["No"] != "TGW/26-27/0401"
    certificate = lab.keys.current.certificate
    jwt.decode(token, certificate.public_key(), algorithms=["RS256"], options={"verify_iss": False})
    assert lab.registered() == ["TGW/26-27/0401"]


def test_a_wrong_document_can_come_from_a_lookup(lab: _Lab) -> None:
    """Reading back is struck too when the fault names it."""
    first, second = (lab.visitor.generate(_numbered(number)).data["Irn"] for number in ("A1", "A2"))
    lab.next_call_meets("wrong_document", operations=["get_irn"])
    assert lab.visitor.get_irn(first).data["Irn"] == second
    assert lab.visitor.get_irn(first).data["Irn"] == first


def test_the_eway_bill_fails_while_the_irn_is_made(lab: _Lab) -> None:
    """Success by its status, EWBERR with 4013 in InfoDtls, and no e-way bill number."""
    lab.next_call_meets("ewb_fail")
    heard = lab.visitor.generate(WITH_EWB)
    assert heard.codes == []
    assert [error["ErrorCode"] for error in heard.info["EWBERR"]] == ["4013"]
    assert heard.data["EwbNo"] is None


def test_an_eway_bill_is_made_with_the_irn(lab: _Lab) -> None:
    """Number, date and validity; with a distance of 0 the computed one is told too."""
    heard = lab.visitor.generate(WITH_EWB)
    assert (heard.data["EwbNo"], heard.data["EwbValidTill"]) == (180000000001, "2026-11-21 23:59:00")
    assert heard.info == {}
    computed = copy.deepcopy(WITH_EWB)
    computed["EwbDtls"]["Distance"] = 0
    computed["DocDtls"]["No"] = "TGW/26-27/0410"
    assert lab.visitor.generate(computed).info == {"EWBPPD": "Pin-Pin calc distance: 1840KM"}


def test_an_eway_bill_that_is_not_possible_does_not_stop_the_irn(lab: _Lab) -> None:
    """The refusal is told beside the registration."""
    document = copy.deepcopy(WITH_EWB)
    document["EwbDtls"] = {"Distance": 100}
    heard = lab.visitor.generate(document)
    assert heard.codes == []
    assert [error["ErrorCode"] for error in heard.info["EWBERR"]] == ["4019"]


@pytest.mark.parametrize("member", ["publish_signing_key", "rotate_signing_key"])
def test_an_unknown_signing_key_can_be_published_later(member: str) -> None:
    """The registration stands, read back by the same key; a control makes that key known."""
    lab = _Lab(SandboxKeys.generate())
    lab.next_call_meets("signing_unknown")
    heard = lab.visitor.generate(PLAIN)
    kid = jwt.get_unverified_header(heard.data["SignedInvoice"])["kid"]
    assert kid not in [key["kid"] for key in lab.http.get("/_keys").json()["signing"]]
    assert lab.visitor.get_irn(heard.data["Irn"]).data["SignedInvoice"] == heard.data["SignedInvoice"]
    lab.sandbox.configure(**{member: True})
    assert kid in [key["kid"] for key in lab.http.get("/_keys").json()["signing"]]
    next_kid = jwt.get_unverified_header(lab.visitor.generate(_numbered("N1")).data["SignedInvoice"])["kid"]
    assert (next_kid == kid) is (member == "rotate_signing_key")


def test_a_published_key_signs_once_it_is_made_current() -> None:
    """Verifiers can know a key before it signs: a rotation that keeps nobody waiting."""
    lab = _Lab(SandboxKeys.generate())
    old = lab.http.get("/_control").json()["signing_kid"]
    lab.sandbox.configure(publish_signing_key=True)
    [before, after] = [key["kid"] for key in lab.http.get("/_keys").json()["signing"]]
    assert (before, lab.http.get("/_control").json()["signing_kid"]) == (old, old)
    lab.sandbox.configure(rotate_signing_key=True)
    assert lab.http.get("/_control").json()["signing_kid"] == after
    assert len(lab.http.get("/_keys").json()["signing"]) == 2


# Chance ---------------------------------------------------------------------------------------------------------------


def test_one_seed_gives_one_course_of_faults(keys: SandboxKeys) -> None:
    """Everything that is left to chance repeats with the seed, and differs with another."""
    assert _course(keys, seed=1) == _course(keys, seed=1) != _course(keys, seed=2)


def _course(keys: SandboxKeys, *, seed: int) -> list[str | None]:
    lab = _Lab(keys, seed=seed)
    lab.sandbox.configure(
        faults=[{"kind": "drop_after", "probability": 0.3}, {"kind": "error_5xx", "probability": 0.5}]
    )
    for _ in range(30):
        lab.sandbox.handle(_request(lab))
    return [json.loads(line).get("fault") for line in lab.http.get("/_calls").text.splitlines()]


def test_the_first_fault_that_hits_wins(lab: _Lab) -> None:
    """Entries are tried in their order; one that is used up lets the next have its turn."""
    lab.sandbox.configure(
        faults=[
            {"kind": "throttle", "probability": 0},
            {"kind": "expire_session", "times": 1, "operations": ["login"]},
            {"kind": "unknown_code", "times": 2, "after": False},
            {"kind": "unknown_code", "probability": 1, "code": "8888", "after": False},
        ]
    )
    assert [lab.visitor.generate(PLAIN).codes for _ in range(3)] == [["7777"], ["7777"], ["8888"]]

"""The sandbox's own pages: settings, the log of calls, limits, the clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.domain import strict_json
from gateway.sandbox.control import ControlError
from gateway.sandbox.faults import Kind
from gateway.sandbox.in_process import transport
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.portal import Sandbox
from gateway.sandbox.visitor import Visitor
from tests.support_sandbox import SettableClock

PLAIN = strict_json.read((Path(__file__).parents[1] / "documents" / "minimal.json").read_bytes())
SELLER = PLAIN["SellerDtls"]["Gstin"]
BUYER = PLAIN["BuyerDtls"]["Gstin"]


START = datetime(2026, 11, 20, 6, 0, 39, 123456, tzinfo=UTC)


@dataclass
class _Lab:
    """A sandbox with its clock and a client for it."""

    keys: SandboxKeys
    time: SettableClock = field(default_factory=lambda: SettableClock(START))

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(clock=self.time, keys=self.keys)
        self.http = httpx.Client(transport=transport(self.sandbox), base_url="http://portal")

    def visitor(self, gstin: str = SELLER, **members: Any) -> Visitor:
        visitor = Visitor(self.http, gstin=gstin, **members)
        visitor.log_in()
        return visitor

    def calls(self, **query: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.http.get("/_calls", params=query).text.splitlines()]


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


def test_a_change_is_answered_with_the_settings(lab: _Lab) -> None:
    """What was sent is set, what was not is as before, and GET tells the same."""
    fault = {"kind": "late", "probability": 0.25, "operations": ["generate", "cancel"], "ms": 5}
    asked = {
        "latency_ms": 250,
        "faults": [fault, {"kind": "html", "times": 3}],
        "seed": 9,
        "limits": {"per_minute_gstin": 60},
        "envelope": "base64",
        "status_as": "string",
    }
    answer = lab.http.post("/_control", json=asked)
    assert answer.status_code == 200
    assert answer.json() == {
        "latency_ms": 250,
        "faults": [fault, {"kind": "html", "times": 3, "operations": ["generate"]}],
        "seed": 9,
        "now": None,
        "limits": {"per_minute_gstin": 60, "per_minute_client": None, "token_minutes": 60, "readback_hours": 48},
        "envelope": "base64",
        "status_as": "string",
        "signing_kid": lab.keys.current.kid,
        "pending_late": 0,
    }
    assert lab.http.get("/_control").json() == answer.json()
    assert lab.http.post("/_control", json={"faults": []}).json() == answer.json() | {"faults": []}


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_fault_can_be_set(lab: _Lab, kind: Kind) -> None:
    """By its name alone."""
    answer = lab.http.post("/_control", json={"faults": [{"kind": kind.value, "times": 1}]})
    assert answer.json()["faults"] == [{"kind": kind.value, "times": 1, "operations": ["generate"]}]


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ("{", "not JSON"),
        ([], "JSON object"),
        ({"latency": 5}, "latency is no setting"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"latency_ms": True}, "latency_ms"),
        ({"latency_ms": 1.5}, "latency_ms"),
        ({"seed": "x"}, "seed"),
        ({"now": "2026-11-20T10:00:00"}, "offset"),
        ({"now": "tomorrow"}, "now"),
        ({"now": 5}, "now"),
        ({"limits": []}, "limits"),
        ({"limits": {"per_hour": 5}}, "limits.per_hour"),
        ({"limits": {"per_minute_gstin": 0}}, "per_minute_gstin"),
        ({"limits": {"token_minutes": None}}, "token_minutes"),
        ({"envelope": "xml"}, "envelope"),
        ({"status_as": 1}, "status_as"),
        ({"rotate_signing_key": 1}, "rotate_signing_key"),
        ({"faults": {}}, "faults is a list"),
        ({"faults": [5]}, "faults[0]"),
        ({"faults": [{"times": 1}]}, "faults[0].kind"),
        ({"faults": [{"kind": "explode", "times": 1}]}, "faults[0].kind"),
        ({"faults": [{"kind": "html"}]}, "probability or times"),
        ({"faults": [{"kind": "html", "times": 1, "probability": 1}]}, "probability or times"),
        ({"faults": [{"kind": "html", "probability": 1.1}]}, "probability"),
        ({"faults": [{"kind": "html", "probability": True}]}, "probability"),
        ({"faults": [{"kind": "html", "times": -1}]}, "times"),
        ({"faults": [{"kind": "html", "times": 1, "operations": []}]}, "operations"),
        ({"faults": [{"kind": "html", "times": 1, "operations": ["fly"]}]}, "operations"),
        ({"faults": [{"kind": "html", "times": 1, "operations": [[]]}]}, "operations"),
        ({"faults": [{"kind": "html", "times": 1, "ms": 5}]}, "no member of html"),
        ({"faults": [{"kind": "refuse", "times": 1, "style": "reset"}]}, "no member of refuse"),
        ({"faults": [{"kind": "drop_after", "times": 1, "style": "soft"}]}, "style"),
        ({"faults": [{"kind": "error_5xx", "times": 1, "status": 500}]}, "status"),
        ({"faults": [{"kind": "error_5xx", "times": 1, "after": 1}]}, "after"),
        ({"faults": [{"kind": "unknown_code", "times": 1, "code": ""}]}, "code"),
    ],
)
def test_a_wrong_control_request_changes_nothing(lab: _Lab, asked: Any, word: str) -> None:
    """400, a sentence that names what is wrong, and the settings as they were."""
    before = lab.http.get("/_control").json()
    body = asked if isinstance(asked, str) else json.dumps(asked)
    answer = lab.http.post("/_control", content=body)
    assert answer.status_code == 400
    assert word in answer.json()["error"]
    assert lab.http.get("/_control").json() == before


def test_settings_can_be_made_in_process(lab: _Lab) -> None:
    """The same members, checked the same."""
    lab.sandbox.configure(latency_ms=5)
    assert lab.http.get("/_control").json()["latency_ms"] == 5
    with pytest.raises(ControlError):
        lab.sandbox.configure(latency=5)


def test_the_clock_can_be_set_and_runs_on(lab: _Lab) -> None:
    """From the instant that was given, until null brings the real one back."""
    answer = lab.http.post("/_control", json={"now": "2027-04-01T00:00:00+05:30"})
    assert answer.json()["now"] == "2027-04-01T00:00:00+05:30"
    lab.time.at += timedelta(minutes=1)
    assert lab.sandbox.now() == datetime(2027, 3, 31, 18, 31, tzinfo=UTC)
    assert lab.http.post("/_control", json={"now": None}).json()["now"] is None
    assert lab.sandbox.now() == lab.time.at


def test_errors_can_come_in_base64_and_the_status_as_text(lab: _Lab) -> None:
    """The other two forms in which the envelope has been described."""
    visitor = lab.visitor()
    lab.sandbox.configure(status_as="string", envelope="base64")
    assert visitor.generate(PLAIN).envelope["Status"] == "1"
    answer = lab.http.post("/eicore/v1.03/Invoice", content=b"", headers=visitor.headers).json()
    assert answer["Status"] == "0"
    import base64  # noqa: PLC0415 - needed in this one test

    assert json.loads(base64.b64decode(answer["ErrorDetails"]))[0]["ErrorCode"] == "5003"


@pytest.mark.parametrize(
    ("limit", "second"), [("per_minute_gstin", {"gstin": SELLER}), ("per_minute_client", {"gstin": BUYER})]
)
def test_a_limit_holds_for_every_minute(lab: _Lab, limit: str, second: dict[str, str]) -> None:
    """The call above it is 429 with the seconds until there is room; then it is served."""
    visitor, other = lab.visitor(), lab.visitor(**second)
    lab.sandbox.configure(limits={limit: 3})
    for _ in range(2):
        assert visitor.gstin(SELLER).status == 200
        lab.time.sleep(10)
    assert other.gstin(SELLER).status == 200
    answer = lab.http.get(f"/eivital/v1.04/Master/gstin/{SELLER}", headers=visitor.headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "40")
    assert answer.json()["ErrorDetails"][0]["ErrorCode"] == "118"
    assert lab.calls()[-1]["fault"] == "limit"
    lab.time.sleep(40)
    assert visitor.gstin(SELLER).status == 200


def test_limits_of_gstins_are_apart(lab: _Lab) -> None:
    """One taxpayer's calls do not use up another's."""
    visitor, other = lab.visitor(), lab.visitor(BUYER)
    lab.sandbox.configure(limits={"per_minute_gstin": 1})
    assert [visitor.gstin(SELLER).status, visitor.gstin(SELLER).status] == [200, 429]
    assert other.gstin(SELLER).status == 200


def test_the_life_of_a_token_is_a_setting(lab: _Lab) -> None:
    """So is the time in which registrations are told."""
    lab.sandbox.configure(limits={"token_minutes": 360, "readback_hours": 1})
    visitor = lab.visitor()
    irn = visitor.generate(PLAIN).data["Irn"]
    lab.time.at += timedelta(minutes=359)
    assert visitor.get_irn(irn).codes == ["2283"]


def test_every_call_is_logged(lab: _Lab) -> None:
    """With its time to the microsecond, GSTIN, operation, what was decided, and the IRN it was about."""
    visitor = lab.visitor()
    irn = visitor.generate(PLAIN).data["Irn"]
    visitor.generate(PLAIN)
    visitor.gstin(SELLER, sync=True)
    lab.http.get("/eivital/v1.04/heartbeat/ping")
    at = "2026-11-20T06:00:39.123456+00:00"
    assert [call["operation"] for call in lab.calls()] == ["login", "generate", "generate", "sync_gstin", "heartbeat"]
    made, duplicate = lab.calls()[1:3]
    assert made == {
        "at": at,
        "gstin": SELLER,
        "operation": "generate",
        "code": "ok",
        "irn": irn,
        "elapsed_ms": 0,
    }
    assert duplicate["code"] == "2150"


def test_the_log_is_told_from_an_instant_on(lab: _Lab) -> None:
    """`since` is inclusive, takes a plus sign that was not escaped, and must be an instant."""
    visitor = lab.visitor()
    lab.time.at += timedelta(seconds=1)
    visitor.gstin(SELLER)
    assert [call["operation"] for call in lab.calls(since=lab.time.at.isoformat())] == ["gstin"]
    answer = lab.http.get(f"/_calls?since={lab.time.at.isoformat()}")
    assert len(answer.text.splitlines()) == 1
    assert lab.http.get("/_calls?since=yesterday").status_code == 400
    assert lab.http.get("/_calls?since=2026-11-20T10:00:00").status_code == 400


def test_a_line_of_the_ledger_says_what_is_registered(lab: _Lab) -> None:
    """All that is needed to compare it with another ledger, the content's digest among it."""
    from gateway.domain import canonical  # noqa: PLC0415 - needed in this one test

    irn = lab.visitor().generate(PLAIN).data["Irn"]
    assert json.loads(lab.http.get("/_ledger").text) == {
        "irn": irn,
        "gstin": SELLER,
        "doc_type": "INV",
        "doc_no": "TGW/26-27/0401",
        "doc_date": "10/11/2026",
        "financial_year": "2026-27",
        "buyer_gstin": BUYER,
        "total": 2950.0,
        "status": "ACT",
        "ack_no": 112610000000001,
        "ack_date": "2026-11-20 11:30:39",
        "ewb_no": None,
        "content_digest": canonical.digest(PLAIN),
        "registrations": 1,
    }


def test_the_keys_are_published(lab: _Lab) -> None:
    """The login key and every signing certificate, as PEM."""
    told = lab.http.get("/_keys").json()
    assert told["login_public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    assert [key["kid"] for key in told["signing"]] == [key.kid for key in lab.keys.published]
    assert all(key["certificate"].startswith("-----BEGIN CERTIFICATE-----") for key in told["signing"])

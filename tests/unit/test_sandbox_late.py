"""Requests that land late: dropped when they are sent, served when their time comes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.domain import strict_json
from gateway.sandbox.in_process import transport
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.portal import Sandbox
from gateway.sandbox.visitor import Visitor
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


def test_a_late_request_lands_in_its_time(lab: _Lab) -> None:
    """Dropped now; absent for a while; then registered, dated when it landed."""
    lab.next_call_meets("late", ms=90_000)
    with pytest.raises(httpx.TransportError):
        lab.visitor.generate(PLAIN)
    assert lab.http.get("/_ledger").headers["x-pending-late"] == "1"
    lab.time.at += timedelta(seconds=89)
    assert lab.visitor.get_by_document(doc_type="INV", doc_no="TGW/26-27/0401", doc_date="10/11/2026").codes == ["2154"]
    lab.time.at += timedelta(seconds=60)
    row = json.loads(lab.http.get("/_ledger").text)
    assert row["ack_date"] == "2026-11-20 11:32:09"
    assert lab.http.get("/_ledger").headers["x-pending-late"] == "0"


def test_a_late_request_lands_before_the_next_one_is_served(lab: _Lab) -> None:
    """The second sending of a document meets the first one: 2150."""
    lab.next_call_meets("late", ms=1000)
    with pytest.raises(httpx.TransportError):
        lab.visitor.generate(PLAIN)
    lab.time.at += timedelta(seconds=1)
    assert lab.visitor.generate(PLAIN).codes == ["2150"]
    calls = [json.loads(line) for line in lab.http.get("/_calls").text.splitlines()]
    assert [(call["code"], "landed_at" in call) for call in calls[1:]] == [("ok", True), ("2150", False)]


def test_late_requests_land_in_the_order_of_their_times(lab: _Lab) -> None:
    """Not in the order in which they were sent."""
    for number, milliseconds in (("L1", 3000), ("L2", 1000), ("L3", 2000)):
        lab.next_call_meets("late", ms=milliseconds)
        with pytest.raises(httpx.TransportError):
            lab.visitor.generate(_numbered(number))
    lab.time.at += timedelta(seconds=10)
    assert lab.registered() == ["L2", "L3", "L1"]


def test_a_late_request_has_the_session_of_its_sending(lab: _Lab) -> None:
    """A token that has expired since does not keep it from landing."""
    lab.next_call_meets("late", ms=7_200_000)
    with pytest.raises(httpx.TransportError):
        lab.visitor.generate(PLAIN)
    lab.time.at += timedelta(hours=2)
    assert lab.registered() == ["TGW/26-27/0401"]


def test_a_late_request_is_checked_when_it_lands(lab: _Lab) -> None:
    """Registered in the meantime by another sending, the first one is a duplicate."""
    lab.next_call_meets("late", ms=5000)
    with pytest.raises(httpx.TransportError):
        lab.visitor.generate(PLAIN)
    assert lab.visitor.generate(PLAIN).codes == []
    lab.time.at += timedelta(seconds=5)
    assert lab.registered() == ["TGW/26-27/0401"]
    calls = [json.loads(line) for line in lab.http.get("/_calls").text.splitlines()]
    assert [call["code"] for call in calls[1:]] == ["2150", "ok"]


def test_a_late_request_without_a_session_never_lands(lab: _Lab) -> None:
    """It is lost on the way, and so is a late login or heartbeat."""
    lab.next_call_meets("late", times=3, operations=["generate", "heartbeat", "login"])
    lab.visitor.headers["AuthToken"] = "none"
    for call in (lambda: lab.visitor.generate(PLAIN), lab.visitor.log_in, lambda: _ping(lab)):
        with pytest.raises(httpx.TransportError):
            call()
    assert lab.http.get("/_ledger").headers["x-pending-late"] == "0"


def _ping(lab: _Lab) -> None:
    lab.http.get("/eivital/v1.04/heartbeat/ping")


def test_a_late_request_takes_up_to_ten_minutes(lab: _Lab) -> None:
    """How late, is drawn where it is not given."""
    lab.next_call_meets("late", times=20)
    for number in range(20):
        with pytest.raises(httpx.TransportError):
            lab.visitor.generate(_numbered(f"T{number}"))
    lab.time.at += timedelta(seconds=300)
    assert 0 < len(lab.registered()) < 20
    lab.time.at += timedelta(seconds=300)
    assert len(lab.registered()) == 20

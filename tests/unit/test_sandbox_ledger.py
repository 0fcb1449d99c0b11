"""The portal played by us: cancelling, the GSTIN master, the heartbeat, and what a restart remembers."""

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
from gateway.sandbox import master
from gateway.sandbox.in_process import transport
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.portal import Sandbox
from gateway.sandbox.visitor import Visitor
from tests.support_sandbox import SettableClock

DOCUMENTS = Path(__file__).parents[1] / "documents"
PLAIN = strict_json.read((DOCUMENTS / "minimal.json").read_bytes())
FULL = strict_json.read((DOCUMENTS / "full.json").read_bytes())
WITH_EWB = strict_json.read((DOCUMENTS / "with_ewb.json").read_bytes())
SELLER = PLAIN["SellerDtls"]["Gstin"]
START = datetime(2026, 11, 20, 6, 0, 39, 250_000, tzinfo=UTC)


@dataclass
class _Lab:
    """A sandbox with its clock and a client for it."""

    keys: SandboxKeys
    time: SettableClock = field(default_factory=lambda: SettableClock(START))
    journal: Path | None = None

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(clock=self.time, keys=self.keys, seed=7, journal=self.journal)
        self.http = httpx.Client(transport=transport(self.sandbox), base_url="http://portal")

    def visitor(self, gstin: str = SELLER, **members: Any) -> Visitor:
        visitor = Visitor(self.http, gstin=gstin, **members)
        assert visitor.log_in().codes == []
        return visitor

    def ledger(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.http.get("/_ledger").text.splitlines()]


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


def _with(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy of a document; `SellerDtls__Gstin="…"` sets a member of a block, None takes it out."""
    changed: dict[str, Any] = copy.deepcopy(document)
    for path, value in changes.items():
        *blocks, name = path.split("__")
        place = changed
        for block in blocks:
            place = place[block]
        if value is None:
            del place[name]
        else:
            place[name] = value
    return changed


# Cancelling -----------------------------------------------------------------------------------------------------------


def test_a_cancelled_number_stays_burnt(lab: _Lab) -> None:
    """The cancellation is dated, read back as CNL, refused a second time, and the number is gone for good."""
    visitor = lab.visitor()
    irn = visitor.generate(PLAIN).data["Irn"]
    lab.time.at += timedelta(minutes=1)
    assert visitor.cancel(irn).data == {"Irn": irn, "CancelDate": "2026-11-20 11:31:39"}
    assert visitor.get_irn(irn).data["Status"] == "CNL"
    assert visitor.cancel(irn).codes == ["9999"]
    assert visitor.generate(PLAIN).codes == ["2278"]
    assert [row["status"] for row in lab.ledger()] == ["CNL"]


@pytest.mark.parametrize(("seconds", "codes"), [(24 * 3600, []), (24 * 3600 + 1, ["2270"])])
def test_the_cancellation_window_is_a_day(lab: _Lab, seconds: int, codes: list[str]) -> None:
    """Twenty-four hours from the signed acknowledgement, not a second more."""
    visitor = lab.visitor()
    irn = visitor.generate(PLAIN).data["Irn"]
    lab.time.at = START.replace(microsecond=0) + timedelta(seconds=seconds)
    visitor.log_in()
    assert visitor.cancel(irn).codes == codes


def test_an_active_eway_bill_keeps_an_irn_from_being_cancelled(lab: _Lab) -> None:
    """2230 until the e-way bill is gone."""
    visitor = lab.visitor()
    irn = visitor.generate(WITH_EWB).data["Irn"]
    assert visitor.cancel(irn).codes == ["2230"]


def test_a_cancellation_of_the_wrong_form_is_refused(lab: _Lab) -> None:
    """An unknown IRN, no IRN, an unknown reason, a remark that is empty or too long."""
    visitor = lab.visitor()
    assert visitor.cancel("0" * 64).codes == ["2148"]
    assert visitor.cancel("x").codes == ["2145"]
    assert visitor.cancel("0" * 64, reason="5").codes == ["5002"]
    assert visitor.cancel("0" * 64, remark="").codes == ["5002"]
    assert visitor.cancel("0" * 64, remark="x" * 101).codes == ["5002"]


def test_member_names_of_a_cancellation_are_read_in_any_case(lab: _Lab) -> None:
    """Recorded clients write Cnlrsn and Cnlrem."""
    visitor = lab.visitor()
    irn = visitor.generate(PLAIN).data["Irn"]
    body = visitor.seal(json.dumps({"irn": irn, "Cnlrsn": 2, "Cnlrem": "wrong"}).encode())
    assert visitor.send("/eicore/v1.03/Invoice/Cancel", body).codes == []


# The rest -------------------------------------------------------------------------------------------------------------


def test_the_named_taxpayers_have_right_check_digits_and_differ(lab: _Lab) -> None:
    """They are well-formed, each once, and the master tells them as published."""
    from gateway.domain.identifiers import gstin_check_digit_holds  # noqa: PLC0415 - needed in this one test

    visitor = lab.visitor()
    assert all(gstin_check_digit_holds(taxpayer.gstin) for taxpayer in master.TAXPAYERS)
    assert len({taxpayer.gstin for taxpayer in master.TAXPAYERS}) == len(master.TAXPAYERS)
    for taxpayer in master.TAXPAYERS:
        told = visitor.gstin(taxpayer.gstin).data
        assert (told["Status"], told["TxpType"]) == (taxpayer.status, taxpayer.kind)
        assert told["BlkStatus"] == ("B" if taxpayer.blocked else "U")


def test_everybody_else_is_an_active_regular_taxpayer(lab: _Lab) -> None:
    """Any well-formed GSTIN, whatever its check digit, always under the same name."""
    visitor = lab.visitor()
    told = visitor.gstin("29AWGPV7107B1Z1").data
    assert (told["Status"], told["TxpType"], told["StateCode"]) == ("ACT", "REG", 29)
    assert visitor.gstin("29AWGPV7107B1Z1").data == told
    assert visitor.gstin("29awgpv7107b1z1").codes == ["3028"]


def test_a_sync_fetches_what_the_master_lacks(lab: _Lab) -> None:
    """The common portal knows since when a registration is cancelled."""
    visitor, gstin = lab.visitor(), master.UNDATED_CANCELLED_TAXPAYER.gstin
    assert visitor.gstin(gstin).data["DtDReg"] is None
    assert visitor.gstin(gstin, sync=True).data["DtDReg"] == "31/03/2025"
    assert visitor.gstin("X", sync=True).codes == ["3028"]


def test_the_heartbeat_is_plain_text(lab: _Lab) -> None:
    """A line with the portal's time, for whoever asks."""
    answer = lab.http.get("/eivital/v1.04/heartbeat/ping")
    assert answer.text == "e-Invoice Vital:-20-11-2026 11:30:39"


@pytest.mark.parametrize(("method", "path"), [("GET", "/eicore/v1.03/Invoice"), ("POST", "/"), ("PUT", "/_ledger")])
def test_what_is_not_there_is_404(lab: _Lab, method: str, path: str) -> None:
    """An unknown path, or a known one by another method."""
    assert lab.http.request(method, path).status_code == 404


def test_a_restarted_sandbox_remembers(keys: SandboxKeys, tmp_path: Path) -> None:
    """Registrations, cancellations and e-way bills survive in the journal, with a torn last line too."""
    journal = tmp_path / "journal.jsonl"
    before = _Lab(keys, journal=journal)
    visitor = before.visitor()
    irn = visitor.generate(PLAIN).data["Irn"]
    visitor.cancel(irn)
    made = visitor.generate(WITH_EWB)
    rows = before.ledger()
    with journal.open("ab") as file:
        file.write(b'{"what":"regis')
    after = _Lab(keys, journal=journal)
    again = after.visitor()
    assert after.ledger() == rows
    assert again.get_irn(made.data["Irn"]).data["SignedInvoice"] == made.data["SignedInvoice"]
    assert again.generate(PLAIN).codes == ["2278"]
    assert again.generate(_with(PLAIN, DocDtls__No="NEXT")).data["AckNo"] == 112610000000003
    assert len(_Lab(keys, journal=journal).ledger()) == 3


def test_clearing_empties_the_journal_too(keys: SandboxKeys, tmp_path: Path) -> None:
    """After DELETE /_ledger nothing is registered, no session is open, and no call is logged, restart or not."""
    lab = _Lab(keys, journal=tmp_path / "journal.jsonl")
    visitor = lab.visitor()
    visitor.generate(PLAIN)
    assert lab.http.delete("/_ledger").status_code == 204
    assert lab.ledger() == []
    assert lab.http.get("/_calls").text == ""
    assert visitor.generate(PLAIN).codes == ["1005"]
    assert _Lab(keys, journal=tmp_path / "journal.jsonl").ledger() == []

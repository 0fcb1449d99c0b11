"""The portal played by us: registration and reading back."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from gateway.domain import canonical, strict_json
from gateway.domain.irn import predict
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


def _signed(keys: SandboxKeys, token: str) -> dict[str, Any]:
    certificate = next(key for key in keys.published if key.kid == jwt.get_unverified_header(token)["kid"]).certificate
    payload = jwt.decode(token, certificate.public_key(), algorithms=["RS256"], options={"verify_iss": False})
    assert payload["iss"] == "NIC Sandbox"
    content: dict[str, Any] = strict_json.read(payload["data"].encode())
    return content


# Registration ---------------------------------------------------------------------------------------------------------


def test_a_registration_is_answered_as_published(lab: _Lab) -> None:
    """All members of the answer, the predicted IRN among them."""
    heard = lab.visitor().generate(PLAIN)
    irn = predict(seller_gstin=SELLER, doc_type="INV", doc_no="TGW/26-27/0401", doc_date=datetime(2026, 11, 10).date())  # noqa: DTZ001 - only its date
    signed = {name: heard.data.pop(name) for name in ("SignedInvoice", "SignedQRCode")}
    assert heard.data == {
        "AckNo": 112610000000001,
        "AckDt": "2026-11-20 11:30:39",
        "Irn": irn,
        "Status": "ACT",
        "EwbNo": None,
        "EwbDt": None,
        "EwbValidTill": None,
        "Remarks": None,
    }
    assert all(token.count(".") == 2 for token in signed.values())
    assert heard.envelope["InfoDtls"] is None


def test_the_signed_invoice_says_what_was_sent(lab: _Lab) -> None:
    """Acknowledgement first, numbers as they were written, a line number of the portal before each line."""
    heard = lab.visitor().generate(FULL)
    content = _signed(lab.keys, heard.data["SignedInvoice"])
    assert list(content)[:3] == ["AckNo", "AckDt", "Irn"]
    assert content["AckDt"] == "2026-11-20 11:30:39"
    assert all(next(iter(line.items())) == ("ItemNo", 0) for line in content["ItemList"])
    for line in content["ItemList"]:
        del line["ItemNo"]
    sent = {name: value for name, value in content.items() if name not in ("AckNo", "AckDt", "Irn")}
    assert canonical.digest(sent) == canonical.digest({name: FULL[name] for name in FULL if name != "Irn"})
    assert canonical.digest(FULL) == lab.ledger()[0]["content_digest"]
    assert str(content["ValDtls"]["TotInvVal"]) == str(FULL["ValDtls"]["TotInvVal"])


def test_the_signed_qr_code_has_its_ten_members_in_order(lab: _Lab) -> None:
    """The published members in the published order, the amount with a decimal, the time in full seconds."""
    heard = lab.visitor().generate(PLAIN)
    content = _signed(lab.keys, heard.data["SignedQRCode"])
    assert list(content.items()) == [
        ("SellerGstin", SELLER),
        ("BuyerGstin", PLAIN["BuyerDtls"]["Gstin"]),
        ("DocNo", "TGW/26-27/0401"),
        ("DocTyp", "INV"),
        ("DocDt", "10/11/2026"),
        ("TotInvVal", Decimal("2950.0")),
        ("ItemCnt", 1),
        ("MainHsnCode", "998719"),
        ("Irn", heard.data["Irn"]),
        ("IrnDt", "2026-11-20 11:30:39"),
    ]
    assert str(content["TotInvVal"]) == "2950.0"


def test_the_main_hsn_is_that_of_the_largest_line(lab: _Lab) -> None:
    """The line with the highest taxable value gives the HSN of the QR code."""
    heard = lab.visitor().generate(WITH_EWB)
    assert _signed(lab.keys, heard.data["SignedQRCode"])["MainHsnCode"] == "902620"


def test_nulls_are_read_as_not_sent(lab: _Lab) -> None:
    """A null passes the schema, and the signed invoice does not have it."""
    document = _with(PLAIN) | {"DispDtls": None, "TranDtls": {**PLAIN["TranDtls"], "EcmGstin": None}}
    heard = lab.visitor().generate(document)
    content = _signed(lab.keys, heard.data["SignedInvoice"])
    assert "DispDtls" not in content
    assert "EcmGstin" not in content["TranDtls"]


def test_a_payload_under_another_key_is_refused(lab: _Lab) -> None:
    """A cipher text that the session key does not open: 2140, and nothing is registered."""
    visitor = lab.visitor()
    body = json.dumps({"Data": base64.b64encode(bytes(64)).decode()}).encode()
    assert visitor.send("/eicore/v1.03/Invoice", body).codes == ["2140"]
    assert lab.ledger() == []


@pytest.mark.parametrize("plain", [b"{", b"[]", b'{"a":NaN}', b'{"Version":"1.1","Version":"1.1"}'])
def test_a_payload_that_is_no_json_object_is_refused(lab: _Lab, plain: bytes) -> None:
    """5002 with the reason."""
    visitor = lab.visitor()
    assert visitor.send("/eicore/v1.03/Invoice", visitor.seal(plain)).codes == ["5002"]


def test_a_payload_above_two_megabytes_is_refused(lab: _Lab) -> None:
    """The portal's limit is on the JSON text."""
    visitor = lab.visitor()
    heard = visitor.send("/eicore/v1.03/Invoice", visitor.seal(b" " * (2 * 1024 * 1024 + 1)))
    assert heard.codes == ["5002"]


def test_schema_faults_name_their_fields(lab: _Lab) -> None:
    """One 5002, its sentence with the place of everything that is wrong."""
    document = _with(PLAIN, SellerDtls__Pin=1, BuyerDtls__LglNm=None)
    heard = lab.visitor().generate(document)
    sentence = heard.envelope["ErrorDetails"][0]["ErrorMessage"]
    assert heard.codes == ["5002"]
    assert "/SellerDtls/Pin" in sentence
    assert "BuyerDtls" in sentence


def test_a_day_that_no_calendar_has_is_refused(lab: _Lab) -> None:
    """31 February passes a pattern, but not the portal."""
    assert lab.visitor().generate(_with(PLAIN, DocDtls__Dt="31/02/2026")).codes[0] in ("2144", "5002")


def test_a_duplicate_is_told_with_the_first_registration(lab: _Lab) -> None:
    """2150 in whatever case the number is written; the entry DUPIRN is there, and not always the first one."""
    visitor = lab.visitor()
    first = visitor.generate(PLAIN)
    places = set()
    for number in ("TGW/26-27/0401", "tgw/26-27/0401") * 8:
        again = visitor.generate(_with(PLAIN, DocDtls__No=number))
        assert again.codes == ["2150"]
        places.add([entry["InfCd"] for entry in again.envelope["InfoDtls"]].index("DUPIRN"))
        assert again.info["DUPIRN"] == {
            "AckNo": first.data["AckNo"],
            "AckDt": "2026-11-20 11:31:00",
            "Irn": first.data["Irn"],
        }
    assert places == {0, 1}
    assert [row["registrations"] for row in lab.ledger()] == [1]


@pytest.mark.parametrize("change", [{"DocDtls__Dt": "31/03/2026"}, {"DocDtls__Typ": "DBN"}])
def test_the_same_number_is_free_in_another_year_or_type(lab: _Lab, change: dict[str, str]) -> None:
    """Seller, financial year, type and number together are the identity."""
    visitor = lab.visitor()
    visitor.generate(PLAIN)
    assert visitor.generate(_with(PLAIN, **change)).codes == []


def test_acknowledgement_numbers_rise(lab: _Lab) -> None:
    """Fifteen digits, the year in the third and fourth, one more each time."""
    visitor = lab.visitor()
    numbers = [visitor.generate(_with(PLAIN, DocDtls__No=f"A{number}")).data["AckNo"] for number in range(3)]
    assert numbers == [112610000000001, 112610000000002, 112610000000003]


# Reading back ---------------------------------------------------------------------------------------------------------


def test_a_registration_is_read_back_both_ways(lab: _Lab) -> None:
    """By IRN and by document the same tokens come back; the outer time is rounded to the minute."""
    visitor = lab.visitor()
    made = visitor.generate(PLAIN).data
    by_irn = visitor.get_irn(made["Irn"]).data
    by_document = visitor.get_by_document(doc_type="INV", doc_no="tgw/26-27/0401", doc_date="10/11/2026").data
    assert by_irn == by_document == made | {"AckDt": "2026-11-20 11:31:00"}
    assert _signed(lab.keys, by_irn["SignedInvoice"])["AckDt"] == "2026-11-20 11:30:39"


def test_what_is_not_registered_is_not_found(lab: _Lab) -> None:
    """2148 by IRN, 2154 by document, and by another date of the same year too."""
    visitor = lab.visitor()
    assert visitor.get_irn("0" * 64).codes == ["2148"]
    assert visitor.get_by_document(doc_type="INV", doc_no="A1", doc_date="10/11/2026").codes == ["2154"]
    visitor.generate(PLAIN)
    assert visitor.get_by_document(doc_type="INV", doc_no="TGW/26-27/0401", doc_date="11/11/2026").codes == ["2154"]


def test_a_question_of_the_wrong_form_is_refused(lab: _Lab) -> None:
    """No IRN, no date, nothing at all, or a number that none can have."""
    visitor = lab.visitor()
    assert visitor.get_irn("xyz").codes == ["2145"]
    assert visitor.get_by_document(doc_type="INV", doc_no="A1", doc_date="2026-11-10").codes == ["2144"]
    assert visitor.get_by_document(doc_type="", doc_no="A1", doc_date="10/11/2026").codes == ["2142"]
    assert visitor.get_by_document(doc_type="INV", doc_no="0/é", doc_date="10/11/2026").codes == ["2154"]


def test_another_sellers_irn_is_not_told(lab: _Lab) -> None:
    """2143 for whoever is not the seller, in cancelling too."""
    irn = lab.visitor().generate(PLAIN).data["Irn"]
    other = lab.visitor(master.ACTIVE_BUYER.gstin, user="other")
    assert other.get_irn(irn).codes == ["2143"]
    assert other.cancel(irn).codes == ["2143"]


@pytest.mark.parametrize(("hours", "codes"), [(48, []), (49, ["2283"])])
def test_details_are_told_for_two_days(lab: _Lab, hours: int, codes: list[str]) -> None:
    """After that a registration exists, but nobody gets to see it: 2283 both ways, and still 2150 on sending."""
    visitor = lab.visitor()
    irn = visitor.generate(PLAIN).data["Irn"]
    lab.time.at = START.replace(microsecond=0) + timedelta(hours=hours)
    visitor.log_in()
    assert visitor.get_irn(irn).codes == codes
    assert visitor.get_by_document(doc_type="INV", doc_no="TGW/26-27/0401", doc_date="10/11/2026").codes == codes
    assert visitor.generate(PLAIN).codes == ["2150"]


def test_what_another_portal_had_first_is_rejected(lab: _Lab) -> None:
    """It is on the list of its day, of its seller alone, shows REJ and cannot be cancelled."""
    visitor = lab.visitor()
    irn = visitor.generate(PLAIN).data["Irn"]
    assert visitor.rejected_irns("20/11/2026").data == []
    lab.sandbox.configure(reject=[irn, "0" * 64])
    assert visitor.rejected_irns("20/11/2026").data == [irn]
    assert visitor.rejected_irns("19/11/2026").data == []
    assert lab.visitor(master.ACTIVE_BUYER.gstin, user="other").rejected_irns("20/11/2026").data == []
    assert visitor.get_irn(irn).data["Status"] == "REJ"
    assert visitor.cancel(irn).codes == ["9999"]
    assert visitor.rejected_irns("").codes == ["2142"]
    assert visitor.rejected_irns("2026-11-20").codes == ["2144"]


def test_a_restarted_portal_remembers_what_was_rejected(keys: SandboxKeys, tmp_path: Path) -> None:
    """The journal has it."""
    journal = tmp_path / "journal"
    first = _Lab(keys, journal=journal)
    irn = first.visitor().generate(PLAIN).data["Irn"]
    first.sandbox.configure(reject=[irn])
    assert _Lab(keys, journal=journal).visitor().rejected_irns("20/11/2026").data == [irn]

"""Real documents through the real HTTP path: each gets the IRN that anybody can compute, or the reason is known."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from gateway.domain import strict_json
from gateway.domain.identifiers import UNREGISTERED, gstin_check_digit_holds
from gateway.domain.operations import Environment
from gateway.errors import Invalid
from gateway.services import access
from tests.support_api import LIVE_ROUTE, Blueprint, Stack, add_seller, refused

CORPUS: Final = Path(os.environ.get("MOHAR_TEST_CORPUS") or Path(__file__).parents[2].parent / "shared" / "corpus")
NOTES: Final = frozenset({"CRN", "DBN"})

REFUSED: Final = {
    "OmkarGharat_CRN_CRN_2024_001.json": ("its amounts are negative, though it is a credit note", {"schema-range"}),
    "OmkarGharat_INV_SEZ_2024_001.json": (
        "the SEZ buyer's GSTIN has 16 characters, and the place of supply is abroad",
        {"schema-pattern", "GSP-SUP-05"},
    ),
}
"""What cannot be registered: why, and with which codes it is refused."""


def checked_documents() -> list[str]:
    """The documents that an independent check found right, but perhaps for a check digit."""
    index = CORPUS / "index.json"
    if not index.is_file():
        return []
    entries = json.loads(index.read_text(encoding="utf-8"))
    files = (each["file"] for each in entries if each.get("verdict") in {"ACCEPT", "CHECKSUM-ONLY"})
    return sorted(each.removeprefix("inv01/") for each in files if each.startswith("inv01/"))


DOCUMENTS: Final = checked_documents()
pytestmark = pytest.mark.skipif(not DOCUMENTS, reason="the corpus of real documents is not beside the repository")


def read(name: str) -> tuple[bytes, Any]:
    """A document as it was found, and what it says."""
    raw = (CORPUS / "inv01" / name).read_bytes()
    return raw, strict_json.read(raw)


def expected_irn(sent: dict[str, Any]) -> str:
    """SHA-256 of GSTIN, financial year, type and number in capitals, by the published recipe."""
    details = sent["DocDtls"]
    _, month, year = (int(part) for part in details["Dt"].split("/"))
    first = year if month >= 4 else year - 1
    recipe = f"{sent['SellerDtls']['Gstin']}{first}-{(first + 1) % 100:02}{details['Typ']}{details['No'].upper()}"
    return hashlib.sha256(recipe.encode()).hexdigest()


def on_its_day(sent: dict[str, Any]) -> datetime:
    """Noon in India on the document's date."""
    day, month, year = (int(part) for part in sent["DocDtls"]["Dt"].split("/"))
    return datetime(year, month, day, 6, 30, tzinfo=UTC)


@contextlib.contextmanager
def sent_on_its_day(folder: Path, blueprint: Blueprint, name: str) -> Iterator[tuple[Stack, httpx.Response]]:
    """A gateway and a portal of its own, and their answer to the bytes that were found, at the path of their type."""
    raw, sent = read(name)
    seller = sent["SellerDtls"]["Gstin"]
    with Stack(folder, blueprint, at=on_its_day(sent)) as stack:
        add_seller(seller, ports=stack.ports)
        stack.clients[name] = access.add_client(
            environment=Environment.TEST, gstins=[seller], name=name, respond_async=False, ports=stack.ports
        )
        yield stack, stack.post(raw, "/cdnr" if sent["DocDtls"]["Typ"] in NOTES else "/irn", client=name)


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in REFUSED])
def test_a_real_document_gets_its_irn(tmp_path: Path, blueprint: Blueprint, name: str) -> None:
    """A document that an independent check found right is registered, with the IRN that anybody can compute."""
    with sent_on_its_day(tmp_path, blueprint, name) as (stack, answer):
        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert told["irn"] == expected_irn(read(name)[1])
        assert stack.calls() == ["login", "generate"]
        assert stack.get(f"/irn/{told['irn']}", client=name).json()["signed_qr"] == told["signed_qr"]


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name in REFUSED])
def test_what_cannot_be_registered_is_refused_for_its_reason(tmp_path: Path, blueprint: Blueprint, name: str) -> None:
    """The other documents are refused before the portal is asked, each for the reason that is written above."""
    with sent_on_its_day(tmp_path, blueprint, name) as (stack, answer):
        problem = refused(answer, 400, "document-invalid")
        assert {fault["code"] for fault in problem["errors"]} == REFUSED[name][1]
        assert stack.calls() == []


def test_no_reason_is_kept_for_a_document_that_is_gone() -> None:
    """Every reason above belongs to a document of the corpus."""
    assert set(REFUSED) <= set(DOCUMENTS)


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in REFUSED])
def test_a_live_route_holds_them_to_their_check_digits(tmp_path: Path, blueprint: Blueprint, name: str) -> None:
    """A live route takes no seller whose check digit does not fit, and names every other party of which that is so."""
    raw, sent = read(name)
    seller = sent["SellerDtls"]["Gstin"]
    with Stack(tmp_path, blueprint, at=on_its_day(sent)) as stack:
        if not gstin_check_digit_holds(seller):
            with pytest.raises(Invalid, match="is no GSTIN"):
                add_seller(seller, ports=stack.ports, route=LIVE_ROUTE)
            return
        add_seller(seller, ports=stack.ports, route=LIVE_ROUTE)
        stack.clients[name] = access.add_client(
            environment=Environment.LIVE, gstins=[seller], name=name, respond_async=False, ports=stack.ports
        )
        answer = stack.post(raw, client=name)
        wrong = {
            ("GSP-PTY-01", f"/{part}/Gstin") for part in ("BuyerDtls", "ShipDtls") if not fits(sent, part, "Gstin")
        }
        if wrong:
            faults = refused(answer, 400, "document-invalid")["errors"]
            assert {(fault["code"], fault["at"]) for fault in faults} == wrong
            assert stack.calls() == []
        else:
            assert answer.status_code == 201


def fits(sent: dict[str, Any], part: str, member: str) -> bool:
    """Whether a party has no GSTIN, or one that ends in its own check digit."""
    gstin = sent.get(part, {}).get(member)
    return gstin in (None, UNREGISTERED) or gstin_check_digit_holds(str(gstin))

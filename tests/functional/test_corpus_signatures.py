"""Recorded tokens and answers of real portals: they verify, they parse, and they agree with what was sent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.domain import irn
from gateway.domain.calendar import read_portal_time
from gateway.domain.comparison import differences, identity_differences
from gateway.domain.strict_json import JsonFault
from gateway.irp import portal_json
from gateway.irp.codes import Disposition, verdict
from gateway.irp.envelope import Failure, Success, read
from gateway.irp.signatures import (
    BadSignature,
    SignedInvoice,
    UnknownKey,
    read_signed_invoice,
    read_signed_qr,
    verify,
)
from gateway.irp.signing_keys import SigningKeys

_CORPUS = Path(os.environ.get("MOHAR_TEST_CORPUS", str(Path(__file__).parents[2].parent / "shared" / "corpus")))

pytestmark = pytest.mark.skipif(
    not (_CORPUS / "jwt").is_dir(), reason="the recorded material is not at hand; set MOHAR_TEST_CORPUS to its folder"
)

_TOKENS = sorted((_CORPUS / "jwt").glob("*.jwt"))
_ANSWERS = sorted((_CORPUS / "irp_responses").glob("*.json"))


@pytest.fixture(scope="module")
def keys() -> SigningKeys:
    """The sandbox certificate that belongs to the recorded tokens."""
    installed = SigningKeys(monotonic=lambda: 0.0)
    for file in sorted((_CORPUS / "keys").glob("*.cer")):
        installed.add(file.read_bytes())
    return installed


def _registered(keys: SigningKeys) -> list[SignedInvoice]:
    tokens = [file.read_text().strip() for file in _TOKENS if file.name.endswith("_INV.jwt")]
    return [read_signed_invoice(verify(token, keys)) for token in tokens]


def test_all_recorded_tokens_are_there() -> None:
    """The collection has 21 tokens, and none was lost."""
    assert len(_TOKENS) == 21


@pytest.mark.parametrize("file", _TOKENS, ids=lambda file: file.stem)
def test_a_recorded_token_verifies_and_is_read(file: Path, keys: SigningKeys) -> None:
    """Every signature holds, and the IRN inside is the one that the document's identity gives."""
    signed = verify(file.read_text().strip(), keys)
    assert signed.issuer == "NIC"
    content = read_signed_qr(signed) if file.name.endswith("_QR.jwt") else read_signed_invoice(signed)
    assert content.irn == irn.predict_case_kept(
        seller_gstin=content.seller_gstin,
        doc_type=content.doc_type,
        doc_no=content.doc_no,
        doc_date=content.doc_date,
    )


@pytest.mark.parametrize("file", _TOKENS, ids=lambda file: file.stem)
def test_a_recorded_token_that_is_altered_does_not_verify(file: Path, keys: SigningKeys) -> None:
    """One character of the content is enough."""
    header, payload, signature = file.read_text().strip().split(".")
    middle = len(payload) // 2
    altered = payload[:middle] + ("A" if payload[middle] != "A" else "B") + payload[middle + 1 :]
    with pytest.raises(BadSignature):
        verify(f"{header}.{altered}.{signature}", keys)


def test_a_recorded_token_needs_its_key() -> None:
    """Without the certificate it is neither good nor bad."""
    with pytest.raises(UnknownKey):
        verify(_TOKENS[0].read_text().strip(), SigningKeys(monotonic=lambda: 0.0))


def test_invoice_and_code_of_one_document_say_the_same(keys: SigningKeys) -> None:
    """Where both tokens of a document were recorded, they agree in all they share."""
    invoices = {invoice.irn: invoice for invoice in _registered(keys)}
    compared = 0
    for file in _TOKENS:
        if file.name.endswith("_QR.jwt"):
            code = read_signed_qr(verify(file.read_text().strip(), keys))
            if invoice := invoices.get(code.irn):
                compared += 1
                shared = ("seller_gstin", "buyer_gstin", "doc_type", "doc_no", "doc_date", "total", "lines")
                assert [getattr(code, name) for name in shared] == [getattr(invoice, name) for name in shared]
    assert compared == len(invoices) == 8


def _sent() -> list[tuple[str, dict[str, Any]]]:
    """The recorded requests that can be read."""
    found = []
    for file in sorted((_CORPUS / "inv01").glob("*.json")):
        try:
            document = portal_json.read(file.read_bytes())
        except JsonFault:
            continue
        if isinstance(document, dict) and isinstance(document.get("DocDtls"), dict):
            found.append((file.name, document))
    return found


def test_registered_documents_are_recognised_as_the_sent_ones(keys: SigningKeys) -> None:
    """A request and its registration agree in identity.

    What else differs is detail that the portal left out, or was edited before the request was published.
    """
    pairs = 0
    for name, sent in _sent():
        for invoice in _registered(keys):
            if sent["DocDtls"].get("No") == invoice.doc_no:
                pairs += 1
                assert identity_differences(sent, invoice.document) == [], name
                told = {each.at for each in differences(sent, invoice.document) if not each.left_out}
                assert told <= {"/BuyerDtls/Addr1", "/AddlDocDtls"}, name
    assert pairs == 7


def test_another_document_is_not_recognised(keys: SigningKeys) -> None:
    """Two registrations of one seller differ in identity, however alike they are."""
    registered = _registered(keys)
    for one in registered:
        for other in registered:
            assert (identity_differences(one.document, other.document) == []) == (one.irn == other.irn)


def test_a_published_copy_equals_its_signed_text(keys: SigningKeys) -> None:
    """The documents kept beside the tokens are what the tokens say."""
    copies = [portal_json.read(file.read_bytes()) for file in sorted((_CORPUS / "inv01_signed").glob("*.json"))]
    by_number = {copy["DocDtls"]["No"]: copy for copy in copies if isinstance(copy, dict) and "DocDtls" in copy}
    for invoice in _registered(keys):
        assert differences(by_number[invoice.doc_no], invoice.document) == []


def test_the_recorded_duplicate_is_read() -> None:
    """The native answer of a portal to a number sent twice names the registration."""
    answer = read(200, (_CORPUS / "irp_responses" / "bc_native_2150_dupirn.json").read_bytes())
    assert isinstance(answer, Failure)
    assert verdict(answer.errors) is Disposition.DUPLICATE
    found = answer.info.duplicate()
    assert found is not None
    assert found.ack_no == "112410193157267"
    assert found.ack_at == read_portal_time("2024-09-02 18:35:00")


def _inside(value: Any, name: str) -> Any:
    """The first member of this name, however deep a provider wrapped it."""
    if isinstance(value, dict):
        if name in value:
            return value[name]
        value = list(value.values())
    if isinstance(value, list):
        return next((found for each in value if (found := _inside(each, name)) is not None), None)
    return None


@pytest.mark.parametrize("file", _ANSWERS, ids=lambda file: file.stem)
def test_recorded_content_is_read_inside_our_envelope(file: Path) -> None:
    """What providers pass on of a portal's answer parses, put back into the portal's own envelope."""
    recorded = portal_json.read(file.read_bytes())
    errors = _inside(recorded, "ErrorDetails")
    info = _inside(recorded, "info") or _inside(recorded, "InfoDtls")
    native = [
        {"ErrorCode": each["error_code"], "ErrorMessage": each["error_message"]} if "error_code" in each else each
        for each in (errors if isinstance(errors, list) else [])
    ]
    body = {"Status": 0 if native else 1, "Data": None, "ErrorDetails": native or None, "InfoDtls": info}
    answer = read(200, json.dumps(body).encode())
    assert isinstance(answer, Failure if native else Success)
    if native and native[0]["ErrorCode"] == "2150":
        assert answer.info.duplicate() is not None
    if info and not native and not isinstance(info, str):
        assert [error.code for error in answer.info.ewb_errors()] == ["4013"]


def test_recorded_tokens_of_other_keys_are_held_not_refused(keys: SigningKeys) -> None:
    """Signed invoices within recorded answers verify, or name a key that is not installed; none is called bad."""
    verified, unknown = 0, set()
    for file in _ANSWERS:
        token = _inside(portal_json.read(file.read_bytes()), "SignedInvoice")
        if isinstance(token, str) and token.count(".") == 2:
            try:
                read_signed_invoice(verify(token, keys))
                verified += 1
            except UnknownKey as error:
                unknown.add(error.kid)
    assert verified >= 1
    assert len(unknown) >= 2

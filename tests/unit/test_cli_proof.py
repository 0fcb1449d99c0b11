"""Whether a portal's answer proves itself."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

import pytest

from gateway.cli import proof
from gateway.cli.proof import Proof
from gateway.sandbox.keys import SigningKey

IRN = "ab" * 32
OTHER_IRN = "cd" * 32
ACK_NO = "112610000000001"


@cache
def key(name: str) -> SigningKey:
    """A portal's key; the same name is the same key."""
    assert name
    return SigningKey.generate()


def published(*names: str) -> list[dict[str, str]]:
    """What a portal tells of its keys."""
    return [{"kid": key(name).kid, "certificate": key(name).certificate_pem} for name in names]


def signed(data: dict[str, Any], by: str = "portal") -> str:
    """A token of the portal."""
    parts = [{"alg": "RS256", "kid": key(by).kid, "typ": "JWT"}, {"data": json.dumps(data), "iss": "NIC"}]
    text = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    return f"{text}.{encoded(key(by).sign(text.encode()))}"


def encoded(raw: bytes) -> str:
    """Base64url without its padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def answer(*, irn: str = IRN, code_irn: str = IRN, by: str = "portal", ack_no: str = ACK_NO) -> dict[str, str]:
    """A registration as the gateway gives it; the parameters change what is signed."""
    invoice = {
        "Irn": irn,
        "AckNo": int(ack_no),
        "AckDt": "2026-11-21 10:41:56",
        "SellerDtls": {"Gstin": "29AAACM0001A1ZH"},
        "BuyerDtls": {"Gstin": "27AAACM0002B1ZI"},
        "DocDtls": {"Typ": "INV", "No": "A-1", "Dt": "21/11/2026"},
        "ItemList": [{"SlNo": "1"}],
        "ValDtls": {"TotInvVal": 118},
    }
    code = {
        "Irn": code_irn,
        "IrnDt": "2026-11-21 10:41:56",
        "SellerGstin": "29AAACM0001A1ZH",
        "BuyerGstin": "27AAACM0002B1ZI",
        "DocTyp": "INV",
        "DocNo": "A-1",
        "DocDt": "21/11/2026",
        "TotInvVal": 118,
        "ItemCnt": 1,
        "MainHsnCode": "9025",
    }
    told = {"irn": IRN, "ack_no": ACK_NO}
    return told | {"signed_invoice": signed(invoice, by), "signed_qr": signed(code, by)}


def test_a_registration_proves_itself() -> None:
    """Both signatures fit the published key, and everything names the predicted IRN."""
    checked = proof.prove(answer(), irn=IRN, keys=proof.certificates(published("other", "portal")))
    assert checked == Proof(holds=True, kid=key("portal").kid)


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"irn": OTHER_IRN}, "different IRNs"),
        ({"code_irn": OTHER_IRN}, "different IRNs"),
        ({"ack_no": "112610000000002"}, "acknowledgement"),
        ({"by": "stranger"}, "no signing key"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, str], flaw: str) -> None:
    """Another IRN, another number, an unknown key."""
    checked = proof.prove(answer(**changes), irn=IRN, keys=proof.certificates(published("portal")))
    assert not checked.holds
    assert flaw in checked.flaw


def test_another_prediction_is_no_proof() -> None:
    """A good signature on somebody else's document is worth nothing."""
    assert not proof.prove(answer(), irn=OTHER_IRN, keys=proof.certificates(published("portal"))).holds


def test_an_altered_token_is_no_proof() -> None:
    """One changed character is enough."""
    altered = answer() | {"signed_qr": answer()["signed_qr"][:-8] + "AAAAAAAA"}
    checked = proof.prove(altered, irn=IRN, keys=proof.certificates(published("portal")))
    assert (checked.holds, "signature" in checked.flaw or "Base64url" in checked.flaw) == (False, True)

"""POST /verify and `mohar verify`: what a signed invoice or QR code proves, and to whom our ledger is told of."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway import cli
from tests.support_api import SECOND_SELLER, SELLER, STRANGER, Blueprint, Stack, document, refused


def verify(stack: Stack, token: str, **who: Any) -> dict[str, Any]:
    told: dict[str, Any] = stack.post({"token": token}, "/verify", **who).json()
    return told


def altered(token: str) -> str:
    """The same token with another letter in what is signed."""
    header, payload, signature = token.split(".")
    return f"{header}.{payload[:40]}{'A' if payload[40] != 'A' else 'B'}{payload[41:]}.{signature}"


@pytest.mark.parametrize(("member", "form"), [("signed_invoice", "invoice"), ("signed_qr", "qr")])
def test_what_a_portal_signed_is_valid_and_known(stack: Stack, member: str, form: str) -> None:
    """Invoice and code show issuer, key and contents, and how the ledger has the document; nobody is asked."""
    made = stack.post(document()).json()
    calls = len(stack.calls())
    told = verify(stack, made[member])
    assert (told["valid"], told["reason"], told["form"], told["issuer"]) == (True, None, form, "NIC Sandbox")
    assert told["document"]["irn"] == told["content"]["Irn"] == made["irn"]
    assert told["document"]["ack_no"] == (made["ack_no"] if form == "invoice" else None)
    assert told["ledger"] == {
        "role": "seller",
        "known": True,
        "status": "active",
        "cancelled_at": None,
        "links": {"document": f"/irn/{made['irn']}"},
    }
    assert len(stack.calls()) == calls


def test_a_cancelled_document_is_still_signed_and_told_cancelled(stack: Stack) -> None:
    """A signature outlives the document; the ledger knows better."""
    made = stack.post(document()).json()
    stack.post({"reason": "duplicate", "remarks": "twice"}, f"/irn/{made['irn']}/cancel")
    told = verify(stack, made["signed_qr"])
    assert (told["valid"], told["ledger"]["status"]) == (True, "cancelled")
    assert told["ledger"]["cancelled_at"] is not None


def test_who_has_no_part_in_a_document_is_told_nothing_of_the_ledger(stack: Stack) -> None:
    """Buyer and seller see how it stands, everybody else only what the token says itself."""
    body = document()
    body["BuyerDtls"] |= {"Gstin": STRANGER, "Stcd": "07", "Pos": "07", "Pin": 110001}
    body["ItemList"][0] |= {"IgstAmt": 450, "CgstAmt": 0, "SgstAmt": 0}
    body["ValDtls"] |= {"IgstVal": 450, "CgstVal": 0, "SgstVal": 0}
    made = stack.post(body).json()
    buyer = verify(stack, made["signed_qr"], client="stranger")
    assert (buyer["ledger"]["role"], buyer["ledger"]["known"], buyer["ledger"]["links"]) == ("buyer", True, {})
    other = stack.send(
        "POST",
        "/verify",
        json={"token": made["signed_qr"]},
        headers=stack.bearer("group", gstin=SECOND_SELLER),
    ).json()
    assert (other["valid"], other["ledger"]) == (True, None)


def test_what_nobody_signed_shows_no_contents(stack: Stack) -> None:
    """An altered token, no token at all, and a key that is not installed: why, and nothing of what it says."""
    signed = stack.post(document()).json()["signed_qr"]
    for token in (altered(signed), "no token"):
        told = verify(stack, token)
        assert (told["valid"], told["reason"]["code"]) == (False, "signature-invalid")
        assert (told["document"], told["content"], told["ledger"]) == (None, None, None)
    live = verify(stack, altered(signed).replace(signed.split(".")[0], other_key()))
    assert (live["valid"], live["reason"]["code"], live["key_id"]) == (False, "signing-key-unknown", "F" * 40)


def other_key() -> str:
    """A header that names a key which nobody has."""
    header = json.dumps({"alg": "RS256", "kid": "F" * 40}).encode()
    return base64.urlsafe_b64encode(header).rstrip(b"=").decode()


@pytest.mark.parametrize("body", [{}, {"token": 1}, {"token": "a", "key": "b"}, [], "a"])
def test_a_body_without_a_token_is_refused(stack: Stack, body: Any) -> None:
    """The body is an object with the token alone."""
    refused(stack.post(json.dumps(body).encode(), "/verify"), 400, "token-missing")


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli.build("verify"), ["verify", *arguments], input=stdin)


def test_the_command_verifies_by_a_certificate_without_a_database(
    stack: Stack, blueprint: Blueprint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --key a token, or an answer that holds one, is verified where there is nothing else."""
    made = stack.post(document())
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setenv("MOHAR_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    signing = blueprint.keys.published
    for number, key in enumerate(signing):
        (empty / f"{number}.pem").write_text(key.certificate_pem)
    (empty / "answer.json").write_text(made.text)
    done = [
        run(file, "--key", f"{number}.pem", "--json", stdin=made.json()["signed_qr"])
        for number in range(len(signing))
        for file in ("answer.json", "-")
    ]
    told = [json.loads(each.stdout) for each in done if each.exit_code == 0]
    assert [each["form"] for each in told] == ["invoice", "qr"]
    assert all(each["document"]["seller_gstin"] == SELLER for each in told)


def test_the_command_verifies_by_the_installed_keys(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the environment; an altered file ends with 1, and an absent one with 2."""
    signed = stack.post(document()).json()["signed_invoice"]
    monkeypatch.setenv("MOHAR_DATA_DIR", str(tmp_path))
    (tmp_path / "signed.txt").write_text(signed + "\n")
    (tmp_path / "altered.txt").write_text(altered(signed))
    ends = [
        run(str(tmp_path / f"{name}.txt"), "--environment", "test").exit_code for name in ("signed", "altered", "none")
    ]
    assert ends == [0, 1, 2]

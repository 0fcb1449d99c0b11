"""The e-way bill system's envelope: known answers, every published form, and nothing guessed."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from gateway.domain.operations import Environment
from gateway.irp import endpoints, ewayapi
from gateway.irp.crypto import CannotDecrypt
from gateway.irp.envelope import Failure, Success, Unreadable
from gateway.irp.ewayapi import EWayApi
from gateway.ports import PortalAccount, Session
from tests.support_api import ROUTE

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ewb_handshake.json").read_text(encoding="utf-8")
)
AT: Final = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)
SESSION: Final = Session(
    account_id="acc_1",
    generation=1,
    token="a-token",
    session_key=bytes.fromhex(VECTORS["sek_hex"]),
    expires_at=AT,
    renewed_at=AT,
)
ACCOUNT: Final = PortalAccount(
    id="acc_1",
    environment=Environment.TEST,
    gstin="29AAACM0001A1ZO",
    route="sandbox",
    user_name="someone",
    password="something",
    refused_code=None,
)
SPOKEN: Final = EWayApi()


def _b64(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def _read(body: Any, status: int = 200) -> Any:
    return SPOKEN.read(status, json.dumps(body).encode())


def _answer(**members: str) -> Success:
    return Success({"rek": VECTORS["wrapped_rek"], "data": VECTORS["data"], **members})


def test_a_request_is_sealed_as_openssl_seals_it() -> None:
    """Action beside data, plain JSON under the session key."""
    payload = json.dumps(VECTORS["request"], separators=(",", ":")).encode()
    body = json.loads(SPOKEN.sealed(endpoints.EWB_CANCEL, payload, SESSION))
    assert body == {"action": "CANEWB", "data": VECTORS["request_data"]}


@pytest.mark.parametrize("mac", ["hmac_of_data", "hmac_of_json", "hmac_of_base64_of_json"])
def test_an_answer_with_its_own_key_is_opened_and_checked(mac: str) -> None:
    """The answer's key under the session key, the data under it, and an HMAC over any of the described texts."""
    opened = SPOKEN.opened(_answer(hmac=VECTORS[mac]), SESSION)
    assert opened is not None
    assert json.loads(opened)["ewbNo"] == int(VECTORS["answer"])


def test_base64_within_the_cipher_is_opened_too() -> None:
    """The pages describe it, and programs do without."""
    answer = _answer(data=VECTORS["data_of_base64"], hmac=VECTORS["hmac_of_data_of_base64"])
    assert SPOKEN.opened(answer, SESSION) == SPOKEN.opened(_answer(), SESSION)
    plain = SPOKEN.opened(Success({"data": VECTORS["request_data"]}), SESSION)
    assert plain == SPOKEN.opened(Success({"data": VECTORS["request_data_of_base64"]}), SESSION)
    assert plain is not None
    assert json.loads(plain) == VECTORS["request"]


@pytest.mark.parametrize(
    "members",
    [
        {"hmac": VECTORS["hmac_of_data_of_base64"]},
        {"rek": VECTORS["data"]},
        {"rek": "AAAA"},
        {"data": VECTORS["request_data"]},
        {"data": "no cipher"},
    ],
    ids=["another's hmac", "no key", "no block", "another key", "no base64"],
)
def test_what_does_not_fit_is_not_opened(members: dict[str, str]) -> None:
    """A wrong HMAC, key or text is an answer of which nobody knows what it says."""
    with pytest.raises(CannotDecrypt):
        SPOKEN.opened(_answer(**members), SESSION)


def test_a_success_without_data_says_nothing() -> None:
    """There is nothing to open."""
    assert SPOKEN.opened(Success({"alert": "x"}), SESSION) is None
    assert SPOKEN.opened(Success(None), SESSION) is None


@pytest.mark.parametrize(
    "error",
    [
        _b64({"errorCodes": "238,"}),
        {"errorCodes": "238"},
        '{"errorCodes":"238,"}',
        {"errorCodes": 238},
        _b64({"ErrorCodes": " 238 , 238,"}),
        "238",
    ],
)
def test_a_failure_is_read_in_all_its_forms(error: Any) -> None:
    """Base64, object, text or bare codes."""
    answer = _read({"status": "0", "error": error})
    assert isinstance(answer, Failure)
    assert [each.code for each in answer.errors] == ["238"]
    assert answer.errors[0].message


def test_several_codes_are_all_told_and_the_portals_words_are_kept() -> None:
    """One or more codes, separated by commas; `info` has words where there are any."""
    answer = _read({"status": 0, "error": _b64({"errorCodes": "208,212,"}), "info": "Invalid GSTIN"})
    assert isinstance(answer, Failure)
    assert [(each.code, each.message) for each in answer.errors] == [("208", "Invalid GSTIN"), ("212", "Invalid GSTIN")]


@pytest.mark.parametrize(
    "body",
    [
        {"status": "0"},
        {"status": "0", "error": ""},
        {"status": "0", "error": _b64({"errorCodes": ","})},
        {"status": "0", "error": _b64({"errorCodes": "2 3 8"})},
        {"status": "0", "error": [1]},
        {"status": "2", "data": "x"},
        {"status": "1", "data": "x", "error": _b64({"errorCodes": "238"})},
        {"data": "x"},
        [],
        {"status": "0", "error": {"errorCodes": ",".join(map(str, range(ewayapi.CODES_MAX + 1)))}},
    ],
)
def test_what_contradicts_itself_is_unreadable(body: Any) -> None:
    """No guess is made of half an answer."""
    assert isinstance(_read(body), Unreadable)


@pytest.mark.parametrize("status", [302, 500, 502, 504])
def test_a_front_that_fails_is_unreadable(status: int) -> None:
    """Whatever the body says: it is not the portal's."""
    assert isinstance(_read({"status": "1", "data": "x"}, status), Unreadable)


def test_a_refusal_with_http_400_is_a_refusal_and_a_success_is_not() -> None:
    """HTTP's own word counts against a success only."""
    assert isinstance(_read({"status": "0", "error": _b64({"errorCodes": "208"})}, 400), Failure)
    assert isinstance(_read({"status": "1", "data": "x"}, 400), Unreadable)


def test_the_login_says_who_and_with_what_key() -> None:
    """The JSON under Base64 under RSA, by the names that this system uses."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    body = json.loads(SPOKEN.login(ACCOUNT, app_key=bytes(range(32)), public_key_pem=pem, force=True))
    inner = private.decrypt(base64.b64decode(body["Data"]), PKCS1v15())
    assert json.loads(base64.b64decode(inner)) == {
        "action": "ACCESSTOKEN",
        "username": "someone",
        "password": "something",
        "app_key": base64.b64encode(bytes(range(32))).decode(),
    }


def test_a_login_yields_a_session_of_six_hours() -> None:
    """Token and wrapped key; the life is counted from before it was asked for, as the answer does not tell it."""
    handshake = json.loads((Path(__file__).parents[1] / "vectors" / "irp_handshake.json").read_text())
    answer = _read({"status": 1, "authtoken": "t", "sek": handshake["wrapped_sek"]})
    login = SPOKEN.logged_in(answer, bytes.fromhex(handshake["app_key_hex"]), at=AT)
    assert login.session_key.hex() == handshake["sek_hex"]
    assert login.expires_at == AT + timedelta(hours=6)
    with pytest.raises(KeyError):
        SPOKEN.logged_in(Success({"sek": "x"}), bytes(32), at=AT)


def test_headers_are_those_of_the_system() -> None:
    """With hyphens, and the token when there is one; no user name."""
    assert SPOKEN.headers(ROUTE, ACCOUNT, None).keys() >= {"client-id", "client-secret", "Gstin"}
    assert SPOKEN.headers(ROUTE, ACCOUNT, SESSION)["authtoken"] == "a-token"


def test_a_route_leads_to_the_system_below_its_host_or_elsewhere() -> None:
    """As at the portals' sandbox, where one host has both; in production it is a host of its own."""
    assert endpoints.url(ROUTE, endpoints.EWB_CANCEL) == "http://portal.test/ewaybillapi/v1.03/ewayapi"
    elsewhere = replace(ROUTE, ewb_base_url="https://ewb.test/")
    assert endpoints.url(elsewhere, endpoints.EWB_CANCEL) == "https://ewb.test/v1.03/ewayapi"
    assert endpoints.url(elsewhere, endpoints.GENERATE_IRN).startswith("http://portal.test/eicore")

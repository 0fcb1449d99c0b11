"""The portal's cryptography: known answers, limits, and what must never be said."""

from __future__ import annotations

import ast
import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import Misconfigured
from gateway.irp import crypto
from gateway.irp.crypto import CannotDecrypt

_VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "irp_handshake.json").read_text())
_APP_KEY = bytes.fromhex(_VECTOR["app_key_hex"])
_SEK = bytes.fromhex(_VECTOR["sek_hex"])
_PASSWORD = "Sesame#2026"
_GATEWAY = Path(__file__).parents[2] / "gateway"


def _pem(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def portal() -> rsa.RSAPrivateKey:
    """The portal's login key, made for this run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _opened(data: str, portal: rsa.RSAPrivateKey) -> str:
    inner = portal.decrypt(base64.b64decode(data, validate=True), padding.PKCS1v15())
    return base64.b64decode(inner, validate=True).decode()


def _login(portal: rsa.RSAPrivateKey, *, password: str = _PASSWORD, force_refresh: bool = False) -> str:
    return crypto.login_data(
        user_name="einv_user",
        password=password,
        app_key=_APP_KEY,
        public_key_pem=_pem(portal.public_key()),
        force_refresh=force_refresh,
    )


def test_the_known_session_key_comes_out_of_its_wrapper() -> None:
    """The vector's Sek opens with the vector's AppKey."""
    assert crypto.unwrap_sek(_VECTOR["wrapped_sek"], _APP_KEY) == _SEK
    assert base64.b64encode(_APP_KEY).decode() == _VECTOR["app_key_base64"]


def test_the_known_request_is_encrypted_as_known() -> None:
    """The vector's request gives the vector's Data, and comes back out of it."""
    request = json.dumps(_VECTOR["request"], separators=(",", ":")).encode()
    assert crypto.encrypt(request, _SEK) == _VECTOR["request_data"]
    assert crypto.decrypt(_VECTOR["request_data"], _SEK) == request


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 1000])
def test_a_payload_of_any_length_survives(size: int) -> None:
    """Padding is right on both sides of every block boundary."""
    payload = bytes(range(256)) * 4
    assert crypto.decrypt(crypto.encrypt(payload[:size], _SEK), _SEK) == payload[:size]


def test_a_login_opens_at_the_portal(portal: rsa.RSAPrivateKey) -> None:
    """The portal's private key finds compact JSON with the four members, in their order."""
    text = _opened(_login(portal, force_refresh=True), portal)
    assert text == (
        '{"UserName":"einv_user","Password":"Sesame#2026",'
        f'"AppKey":"{_VECTOR["app_key_base64"]}","ForceRefreshAccessToken":true}}'
    )


def test_two_logins_are_never_the_same_text(portal: rsa.RSAPrivateKey) -> None:
    """The padding is random, so a login cannot be recognised by its looks."""
    assert _login(portal) != _login(portal)


def test_a_password_may_have_letters_of_any_script(portal: rsa.RSAPrivateKey) -> None:
    """Text outside ASCII is sent as UTF-8, not as escapes that would take three times the room."""
    assert json.loads(_opened(_login(portal, password="मोहर€"), portal))["Password"] == "मोहर€"


def test_the_longest_login_is_sealed_and_one_byte_more_is_not(portal: rsa.RSAPrivateKey) -> None:
    """183 bytes of JSON fit under a key of 2048 bits; the error names the limit and keeps the password to itself."""
    assert crypto.login_json_bytes_max(2048) == 183
    room = 183 - len(_opened(_login(portal, password=""), portal))
    assert len(_opened(_login(portal, password="Qx7" + "z" * (room - 3)), portal)) == 183
    with pytest.raises(Misconfigured) as caught:
        _login(portal, password="Qx7" + "z" * (room - 2))
    error = caught.value
    assert "183" in error.message
    assert "1 bytes shorter" in error.help
    assert "Qx7" not in f"{error!r} {error.message} {error.help} {error.facts}"


def test_a_larger_key_takes_a_longer_login() -> None:
    """The limit follows from the key."""
    assert crypto.login_json_bytes_max(4096) == 375


def test_a_key_that_is_none_is_refused_before_anything_is_sealed(portal: rsa.RSAPrivateKey) -> None:
    """Garbage, an elliptic curve and a short key are faults of the set-up, with no word of the login in them."""
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()  # noqa: S505  # the point
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    damaged = _pem(portal.public_key()).replace(b"MII", b"AAA")
    for pem in (b"", b"not a key", damaged, _pem(curve), _pem(short)):
        with pytest.raises(Misconfigured) as caught:
            crypto.login_data(
                user_name="u", password="hush-hush", app_key=_APP_KEY, public_key_pem=pem, force_refresh=False
            )
        assert caught.value.code == "login-key-unusable"
        assert "hush-hush" not in str(caught.value.__dict__)


def test_a_fresh_app_key_is_what_the_source_gave() -> None:
    """32 bytes are asked for and kept; a source that gives fewer is refused."""
    assert crypto.new_app_key(lambda size: bytes(range(size))) == _APP_KEY
    with pytest.raises(ValueError, match="16 of 32"):
        crypto.new_app_key(lambda _: bytes(16))


@pytest.mark.parametrize(
    "data",
    [
        "",
        "====",
        "not base64!",
        "QUJD",
        _VECTOR["request_data"][:-4],
        _VECTOR["request_data"][:-1],
        "£" * 24,
        "A" * 64,
        _VECTOR["request_data"] + "\n",
        " " + _VECTOR["request_data"],
    ],
)
def test_what_is_no_ciphertext_cannot_be_decrypted(data: str) -> None:
    """Damaged text raises CannotDecrypt and nothing else, and the message repeats none of it."""
    with pytest.raises(CannotDecrypt) as caught:
        crypto.decrypt(data, _SEK)
    assert not data or data not in str(caught.value)
    assert caught.value.__suppress_context__


def test_another_key_does_not_decrypt() -> None:
    """An answer under a renewed session key is noticed, and so is a Sek that belongs to another login."""
    with pytest.raises(CannotDecrypt):
        crypto.decrypt(_VECTOR["request_data"], _APP_KEY)
    with pytest.raises(CannotDecrypt):
        crypto.unwrap_sek(_VECTOR["wrapped_sek"], _SEK)


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_wrapped_key_of_another_length_is_refused(size: int) -> None:
    """A session key has 32 bytes."""
    with pytest.raises(CannotDecrypt, match="32"):
        crypto.unwrap_sek(crypto.encrypt(bytes(size), _APP_KEY), _APP_KEY)


@pytest.mark.parametrize("size", [0, 16, 24, 33])
def test_a_key_of_another_length_encrypts_nothing(size: int) -> None:
    """AES-192 and AES-128 would work, and would be wrong: the key's length is checked, its bytes are not shown."""
    with pytest.raises(ValueError, match="AES-256") as caught:
        crypto.encrypt(b"{}", bytes([65]) * size)
    assert "AAAA" not in str(caught.value)


def test_the_weak_algorithms_stand_in_one_module() -> None:
    """No other module of the gateway but the sandbox, which plays the portal, names ECB or PKCS#1 v1.5."""
    places = {
        path.relative_to(_GATEWAY).parts[0] + "/" + path.name
        for path in _GATEWAY.rglob("*.py")
        if {"ECB", "PKCS1v15"} & _names(path)
    }
    assert {place for place in places if not place.startswith("sandbox/")} == {"irp/crypto.py"}


def _names(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.name for alias in node.names)
    return names

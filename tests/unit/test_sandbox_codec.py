"""The sandbox's own cipher and keys, held to the published handshake."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding

from gateway.sandbox import codec
from gateway.sandbox.keys import SandboxKeys

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "irp_handshake.json").read_text())
APP_KEY = bytes.fromhex(VECTOR["app_key_hex"])
SEK = bytes.fromhex(VECTOR["sek_hex"])


@pytest.fixture(scope="module")
def keys() -> SandboxKeys:
    """One set of keys for the module."""
    return SandboxKeys.generate()


def test_the_known_session_key_is_wrapped_as_known() -> None:
    """The wrapped session key of the kept handshake comes out byte for byte."""
    assert codec.encrypt(APP_KEY, SEK) == VECTOR["wrapped_sek"]


def test_the_known_request_is_read_as_known() -> None:
    """The kept request decrypts to the text that was sent."""
    assert json.loads(codec.decrypt(SEK, VECTOR["request_data"])) == VECTOR["request"]


@pytest.mark.parametrize("text", ["", "%%%", "AAAA", VECTOR["request_data"][:-4], base64.b64encode(bytes(32)).decode()])
def test_what_is_no_cipher_text_is_refused(text: str) -> None:
    """No Base64, no whole blocks, no padding: one error for all."""
    with pytest.raises(codec.CodecError):
        codec.decrypt(SEK, text)


def test_another_key_does_not_decrypt() -> None:
    """A text that was encrypted with one key is not read with another."""
    with pytest.raises(codec.CodecError):
        codec.decrypt(APP_KEY, VECTOR["request_data"])


def test_a_login_is_opened(keys: SandboxKeys) -> None:
    """RSA over the Base64 of the JSON text, in Base64 again."""
    assert codec.open_login(keys.login, _sealed(keys, base64.b64encode(b'{"UserName":"u"}'))) == {"UserName": "u"}


@pytest.mark.parametrize("inner", [b"{}", base64.b64encode(b"{"), base64.b64encode(b"[]"), b"\xff"])
def test_a_login_of_another_form_is_refused(keys: SandboxKeys, inner: bytes) -> None:
    """JSON that is not in Base64, no JSON, no object, and rubbish."""
    with pytest.raises(codec.CodecError):
        codec.open_login(keys.login, _sealed(keys, inner))


def test_a_login_for_another_key_is_refused(keys: SandboxKeys) -> None:
    """A login that was sealed for somebody else's key does not open."""
    with pytest.raises(codec.CodecError):
        codec.open_login(SandboxKeys.generate().login, _sealed(keys, base64.b64encode(b"{}")))


@pytest.mark.parametrize("text", [None, 5, "%", "AAAA", base64.b64encode(bytes(31)).decode()])
def test_an_app_key_has_32_bytes(text: object) -> None:
    """Anything else than Base64 of 32 bytes is refused."""
    with pytest.raises(codec.CodecError):
        codec.read_app_key(text)


def test_an_independent_library_verifies_the_signature(keys: SandboxKeys) -> None:
    """PyJWT verifies with the published certificate, and the data is a string inside the payload."""
    key = keys.current
    token = codec.sign(key, '{"Irn":"…"}', issuer="NIC Sandbox")
    certificate = x509.load_pem_x509_certificate(key.certificate_pem.encode())
    payload = jwt.decode(token, certificate.public_key(), algorithms=["RS256"])
    assert payload == {"data": '{"Irn":"…"}', "iss": "NIC Sandbox"}


def test_a_key_is_named_by_its_thumbprint(keys: SandboxKeys) -> None:
    """The kid is the upper-case SHA-1 of the certificate, and x5t the same bytes in base64url."""
    key = keys.current
    digest = hashlib.sha1(key.certificate.public_bytes(serialization.Encoding.DER)).digest()  # noqa: S324 - a name
    header = jwt.get_unverified_header(codec.sign(key, "{}", issuer="NIC Sandbox"))
    assert header["kid"] == digest.hex().upper()
    assert base64.urlsafe_b64decode(header["x5t"] + "=") == digest


def test_the_same_text_is_signed_the_same(keys: SandboxKeys) -> None:
    """A read-back repeats the token of the registration byte for byte, because signing has no randomness."""
    assert codec.sign(keys.current, "{}", issuer="a") == codec.sign(keys.current, "{}", issuer="a")


def test_keys_are_kept_in_a_folder(tmp_path: Path) -> None:
    """A second start finds the keys of the first, those that came by rotation too, and the newest is current."""
    first = SandboxKeys.load_or_create(tmp_path / "keys")
    first.rotate()
    second = SandboxKeys.load_or_create(tmp_path / "keys")
    assert second.as_json() == first.as_json()
    assert len(second.published) == 2
    assert second.current.kid == first.current.kid


def test_private_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    """Files of private keys have mode 0600."""
    SandboxKeys.load_or_create(tmp_path)
    private = list(tmp_path.glob("*.key.pem"))
    assert len(private) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}


def test_a_file_with_another_kind_of_key_is_an_error(tmp_path: Path) -> None:
    """A login key that is no RSA key is not taken."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - needed in this one test

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "login.key.pem").write_bytes(pem)
    with pytest.raises(TypeError):
        SandboxKeys.load_or_create(tmp_path)


def test_rotation_keeps_the_old_key_published() -> None:
    """What was signed before a rotation can still be verified."""
    keys = SandboxKeys.generate()
    old = keys.current
    keys.rotate()
    assert keys.current.kid != old.kid
    assert [key.kid for key in keys.published] == [old.kid, keys.current.kid]


def test_a_hidden_key_is_published_by_name_or_by_rotation() -> None:
    """Publishing leaves the current key; rotating makes the hidden one current."""
    published, rotated = SandboxKeys.generate(), SandboxKeys.generate()
    hidden, other = published.hidden, rotated.hidden
    published.publish()
    published.publish()
    rotated.rotate()
    assert (hidden in published.published, published.current is hidden) == (True, False)
    assert (other in rotated.published, rotated.current is other) == (True, True)


def _sealed(keys: SandboxKeys, inner: bytes) -> str:
    return base64.b64encode(keys.login.public_key().encrypt(inner, padding.PKCS1v15())).decode()

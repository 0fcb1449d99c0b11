"""The portal's side of the published cipher: logins, encrypted bodies and signed answers.

Nothing here is shared with the client's codec in `gateway.irp`.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final

from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from gateway.sandbox.keys import SigningKey

APP_KEY_BYTES: Final = 32
"""Length of an AppKey and of a session key (SEK): AES-256."""

_BLOCK_BITS: Final = 128


class CodecError(ValueError):
    """Text that is not what the protocol says it is."""


def encrypt(key: bytes, plain: bytes) -> str:
    """Base64 of AES-256-ECB with PKCS#7 padding."""
    padder = block_padding.PKCS7(_BLOCK_BITS).padder()
    encryptor = _cipher(key).encryptor()
    return base64.b64encode(encryptor.update(padder.update(plain) + padder.finalize())).decode()


def decrypt(key: bytes, text: str) -> bytes:
    """The other way. Raises CodecError when the text is no Base64, no whole blocks or not padded."""
    try:
        cipher_text = base64.b64decode(text, validate=True)
        plain = _cipher(key).decryptor().update(cipher_text)
        unpadder = block_padding.PKCS7(_BLOCK_BITS).unpadder()
        return unpadder.update(plain) + unpadder.finalize()
    except ValueError as error:
        message = "the text does not decrypt"
        raise CodecError(message) from error


def seal_login(login: bytes, public: rsa.RSAPublicKey) -> str:
    """A login's `Data`, as a program of the taxpayer makes it."""
    return base64.b64encode(public.encrypt(base64.b64encode(login), padding.PKCS1v15())).decode()


def open_login(private: rsa.RSAPrivateKey, text: str) -> dict[str, Any]:
    """The JSON object inside a login's `Data`: Base64 of RSA (PKCS#1 v1.5) over Base64 of the JSON text.

    Raises CodecError for anything else. Which layer is wrong cannot be told: OpenSSL answers a wrong padding with
    random bytes on purpose.
    """
    try:
        inner = private.decrypt(base64.b64decode(text, validate=True), padding.PKCS1v15())
        login = json.loads(base64.b64decode(inner, validate=True))
    except (ValueError, RecursionError) as error:
        message = "the login does not decrypt to JSON"
        raise CodecError(message) from error
    if not isinstance(login, dict):
        message = "the login is no JSON object"
        raise CodecError(message)
    return login


def read_app_key(text: Any) -> bytes:
    """The 32 bytes of an AppKey. Raises CodecError."""
    try:
        key = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        message = "the AppKey is no Base64"
        raise CodecError(message) from error
    if len(key) != APP_KEY_BYTES:
        message = f"the AppKey has {len(key)} bytes, not {APP_KEY_BYTES}"
        raise CodecError(message)
    return key


def sign(key: SigningKey, data: str, *, issuer: str) -> str:
    """A compact JWS (RS256) whose payload is `{"data": <text>, "iss": <issuer>}`: the data is a string inside it."""
    header = {"alg": "RS256", "kid": key.kid, "typ": "JWT", "x5t": key.x5t}
    payload = {"data": data, "iss": issuer}
    signed = ".".join(_base64url(_compact(part)) for part in (header, payload))
    return f"{signed}.{_base64url(key.sign(signed.encode('ascii')))}"


def _cipher(key: bytes) -> Cipher[modes.ECB]:
    return Cipher(algorithms.AES256(key), modes.ECB())  # noqa: S305 - ECB is what the portal published


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")

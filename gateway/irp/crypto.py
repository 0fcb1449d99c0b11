"""The portal's cryptography: the login sealed with RSA, everything after it with AES under a session key.

NIC fixes the algorithms: RSA with PKCS#1 v1.5 padding for the login, AES-256 in ECB mode with PKCS#7 padding for the
rest (API documentation, authentication v1.04). Both are out of date, so they stand in this module and in no other. ECB
tells nobody whether an answer was altered: TLS protects it on its way, and the signatures of the documents afterwards.

Names: the AppKey is made by us and travels inside the login; the SEK (session encryption key) is made by the portal
and comes back wrapped under the AppKey of that very login, even when the token is an older one. Keep the SEK itself,
not its wrapper.

No message of this module repeats a key, a password, or a text that was to be encrypted or decrypted.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.errors import Misconfigured

KEY_BYTES: Final = 32
"""Of AppKey and SEK alike: AES-256."""

RSA_KEY_BITS_MIN: Final = 2048
"""Of the portal's login key. NIC's has 2048; a shorter one is no key of a portal."""

_PKCS1_OVERHEAD_BYTES: Final = 11
"""What PKCS#1 v1.5 takes of the modulus for its own marks and padding (RFC 8017, 7.2)."""

_AES_BLOCK_BITS: Final = 128
_PUBLIC_KEYS_CACHED_MAX: Final = 16
"""One per portal and environment, with room for the old and the new one of a rotation."""


class CannotDecrypt(ValueError):
    """A ciphertext does not open under the key at hand, or does not hold what it should."""


def new_app_key(random_bytes: Callable[[int], bytes]) -> bytes:
    """A fresh AppKey of 32 bytes. `random_bytes` must be fit for keys, as `secrets.token_bytes` is."""
    key = random_bytes(KEY_BYTES)
    if len(key) != KEY_BYTES:
        message = f"the source of random bytes gave {len(key)} of {KEY_BYTES}"
        raise ValueError(message)
    return key


def login_data(*, user_name: str, password: str, app_key: bytes, public_key_pem: bytes, force_refresh: bool) -> str:
    """The `Data` of a login: compact JSON, in Base64, under the portal's RSA key, in Base64 again.

    Raises Misconfigured when the key is no usable RSA public key, or when the JSON is longer than the key can take
    (183 bytes for 2048 bits): RSA encrypts one short text only, and the Base64 inside is part of the protocol.
    """
    login = _login_json(user_name=user_name, password=password, app_key=app_key, force_refresh=force_refresh)
    return seal_login(login, public_key_pem)


def seal_login(login: bytes, public_key_pem: bytes) -> str:
    """The JSON text of a login, as every system of the portals takes it. Raises as `login_data`."""
    public_key = _public_key(public_key_pem)
    bytes_max = login_json_bytes_max(public_key.key_size)
    if len(login) > bytes_max:
        raise Misconfigured(
            "login-too-long",
            f"The login takes {len(login)} bytes of JSON, and the portal's key of {public_key.key_size} bits can seal "
            f"{bytes_max}: RSA encrypts no more than one block.",
            help=f"Choose an API user name and password that are {len(login) - bytes_max} bytes shorter together.",
            bytes_max=bytes_max,
        )
    # The portal demands this padding. It is used for encryption only, so there is no oracle to lean on.
    sealed = public_key.encrypt(base64.b64encode(login), PKCS1v15())
    return base64.b64encode(sealed).decode("ascii")


def login_json_bytes_max(key_bits: int) -> int:
    """How long the login JSON may be, in bytes. A key of 2048 bits takes 245 bytes of Base64, which is 183 of JSON."""
    return (key_bits // 8 - _PKCS1_OVERHEAD_BYTES) // 4 * 3


def unwrap_sek(sek: str, app_key: bytes) -> bytes:
    """The session key out of a login answer's `Sek`. `app_key` is the one of that login. Raises CannotDecrypt."""
    key = decrypt(sek, app_key)
    if len(key) != KEY_BYTES:
        message = f"the session key has {len(key)} bytes and should have {KEY_BYTES}"
        raise CannotDecrypt(message)
    return key


def encrypt(payload: bytes, sek: bytes) -> str:
    """The `Data` of a request: the payload under the session key, in Base64."""
    padder = PKCS7(_AES_BLOCK_BITS).padder()
    encryptor = _cipher(sek).encryptor()
    padded = padder.update(payload) + padder.finalize()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode("ascii")


def decrypt(data: str, sek: bytes) -> bytes:
    """The bytes within the `Data` of an answer.

    Raises CannotDecrypt when it is no Base64, no whole number of blocks, or was sealed with another key. About one
    wrong key in 250 is not noticed by the padding, so what comes out still has to make sense as JSON.
    """
    decryptor = _cipher(sek).decryptor()
    unpadder = PKCS7(_AES_BLOCK_BITS).unpadder()
    try:
        sealed = base64.b64decode(data, validate=True)
        padded = decryptor.update(sealed) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except (binascii.Error, ValueError):
        message = "the data is no Base64 of whole AES blocks, or was encrypted with another key"
        raise CannotDecrypt(message) from None


def _cipher(key: bytes) -> Cipher[Any]:
    if len(key) != KEY_BYTES:
        message = f"a key of {len(key)} bytes, where AES-256 takes {KEY_BYTES}"
        raise ValueError(message)
    return Cipher(AES(key), ECB())  # noqa: S305  # the mode is the portal's, and nobody else's, choice


def _login_json(*, user_name: str, password: str, app_key: bytes, force_refresh: bool) -> bytes:
    login = {
        "UserName": user_name,
        "Password": password,
        "AppKey": base64.b64encode(app_key).decode("ascii"),
        "ForceRefreshAccessToken": force_refresh,
    }
    return json.dumps(login, ensure_ascii=False, separators=(",", ":")).encode()


@lru_cache(maxsize=_PUBLIC_KEYS_CACHED_MAX)
def _public_key(pem: bytes) -> RSAPublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable_key("is no PEM public key") from None
    if not isinstance(key, RSAPublicKey):
        raise _unusable_key("is not an RSA key")
    if key.key_size < RSA_KEY_BITS_MIN:
        raise _unusable_key(f"has {key.key_size} bits, fewer than {RSA_KEY_BITS_MIN}")
    return key


def _unusable_key(flaw: str) -> Misconfigured:
    return Misconfigured(
        "login-key-unusable",
        f"The public key for the portal's login {flaw}.",
        help="Download the API public key of this environment from the portal and set it for the route.",
    )

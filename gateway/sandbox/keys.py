"""The sandbox's keys: one for logins, and the keys with which it signs. They are made here, never shipped."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

KEY_BITS: Final = 2048
"""As long as the portal's own keys: a login takes 245 bytes, a signature has 256."""

_PUBLIC_EXPONENT: Final = 65537
_VALID_FROM: Final = datetime(2017, 7, 1, tzinfo=UTC)
_VALID_TO: Final = datetime(2049, 12, 31, tzinfo=UTC)
"""Fixed, so that a certificate holds on whatever day a test's clock stands."""

_OWNER_ONLY: Final = 0o600
_LOGIN_FILE: Final = "login.key.pem"
_SIGNING_FILE: Final = "signing-{number}.key.pem"
_CERTIFICATE_FILE: Final = "signing-{number}.crt.pem"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its self-signed certificate, known by the certificate's SHA-1 thumbprint as at the portal."""

    private: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @classmethod
    def generate(cls) -> Self:
        """A new key. Takes some tens of milliseconds."""
        private = _new_private_key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mohar sandbox portal")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_VALID_FROM)
            .not_valid_after(_VALID_TO)
        )
        return cls(private, builder.sign(private, hashes.SHA256()))

    @property
    def kid(self) -> str:
        """The key's name in a JWS header: the thumbprint in upper-case hexadecimal."""
        return self._thumbprint().hex().upper()

    @property
    def x5t(self) -> str:
        """The same twenty bytes in base64url."""
        return base64.urlsafe_b64encode(self._thumbprint()).rstrip(b"=").decode()

    @property
    def certificate_pem(self) -> str:
        """The certificate as a portal publishes it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, message: bytes) -> bytes:
        """RS256. The scheme has no randomness: the same message gives the same signature."""
        return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def _thumbprint(self) -> bytes:
        return self.certificate.fingerprint(hashes.SHA1())  # noqa: S303 - it names a key here, it protects nothing


class SandboxKeys:
    """The login key and the signing keys. `current` signs; `published` is what verifiers are told of.

    A hidden key signs where a test wants an unknown key id: it is published by `publish` or becomes current by
    `rotate`. Not thread-safe by itself: the sandbox that owns it holds its lock.
    """

    def __init__(self, *, login: rsa.RSAPrivateKey, signing: Sequence[SigningKey], folder: Path | None = None) -> None:
        self.login = login
        self._published = list(signing)
        self._hidden: SigningKey | None = None
        self._folder = folder
        self.current = self._published[-1]

    @classmethod
    def generate(cls) -> Self:
        """New keys that are kept nowhere."""
        return cls(login=_new_private_key(), signing=[SigningKey.generate()])

    @classmethod
    def load_or_create(cls, folder: Path) -> Self:
        """The keys of a folder of PEM files; what is missing is made and written, private keys with mode 0600."""
        folder.mkdir(parents=True, exist_ok=True)
        login_file = folder / _LOGIN_FILE
        if not login_file.exists():
            _write_private_key(login_file, _new_private_key())
        signing = _read_signing_keys(folder)
        if not signing:
            signing = [SigningKey.generate()]
            _write_signing_key(folder, signing[0], number=1)
        return cls(login=_read_private_key(login_file), signing=signing, folder=folder)

    @property
    def login_public_pem(self) -> str:
        """What a client encrypts its login with."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.login.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    @property
    def published(self) -> tuple[SigningKey, ...]:
        """Every key that verifiers are told of, oldest first."""
        return tuple(self._published)

    @property
    def hidden(self) -> SigningKey:
        """A key that is published nowhere. Made when it is first asked for."""
        if self._hidden is None:
            self._hidden = SigningKey.generate()
        return self._hidden

    def by_kid(self, kid: str) -> SigningKey:
        """The key of that name, or the current one where the name is of an earlier life of the sandbox."""
        known = [*self._published, *([self._hidden] if self._hidden else [])]
        return next((key for key in known if key.kid == kid), self.current)

    def publish(self) -> None:
        """Tell verifiers of the hidden key, or of a new one where there is none. The current key stays."""
        self._published.append(self.hidden)
        if self._folder is not None:
            _write_signing_key(self._folder, self.hidden, number=len(self._published))
        self._hidden = None

    def rotate(self) -> None:
        """Make the newest key current: the hidden one, or the one published last, or a new one. Old ones stay."""
        if self._hidden is not None or self.current is self._published[-1]:
            self.publish()
        self.current = self._published[-1]

    def as_json(self) -> dict[str, Any]:
        """What `GET /_keys` tells."""
        signing = [{"kid": key.kid, "certificate": key.certificate_pem} for key in self._published]
        return {"login_public_key": self.login_public_pem, "signing": signing}


def _new_private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=_PUBLIC_EXPONENT, key_size=KEY_BITS)


def _read_private_key(file: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        message = f"{file} holds no RSA key"
        raise TypeError(message)
    return key


def _write_private_key(file: Path, key: rsa.RSAPrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY), "wb") as target:
        target.write(pem)
    with contextlib.suppress(NotImplementedError):
        file.chmod(_OWNER_ONLY)


def _write_signing_key(folder: Path, key: SigningKey, *, number: int) -> None:
    _write_private_key(folder / _SIGNING_FILE.format(number=number), key.private)
    (folder / _CERTIFICATE_FILE.format(number=number)).write_text(key.certificate_pem, encoding="ascii")


def _read_signing_keys(folder: Path) -> list[SigningKey]:
    keys: list[SigningKey] = []
    while (certificate := folder / _CERTIFICATE_FILE.format(number=len(keys) + 1)).exists():
        private = _read_private_key(folder / _SIGNING_FILE.format(number=len(keys) + 1))
        keys.append(SigningKey(private, x509.load_pem_x509_certificate(certificate.read_bytes())))
    return keys

"""The verification keys of portals that an operator has installed, by key id."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from gateway.errors import Misconfigured, MoharError
from gateway.irp.signatures import normal_key_id

RELOAD_SECONDS_MIN: Final = 60.0
"""Between two looks for new keys. A flood of tokens with invented ids then costs one look a minute."""

RSA_KEY_BITS_MIN: Final = 2048
"""Of a signing key. Every portal's has 2048; a signature of a shorter one could be forged."""

_CERTIFICATE_MARK: Final = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key as it was found: PEM, of a certificate or of a public key. The latter needs its `kid` told."""

    pem: bytes
    kid: str | None = None


class SigningKeys:
    """The installed keys of one environment. Safe to share between threads.

    `reload`, if given, finds the keys that are installed by now. It is asked when an unknown id turns up, at most once
    in `reload_seconds`. If it fails, or brings an unusable key, `find` goes on with what it has, and `reload_fault`
    says what was wrong until a later look succeeds.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        reload: Callable[[], Iterable[KeyFile]] | None = None,
        reload_seconds: float = RELOAD_SECONDS_MIN,
    ) -> None:
        self.reload_fault: str | None = None
        self._monotonic = monotonic
        self._reload = reload
        self._reload_seconds = reload_seconds
        self._reloaded_at: float | None = None
        self._keys: dict[str, RSAPublicKey] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"SigningKeys({', '.join(sorted(self._keys))})"

    def add(self, pem: bytes, *, kid: str | None = None) -> str:
        """Install a key and return its id.

        The id of a certificate is the SHA-1 thumbprint of its DER form, in capitals, as portals write it; a bare public
        key needs `kid`. Raises Misconfigured when the PEM is unusable, or the id already stands for another key.
        """
        own_id, key = _read(pem)
        name = kid or own_id
        if name is None:
            raise _unusable("a public key does not say its own id", help="Name the key id under which it signs.")
        name = normal_key_id(name)
        known = self._keys.setdefault(name, key)
        if _bytes(known) != _bytes(key):
            raise _unusable(
                f"the id {name} already stands for another key", help="Check both files: one id is one key."
            )
        return name

    def find(self, kid: str) -> RSAPublicKey | None:
        """The key with this id, or None. An unknown id may cause a look for new keys."""
        name = normal_key_id(kid)
        if name not in self._keys:
            self._look_for_new()
        return self._keys.get(name)

    def _look_for_new(self) -> None:
        if self._reload is None:
            return
        with self._lock:
            now = self._monotonic()
            if self._reloaded_at is not None and now - self._reloaded_at < self._reload_seconds:
                return
            self._reloaded_at = now
            self.reload_fault = self._take_in(self._reload)

    def _take_in(self, reload: Callable[[], Iterable[KeyFile]]) -> str | None:
        """Install what is found, each key by itself. What was wrong last, if anything."""
        fault = None
        try:
            for found in reload():
                try:
                    self.add(found.pem, kid=found.kid)
                except Misconfigured as error:
                    fault = error.message
        except (OSError, MoharError) as error:
            fault = f"the installed keys cannot be listed: {type(error).__name__}"
        return fault


def _read(pem: bytes) -> tuple[str | None, RSAPublicKey]:
    """A PEM's own key id, if it has one, and its key."""
    try:
        if _CERTIFICATE_MARK in pem:
            certificate = x509.load_pem_x509_certificate(pem)
            # SHA-1 names the certificate here, as the portals have it; nothing is trusted because of it.
            own_id = certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303  # a name, not a proof
            key: object = certificate.public_key()
        else:
            own_id, key = None, load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable("it is neither a PEM certificate nor a PEM public key") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < RSA_KEY_BITS_MIN:
        raise _unusable(f"it is no RSA key of {RSA_KEY_BITS_MIN} bits or more")
    return own_id, key


def _bytes(key: RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _unusable(flaw: str, *, help: str = "Download the portal's signing certificate anew.") -> Misconfigured:
    return Misconfigured("signing-key-unusable", f"A signing key cannot be used: {flaw}.", help=help)

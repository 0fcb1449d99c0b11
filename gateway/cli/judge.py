"""Signatures in an evidence bundle, for the check of `gateway.domain.bundle_check`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.auth import seal_keys
from gateway.errors import Misconfigured
from gateway.irp import signatures
from gateway.irp.signing_keys import SigningKeys


class BundleJudge:
    """Implements `bundle_check.Judge`. It uses nothing but what it is given."""

    def __init__(self) -> None:
        self._portal_keys: SigningKeys | None = None

    def key_id(self, pem: str) -> str:
        """See `bundle_check.Judge`."""
        return seal_keys.read_public_key(pem)[0]

    def seal_holds(self, pem: str, statement: bytes, signature: str) -> bool:
        """See `bundle_check.Judge`."""
        return seal_keys.signature_holds(_read(pem), statement, signature)

    def document_flaw(self, body: str, keys: Mapping[str, str]) -> str | None:
        """See `bundle_check.Judge`."""
        try:
            if self._portal_keys is None:
                self._portal_keys = _installed(keys)
            signatures.read_signed_invoice(signatures.verify(body, self._portal_keys))
        except (signatures.BadSignature, signatures.UnknownKey) as error:
            return str(error)
        except Misconfigured as error:
            return error.message
        return None


def _installed(keys: Mapping[str, str]) -> SigningKeys:
    made = SigningKeys(monotonic=lambda: 0.0)
    for kid, pem in keys.items():
        made.add(pem.encode(), kid=kid)
    return made


@lru_cache(maxsize=16)
def _read(pem: str) -> Ed25519PublicKey:
    return seal_keys.read_public_key(pem)[1]

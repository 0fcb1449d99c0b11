"""Keys that sign seals: Ed25519, the private part under the master key."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.ports import Vault
from gateway.ports.evidence import SealKey

_ID_CHARACTERS: Final = 32
"""Of a key's id: 128 bits of the SHA-256 of its public part."""
_CONTEXT: Final = "audit_keys|private|"


class VaultSealer:
    """Implements `ports.Sealer`."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def new_key(self) -> SealKey:
        """See `ports.Sealer`."""
        private = Ed25519PrivateKey.generate()
        key_id = id_of(private.public_key())
        pem = _pem(private.public_key())
        sealed = self._vault.seal(private.private_bytes_raw(), context=_CONTEXT + key_id)
        return SealKey(key_id=key_id, private_sealed=sealed, public_pem=pem)

    def sign(self, statement: bytes, *, key: SealKey) -> str:
        """See `ports.Sealer`."""
        private = self._vault.open(key.private_sealed, context=_CONTEXT + key.key_id)
        return Ed25519PrivateKey.from_private_bytes(private).sign(statement).hex()


def id_of(public: Ed25519PublicKey) -> str:
    """The id of a key."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:_ID_CHARACTERS]


def read_public_key(pem: str) -> tuple[str, Ed25519PublicKey]:
    """A public key and its id. Raises ValueError on anything but an Ed25519 key in the form that `new_key` gives."""
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey) or _pem(key) != pem:
        raise ValueError("seals are signed with Ed25519 keys")
    return id_of(key), key


def _pem(key: Ed25519PublicKey) -> str:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def signature_holds(key: Ed25519PublicKey, statement: bytes, signature: str) -> bool:
    """Whether a signature in hexadecimal is that key's over the statement."""
    try:
        key.verify(bytes.fromhex(signature), statement)
    except (InvalidSignature, ValueError):
        return False
    return True

"""Sealing of bodies: AES-256-GCM under data keys, which themselves are sealed under the master key.

A master key is replaced by sealing the data keys anew; the bodies, gigabytes of them, stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import Misconfigured

FORMAT: Final = b"\x02"
"""Tells a sealed body from a zlib stream, which begins with 0x78, and from what the vault seals."""
_HEADER_BYTES: Final = 5
_NONCE_BYTES: Final = 12


class BodyCipher:
    """Seals under the newest key, opens under any. A body is bound to its digest: none can stand in for another."""

    def __init__(self, load: Callable[[], Mapping[str, bytes]], random_bytes: Callable[[int], bytes]) -> None:
        """`load` gives the keys by id, oldest first; it is asked again when a body names one that is not known yet."""
        self._load = load
        self._random_bytes = random_bytes
        self._take_in()

    def _take_in(self) -> None:
        keys = self._load()
        self._ciphers = {bytes.fromhex(key_id): AESGCM(key) for key_id, key in keys.items()}
        self._newest = bytes.fromhex(list(keys)[-1])

    def seal(self, body: bytes, *, digest: str) -> bytes:
        """Format (1 byte), key id (4), nonce (12), ciphertext and tag."""
        header, nonce = FORMAT + self._newest, self._random_bytes(_NONCE_BYTES)
        return header + nonce + self._ciphers[self._newest].encrypt(nonce, body, header + digest.encode())

    def open(self, sealed: bytes, *, digest: str) -> bytes:
        """The body. Raises Misconfigured when its key is missing, or it was changed or belongs to another digest."""
        header, rest = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        if header[1:] not in self._ciphers:
            self._take_in()
        try:
            return self._ciphers[header[1:]].decrypt(
                rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], FORMAT + header[1:] + digest.encode()
            )
        except (InvalidTag, KeyError, ValueError):  # ValueError: cut off within its nonce
            raise Misconfigured(
                "body-foreign",
                f"The body {digest} cannot be opened: it was changed, or its key is not there.",
                help="Restore the tables blobs and body_keys from the same backup.",
            ) from None

"""Sealing with AES-256-GCM under a master key."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import Misconfigured

_FORMAT: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class MasterKeyVault:
    """Implements `ports.Vault`. A sealed value is format (1 byte), key id (4), nonce (12), ciphertext and tag.

    `keys` maps key ids to 32-byte keys; the last one seals, all open, so that a key is changed by adding one.
    """

    def __init__(self, keys: Mapping[str, bytes], random_bytes: Callable[[int], bytes]) -> None:
        if not keys:
            raise Misconfigured(
                "master-key-missing",
                "There is no master key.",
                help="Set MOHAR_MASTER_KEY_FILE to a file that has one.",
            )
        self._ciphers = {bytes.fromhex(key_id): AESGCM(key) for key_id, key in keys.items()}
        self._newest = bytes.fromhex(list(keys)[-1])
        self._random_bytes = random_bytes

    def seal(self, secret: bytes, *, context: str) -> bytes:
        """See `ports.Vault`."""
        nonce = self._random_bytes(_NONCE_BYTES)
        header = _FORMAT + self._newest
        return header + nonce + self._ciphers[self._newest].encrypt(nonce, secret, header + context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """See `ports.Vault`."""
        header, rest = sealed[: 1 + _KEY_ID_BYTES], sealed[1 + _KEY_ID_BYTES :]
        cipher = self._ciphers.get(header[1:])
        if header[:1] != _FORMAT or cipher is None:
            raise Misconfigured(
                "master-key-unknown",
                f"A value is sealed under master key {header[1:].hex()}, which is not among ours.",
                help="Add that key to the master key file; it may only go once nothing is sealed under it.",
            )
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + context.encode())
        except (InvalidTag, ValueError):  # ValueError: cut off within its nonce
            raise Misconfigured(
                "sealed-value-foreign",
                f"The sealed value of {context} was changed, or belongs to another row.",
                help="Restore the row from a backup, or enter the secret again.",
            ) from None


def read_master_keys(path: Path) -> dict[str, bytes]:
    """Keys from a file of lines `<8 hex digits>:<64 hex digits>`, oldest first, each id once. Raises Misconfigured."""
    try:
        pairs = [line.split(":") for line in path.read_text().split()]
        keys = [(key_id, bytes.fromhex(key_id), bytes.fromhex(key)) for key_id, key in pairs]
    except (OSError, ValueError):
        keys = []
    sizes_hold = all(len(id_bytes) == _KEY_ID_BYTES and len(key) == _KEY_BYTES for _, id_bytes, key in keys)
    if not keys or not sizes_hold or len({id_bytes for _, id_bytes, _ in keys}) != len(keys):
        raise Misconfigured(
            "master-key-unreadable",
            f"{path} has no master key in the form <8 hex digits>:<64 hex digits>.",
            help="Restore the file from your backup; `mohar up` makes one in a new data folder.",
        )
    return {key_id: key for key_id, _, key in keys}


def create_master_key(path: Path) -> None:
    """A file with one new key, readable by its owner alone: whole and on the disk, or not there at all.

    Leaves a file that is there already as it is, also one that another process made in the meantime.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(_KEY_ID_BYTES)}")
    draft.touch(mode=0o600)
    with draft.open("w") as file:
        file.write(f"{secrets.token_hex(_KEY_ID_BYTES)}:{secrets.token_hex(_KEY_BYTES)}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()

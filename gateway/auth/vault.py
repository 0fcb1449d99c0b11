"""Sealing with AES-256-GCM under a master key."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import Misconfigured

log = logging.getLogger(__name__)

_FORMAT: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_STANDBY: Final = "standby"


class MasterKeyVault:
    """Implements `ports.Vault`. A sealed value is format (1 byte), key id (4), nonce (12), ciphertext and tag.

    `keys` maps key ids to 32-byte keys; the last one seals, all open, so that a key is changed by adding one.
    `changed` gives the keys anew where they are others than at its last call: it is asked before anything is sealed,
    and when a value is sealed under a key that is not known, so that a running process follows a rotation. A key that
    was known stays known: a file that is just being copied has only some of them.
    """

    def __init__(
        self,
        keys: Mapping[str, bytes],
        random_bytes: Callable[[int], bytes],
        *,
        changed: Callable[[], Mapping[str, bytes] | None] = lambda: None,
    ) -> None:
        if not keys:
            raise Misconfigured(
                "master-key-missing",
                "There is no master key.",
                help="Set MOHAR_MASTER_KEY_FILE to a file that has one.",
            )
        self._random_bytes = random_bytes
        self._changed = changed
        self._keys = dict(keys)
        self._ring = _Ring(keys)
        self._lock = threading.Lock()

    def seal(self, secret: bytes, *, context: str) -> bytes:
        """See `ports.Vault`."""
        nonce = self._random_bytes(_NONCE_BYTES)
        ring = self._followed()
        header = _FORMAT + ring.newest
        return header + nonce + ring.ciphers[ring.newest].encrypt(nonce, secret, header + context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """See `ports.Vault`."""
        header, rest = sealed[: 1 + _KEY_ID_BYTES], sealed[1 + _KEY_ID_BYTES :]
        cipher = self._ring.ciphers.get(header[1:]) or self._followed().ciphers.get(header[1:])
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

    def newest(self) -> str:
        """See `ports.Vault`."""
        return self._followed().newest.hex()

    def key_of(self, sealed: bytes) -> str:
        """See `ports.Vault`."""
        return sealed[1 : 1 + _KEY_ID_BYTES].hex()

    def _followed(self) -> _Ring:
        with self._lock:  # a change is told once: who asks while another thread takes it in waits for it
            keys = self._changed()
            if keys is not None:
                self._keys = {key_id: key for key_id, key in self._keys.items() if key_id not in keys} | dict(keys)
                self._ring = _Ring(self._keys)
            return self._ring


class _Ring:
    """Keys ready for use. It is replaced as a whole, so that threads never see half of a change."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self.ciphers = {bytes.fromhex(key_id): AESGCM(key) for key_id, key in keys.items()}
        self.newest = bytes.fromhex(list(keys)[-1])


class MasterKeyFile:
    """The file of the master keys, read again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()

    def changed(self) -> Mapping[str, bytes] | None:
        """The keys, if the file is another than when we last looked; None else, or when it cannot be read just now."""
        stamp = self._look()
        if stamp is None or stamp == self._stamp:
            return None
        try:
            keys = read_master_keys(self._path)
        except Misconfigured:
            log.warning("the master key file was changed and cannot be read: the keys from before are used")
            return None
        self._stamp = stamp
        return keys

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def read_master_keys(path: Path) -> dict[str, bytes]:
    """Keys from a file of lines `<8 hex digits>:<64 hex digits>`, each id once, the one that seals last.

    A line that ends in `:standby` is of a key that opens and does not seal yet. Raises Misconfigured.
    """
    lines = _lines(path)
    standby = {key_id: key for key_id, (key, waits) in lines.items() if waits}
    return standby | {key_id: key for key_id, (key, waits) in lines.items() if not waits}


def read_pepper(path: Path) -> bytes:
    """What client secrets are hashed with: the first key of the file, which never goes. Raises Misconfigured."""
    return next(iter(_lines(path).values()))[0]


def _lines(path: Path) -> dict[str, tuple[bytes, bool]]:
    """Key and whether it is on standby, by id, oldest first."""
    try:
        parts = [line.split(":") for line in path.read_text().split()]
        keys = [(part[0], bytes.fromhex(part[0]), bytes.fromhex(part[1]), part[2:]) for part in parts]
    except (OSError, ValueError, IndexError):
        keys = []
    whole = all(
        len(id_bytes) == _KEY_ID_BYTES and len(key) == _KEY_BYTES and more in ([], [_STANDBY])
        for _, id_bytes, key, more in keys
    )
    seals = bool(keys) and not keys[0][3]
    if not seals or not whole or len({id_bytes for _, id_bytes, *_ in keys}) != len(keys):
        raise Misconfigured(
            "master-key-unreadable",
            f"{path} has no master key in the form <8 hex digits>:<64 hex digits>.",
            help="Restore the file from your backup; `mohar up` makes one in a new data folder.",
        )
    return {key_id: (key, bool(more)) for key_id, _, key, more in keys}


def prepare_master_key(path: Path) -> str:
    """Another key in the file, on standby; its id. Bring the file to every machine before it is promoted."""
    lines = _lines(path)
    key_id = secrets.token_hex(_KEY_ID_BYTES)
    _rewrite(path, lines | {key_id: (secrets.token_bytes(_KEY_BYTES), True)})
    return key_id


def promote_master_key(path: Path, key_id: str) -> None:
    """Let a key that was on standby seal from now on. Raises Misconfigured for one that was not."""
    lines = _lines(path)
    if not lines.get(key_id, (b"", False))[1]:
        raise Misconfigured(
            "master-key-not-prepared",
            f"There is no key {key_id} on standby in {path}.",
            help="`mohar keys list` names them; `mohar keys prepare` makes one.",
        )
    key, _ = lines.pop(key_id)
    _rewrite(path, lines | {key_id: (key, False)})


def _rewrite(path: Path, lines: Mapping[str, tuple[bytes, bool]]) -> None:
    """Replace the file as a whole."""
    written = (f"{key_id}:{key.hex()}{f':{_STANDBY}' if waits else ''}\n" for key_id, (key, waits) in lines.items())
    _draft(path, "".join(written)).replace(path)


def create_master_key(path: Path) -> None:
    """A file with one new key, readable by its owner alone: whole and on the disk, or not there at all.

    Leaves a file that is there already as it is, also one that another process made in the meantime.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path, f"{secrets.token_hex(_KEY_ID_BYTES)}:{secrets.token_hex(_KEY_BYTES)}\n")
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _draft(path: Path, text: str) -> Path:
    """A file beside `path`, readable by its owner alone, whole and on the disk."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(_KEY_ID_BYTES)}")
    draft.touch(mode=0o600)
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft

"""Bytes kept as they came, one copy each, found by their SHA-256; compressed, and sealed apart from the records."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy import Connection, insert, select

from gateway.ports import Vault
from gateway.storage.database import Database
from gateway.storage.tables import blobs, body_keys
from gateway.storage.upsert import insert_missing

SEALED: Final = b"\x02"
"""The first byte of a sealed body; a zlib stream begins with 0x78."""
_LEVEL: Final = 1  # an invoice shrinks to a quarter; higher levels cost three times the CPU for another tenth
_CIPHER: Final = "mohar_bodies"


class Cipher(Protocol):
    """Seals bodies, each bound to its digest."""

    def seal(self, body: bytes, *, digest: str) -> bytes:
        """Encrypt."""

    def open(self, sealed: bytes, *, digest: str) -> bytes:
        """Decrypt. Raises Misconfigured."""


def seal_with(database: Database, cipher: Cipher) -> None:
    """From now on, whatever is kept through this database is sealed, and what is sealed can be read."""
    database.engine.update_execution_options(**{_CIPHER: cipher})


def keys(
    database: Database, vault: Vault, *, random_bytes: Callable[[int], bytes], at: datetime
) -> Sequence[tuple[str, bytes]]:
    """The keys of bodies, oldest first; a first one is made if there is none."""
    found = _read_keys(database, vault)
    if found:
        return found
    key_id, key = random_bytes(4).hex(), random_bytes(32)
    row = {"key_id": key_id, "key_sealed": vault.seal(key, context=_context(key_id)), "created_at": at}

    def work(connection: Connection) -> None:
        if connection.execute(select(body_keys.c.key_id)).first() is None:
            connection.execute(insert(body_keys), row)

    database.write(work)
    return _read_keys(database, vault)


def keep(connection: Connection, body: bytes, *, at: datetime) -> str:
    """Store `body` unless it is there already, and return its digest."""
    digest = hashlib.sha256(body).hexdigest()
    packed = zlib.compress(body, _LEVEL)
    cipher: Cipher | None = connection.get_execution_options().get(_CIPHER)
    stored = packed if cipher is None else cipher.seal(packed, digest=digest)
    insert_missing(connection, blobs, {"digest": digest, "body": stored, "created_at": at})
    return digest


def fetch(connection: Connection, digest: str) -> bytes:
    """The bytes of that digest. Raises LookupError when there are none."""
    stored = connection.execute(select(blobs.c.body).where(blobs.c.digest == digest)).scalar_one_or_none()
    if stored is None:
        raise LookupError(f"no evidence {digest}")
    cipher: Cipher | None = connection.get_execution_options().get(_CIPHER)
    if stored[:1] == SEALED:
        if cipher is None:
            raise LookupError(f"evidence {digest} is sealed, and this connection has no key")
        stored = cipher.open(stored, digest=digest)
    return zlib.decompress(stored)


def keep_differences(connection: Connection, found: Sequence[Mapping[str, Any]], *, at: datetime) -> list[Any] | str:
    """What a column has for them: the digest of a body, because they repeat what stands in documents; or nothing."""
    return keep(connection, json.dumps([dict(each) for each in found]).encode(), at=at) if found else []


def fetch_differences(connection: Connection, kept: list[Any] | str | None) -> tuple[Mapping[str, Any], ...]:
    """What `keep_differences` was given. In rows of earlier versions they stand themselves."""
    if isinstance(kept, str):
        read: list[Mapping[str, Any]] = json.loads(fetch(connection, kept))
        return tuple(read)
    return tuple(kept or ())


def _read_keys(database: Database, vault: Vault) -> list[tuple[str, bytes]]:
    query = select(body_keys).order_by(body_keys.c.created_at, body_keys.c.key_id)
    with database.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [(row["key_id"], vault.open(row["key_sealed"], context=_context(row["key_id"]))) for row in rows]


def _context(key_id: str) -> str:
    return f"body_keys|key|{key_id}"

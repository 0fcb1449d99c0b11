"""Bodies under keys of their own: unreadable in their table, bound to their digest, and of any age readable."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from gateway.auth.bodies import BodyCipher
from gateway.auth.vault import MasterKeyVault
from gateway.errors import Misconfigured
from gateway.storage import blobs
from gateway.storage.database import Database
from gateway.storage.sealed import SEALED
from gateway.storage.tables import blobs as blob_rows
from gateway.storage.tables import body_keys
from tests.contract.storage_kit import Storage
from tests.support import START

BODY = b'{"BuyerDtls":{"LglNm":"canary of a buyer"}}' * 20


def vault(storage: Storage) -> MasterKeyVault:
    """A vault of its own."""
    return MasterKeyVault({"00000001": bytes(range(32))}, storage.ids.random_bytes)


def cipher(storage: Storage) -> BodyCipher:
    """A cipher as a process has it."""
    return BodyCipher(loader(storage), storage.ids.random_bytes)


def loader(storage: Storage) -> Callable[[], dict[str, bytes]]:
    """Gives the keys of the database."""
    return lambda: dict(
        blobs.keys(storage.database, vault(storage), random_bytes=storage.ids.random_bytes, at=storage.clock.now())
    )


@pytest.fixture
def sealing(storage: Storage) -> Storage:
    """Storage whose bodies are sealed."""
    blobs.seal_with(storage.database, cipher(storage))
    return storage


def keep(database: Database, body: bytes) -> str:
    """Store a body."""
    return database.write(lambda connection: blobs.keep(connection, body, at=START))


def fetch(database: Database, digest: str) -> bytes:
    """Read one."""
    with database.read() as connection:
        return blobs.fetch(connection, digest)


def test_a_sealed_body_comes_back(sealing: Storage) -> None:
    """What is kept is read as it came, once however often it is kept, and nothing of it stands in the table."""
    digest = keep(sealing.database, BODY)
    assert keep(sealing.database, BODY) == digest
    assert fetch(sealing.database, digest) == BODY
    [row] = sealing.rows(blob_rows)
    assert row["body"][:1] == blobs.SEALED
    assert b"canary" not in row["body"]
    with pytest.raises(zlib.error):
        zlib.decompress(row["body"][17:])
    assert len(row["body"]) < len(BODY) / 4, "it is compressed before it is sealed"


def test_a_body_cannot_stand_in_for_another(sealing: Storage) -> None:
    """A row's body that is moved to another digest, or changed in one bit, is not opened."""
    first, second = keep(sealing.database, BODY), keep(sealing.database, b"other")
    with sealing.database.read() as connection:
        stolen = connection.execute(select(blob_rows.c.body).where(blob_rows.c.digest == first)).scalar_one()
    for body in (stolen, stolen[:-1] + bytes([stolen[-1] ^ 1]), stolen[:10], blobs.SEALED + b"nope" + stolen[5:]):
        statement = update(blob_rows).where(blob_rows.c.digest == second).values(body=body)
        sealing.database.write(lambda connection, statement=statement: connection.execute(statement))
        with pytest.raises(Misconfigured):
            fetch(sealing.database, second)


def test_bodies_from_before_are_read(storage: Storage) -> None:
    """What was stored before there were keys stays readable."""
    digest = keep(storage.database, BODY)
    blobs.seal_with(storage.database, cipher(storage))
    assert fetch(storage.database, digest) == BODY


def test_a_key_that_another_process_made_is_found(storage: Storage) -> None:
    """A process that started earlier reads what is sealed under a key that is newer than itself."""
    early = cipher(storage)
    new = ("ffffffff", bytes(32))
    sealed = vault(storage).seal(new[1], context=f"body_keys|key|{new[0]}")
    row = {"key_id": new[0], "key_sealed": sealed, "created_at": storage.clock.now()}
    storage.database.write(lambda connection: connection.execute(body_keys.insert().values(row)))
    late = cipher(storage)
    assert early.open(late.seal(b"x", digest="d"), digest="d") == b"x"


def test_the_keys_are_sealed_and_rotate_with_the_master_key(sealing: Storage) -> None:
    """Keys of bodies stand in their table sealed, and are on the list of what comes under a new master key."""
    keep(sealing.database, BODY)
    [row] = sealing.rows(body_keys)
    key = loader(sealing)()[row["key_id"]]
    assert key not in row["key_sealed"]
    assert body_keys.c.key_sealed in {each.column for each in SEALED}


def test_the_first_key_is_made_once(storage: Storage) -> None:
    """However many ask."""
    assert loader(storage)() == loader(storage)()
    assert len(storage.rows(body_keys)) == 1

"""Evidence: bytes kept as they came, one copy each."""

from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, update

from gateway.storage import blobs
from gateway.storage.database import Database
from gateway.storage.tables import blobs as blob_rows
from tests.contract.storage_kit import Storage, at_once
from tests.support import START


class _BreakOffError(Exception):
    """Ends a transaction half-way."""


def keep(database: Database, body: bytes) -> str:
    """Store bytes in a transaction of their own."""
    return database.write(lambda connection: blobs.keep(connection, body, at=START))


def fetch(database: Database, digest: str) -> bytes:
    """Read them back."""
    with database.read() as connection:
        return blobs.fetch(connection, digest)


@given(st.binary(max_size=300))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_come_back_as_they_were(database: Database, body: bytes) -> None:
    """Whatever they are, text or not, empty or not."""
    digest = keep(database, body)
    assert digest == hashlib.sha256(body).hexdigest()
    assert fetch(database, digest) == body


@pytest.mark.parametrize("body", [b"a" * 3_000_000, os.urandom(2_000_000)], ids=["same", "random"])
def test_large_bytes_come_back_too(database: Database, body: bytes) -> None:
    """A document of the portal's full size, and what its answer may add."""
    assert fetch(database, keep(database, body)) == body


def test_one_copy_is_kept(storage: Storage) -> None:
    """The same bytes are stored once, however often and by however many at the same moment."""
    digests = at_once([lambda: keep(storage.database, b"evidence")] * 8)
    assert len(set(digests)) == 1
    assert len(storage.rows(blob_rows)) == 1


def test_text_takes_less_room(storage: Storage) -> None:
    """What is stored is compressed."""
    body = b'{"SlNo":"1","HsnCd":"998719"},' * 200
    keep(storage.database, body)
    assert len(storage.rows(blob_rows)[0]["body"]) < len(body) / 4


def test_an_unknown_digest_is_an_error(database: Database) -> None:
    """Evidence that should be there and is not is never taken for empty."""
    with pytest.raises(LookupError, match="no evidence"):
        fetch(database, "0" * 64)


def test_what_is_rolled_back_is_not_kept(storage: Storage) -> None:
    """Evidence lives and dies with the transaction that it belongs to."""

    def fail(connection: Connection) -> None:
        blobs.keep(connection, b"evidence", at=START)
        raise _BreakOffError

    with pytest.raises(_BreakOffError):
        storage.database.write(fail)
    assert storage.rows(blob_rows) == []


def test_the_first_copy_stays(storage: Storage) -> None:
    """Keeping the same bytes again does not touch what is stored."""
    digest = keep(storage.database, b"evidence")
    mark = update(blob_rows).values(body=b"marked")
    storage.database.write(lambda connection: connection.execute(mark))
    assert keep(storage.database, b"evidence") == digest
    assert storage.rows(blob_rows)[0]["body"] == b"marked"

"""Every implementation of every port, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from redis import Redis

from gateway.cli.embedded import EmbeddedRedis
from gateway.storage.database import Database
from tests.contract.storage_kit import PostgresServer, Server, SqliteServer, Storage

_POSTGRES = os.environ.get("MOHAR_TEST_POSTGRES_URL", "")
_REDIS = os.environ.get("MOHAR_TEST_REDIS_URL", "")
_without_postgres = pytest.mark.skipif(not _POSTGRES, reason="MOHAR_TEST_POSTGRES_URL names no server")


@pytest.fixture(
    scope="session",
    params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, _without_postgres])],
)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Each engine in its turn."""
    if request.param == "sqlite":
        made: SqliteServer | PostgresServer = SqliteServer(tmp_path_factory.mktemp("sqlite"))
    else:
        made = PostgresServer(_POSTGRES)
    yield made
    made.close()


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A database of the present schema, without a row."""
    made = server.migrated()
    yield made
    if made.is_sqlite:
        made.close()


@pytest.fixture
def storage(database: Database) -> Storage:
    """All storage adapters on an empty database."""
    return Storage(database)


@pytest.fixture(scope="session")
def redis_url(worker_id: str) -> Iterator[str]:
    """A Redis server: the one that is named, in a database of this process alone, or one of our own."""
    if _REDIS:
        named = urlsplit(_REDIS)
        first = int(named.path.strip("/") or 0) + 1  # the named one is for tests that never empty it
        own = first + int(worker_id.removeprefix("gw") if worker_id != "master" else 0)
        yield urlunsplit(named._replace(path=f"/{own}"))
        return
    embedded = EmbeddedRedis()
    embedded.start()
    yield embedded.url
    embedded.stop()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """An empty Redis. Whatever was in the database of that number is gone."""
    with Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client

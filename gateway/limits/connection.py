"""A connection to Redis for what may be lost: it answers within moments or not at all."""

from __future__ import annotations

from typing import NoReturn

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.exceptions import ConnectionError as NotConnected
from redis.retry import Retry

SECONDS_MAX = 0.2
"""How long a request waits for Redis: what it does there can be lost, the request must not be slow."""
_REPEATS = 1
"""For a connection that a restart has cut. The library's own repeats add up to seconds, for each question anew."""


def connect(url: str) -> Redis:
    """A client of the server at `url`. It connects when it is first asked."""
    return Redis.from_url(
        url, socket_timeout=SECONDS_MAX, socket_connect_timeout=SECONDS_MAX, retry=Retry(NoBackoff(), _REPEATS)
    )


def away() -> Redis:
    """A client of no server: whatever it is asked fails at once, as where a server is away."""
    return Redis(connection_pool=ConnectionPool(connection_class=_Nowhere))


class _Nowhere(Connection):
    """A connection to nothing."""

    def connect(self) -> NoReturn:
        """There is nothing to connect to. Raises ConnectionError."""
        raise NotConnected("no Redis server is set up")

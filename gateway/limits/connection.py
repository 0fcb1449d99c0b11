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
PERMIT_SECONDS_MAX = 1.0
"""How long a call waits for the limit: without an answer it is not allowed, and its caller is sent away."""
_REPEATS = 1
"""For a connection that a restart has cut. The library's own repeats add up to seconds, for each question anew."""


def connect(url: str, *, seconds: float = SECONDS_MAX) -> Redis:
    """A client of the server at `url`, which has so long for each answer. It connects when it is first asked.

    Without a URL it is one of no server: whatever it is asked fails at once, as where a server is away.
    """
    if not url:
        return Redis(connection_pool=ConnectionPool(connection_class=_Nowhere))
    return Redis.from_url(
        url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), _REPEATS)
    )


class _Nowhere(Connection):
    """A connection to nothing."""

    def connect(self) -> NoReturn:
        """There is nothing to connect to. Raises ConnectionError."""
        raise NotConnected("no Redis server is set up")

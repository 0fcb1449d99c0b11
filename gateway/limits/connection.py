"""A connection to Redis for what may be lost: it answers within moments or not at all."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
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

"""Which workers are there: RQ keeps a key for each, which ends soon after the worker does."""

from __future__ import annotations

from collections.abc import Mapping

from redis import Redis
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from gateway.jobs.bell import QUEUES


def workers(redis: Redis, *, prefix: str) -> Mapping[str, int]:
    """How many live workers each queue has, by the queue's short name. Raises RedisError."""
    counts: dict[str, int] = {}
    for name in QUEUES:
        known = list(redis.smembers(WORKERS_BY_QUEUE_KEY % (prefix + name)))
        counts[name] = redis.exists(*known) if known else 0
    return counts

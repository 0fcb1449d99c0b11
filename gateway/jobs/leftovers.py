"""What RQ leaves behind when its worker is killed: job hashes, entries of lists and registries, names of workers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY

LIFE: Final = timedelta(minutes=15)
"""A drain takes seconds. A job this old was lost by its worker, and the sweeper has long rung its lane anew."""
SWEPT_MAX: Final = 1000
"""Of each kind in one go, so that a sweep stays short."""


def sweep(queue: Queue, *, now: datetime) -> int:
    """Remove the jobs of a queue that nobody will run, and the names of workers that are gone; how many there were."""
    redis = queue.connection
    taken = [_text(entry) for entry in redis.lrange(queue.intermediate_queue_key, 0, SWEPT_MAX)]
    started = queue.started_job_registry.get_job_ids(cleanup=False)
    failed = queue.failed_job_registry.get_job_ids(cleanup=False)
    lost = [id for id in dict.fromkeys([*taken, *started, *failed]) if _is_lost(id, queue, now)][:SWEPT_MAX]
    for id in lost:
        with redis.pipeline() as pipeline:
            pipeline.lrem(queue.intermediate_queue_key, 0, id)
            pipeline.zrem(queue.failed_job_registry.key, id)
            executions = (_text(entry) for entry in redis.zrange(queue.started_job_registry.key, 0, -1))
            pipeline.zrem(queue.started_job_registry.key, id, *(each for each in executions if each.startswith(id)))
            pipeline.delete(Job.key_for(id), f"rq:executions:{id}")
            pipeline.execute()
    return len(lost) + _forget_workers(queue)


def _is_lost(id: str, queue: Queue, now: datetime) -> bool:
    try:
        job = Job.fetch(id, connection=queue.connection, serializer=queue.serializer)
    except NoSuchJobError:
        return True
    created = job.created_at
    return created is None or now - created.astimezone(now.tzinfo) > LIFE


def _forget_workers(queue: Queue) -> int:
    redis = queue.connection
    lists = (REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY % queue.name)
    names = {name for each in lists for name in redis.smembers(each)}
    gone = [name for name in names if not redis.exists(name)][:SWEPT_MAX]
    if gone:
        for each in lists:
            redis.srem(each, *gone)
    return len(gone)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

"""The doorbell on Redis and RQ. Losing it, doubling it or ringing late changes nothing but latency."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from redis import Redis, RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from gateway.domain.deliveries import EndpointLane
from gateway.domain.lanes import AnyLane
from gateway.domain.operations import Operation
from gateway.jobs import leftovers
from gateway.jobs.alarm import Alarm
from gateway.ports import Clock, Ids

DIRECT_QUEUE: Final = "direct"
BULK_QUEUE: Final = "irp"
WEBHOOK_QUEUE: Final = "webhooks"
TRIAL_QUEUE: Final = "webhooks-trial"
QUEUES: Final = (DIRECT_QUEUE, BULK_QUEUE, WEBHOOK_QUEUE, TRIAL_QUEUE)
DRAIN_JOB: Final = "workers.drain.drain"
"""What a job calls, by name: `gateway` knows nothing of `workers`."""

RING_SECONDS_MAX: Final = 600
"""Life of the mark that a lane was rung. Longer than any drain waits in a queue; the sweeper mends it anyway."""
SILENCE_SECONDS: Final = 1.0
"""After Redis failed, ringing is not tried for so long: an accepted request must not wait for a dead doorbell."""

LATE_SECONDS: Final = 0.005
"""A ring for an instant comes so much later: rows become due by the wall's clock, and rings by one that is not set."""

log = logging.getLogger(__name__)


def queue_of(lane: AnyLane, *, direct: bool) -> str:
    """The RQ queue of a lane's rings: calls that somebody waits for, and prompt receivers, have their own."""
    if isinstance(lane, EndpointLane):
        return WEBHOOK_QUEUE if lane.prompt else TRIAL_QUEUE
    return DIRECT_QUEUE if direct else BULK_QUEUE


class RqBell:
    """Implements `ports.Bell`."""

    def __init__(self, redis: Redis, *, prefix: str, clock: Clock, ids: Ids) -> None:
        self._redis = redis
        self._prefix = prefix
        self._clock = clock
        self._ids = ids
        self._silent_until = 0.0
        self._alarm = Alarm[tuple[AnyLane, bool]](
            lambda due: self.ring(due[0], direct=due[1]), monotonic=clock.monotonic
        )
        self._queues = {name: Queue(prefix + name, connection=redis, serializer=JSONSerializer) for name in QUEUES}

    def ring(self, lane: AnyLane, *, direct: bool) -> None:
        """See `ports.Bell`. A lane that was rung and not yet answered is left alone."""
        if self._clock.monotonic() < self._silent_until:
            return
        try:
            job_id = self._ids.new("")
            if self._redis.set(self._ring_key(lane, direct=direct), job_id, nx=True, ex=RING_SECONDS_MAX):
                self._enqueue(lane, direct=direct, job_id=job_id)
        except RedisError as error:
            self._silent_until = self._clock.monotonic() + SILENCE_SECONDS
            log.warning("doorbell lost, the sweeper will find the work", extra={"error": type(error).__name__})

    def ring_in(self, lane: AnyLane, *, direct: bool, seconds: float) -> None:
        """See `ports.Bell`."""
        self._alarm.put((lane, direct), seconds=seconds + LATE_SECONDS)

    def answered(self, lane: AnyLane, *, direct: bool) -> None:
        """See `ports.Bell`."""
        try:
            self._redis.delete(self._ring_key(lane, direct=direct))
        except RedisError as error:
            log.warning("doorbell not reset", extra={"error": type(error).__name__})

    def settled(self, operation: Operation) -> None:
        """See `ports.Bell`."""
        try:
            self._redis.publish(settled_channel(self._prefix), operation.id)
        except RedisError as error:
            log.warning("settlement not announced, callers look once a second", extra={"error": type(error).__name__})

    def mend(self, lanes: Sequence[tuple[AnyLane, bool]]) -> int:
        """See `ports.Bell`. A ring is lost when its mark is gone, or names a job that is in no queue."""
        try:
            waiting = {name: set(queue.get_job_ids()) for name, queue in self._queues.items()}
            lost = [each for each in lanes if not self._is_waiting(*each, waiting)]
            for lane, direct in lost:
                job_id = self._ids.new("")
                self._redis.set(self._ring_key(lane, direct=direct), job_id, ex=RING_SECONDS_MAX)
                self._enqueue(lane, direct=direct, job_id=job_id)
        except RedisError as error:
            log.warning("lanes not rung", extra={"error": type(error).__name__})
            return 0
        return len(lost)

    def sweep(self) -> int:
        """See `ports.Bell`."""
        try:
            return sum(leftovers.sweep(queue, now=self._clock.now()) for queue in self._queues.values())
        except RedisError as error:
            log.warning("leftovers not swept", extra={"error": type(error).__name__})
            return 0

    def _is_waiting(self, lane: AnyLane, direct: bool, waiting: Mapping[str, set[str]]) -> bool:  # noqa: FBT001  a pair taken apart
        rung = self._redis.get(self._ring_key(lane, direct=direct))
        return isinstance(rung, bytes) and rung.decode() in waiting[queue_of(lane, direct=direct)]

    def _enqueue(self, lane: AnyLane, *, direct: bool, job_id: str) -> None:
        self._queues[queue_of(lane, direct=direct)].enqueue_call(
            DRAIN_JOB,
            kwargs={"lane": str(lane), "direct": direct},
            timeout=-1,
            result_ttl=0,
            failure_ttl=0,
            job_id=job_id,
        )

    def _ring_key(self, lane: AnyLane, *, direct: bool) -> str:
        return f"{self._prefix}ring:{queue_of(lane, direct=direct)}:{lane}"


def settled_channel(prefix: str) -> str:
    """Where settled operations are announced, by id."""
    return f"{prefix}settled"

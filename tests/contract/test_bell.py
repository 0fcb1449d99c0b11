"""`ports.Bell`, on Redis with RQ and in memory."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from gateway.domain.deliveries import EndpointLane
from gateway.domain.operations import Environment, Lane
from gateway.jobs import leftovers
from gateway.jobs.bell import DRAIN_JOB, RING_SECONDS_MAX, SILENCE_SECONDS, RqBell, queue_of, settled_channel
from gateway.jobs.memory import MemoryBell
from gateway.ports import Bell
from gateway.system import SystemClock
from tests.contract.storage_kit import at_once
from tests.support import LANE, OTHER_GSTIN, FakeClock, SeededIds, operation

OTHER: Final = Lane(Environment.TEST, OTHER_GSTIN)
PREFIX: Final = "t:"
RINGERS: Final = 16
PATIENCE_SECONDS: Final = 120.0
Rung = list[tuple[Lane, bool]]


class Rig(Protocol):
    """A bell, and what hangs on it."""

    bell: Bell

    def rung(self) -> Rung:
        """The lanes that wait for a worker, in their order."""

    def lose(self) -> None:
        """Lose everything that was rung."""


class InMemory:
    """The twin."""

    def __init__(self) -> None:
        self.bell = MemoryBell()

    def rung(self) -> Rung:
        """See Rig."""
        return list(self.bell.rung)

    def lose(self) -> None:
        """See Rig."""
        self.bell.rung.clear()


class InRedis:
    """The real one."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.clock = FakeClock(datetime.now(UTC))
        self.bell = RqBell(redis, prefix=PREFIX, clock=self.clock, ids=SeededIds())
        self.queues = {
            direct: Queue(PREFIX + queue_of(LANE, direct=direct), connection=redis, serializer=JSONSerializer)
            for direct in (True, False)
        }

    def jobs(self, *, direct: bool) -> list[Job]:
        """The jobs that wait in a queue."""
        return self.queues[direct].get_jobs()

    def rung(self) -> Rung:
        """See Rig."""
        return [
            (Lane.parse(job.kwargs["lane"]), direct) for direct in (True, False) for job in self.jobs(direct=direct)
        ]

    def lose(self) -> None:
        """See Rig."""
        self.redis.flushdb()


@pytest.fixture(params=["memory", "redis"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each bell in its turn, silent."""
    return InMemory() if request.param == "memory" else InRedis(request.getfixturevalue("redis"))


@pytest.fixture
def rq(redis: Redis) -> InRedis:
    """The one on Redis."""
    return InRedis(redis)


def test_a_ring_waits_for_a_worker(rig: Rig) -> None:
    """Lane and class of calls are what a worker hears."""
    rig.bell.ring(LANE, direct=True)
    rig.bell.ring(OTHER, direct=False)
    assert rig.rung() == [(LANE, True), (OTHER, False)]


def test_rings_coalesce(rig: Rig) -> None:
    """A lane that was rung and not yet answered is left alone, however much work comes in."""
    for _ in range(5):
        rig.bell.ring(LANE, direct=False)
    assert rig.rung() == [(LANE, False)]


def test_lanes_and_classes_ring_apart(rig: Rig) -> None:
    """Neither another seller's lane nor the other class of calls is silenced by a ring."""
    rings = [(LANE, True), (LANE, False), (OTHER, True), (OTHER, False)]
    for lane, direct in rings:
        rig.bell.ring(lane, direct=direct)
    assert sorted(rig.rung(), key=str) == sorted(rings, key=str)


def test_sellers_take_turns(rig: Rig) -> None:
    """Whoever rang first is heard first."""
    for lane in (OTHER, LANE):
        rig.bell.ring(lane, direct=False)
    assert rig.rung() == [(OTHER, False), (LANE, False)]


def test_nothing_is_mended_while_the_rings_wait(rig: Rig) -> None:
    """A lane in the queue needs no second ring."""
    rig.bell.ring(LANE, direct=False)
    assert rig.bell.mend([(LANE, False)]) == 0
    assert rig.rung() == [(LANE, False)]


def test_lanes_that_were_never_rung_are_mended(rig: Rig) -> None:
    """A due lane whose ring was lost before it was heard is rung anew, and once."""
    rig.bell.ring(LANE, direct=True)
    assert rig.bell.mend([(LANE, True), (LANE, False), (OTHER, False)]) == 2
    assert rig.bell.mend([(LANE, True), (LANE, False), (OTHER, False)]) == 0
    assert rig.rung() == [(LANE, True), (LANE, False), (OTHER, False)]


def test_everything_lost_is_mended(rig: Rig) -> None:
    """After FLUSHALL the due lanes are rung again."""
    rig.bell.ring(LANE, direct=False)
    rig.lose()
    assert rig.rung() == []
    assert rig.bell.mend([(LANE, False)]) == 1
    assert rig.rung() == [(LANE, False)]


def test_no_lane_is_nothing_to_mend(rig: Rig) -> None:
    """Nor is there anything to sweep."""
    assert rig.bell.mend([]) == 0
    assert rig.bell.sweep() == 0


def test_a_memory_bell_tells_who_waits() -> None:
    """Whoever asked for it is told of each settlement."""
    told = []
    MemoryBell(told.append).settled(operation())
    MemoryBell().settled(operation())
    assert told == [operation()]


# On Redis -------------------------------------------------------------------------------------------------------------


def test_an_answered_lane_rings_anew(rq: InRedis) -> None:
    """From the moment on that a drain began, new work needs a new ring: the old one has been heard."""
    rq.bell.ring(LANE, direct=False)
    rq.bell.answered(LANE, direct=False)
    rq.bell.ring(LANE, direct=False)
    assert rq.rung() == [(LANE, False)] * 2


def test_a_ring_for_later_comes_by_itself(rq: InRedis) -> None:
    """Nobody mends anything; until then the lane is not rung."""
    bell = RqBell(rq.redis, prefix=PREFIX, clock=SystemClock(), ids=SeededIds())
    bell.ring_in(OTHER, direct=False, seconds=3600)
    bell.ring_in(LANE, direct=False, seconds=0)
    heard = rq.redis.blpop([rq.queues[False].key], timeout=30)
    assert isinstance(heard, tuple)
    assert Job.fetch(heard[1].decode(), rq.redis, serializer=JSONSerializer).kwargs["lane"] == str(LANE)
    assert rq.rung() == []


def test_an_answer_is_for_its_class_alone(rq: InRedis) -> None:
    """A drain of direct calls leaves the ring for the queued ones as it is."""
    rq.bell.ring(LANE, direct=False)
    rq.bell.answered(LANE, direct=True)
    rq.bell.ring(LANE, direct=False)
    assert rq.rung() == [(LANE, False)]


def test_a_job_is_a_name_and_two_words(rq: InRedis) -> None:
    """It carries no pickle, no retries and no result, never times out, and leaves nothing behind."""
    rq.bell.ring(LANE, direct=True)
    (job,) = rq.jobs(direct=True)
    assert (job.func_name, list(job.args), job.kwargs) == (DRAIN_JOB, [], {"lane": str(LANE), "direct": True})
    assert (job.timeout, job.result_ttl, job.failure_ttl, job.retries_left) == (-1, 0, 0, None)
    assert b'"lane"' in zlib.decompress(rq.redis.hget(job.key, "data") or b"")


def test_a_mark_dies_by_itself(rq: InRedis) -> None:
    """A ring whose job and sweeper were lost silences its lane for minutes, not for ever."""
    rq.bell.ring(LANE, direct=False)
    assert 0 < rq.redis.ttl(f"{PREFIX}ring:irp:{LANE}") <= RING_SECONDS_MAX


def test_threads_ring_once(rq: InRedis) -> None:
    """Sixteen that ring a lane at the same moment make one job."""
    at_once([lambda: rq.bell.ring(LANE, direct=False)] * RINGERS)
    assert rq.rung() == [(LANE, False)]


def test_a_dead_job_is_mended(rq: InRedis) -> None:
    """A mark that names a job which a worker took to its grave does not silence the lane."""
    rq.bell.ring(LANE, direct=False)
    rq.redis.lpop(rq.queues[False].key)
    assert rq.bell.mend([(LANE, False)]) == 1
    assert len(rq.queues[False].get_job_ids()) == 1


def test_a_job_that_waits_again_keeps_its_mark(rq: InRedis) -> None:
    """After it was mended, the mark names the new job, and rings coalesce with it."""
    rq.redis.set(f"{PREFIX}ring:irp:{LANE}", "nobody")
    assert rq.bell.mend([(LANE, False)]) == 1
    rq.bell.ring(LANE, direct=False)
    assert rq.bell.mend([(LANE, False)]) == 0
    assert rq.rung() == [(LANE, False)]


def test_two_gateways_in_one_redis_ring_apart(rq: InRedis) -> None:
    """The prefix keeps queues and marks apart."""
    RqBell(rq.redis, prefix="u:", clock=rq.clock, ids=SeededIds(2)).ring(LANE, direct=False)
    rq.bell.ring(LANE, direct=False)
    assert rq.rung() == [(LANE, False)]


def test_a_settlement_is_announced(rq: InRedis) -> None:
    """Whoever listens hears the operation's id, and nothing else of it."""
    with rq.redis.pubsub() as listening:
        listening.subscribe(settled_channel(PREFIX))
        assert listening.get_message(timeout=PATIENCE_SECONDS)["type"] == "subscribe"
        rq.bell.settled(operation(id="op_7"))
        heard = listening.get_message(timeout=PATIENCE_SECONDS)
    assert heard is not None
    assert heard["data"] == b"op_7"


# Redis away -----------------------------------------------------------------------------------------------------------


def away() -> tuple[RqBell, FakeClock]:
    """A bell whose Redis is not there."""
    clock = FakeClock()
    redis = Redis.from_url("unix:///nowhere/redis.sock")
    return RqBell(redis, prefix=PREFIX, clock=clock, ids=SeededIds()), clock


@pytest.mark.parametrize(
    "call",
    [
        lambda bell: bell.ring(LANE, direct=True),
        lambda bell: bell.answered(LANE, direct=True),
        lambda bell: bell.settled(operation()),
        lambda bell: bell.mend([(LANE, True)]) == 0,
        lambda bell: bell.sweep() == 0,
    ],
    ids=["ring", "answered", "settled", "mend", "sweep"],
)
def test_without_redis_nothing_raises(call: Callable[[RqBell], object], caplog: pytest.LogCaptureFixture) -> None:
    """What is lost is logged, and the sweeper finds the work."""
    assert call(away()[0]) in (None, True)
    assert [each.levelno for each in caplog.records] == [logging.WARNING]


def test_a_dead_doorbell_is_not_pressed_again_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """After a failure ringing pauses for a moment: an accepted request must not wait for it each time."""
    bell, clock = away()
    for _ in range(5):
        bell.ring(LANE, direct=True)
    assert len(caplog.records) == 1
    clock.sleep(SILENCE_SECONDS)
    bell.ring(LANE, direct=True)
    assert len(caplog.records) == 2


# Leftovers ------------------------------------------------------------------------------------------------------------


def taken_to_the_grave(rq: InRedis) -> Job:
    """A job that a worker had taken off its queue when it was killed."""
    rq.bell.ring(LANE, direct=False)
    (job,) = rq.jobs(direct=False)
    queue = rq.queues[False]
    rq.redis.lmove(queue.key, queue.intermediate_queue_key)
    return job


def test_the_job_of_a_killed_worker_is_swept(rq: InRedis) -> None:
    """When no drain can still be at it, its hash and its entry go."""
    job = taken_to_the_grave(rq)
    rq.clock.sleep((leftovers.LIFE - timedelta(minutes=1)).total_seconds())
    assert rq.bell.sweep() == 0
    rq.clock.sleep(timedelta(minutes=2).total_seconds())
    assert rq.bell.sweep() == 1
    assert not Job.exists(job.id, connection=rq.redis)
    assert rq.redis.llen(rq.queues[False].intermediate_queue_key) == 0
    assert rq.bell.sweep() == 0


def test_an_entry_without_its_job_is_swept(rq: InRedis) -> None:
    """What points at nothing goes at once."""
    job = taken_to_the_grave(rq)
    job.delete(remove_from_queue=False)
    assert rq.bell.sweep() == 1
    assert rq.redis.llen(rq.queues[False].intermediate_queue_key) == 0


def test_a_job_that_waits_is_no_leftover(rq: InRedis) -> None:
    """However long a queue is, what stands in it stays."""
    rq.bell.ring(LANE, direct=False)
    rq.clock.sleep(24 * 3600)
    assert rq.bell.sweep() == 0
    assert rq.rung() == [(LANE, False)]


def test_the_names_of_dead_workers_are_swept(rq: InRedis) -> None:
    """A worker whose own key is gone is taken off the lists; one that lives stays."""
    for name, lives in (("rq:worker:dead", False), ("rq:worker:alive", True)):
        rq.redis.sadd("rq:workers", name)
        rq.redis.sadd(f"rq:workers:{PREFIX}irp", name)
        if lives:
            rq.redis.hset(name, "birth", "now")
    assert rq.bell.sweep() > 0
    assert rq.redis.smembers("rq:workers") == {b"rq:worker:alive"}
    assert rq.redis.smembers(f"rq:workers:{PREFIX}irp") == {b"rq:worker:alive"}


@pytest.mark.parametrize(("prompt", "name"), [(True, "webhooks"), (False, "webhooks-trial")])
def test_an_endpoint_is_rung_in_a_queue_of_its_standing(rq: InRedis, name: str, *, prompt: bool) -> None:
    """Slow receivers keep no portal's lane waiting, and no prompt one; a lost ring is mended like any other."""
    lane = EndpointLane("whk_1", prompt=prompt)
    rq.bell.ring(lane, direct=False)
    queue = Queue(PREFIX + name, connection=rq.redis, serializer=JSONSerializer)
    [job] = queue.get_jobs()
    assert (job.func_name, job.kwargs) == (DRAIN_JOB, {"lane": str(lane), "direct": False})
    assert rq.jobs(direct=False) == []
    assert rq.bell.mend([(lane, False)]) == 0
    rq.redis.flushdb()
    assert rq.bell.mend([(lane, False)]) == 1
    assert len(queue.get_jobs()) == 1

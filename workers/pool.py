"""A worker process: RQ workers in threads, each on one queue."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any, Final

from redis import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

from gateway import system
from gateway.jobs.bell import BULK_QUEUE, DIRECT_QUEUE, TRIAL_QUEUE, WEBHOOK_QUEUE
from gateway.wiring import SKEW_LOOK_SECONDS, Wiring
from workers import drain
from workers.stragglers import Stragglers

log = logging.getLogger(__name__)

WORKER_TTL_SECONDS: Final = 17
"""RQ waits for a job for 15 s less than this, so an idle thread looks every 2 s whether it should stop."""
RESTART_SECONDS: Final = 1.0
"""Pause before a thread whose RQ worker gave up, Redis being away, starts another."""


class LaneWorker(SimpleWorker):
    """An RQ worker that lives in a thread: no signals, no commands, no fork, no alarm."""

    death_penalty_class = TimerDeathPenalty
    max_connection_wait_time = 2.0  # seconds; RQ's own minute would outlast the patience of whoever stops us
    stopping: threading.Event

    def _install_signal_handlers(self) -> None:
        """The main thread owns the signals."""

    def subscribe(self) -> None:
        """Take no commands: a thread and a connection per worker saved."""

    def unsubscribe(self) -> None:
        """Nothing was subscribed to."""

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Called between two waits for a job: the moment to stop."""
        if pipeline is None and self.stopping.is_set():
            raise StopRequested
        super().heartbeat(timeout, pipeline)


class Pool:
    """The threads of one process."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._stragglers = Stragglers(threads=wiring.settings.worker_webhook_threads)
        self._process = drain.Process(
            ports=wiring.ports,
            policy=wiring.drain_policy,
            delivery_policy=wiring.delivery_policy,
            aside=self._stragglers,
        )
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; then finish what is under way."""
        system.switch_often()
        drain.bind(self._process)
        self._process.look_at_clock(self._wiring.clock_is_right)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._process.stopping.set())
        self._start()
        self._wiring.report_ready("worker")
        while not self._process.stopping.wait(SKEW_LOOK_SECONDS):
            self._process.look_at_clock(self._wiring.clock_is_right)
        for thread in self._threads:
            thread.join()
        self._stragglers.close()

    def _start(self) -> None:
        settings = self._wiring.settings
        threads = {
            DIRECT_QUEUE: settings.worker_direct_threads,
            BULK_QUEUE: settings.worker_bulk_threads,
            WEBHOOK_QUEUE: settings.worker_webhook_threads,
            TRIAL_QUEUE: settings.worker_trial_threads,
        }
        for queue, count in threads.items():
            for index in range(count):
                name = f"{queue}-{index}"
                thread = threading.Thread(target=self._work_for_ever, args=(queue, name), name=name, daemon=True)
                thread.start()
                self._threads.append(thread)

    def _work_for_ever(self, queue: str, name: str) -> None:
        while not self._process.stopping.is_set():
            try:
                self._work(queue, name=name)
            except RedisError as error:
                log.warning("no doorbell", extra={"error": type(error).__name__})
            self._process.stopping.wait(RESTART_SECONDS)

    def _work(self, queue_name: str, *, name: str) -> None:
        connection = self._wiring.patient_redis()
        queue = Queue(
            self._wiring.settings.redis_prefix + queue_name,
            connection=connection,
            serializer=JSONSerializer,
        )
        worker = LaneWorker(
            [queue],
            name=f"{self._wiring.worker}:{name}:{self._wiring.ids.new('')}",
            connection=connection,
            worker_ttl=WORKER_TTL_SECONDS,
            serializer=JSONSerializer,
            log_job_description=False,
        )
        worker.stopping = self._process.stopping
        worker.work(logging_level="WARNING")

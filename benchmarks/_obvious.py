"""The obvious design, to compare with: one RQ job for each document, which sleeps when the portal throttles it.

The same portal, the same threads in one process as a worker of ours has, and a client that waits as `Retry-After` says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

import _stack
import httpx
from redis import Redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

from gateway.cli.embedded import EmbeddedRedis
from gateway.cli.up import free_port
from gateway.domain.token_bucket import Limit
from gateway.sandbox.visitor import Visitor

THREADS: Final = 36
LATENCY_MS: Final = 250
_visitors: dict[str, Visitor] = {}
_done: dict[str, float] = {}
_lock = threading.Lock()


class _Worker(SimpleWorker):
    death_penalty_class = TimerDeathPenalty

    def _install_signal_handlers(self) -> None:
        """The threads of this process have no signals."""

    def subscribe(self) -> None:
        """They take no commands."""

    def unsubscribe(self) -> None:
        """They took none."""


def register(*, gstin: str, number: str) -> None:
    """The job: log in once for each taxpayer, then send until the portal takes it, sleeping when it is too much."""
    content = json.loads(_stack.document(gstin, number))
    while True:
        with _lock:
            visitor = _visitors[gstin]
        heard = visitor.generate(content) if _logged_in(visitor) else None
        if heard is not None and heard.status != 429:
            _done[f"{gstin}:{number}"] = time.monotonic()
            return
        time.sleep(1.0)


def run(*, seconds: int, backlog: int, others: int, gstin: Limit, account: Limit) -> dict[str, Any]:
    """The backlog of one seller, then one document of each of the others; what was reached within the time."""
    names = [f"29AAAPL{index:04}C1Z5" for index in range(others + 1)]
    redis = EmbeddedRedis()
    redis.start()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="mohar-bench-") as folder:
        portal = _portal(Path(folder), port)
        try:
            url = f"http://127.0.0.1:{port}"
            return _rush(names, url, redis.url, seconds=seconds, backlog=backlog, gstin=gstin, account=account)
        finally:
            portal.terminate()
            portal.wait()
            redis.stop()


def _rush(
    names: list[str], url: str, redis_url: str, *, seconds: int, backlog: int, gstin: Limit, account: Limit
) -> dict[str, Any]:
    limits = {"per_minute_gstin": gstin.calls, "per_minute_client": account.calls}
    httpx.post(f"{url}/_control", json={"latency_ms": LATENCY_MS, "limits": limits}).raise_for_status()
    http = httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=100))
    for name in names:
        _visitors[name] = Visitor(http, gstin=name, user="user", password="password", client_id="obvious")
    queue = Queue("obvious", connection=Redis.from_url(redis_url), serializer=JSONSerializer)
    for number in range(backlog):
        queue.enqueue_call(register, kwargs={"gstin": names[0], "number": f"B-{number}"}, timeout=-1, result_ttl=0)
    began = time.monotonic()
    for name in names[1:]:
        queue.enqueue_call(register, kwargs={"gstin": name, "number": "ONE"}, timeout=-1, result_ttl=0)
    for index in range(THREADS):
        threading.Thread(target=_work, args=(redis_url, index), daemon=True).start()
    time.sleep(seconds)
    ones = [at - began for key, at in dict(_done).items() if key.endswith(":ONE")]
    calls = httpx.get(f"{url}/_calls", timeout=60).text.splitlines()
    return {
        "registered_per_second": round(len(_done) / seconds, 1),
        "throttled_answers": sum(json.loads(line)["code"] == "429" for line in calls),
        "calls": len(calls),
        "first_result_of_the_others_s": round(min(ones), 2) if ones else f"none in {seconds}",
        "memory_mb": round(_stack.memory_mb(os.getpid())),
    }


def _work(redis_url: str, index: int) -> None:
    connection = Redis.from_url(redis_url)
    queue = Queue("obvious", connection=connection, serializer=JSONSerializer)
    worker = _Worker([queue], name=f"obvious-{index}", connection=connection, serializer=JSONSerializer)
    worker.work(logging_level="ERROR")


def _logged_in(visitor: Visitor) -> bool:
    with _lock:
        return "AuthToken" in visitor.headers or visitor.log_in().status != 429


def _portal(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gateway.cli", "sandbox", "--port", str(port), "--data", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _stack.wait_until(lambda: _answers(port), seconds=60)
    return process


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/_keys", timeout=2).is_success
    except httpx.HTTPError:
        return False

"""Whether small requests wait for large ones: POST /validate of one line, ten a second, alone and beside large ones.

Clients post documents of 1,000 lines and of 5 MB of junk, one after the other, as fast as they are answered. Each has
a process of its own, so that it is the gateway that is waited for and not a thread of the client.
Bar: p99 of the small ones at most 100 ms beside them.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event

import _stack
import httpx
import validate

CALLS_PER_SECOND = 10
SECONDS = 10
LARGE_CLIENTS = 4
P99_MS_MAX = 100
JUNK = (
    b"[" + b",".join([b'{"a":1}'] * 600_000) + b"]",  # refused unread: it has too many values for a document
    b'{"ItemList":[' + b",".join([b'{"SlNo":"%s"}' % (b"1" * 50)] * 70_000) + b"]}",  # read and explained
)


def main() -> int:
    """Measure, print, and say whether the bar holds (0) or not (1)."""
    with _stack.stack() as running:
        [(_, token)] = _stack.sellers(running, 1)
        alone = _small(running, token)
        beside, large = _beside(running, token)
    p99 = _stack.quantile(beside, 0.99)
    _stack.say(
        benchmark="beside",
        machine=_stack.machine(),
        alone_ms={f"p{share:.0%}": round(_stack.quantile(alone, share), 1) for share in (0.5, 0.99)},
        beside_ms={f"p{share:.0%}": round(_stack.quantile(beside, share), 1) for share in (0.5, 0.99)},
        large_documents=len(large),
        large_p50_ms=round(_stack.quantile(large, 0.5)),
        bars_ms={"p99": P99_MS_MAX},
    )
    return 0 if p99 <= P99_MS_MAX else 1


def _beside(running: _stack.Stack, token: str) -> tuple[list[float], list[float]]:
    """How long the small ones took while there were large ones, and how long those took, in milliseconds."""
    spawn = multiprocessing.get_context("spawn")
    over, took = spawn.Event(), spawn.Queue()
    clients = [
        spawn.Process(target=_post_large, args=(running.base_url, token, over, took, number))
        for number in range(LARGE_CLIENTS)
    ]
    for client in clients:
        client.start()
    large = [took.get() for _ in clients]  # all are at it
    small = _small(running, token)
    over.set()
    for client in clients:
        client.join()
    while not took.empty():
        large.append(took.get())
    return small, large


def _small(running: _stack.Stack, token: str) -> list[float]:
    """How long each small request took, in milliseconds."""
    took: list[float] = []
    body = validate.document(1)
    with _client(running.base_url, token) as client:
        client.post("/validate", content=body)
        starts_at = time.monotonic()
        for count in range(CALLS_PER_SECOND * SECONDS):
            time.sleep(max(0.0, starts_at + count / CALLS_PER_SECOND - time.monotonic()))
            began = time.perf_counter()
            client.post("/validate", content=body).raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
    return took


def _post_large(base_url: str, token: str, over: Event, took: Queue[float], number: int) -> None:
    body = JUNK[number] if number < len(JUNK) else validate.document(1000)
    with _client(base_url, token) as client:
        while not over.is_set():
            began = time.perf_counter()
            client.post("/validate", content=body)  # junk is answered 400
            took.put((time.perf_counter() - began) * 1000)


def _client(base_url: str, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return httpx.Client(base_url=base_url, headers=headers, timeout=120, trust_env=False)


if __name__ == "__main__":
    sys.exit(main())

"""Whether small requests wait for large ones: POST /validate of one line, ten a second, alone and beside large ones.

Clients post documents of 1,000 lines and of 5 MB of junk, one after the other, as fast as they are answered.
Bar: p99 of the small ones at most 100 ms beside them.
"""

from __future__ import annotations

import sys
import threading
import time

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
        large: list[float] = []
        over = threading.Event()
        threads = [
            threading.Thread(target=_post_large, args=(running, token, over, large, number))
            for number in range(LARGE_CLIENTS)
        ]
        for thread in threads:
            thread.start()
        beside = _small(running, token)
        over.set()
        for thread in threads:
            thread.join()
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


def _small(running: _stack.Stack, token: str) -> list[float]:
    """How long each small request took, in milliseconds."""
    took: list[float] = []
    body = validate.document(1)
    with _client(running, token) as client:
        client.post("/validate", content=body)
        starts_at = time.monotonic()
        for count in range(CALLS_PER_SECOND * SECONDS):
            time.sleep(max(0.0, starts_at + count / CALLS_PER_SECOND - time.monotonic()))
            began = time.perf_counter()
            client.post("/validate", content=body).raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
    return took


def _post_large(running: _stack.Stack, token: str, over: threading.Event, took: list[float], number: int) -> None:
    body = JUNK[number] if number < len(JUNK) else validate.document(1000)
    with _client(running, token) as client:
        while not over.is_set():
            began = time.perf_counter()
            client.post("/validate", content=body)  # junk is answered 400
            took.append((time.perf_counter() - began) * 1000)


def _client(running: _stack.Stack, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return httpx.Client(base_url=running.base_url, headers=headers, timeout=120, trust_env=False)


if __name__ == "__main__":
    sys.exit(main())

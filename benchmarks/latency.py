"""What the gateway adds to a call made straight at the portal: same machine, same run, 10 calls a second.

The portal is the sandbox at 250 ms. Every second call goes straight to it (signed in already, encrypted as published),
the others through the gateway's direct call. Bars: p50 at most 40 ms, p99 at most 150 ms added.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import _stack
import httpx

from gateway.sandbox.visitor import Visitor

LATENCY_MS = 250
CALLS_PER_SECOND = 10
SECONDS = 60
P50_MS_MAX, P99_MS_MAX = 40, 150
STRAIGHT_GSTIN = "27AAAPL9999C1Z5"


def main() -> int:
    """Measure, print, and say whether the bars hold (0) or not (1)."""
    with _stack.stack() as running:
        sellers = _stack.sellers(running, 5)
        _stack.control(running, latency_ms=LATENCY_MS)
        straight, through = _measure(running, sellers)
    added = {share: _stack.quantile(through, share) - _stack.quantile(straight, share) for share in (0.5, 0.9, 0.99)}
    _stack.say(
        benchmark="latency",
        machine=_stack.machine(),
        calls=len(through),
        straight_ms={f"p{share:.0%}": round(_stack.quantile(straight, share), 1) for share in added},
        through_ms={f"p{share:.0%}": round(_stack.quantile(through, share), 1) for share in added},
        added_p50_ms=round(added[0.5], 1),
        added_p99_ms=round(added[0.99], 1),
        bars_ms={"p50": P50_MS_MAX, "p99": P99_MS_MAX},
    )
    return 0 if added[0.5] <= P50_MS_MAX and added[0.99] <= P99_MS_MAX else 1


def _measure(running: _stack.Stack, sellers: list[tuple[str, str]]) -> tuple[list[float], list[float]]:
    straight: list[float] = []
    through: list[float] = []
    with httpx.Client(base_url=running.sandbox_url, timeout=30) as portal, httpx.Client(timeout=30) as client:
        visitor = Visitor(portal, gstin=STRAIGHT_GSTIN, user="user", password="password")
        visitor.log_in()
        for gstin, token in sellers:  # each seller's first call logs in: not what is measured
            _through(client, running, token, _stack.document(gstin, "WARM-1"), [])
        threads = []
        starts_at = time.monotonic()
        for count in range(CALLS_PER_SECOND * SECONDS):
            time.sleep(max(0.0, starts_at + count / CALLS_PER_SECOND - time.monotonic()))
            gstin, token = sellers[count % len(sellers)]
            if count % 2:
                document = _stack.document(STRAIGHT_GSTIN, f"S-{count}")
                arguments, target = (visitor, document, straight), _straight
            else:
                arguments, target = (client, running, token, _stack.document(gstin, f"T-{count}"), through), _through
            threads.append(threading.Thread(target=target, args=arguments))
            threads[-1].start()
        for thread in threads:
            thread.join()
    return straight, through


def _straight(visitor: Visitor, document: bytes, times: list[float]) -> None:
    content = json.loads(document)
    started = time.perf_counter()
    visitor.generate(content)
    times.append((time.perf_counter() - started) * 1000)


def _through(client: httpx.Client, running: _stack.Stack, token: str, document: bytes, times: list[float]) -> None:
    started = time.perf_counter()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = client.post(f"{running.base_url}/irn", content=document, headers=headers)
    if answer.status_code != 201:
        raise RuntimeError(answer.text)
    times.append((time.perf_counter() - started) * 1000)


if __name__ == "__main__":
    sys.exit(main())

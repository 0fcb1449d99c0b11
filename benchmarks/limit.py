"""The shared limit in real time, with 3 worker and 2 api processes, judged by the sandbox's own call log.

More work than its limit allows for 60 seconds from one seller with a backlog, one document from each of 50 others, and
direct calls of the busy seller in between. Then the same work by the obvious design: one RQ job a document, which
calls the portal and sleeps when it is throttled; there the portal itself enforces the limit.
`limit.py [seconds] [backlog]`. Bars: 0 violations of a bucket's law with 50 ms of slack, 97 % of the allowed rate.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import _obvious
import _stack
import httpx

from gateway.cli.up import free_port
from gateway.domain.token_bucket import MICROSECONDS, Limit
from gateway.services import access

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
BACKLOG = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
OTHERS = 50
LATENCY_MS = 250
GSTIN = Limit(calls=1200, seconds=60, burst=40)
ACCOUNT = Limit(calls=1800, seconds=60, burst=60)
SLACK = timedelta(milliseconds=50)
USED_MIN = 0.97
WARM_SECONDS = 4
"""After a start the buckets are empty; the clock of the measurement runs from when they have filled a little."""


def main() -> int:
    """Measure, print, and say whether the bars hold (0) or not (1)."""
    ours = _ours()
    _stack.say(benchmark="limit", machine=_stack.machine(), **ours)
    obvious = _obvious.run(seconds=SECONDS, backlog=BACKLOG, others=OTHERS, gstin=GSTIN, account=ACCOUNT)
    _stack.say(benchmark="obvious design", **obvious)
    return int(ours["violations"] > 0 or ours["used"] < USED_MIN)


def _ours() -> dict[str, Any]:
    with _stack.stack() as running:
        ports = running.wiring.ports
        route = ports.routebook.route("sandbox")
        access.put_route(replace(route, limits={"gstin": GSTIN, "account": ACCOUNT}), ports=ports)
        _stack.control(running, latency_ms=LATENCY_MS)
        (busy, *others) = _stack.sellers(running, OTHERS + 1)
        extra = [_process(running, "worker"), _process(running, "worker")]
        port = free_port()
        extra.append(_process(running, "api", MOHAR_PORT=str(port), MOHAR_ISSUER=running.base_url))
        urls = [running.base_url, f"http://127.0.0.1:{port}"]
        _stack.wait_until(lambda: _ready(urls[1]), seconds=60)
        try:
            return _rush(running, urls, busy, others)
        finally:
            for process in extra:
                process.terminate()
            for process in extra:
                process.wait()


def _rush(
    running: _stack.Stack, urls: list[str], busy: tuple[str, str], others: list[tuple[str, str]]
) -> dict[str, Any]:
    began = time.time()
    _stack.in_threads(8, lambda index: _queue(urls, busy, range(index, BACKLOG, 8)))
    first: dict[str, float] = {}
    direct: list[float] = []
    watching = threading.Thread(target=_watch, args=(urls[0], others, first))
    calling = threading.Thread(target=_call, args=(urls[1], busy, direct))
    for thread in (watching, calling):
        thread.start()
    time.sleep(max(0.0, began + SECONDS - time.time()))
    for thread in (watching, calling):
        thread.join()
    calls = _calls(running)
    start = min(at for at, _ in calls) + timedelta(seconds=WARM_SECONDS)
    window = [at for at, _ in calls if start <= at]
    allowed = (window[-1] - window[0]).total_seconds() * min(GSTIN.calls, ACCOUNT.calls) / 60
    busy_calls = [at for at, gstin in calls if gstin == busy[0] and at >= start]
    return {
        "calls": len(calls),
        "violations": _violations(calls),
        "used": round(len(busy_calls) / allowed, 3),
        "first_result_of_the_others_s": round(min(first.values()), 2),
        "last_result_of_the_others_s": round(max(first.values()), 2),
        "direct_call_p50_s": round(_stack.quantile(direct, 0.5), 2) if len(direct) > 1 else None,
        "direct_call_max_s": round(max(direct), 2) if direct else None,
        "registered_per_second": round(len(window) / (window[-1] - window[0]).total_seconds(), 1),
        "memory_mb": {name: round(_stack.memory_mb(running.pid(name))) for name in ("api", "worker", "sweeper")},
    }


def _violations(calls: Iterable[tuple[datetime, str]]) -> int:
    by_gstin: dict[str, list[datetime]] = defaultdict(list)
    every = list(calls)
    for at, gstin in every:
        by_gstin[gstin].append(at)
    return _beyond((at for at, _ in every), ACCOUNT) + sum(_beyond(each, GSTIN) for each in by_gstin.values())


def _beyond(instants: Iterable[datetime], limit: Limit) -> int:
    """Calls that went out before the law of their bucket allowed: at most burst + rate · window in any window."""
    horizon, wrong = 0, 0
    for at in sorted(instants):
        now = round(at.timestamp() * MICROSECONDS)
        wrong += now < horizon - limit.tolerance_us - SLACK // timedelta(microseconds=1)
        horizon = max(horizon, now) + limit.interval_us
    return wrong


def _queue(urls: list[str], seller: tuple[str, str], numbers: Iterable[int]) -> None:
    gstin, token = seller
    with httpx.Client(timeout=60) as client:
        for number in numbers:
            answer = client.post(
                f"{urls[number % 2]}/irn",
                content=_stack.document(gstin, f"B-{number}"),
                headers=_headers(token, Prefer="respond-async"),
            )
            if answer.status_code != 202:
                raise RuntimeError(answer.text)


def _watch(url: str, others: list[tuple[str, str]], first: dict[str, float]) -> None:
    """One document of each of the others; how long until it is registered."""
    began, open_operations = time.monotonic(), {}
    with httpx.Client(timeout=60) as client:
        for gstin, token in others:
            answer = client.post(
                f"{url}/irn", content=_stack.document(gstin, "ONE"), headers=_headers(token, Prefer="respond-async")
            )
            open_operations[answer.json()["id"]] = token
        while open_operations:
            for id, token in list(open_operations.items()):
                if client.get(f"{url}/operations/{id}", headers=_headers(token)).json()["status"] == "succeeded":
                    first[id] = time.monotonic() - began
                    del open_operations[id]
            time.sleep(0.1)


def _call(url: str, seller: tuple[str, str], direct: list[float]) -> None:
    gstin, token = seller
    with httpx.Client(timeout=60) as client:
        for number in itertools.count():
            if number >= SECONDS // 3:
                return
            began = time.monotonic()
            answer = client.post(f"{url}/irn", content=_stack.document(gstin, f"D-{number}"), headers=_headers(token))
            if answer.status_code == 201:
                direct.append(time.monotonic() - began)
            time.sleep(1.5)


def _headers(token: str, **more: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | more


def _calls(running: _stack.Stack) -> list[tuple[datetime, str]]:
    lines = httpx.get(f"{running.sandbox_url}/_calls", timeout=60).text.splitlines()
    notes = [json.loads(line) for line in lines]
    return sorted((datetime.fromisoformat(note["at"]), note["gstin"]) for note in notes)


def _process(running: _stack.Stack, name: str, **environment: str) -> subprocess.Popen[bytes]:
    settings = {"MOHAR_DATA_DIR": str(running.data), "MOHAR_SANDBOX_URL": running.sandbox_url}
    return subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", name],
        env=os.environ | GENEROUS | settings | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


GENEROUS = {
    "MOHAR_CLIENT_REQUESTS_PER_MINUTE": "1000000",
    "MOHAR_CLIENT_READS_PER_MINUTE": "1000000",
    "MOHAR_CLIENT_BURST": "100000",
    "MOHAR_CLIENT_IN_FLIGHT_MAX": "1000",
}


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    sys.exit(main())

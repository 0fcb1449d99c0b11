"""The shared limit in real time, with 3 worker and 2 api processes, judged by the sandbox's own call log.

One taxpayer has a backlog of more than its limit allows. While it is worked off, 50 others come with one document each,
ten a second, and the busy one makes a direct call every two seconds. In the middle Redis is killed and started again.
Then the same by the obvious design: one RQ job a document, which calls the portal and sleeps when it is throttled. The
sandbox refuses either of them what is above `burst + rate` in a minute.

`limit.py [seconds] [calls a minute]`; the 50 take 20 calls a second of the account, so that fewer than 1,200 a minute
leave the busy one nothing while they come. Bars: no call before the law of a bucket allows it, with 50 ms of slack on
the wire, after the restart no more than a burst of them; 97 % of the allowed rate used while work waits; each of the 50
and every direct call within twice its time alone; work again 5 s after the restart.

Of the allowed rate is unused what a full bucket had to turn away: a permit that lies in a bucket with room is not lost.
Calls by rate and time alone, which depend on what was in the bucket at both ends, are printed beside it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import _obvious
import _stack
import httpx
from redis import RedisError
from sqlalchemy import select

from gateway.cli.up import free_port
from gateway.domain.token_bucket import MICROSECONDS, Limit
from gateway.services import access
from gateway.settings import Settings
from gateway.storage.tables import operations

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
PER_MINUTE = int(sys.argv[2]) if len(sys.argv) > 2 else 1200
OTHERS = 50
ALONE = 5
"""Taxpayers by which it is measured what a document and a call need when nothing else goes on."""
LATENCY_MS = 250
GSTIN = Limit(calls=PER_MINUTE, seconds=60, burst=max(4, PER_MINUTE // 30))
ACCOUNT = Limit(calls=PER_MINUTE * 2, seconds=60, burst=max(8, PER_MINUTE // 10))
"""Wide enough for the 50, ten a second, beside the busy one. Half of its burst is kept for direct calls, and after the
restart of Redis that half fills first: in three seconds."""
BACKLOG = PER_MINUTE * SECONDS // 60 + GSTIN.burst + 50
SLACK = timedelta(milliseconds=50)
USED_MIN = 0.97
TWICE = 2.0
RESUMED_SECONDS_MAX = 5.0
WARM_UP_SECONDS = 2.0
"""The first call is the first worker's log-in; the other workers are still starting then."""
OTHERS_AFTER_SECONDS = 5.0
OTHERS_PAUSE_SECONDS = 0.1
DIRECT_PAUSE_SECONDS = 2.0
WORKERS = 3
IDLE = {f"worker_{name}_threads": "0" for name in ("direct", "bulk", "webhook", "trial")}
"""The worker that comes with a stack stands by: ours are started once the backlog is stored."""

Seller = tuple[str, str]


@dataclass
class Seen:
    """What the clients saw and when Redis was away. Instants are seconds since the epoch."""

    direct: list[float] = field(default_factory=list)
    refused: int = 0
    killed_at: float = 0.0
    back_at: float = 0.0
    began_at: float = 0.0


def main() -> int:
    """Measure, print, and say whether the bars hold (0) or not (1)."""
    figures, bars = _ours()
    _stack.say(benchmark="limit", machine=_stack.machine(), **figures)
    obvious = _obvious.run(seconds=SECONDS, backlog=BACKLOG, others=OTHERS, gstin=_law(GSTIN), account=_law(ACCOUNT))
    _stack.say(benchmark="obvious design", **obvious)
    for name, measured, bar, held in bars:
        sys.stdout.write(f"{'pass' if held else 'FAIL'}  {name}: {measured} (bar {bar})\n")
    return int(not all(held for *_, held in bars))


def _ours() -> tuple[dict[str, Any], list[tuple[str, Any, str, bool]]]:
    with _stack.stack(**IDLE) as running:
        ports = running.wiring.ports
        route = ports.routebook.route("sandbox")
        access.put_route(replace(route, limits={"gstin": GSTIN, "account": ACCOUNT}), ports=ports)
        limits = {"per_minute_gstin": _law(GSTIN).calls, "per_minute_client": _law(ACCOUNT).calls}
        _stack.control(running, latency_ms=LATENCY_MS, limits=limits)
        busy, *rest = _stack.sellers(running, OTHERS + ALONE + 1)
        port = free_port()
        urls = [running.base_url, f"http://127.0.0.1:{port}"]
        with _processes(running, api=(port,)):
            _stack.wait_until(lambda: _answers(urls[1]), seconds=60)
            with _processes(running, worker=range(WORKERS)):
                alone = _alone(running, urls, rest[:ALONE])
            _stack.in_threads(8, lambda index: _queue(urls, busy, range(index, BACKLOG, 8)))
            with _processes(running, worker=range(WORKERS)) as workers:
                seen = _rush(running, urls, busy, rest[ALONE:])
                memory = _memory(running, workers)
        return _told(running, [busy, *rest[ALONE:]], seen, alone, memory)


def _alone(running: _stack.Stack, urls: list[str], sellers: list[Seller]) -> dict[str, float]:
    """The median of what a queued document with its login, and a direct call without one, take alone."""
    direct = []
    for index, seller in enumerate(sellers):
        _post(urls[index % 2], seller, "ONE", queued=True)
        _stack.wait_until(partial(_has_settled, running, seller), seconds=60)
        direct.append(_post(urls[index % 2], seller, "TWO", queued=False)[1])
    queued = _settled(running, sellers, number="ONE").values()
    return {"queued": _stack.quantile(list(queued), 0.5), "direct": _stack.quantile(direct, 0.5)}


def _rush(running: _stack.Stack, urls: list[str], busy: Seller, others: list[Seller]) -> Seen:
    seen = Seen()
    begun = (busy[0], "generate")  # the call that is measured alone has a session too
    _stack.wait_until(lambda: any(call[1:] == begun for call in _calls(running)), seconds=60)
    seen.began_at = time.time()
    threads = [
        threading.Thread(target=_send_others, args=(urls[0], others)),
        threading.Thread(target=_call, args=(urls[1], busy, seen)),
    ]
    for thread in threads:
        thread.start()
    _until(seen.began_at + SECONDS / 2)
    seen.killed_at = time.time()
    os.kill(running.pid("redis"), signal.SIGKILL)
    _stack.wait_until(lambda: _restarted(running), seconds=10)
    seen.back_at = time.time()
    _until(seen.began_at + SECONDS)
    for thread in threads:
        thread.join()
    return seen


def _restarted(running: _stack.Stack) -> bool:
    running.watch()
    try:
        return bool(running.wiring.redis.ping())
    except RedisError:
        return False


def _told(
    running: _stack.Stack, sellers: list[Seller], seen: Seen, alone: Mapping[str, float], memory: Mapping[str, float]
) -> tuple[dict[str, Any], list[tuple[str, Any, str, bool]]]:
    """The figures of the run, and the bars. The first seller is the busy one."""
    busy, *others = sellers
    end = seen.began_at + SECONDS
    calls = [(at, gstin, operation) for at, gstin, operation in _calls(running) if at <= end]
    of_busy = [at for at, gstin, _ in calls if gstin == busy[0]]
    resumed = min(at for at in of_busy if at > seen.back_at) - seen.back_at
    before = (seen.began_at + WARM_UP_SECONDS, seen.killed_at)
    after = (seen.back_at + RESUMED_SECONDS_MAX, end)
    used_before = _used([at for at in of_busy if at >= before[0]], *before, full_at=before[0])
    emptied = [at for at in of_busy if at >= seen.back_at]  # a missing bucket starts empty with the first who asks
    used_after = _used(emptied, *after, full_at=min(emptied) + _seconds(GSTIN.tolerance_us))
    early = [at for at, *_ in _early(calls)]
    late = sum(at > seen.killed_at for at in early)
    took = sorted(_settled(running, others).values())
    in_time = [at for at, _, operation in calls if operation == "generate" and at >= seen.began_at]
    direct = sorted(seen.direct)
    figures = {
        "seconds": SECONDS,
        "calls_a_minute": PER_MINUTE,
        "calls": len(calls),
        "registered_per_second": round(len(in_time) / SECONDS, 1),
        "first_result_of_the_others_s": round(took[0], 2),
        "median_of_the_others_s": round(_stack.quantile(took, 0.5), 2),
        "last_result_of_the_others_s": round(took[-1], 2),
        "one_alone_s": round(alone["queued"], 2),
        "direct_p50_s": round(_stack.quantile(direct, 0.5), 2),
        "direct_max_s": round(direct[-1], 2),
        "direct_alone_s": round(alone["direct"], 2),
        "calls_by_the_rate": [round(_rate(of_busy, *part), 3) for part in (before, after)],
        "direct_refused_while_redis_was_away": seen.refused,
        "redis_away_s": round(seen.back_at - seen.killed_at, 2),
        "memory_mb": memory,
    }
    bars = [
        ("calls before the law of a bucket allows them", len(early) - late, "0", len(early) == late),
        ("the same after the restart of Redis", late, f"a burst, {GSTIN.burst}", late <= GSTIN.burst),
        ("use of the allowed rate before the restart", f"{used_before:.1%}", "97 %", used_before >= USED_MIN),
        ("use of the allowed rate from 5 s after it", f"{used_after:.1%}", "97 %", used_after >= USED_MIN),
        ("work after the restart of Redis", f"{resumed:.1f} s", "5 s", resumed <= RESUMED_SECONDS_MAX),
        _twice("slowest of the 50", took[-1], alone["queued"]),
        _twice("slowest direct call of the busy one", direct[-1], alone["direct"]),
    ]
    return figures, bars


def _twice(name: str, took: float, alone: float) -> tuple[str, Any, str, bool]:
    return name, f"{took:.2f} s, alone {alone:.2f} s", "twice", took <= TWICE * alone


def _used(instants: list[float], start: float, end: float, *, full_at: float) -> float:
    """What of a span's permits a bucket could take, by its law: while it is full it loses one after the other.

    `full_at` is when it would be full without a call.
    """
    lost = 0.0
    for at in [*sorted(instants), end]:
        if at > end:
            break
        lost += max(0.0, at - max(full_at, start))
        full_at = max(full_at, at) + _seconds(GSTIN.interval_us)
    return 1 - lost / (end - start)


def _rate(instants: list[float], start: float, end: float) -> float:
    """The calls of a span, by what the rate alone allows."""
    return sum(start <= at < end for at in instants) / ((end - start) * GSTIN.calls / GSTIN.seconds)


def _seconds(microseconds: int) -> float:
    return microseconds / MICROSECONDS


def _early(calls: Iterable[tuple[float, str, str]]) -> Iterator[tuple[float, str]]:
    """Calls that went out before the law of their bucket allowed: at most burst + rate · window in any window."""
    by_name: dict[str, list[float]] = defaultdict(list)
    for at, gstin, _ in calls:
        by_name["account"].append(at)
        by_name[gstin].append(at)
    for name, instants in by_name.items():
        limit, horizon = ACCOUNT if name == "account" else GSTIN, 0
        for at in sorted(instants):
            now = round(at * MICROSECONDS)
            if now < horizon - limit.tolerance_us - SLACK // timedelta(microseconds=1):
                yield at, name
            horizon = max(horizon, now) + limit.interval_us


def _law(limit: Limit) -> Limit:
    """The most that the law of a bucket allows in a minute."""
    return replace(limit, calls=limit.calls + limit.burst)


def _queue(urls: list[str], seller: Seller, numbers: Iterable[int]) -> None:
    for number in numbers:
        status, _ = _post(urls[number % 2], seller, f"B-{number}", queued=True)
        if status != 202:
            raise RuntimeError(f"{status} for a queued document")


def _send_others(url: str, others: list[Seller]) -> None:
    """One document of each, ten a second."""
    time.sleep(OTHERS_AFTER_SECONDS)
    for seller in others:
        began = time.time()
        _post(url, seller, "ONE", queued=True)
        _until(began + OTHERS_PAUSE_SECONDS)


def _call(url: str, seller: Seller, seen: Seen) -> None:
    """Direct calls of the busy taxpayer until the end. What is refused while Redis is away has no time."""
    ends_at = time.time() + SECONDS - DIRECT_PAUSE_SECONDS
    for number in range(SECONDS):
        began = time.time()
        if began > ends_at:
            return
        status, took = _post(url, seller, f"D-{number}", queued=False)
        if status == 201:
            seen.direct.append(took)
        else:
            seen.refused += 1
        _until(began + DIRECT_PAUSE_SECONDS)


def _post(url: str, seller: Seller, number: str, *, queued: bool) -> tuple[int, float]:
    """Status and seconds."""
    gstin, token = seller
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    headers |= {"Prefer": "respond-async"} if queued else {}
    content = _stack.document(gstin, number)
    began = time.monotonic()
    answer = _http().post(f"{url}/irn", content=content, headers=headers)
    return answer.status_code, time.monotonic() - began


_local = threading.local()


def _http() -> httpx.Client:
    if not hasattr(_local, "http"):
        _local.http = httpx.Client(timeout=60, trust_env=False)
    http: httpx.Client = _local.http
    return http


def _has_settled(running: _stack.Stack, seller: Seller) -> bool:
    return _settled(running, [seller]) != {}


def _settled(running: _stack.Stack, sellers: list[Seller], *, number: str = "ONE") -> dict[str, float]:
    """How long each one's document took from its request to its outcome, by GSTIN."""
    gstins = [gstin for gstin, _ in sellers]
    query = select(operations.c.gstin, operations.c.created_at, operations.c.settled_at).where(
        operations.c.gstin.in_(gstins), operations.c.doc_no == number, operations.c.settled_at.isnot(None)
    )
    with running.wiring.database.read() as connection:
        return {gstin: (settled - created).total_seconds() for gstin, created, settled in connection.execute(query)}


def _calls(running: _stack.Stack) -> list[tuple[float, str, str]]:
    lines = httpx.get(f"{running.sandbox_url}/_calls", timeout=60, trust_env=False).text.splitlines()
    notes = map(json.loads, lines)
    return sorted(
        (datetime.fromisoformat(note["at"]).astimezone(UTC).timestamp(), note["gstin"], note["operation"])
        for note in notes
    )


def _memory(running: _stack.Stack, workers: list[subprocess.Popen[bytes]]) -> dict[str, float]:
    pids = {"api": running.pid("api"), "worker": workers[0].pid, "sweeper": running.pid("sweeper")}
    return {name: round(_stack.memory_mb(pid)) for name, pid in pids.items()}


@contextmanager
def _processes(
    running: _stack.Stack, *, api: Iterable[int] = (), worker: Iterable[int] = ()
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """More processes of the stack, ended in order afterwards: an api for each port, and workers."""
    threads = {name: str(Settings.model_fields[name].default) for name in IDLE}
    made = [_process(running, "api", {"port": str(port), "issuer": running.base_url}) for port in api]
    made += [_process(running, "worker", threads) for _ in worker]
    try:
        yield made
    finally:
        for process in made:
            process.terminate()
        for process in made:
            process.wait()


def _process(running: _stack.Stack, name: str, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    given = {"data_dir": str(running.data), "sandbox_url": running.sandbox_url, **_stack.GENEROUS, **settings}
    return subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", name],
        env=os.environ | {f"MOHAR_{key.upper()}": value for key, value in given.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _until(at: float) -> None:
    time.sleep(max(0.0, at - time.time()))


if __name__ == "__main__":
    sys.exit(main())

"""Real processes, killed again and again: what the two ledgers say afterwards.

Goal: nothing lost, nothing twice, whatever is killed. Method: clients post documents and repeat whatever was not
answered, with its own key; meanwhile a random process is killed a second after it is ready, Redis is flushed, and the
portal drops, cuts and garbles answers. When the killing and the faults stop, the portal's ledger and ours are compared.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from gateway.cli import demo
from gateway.cli.up import Stack
from tests.integration.kill_kit import (
    BRIEF_LEASES,
    PATIENCE_SECONDS,
    control,
    kill,
    named_servers,
    post,
    post_all,
    seller,
    servers,
)

SHORT_LEASES = {"MOHAR_CALL_SECONDS": "6", "MOHAR_LEASE_SECONDS": "12"}
UNHURRIED = {
    "MOHAR_CLIENT_REQUESTS_PER_MINUTE": "100000",
    "MOHAR_CLIENT_READS_PER_MINUTE": "100000",
}
FAULTS = [
    {"kind": kind, "probability": 0.04}
    for kind in ("drop_before", "drop_after", "cut", "garble", "error_5xx", "html", "unknown_code")
]
SELLERS = 4
CLIENTS = 6
SETTLED_SECONDS_MAX = 600
STOPPED_CALL_MS = 1500
"""Long enough for a call to be seen under way, and far below its deadline."""
DOCUMENTS_MAX = 1000
SEED_OF_ALL_VICTIMS = 21
"""Its first three kills are of an api, a worker and a sweeper."""


def test_three_kills_and_a_flush_lose_nothing(tmp_path: Path) -> None:
    """A small kill loop, on SQLite or on the servers that the environment names: both ledgers are equal afterwards."""
    with named_servers() as extra, Stack(tmp_path, extra=UNHURRIED | BRIEF_LEASES | extra) as stack:
        _prove(stack, documents=30, kills=3, flushes=1, seed=SEED_OF_ALL_VICTIMS)


def test_a_worker_that_is_stopped_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGTERM, as a deployment sends it: calls under way are finished, no lease is left, and no row is in doubt."""
    with named_servers() as extra, Stack(tmp_path, extra=demo.THREADS | extra) as stack:
        gstin, token = seller(stack, "29AAAPL0000C1Z5")
        control(stack, latency_ms=STOPPED_CALL_MS)
        documents = 0
        while "submitting" not in _statuses(stack):  # of each document that is for as long as its call takes
            post(stack, gstin, token, 3 * documents + 1)  # a number that is posted without waiting for an answer
            documents += 1
            assert documents < DOCUMENTS_MAX, _statuses(stack)
        os.kill(stack.pid("worker"), signal.SIGTERM)
        while stack.running("worker"):
            time.sleep(0.05)
        with stack.wiring.database.read() as connection:
            left = "SELECT count(*) FROM operations WHERE lease_until IS NOT NULL OR doubtful_since IS NOT NULL"
            assert connection.exec_driver_sql(left).scalar_one() == 0
        stack.watch()
        ends_at = time.monotonic() + SETTLED_SECONDS_MAX
        while _open(stack):
            assert time.monotonic() < ends_at, _statuses(stack)
            time.sleep(0.1)
        assert _statuses(stack) == {"succeeded": documents}


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_thousand_documents_survive_a_kill_loop(tmp_path: Path, engine: str) -> None:
    """A long kill loop on either engine: both ledgers are equal afterwards."""
    seed = int(os.environ.get("MOHAR_KILL_SEED", "1"))
    with servers(engine) as extra, Stack(tmp_path, extra=UNHURRIED | SHORT_LEASES | extra) as stack:
        _prove(stack, documents=1000, kills=40, flushes=5, seed=seed)


def _prove(stack: Stack, *, documents: int, kills: int, flushes: int, seed: int) -> None:
    print(f"seed {seed}")  # noqa: T201  printed when it fails
    sellers = [seller(stack, f"29AAAPL{index:04}C1Z5") for index in range(SELLERS)]
    control(stack, seed=seed, latency_ms=50, faults=FAULTS)
    numbers = itertools.count()
    posted: dict[str, str] = {}
    clients = [
        threading.Thread(target=post_all, args=(stack, sellers, numbers, documents, posted)) for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    killed = kill(stack, kills=kills, flushes=flushes, chance=random.Random(seed))  # noqa: S311  a seed replays it
    control(stack, faults=[])
    stopped_at = time.monotonic()
    while any(client.is_alive() for client in clients) or _open(stack):
        stack.watch()
        assert time.monotonic() < stopped_at + SETTLED_SECONDS_MAX, _statuses(stack)
        time.sleep(0.2)
    settled_seconds = time.monotonic() - stopped_at
    _compare(stack, posted, documents)
    found = {"documents": documents, "killed": killed, "flushes": flushes, "settled_after_s": round(settled_seconds, 1)}
    print(json.dumps(found))  # noqa: T201  what a soak found


def _compare(stack: Stack, posted: dict[str, str], documents: int) -> None:
    answer = httpx.get(f"{stack.sandbox_url}/_ledger", timeout=PATIENCE_SECONDS, trust_env=False)
    portal = [json.loads(line) for line in answer.text.splitlines()]
    with stack.wiring.database.read() as connection:
        ours = connection.exec_driver_sql("SELECT irn, ack_no FROM documents").all()
        statuses = connection.exec_driver_sql("SELECT status, count(*) FROM operations GROUP BY status").all()
    assert {status: count for status, count in statuses} == {"succeeded": documents}  # noqa: C416  rows, not pairs
    assert sorted((row["irn"], str(row["ack_no"])) for row in portal) == sorted((irn, ack) for irn, ack in ours)
    assert sorted(posted.values()) == sorted(row["irn"] for row in portal)
    assert len(posted) == len({row["irn"] for row in portal}) == documents
    assert all(row["registrations"] == 1 for row in portal)


def _open(stack: Stack) -> int:
    return sum(count for status, count in _statuses(stack).items() if status != "succeeded")


def _statuses(stack: Stack) -> dict[str, int]:
    with stack.wiring.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT status, count(*) FROM operations GROUP BY status").all()
    return {status: count for status, count in rows}  # noqa: C416  rows, not pairs

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
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from gateway.cli import test_mode
from gateway.cli.up import Stack
from gateway.domain.calendar import indian_date, write_portal_date

DOCUMENT = Path(__file__).parent.parent / "documents" / "with_ewb.json"
VICTIMS = ("api", "worker", "sweeper")
SHORT_LEASES = {"MOHAR_CALL_SECONDS": "6", "MOHAR_LEASE_SECONDS": "12"}
FAULTS = [
    {"kind": kind, "probability": 0.04}
    for kind in ("drop_before", "drop_after", "cut", "garble", "error_5xx", "html", "unknown_code")
]
SELLERS = 4
CLIENTS = 6
SETTLED_SECONDS_MAX = 240
POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432"


def test_five_kills_and_a_flush_lose_nothing(tmp_path: Path) -> None:
    """A small kill loop, on SQLite or on the servers that the environment names: both ledgers are equal afterwards."""
    with _named_servers() as extra:
        _prove(tmp_path, documents=60, kills=5, flushes=1, seed=11, extra=extra)


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_thousand_documents_survive_a_kill_loop(tmp_path: Path, engine: str) -> None:
    """A long kill loop on either engine: both ledgers are equal afterwards."""
    seed = int(os.environ.get("MOHAR_KILL_SEED", "1"))
    with _database(engine) as url:
        extra = {"MOHAR_DATABASE_URL": url} if url else {}
        _prove(tmp_path, documents=1000, kills=40, flushes=5, seed=seed, extra=extra)


def _prove(folder: Path, *, documents: int, kills: int, flushes: int, seed: int, extra: dict[str, str]) -> None:
    print(f"seed {seed}")  # noqa: T201  printed when it fails
    with Stack(folder, extra=SHORT_LEASES | extra) as stack:
        sellers = [_seller(stack, f"29AAAPL{index:04}C1Z5") for index in range(SELLERS)]
        _control(stack, seed=seed, latency_ms=50, faults=FAULTS)
        numbers = itertools.count()
        posted: dict[str, str] = {}
        clients = [
            threading.Thread(target=_post_all, args=(stack, sellers, numbers, documents, posted))
            for _ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        killed = _kill(stack, kills=kills, flushes=flushes, chance=random.Random(seed))  # noqa: S311  a seed replays it
        _control(stack, faults=[])
        stopped_at = time.monotonic()
        while any(client.is_alive() for client in clients) or _open(stack):
            stack.watch()
            assert time.monotonic() < stopped_at + SETTLED_SECONDS_MAX, _statuses(stack)
            time.sleep(0.2)
        settled_seconds = time.monotonic() - stopped_at
        _compare(stack, posted, documents)
    found = {"documents": documents, "killed": killed, "flushes": flushes, "settled_after_s": round(settled_seconds, 1)}
    print(json.dumps(found))  # noqa: T201  what a soak found


def _post_all(
    stack: Stack, sellers: list[tuple[str, str]], numbers: Iterator[int], documents: int, posted: dict[str, str]
) -> None:
    for number in numbers:
        if number >= documents:
            return
        gstin, token = sellers[number % len(sellers)]
        posted[f"K-{number}"] = _post(stack, gstin, token, number)


def _post(stack: Stack, gstin: str, token: str, number: int) -> str:
    """Post until it is accepted: the answer's IRN."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": f"K-{number}"}
    headers |= {"Prefer": "respond-async" if number % 3 else "wait=2"}
    while True:
        try:
            answer = httpx.post(
                f"{stack.base_url}/irn", content=_document(gstin, number), headers=headers, timeout=20, trust_env=False
            )
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        if answer.status_code in (200, 201, 202):
            irn: str = answer.json()["irn"]
            return irn
        assert answer.status_code in (429, 500, 503), answer.text
        time.sleep(0.2)


def _kill(stack: Stack, *, kills: int, flushes: int, chance: random.Random) -> dict[str, int]:
    """Kill a random process a second after it is ready, again and again."""
    killed = dict.fromkeys(VICTIMS, 0)
    flush_at = {round((index + 1) * kills / (flushes + 1)) for index in range(flushes)}
    for count in range(kills):
        name = chance.choice(VICTIMS)
        while not stack.ready(name):
            stack.watch()
            time.sleep(0.05)
        time.sleep(1)
        os.kill(stack.pid(name), 9)
        killed[name] += 1
        if count in flush_at:
            stack.wiring.redis.flushdb()
        time.sleep(0.05)
        stack.watch()
    return killed


def _compare(stack: Stack, posted: dict[str, str], documents: int) -> None:
    answer = httpx.get(f"{stack.sandbox_url}/_ledger", timeout=60, trust_env=False)
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


def _document(gstin: str, number: int) -> bytes:
    content: dict[str, Any] = json.loads(DOCUMENT.read_text())
    content["SellerDtls"]["Gstin"] = gstin
    content["DocDtls"] |= {"No": f"K-{number}", "Dt": write_portal_date(indian_date(datetime.now(UTC)))}
    content["EwbDtls"].pop("TransDocDt", None)
    return json.dumps(content).encode()


def _seller(stack: Stack, gstin: str) -> tuple[str, str]:
    client_id, secret = test_mode.add_seller(gstin, ports=stack.wiring.ports).split(":")
    form = {"grant_type": "client_credentials"}
    answer = httpx.post(f"{stack.base_url}/oauth/token", data=form, auth=(client_id, secret), trust_env=False)
    return gstin, answer.raise_for_status().json()["access_token"]


def _control(stack: Stack, **members: Any) -> None:
    httpx.post(f"{stack.sandbox_url}/_control", json=members, trust_env=False).raise_for_status()


@contextmanager
def _named_servers() -> Iterator[dict[str, str]]:
    """Settings for the PostgreSQL and the Redis that the environment names, if it does."""
    postgres, redis = os.environ.get("MOHAR_TEST_POSTGRES_URL"), os.environ.get("MOHAR_TEST_REDIS_URL")
    extra = {"MOHAR_REDIS_URL": redis, "MOHAR_REDIS_PREFIX": f"test-{os.getpid()}:"} if redis else {}
    with _fresh_database(postgres) if postgres else nullcontext("") as url:
        yield extra | ({"MOHAR_DATABASE_URL": url} if url else {})


@contextmanager
def _database(engine: str) -> Iterator[str]:
    """A fresh database of that engine; an empty URL means SQLite in the data folder."""
    if engine == "sqlite":
        yield ""
        return
    try:
        with _fresh_database(POSTGRES) as url:
            yield url
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL answers on 127.0.0.1:5432")


@contextmanager
def _fresh_database(server: str) -> Iterator[str]:
    """A new database on the server of that URL, gone afterwards."""
    url = make_url(server).set(database="postgres")
    name = f"mohar_kill_{os.getpid()}"
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True, connect_timeout=3) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def test_a_worker_that_is_told_to_stop_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    """SIGTERM, as a deployment sends it: calls under way are finished, no lease is left behind, no row is in doubt."""
    with _named_servers() as extra, Stack(tmp_path, extra=SHORT_LEASES | extra) as stack:
        gstin, token = _seller(stack, "29AAAPL0000C1Z5")
        _control(stack, latency_ms=300)
        for number in range(0, 30, 3):
            _post(stack, gstin, token, number + 1)
        while "submitting" not in _statuses(stack):
            time.sleep(0.02)
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
        assert _statuses(stack) == {"succeeded": 10}

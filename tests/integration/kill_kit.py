"""What the kill loops share: clients that repeat until they are heard, a killer of processes, and fresh databases."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import make_url, select

from gateway.cli import test_mode
from gateway.cli.up import Stack
from gateway.domain.calendar import indian_date, write_portal_date
from gateway.domain.operations import Status
from gateway.storage.tables import operations

DOCUMENT = Path(__file__).parent.parent / "documents" / "with_ewb.json"
VICTIMS = ("api", "worker", "sweeper")
BRIEF_LEASES = {"MOHAR_CALL_SECONDS": "2", "MOHAR_LEASE_SECONDS": "4"}
"""For small loops: what a killed process held is taken up soon."""
POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432"
PATIENCE_SECONDS = 120
"""For one answer of a machine that has other things to do; reached only when there is none."""


def post_all(
    stack: Stack, sellers: list[tuple[str, str]], numbers: Iterator[int], documents: int, posted: dict[str, str]
) -> None:
    """Post numbers until so many documents are posted; several threads share the numbers. `posted` gets the IRNs."""
    for number in numbers:
        if number >= documents:
            return
        gstin, token = sellers[number % len(sellers)]
        posted[f"K-{number}"] = post(stack, gstin, token, number)


def post(stack: Stack, gstin: str, token: str, number: int) -> str:
    """Post until it is accepted: the answer's IRN."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": f"K-{number}"}
    headers |= {"Prefer": "respond-async" if number % 3 else "wait=2"}
    while True:
        try:
            answer = httpx.post(
                f"{stack.base_url}/irn",
                content=document(gstin, number),
                headers=headers,
                timeout=PATIENCE_SECONDS,
                trust_env=False,
            )
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        if answer.status_code in (200, 201, 202):
            irn: str = answer.json()["irn"]
            return irn
        assert answer.status_code in (429, 500, 503), answer.text
        time.sleep(0.2)


def kill(
    stack: Stack, *, kills: int, flushes: int, chance: random.Random, victims: Sequence[str] = VICTIMS
) -> dict[str, int]:
    """Kill a random process a second after it is ready, again and again, and flush Redis now and then."""
    killed = dict.fromkeys(victims, 0)
    flush_at = {round((index + 1) * kills / (flushes + 1)) for index in range(flushes)}
    for count in range(kills):
        name = chance.choice(victims)
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


def resume_parked(stack: Stack) -> int:
    """Resume whatever the gateway gave up, as an operator would; how much that was."""
    parked = select(operations.c.id).where(operations.c.status == Status.PARKED.value)
    with stack.wiring.database.read() as connection:
        ids = connection.execute(parked).scalars().all()
    ports = stack.wiring.ports
    for id in ids:
        ports.upkeep.resume(id, actor="operator", at=ports.clock.now())
    return len(ids)


def document(gstin: str, number: int) -> bytes:
    """An invoice of today."""
    content: dict[str, Any] = json.loads(DOCUMENT.read_text())
    content["SellerDtls"]["Gstin"] = gstin
    content["DocDtls"] |= {"No": f"K-{number}", "Dt": write_portal_date(indian_date(datetime.now(UTC)))}
    content["EwbDtls"].pop("TransDocDt", None)
    return json.dumps(content).encode()


def seller(stack: Stack, gstin: str) -> tuple[str, str]:
    """A seller that is served, and an access token for it."""
    client_id, secret = test_mode.add_seller(gstin, ports=stack.wiring.ports).split(":")
    form = {"grant_type": "client_credentials"}
    url = f"{stack.base_url}/oauth/token"
    answer = httpx.post(url, data=form, auth=(client_id, secret), timeout=PATIENCE_SECONDS, trust_env=False)
    return gstin, answer.raise_for_status().json()["access_token"]


def control(stack: Stack, **members: Any) -> None:
    """Set the sandbox up."""
    url = f"{stack.sandbox_url}/_control"
    httpx.post(url, json=members, timeout=PATIENCE_SECONDS, trust_env=False).raise_for_status()


@contextmanager
def named_servers() -> Iterator[dict[str, str]]:
    """Settings for the PostgreSQL and the Redis that the environment names, if it does."""
    postgres = os.environ.get("MOHAR_TEST_POSTGRES_URL")
    with fresh_database(postgres) if postgres else nullcontext("") as url:
        yield _named_redis() | ({"MOHAR_DATABASE_URL": url} if url else {})


def _named_redis() -> dict[str, str]:
    redis = os.environ.get("MOHAR_TEST_REDIS_URL")
    return {"MOHAR_REDIS_URL": redis, "MOHAR_REDIS_PREFIX": f"test-{os.getpid()}:"} if redis else {}


@contextmanager
def servers(engine: str) -> Iterator[dict[str, str]]:
    """Settings for an engine: all embedded for SQLite, or a fresh database, with the Redis that is named if one is."""
    if engine == "sqlite":
        yield {}
        return
    try:
        with fresh_database(POSTGRES) as url:
            yield _named_redis() | {"MOHAR_DATABASE_URL": url}
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL answers on 127.0.0.1:5432")


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
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

"""Workers killed again and again while events go to good and bad receivers: what arrived, and what the rows say.

Goal: every receiver that can be reached gets every event at least once, and what cannot be delivered is on record to
the last attempt. Method: clients post documents, workers are killed a second after they are ready, and twenty endpoints
of all manners listen. Each request is verified as it comes, by a library that is not ours. What was parked because it
was under way in three crashes while alone is resumed, as an operator would.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, select

from gateway.cli.up import Stack
from gateway.domain.audit import Action, Record
from gateway.domain.deliveries import POLICIES
from gateway.domain.events import EventType
from gateway.domain.identifiers import AUDIT_PREFIX, WEBHOOK_PREFIX
from gateway.domain.operations import Environment
from gateway.ports import Endpoint
from gateway.services import access
from gateway.storage.tables import deliveries, delivery_attempts, events
from tests import receivers
from tests.integration.kill_kit import (
    BRIEF_LEASES,
    control,
    kill,
    named_servers,
    post_all,
    resume_parked,
    seller,
    servers,
)
from tests.receivers import Receiver, receiving, saying, slow

SETTINGS = {
    "MOHAR_CALL_SECONDS": "6",
    "MOHAR_LEASE_SECONDS": "12",
    "MOHAR_WEBHOOK_SECONDS": "0.6",
    "MOHAR_WEBHOOK_LEASE_SECONDS": "2",
}
PATIENT = {"MOHAR_WEBHOOK_SECONDS": "5", "MOHAR_WEBHOOK_LEASE_SECONDS": "8"}
"""For small loops, which do not wait for those that cannot be reached: a busy machine is not taken for one of them."""
POLICY = "brisk"
ATTEMPTS = len(POLICIES[POLICY].waits) + 1
CLIENTS = 4
REACHED = {
    **{f"healthy {number}": saying(200) for number in range(8)},
    "slow": slow(0.05),
    "endless body": receivers.endless_body,
    "gzip bomb": receivers.bomb,
    "flapping": receivers.flapping,
}
"""They get the events of all sellers."""
REACHED_LATE = {"dripping body": receivers.dripping_body}
UNREACHED = {
    "dripping head": receivers.dripping_head,
    "stalling": receivers.stalling,
    "refusing": saying(500),
    "redirecting": receivers.redirecting,
    "endless head": receivers.endless_head,
    "resetting": receivers.resetting,
}
"""These and the dead one get the events of one seller: each takes a thread for a while, six times over."""
SETTLED_SECONDS_MAX = 3600
MADE = events.c.type == EventType.IRN_GENERATED.value


@dataclass(frozen=True, slots=True)
class Listener:
    """An endpoint, and what stands behind it; nothing behind the dead one."""

    name: str
    endpoint_id: str
    receiver: Receiver | None
    is_reached: bool


def test_two_killed_workers_lose_no_event(tmp_path: Path) -> None:
    """A small kill loop, on SQLite or on the servers that the environment names: whoever can be reached has it all."""
    with named_servers() as extra:
        settings = SETTINGS | BRIEF_LEASES | PATIENT | extra
        _prove(tmp_path, documents=6, sellers=2, kills=2, seed=5, settings=settings, to_the_end=False)


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_two_thousand_events_survive_a_kill_loop(tmp_path: Path, engine: str) -> None:
    """A long kill loop on either engine: whoever can be reached has it all, and the rest is dead with all attempts."""
    seed = int(os.environ.get("MOHAR_KILL_SEED", "1"))
    with servers(engine) as extra:
        _prove(tmp_path, documents=2000, sellers=40, kills=60, seed=seed, settings=SETTINGS | extra, to_the_end=True)


def _prove(
    folder: Path, *, documents: int, sellers: int, kills: int, seed: int, settings: dict[str, str], to_the_end: bool
) -> None:
    print(f"seed {seed}")  # noqa: T201  printed when it fails
    with ExitStack() as open_things:
        stack = open_things.enter_context(Stack(folder, extra=settings))
        served = [seller(stack, f"29AAAPL{index:04}C1Z5") for index in range(sellers)]
        listeners = _listeners(stack, [gstin for gstin, _ in served], open_things)
        control(stack, seed=seed, latency_ms=20)
        posted: dict[str, str] = {}
        numbers = itertools.count()
        clients = [
            threading.Thread(target=post_all, args=(stack, served, numbers, documents, posted)) for _ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        kill(stack, kills=kills, flushes=1, chance=random.Random(seed), victims=("worker",))  # noqa: S311  a seed
        started, resumed = time.monotonic(), 0
        while any(client.is_alive() for client in clients) or not _is_over(
            stack, listeners, documents, to_the_end=to_the_end
        ):
            stack.watch()
            resumed += resume_parked(stack)
            assert time.monotonic() < started + SETTLED_SECONDS_MAX, _found(stack)
            time.sleep(0.2)
        settled_seconds = round(time.monotonic() - started, 1)
        _compare(stack, listeners, served[0][0], documents, to_the_end=to_the_end)
        found = _found(stack)
    requests = sum(len(each.receiver.received) for each in listeners if each.receiver)
    seen = {"kills": kills, "resumed": resumed, "settled_after_s": settled_seconds, "requests": requests}
    print(json.dumps(seen | found))  # noqa: T201  what a soak found


def _listeners(stack: Stack, gstins: list[str], open_things: ExitStack) -> list[Listener]:
    ports = stack.wiring.ports
    client_id, _ = access.add_client(
        environment=Environment.TEST, gstins=gstins, name="listener", respond_async=True, ports=ports
    )
    made = []
    for name, behave in (REACHED | REACHED_LATE | UNREACHED).items():
        secret = ports.webhook_secrets.new()
        receiver = open_things.enter_context(receiving(behave, secret))
        wanted = gstins if name in REACHED else gstins[:1]
        endpoint_id = _add(stack, name, receiver.url, wanted, client_id=client_id, secret=secret)
        made.append(Listener(name, endpoint_id, receiver, name not in UNREACHED))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    secret = ports.webhook_secrets.new()
    dead = _add(stack, "dead", nobody, gstins[:1], client_id=client_id, secret=secret)
    return [*made, Listener("dead", dead, None, is_reached=False)]


def _add(stack: Stack, name: str, url: str, gstins: list[str], *, client_id: str, secret: str) -> str:
    ports = stack.wiring.ports
    client = ports.directory.client(client_id)
    assert client is not None
    at = ports.clock.now()
    endpoint = Endpoint(
        id=ports.ids.new(WEBHOOK_PREFIX),
        environment=client.environment,
        org_id=client.org_id,
        client_id=client_id,
        name=name,
        url=url,
        types=(EventType.IRN_GENERATED.value,),
        gstins=tuple(gstins),
        policy=POLICY,
        headers={},
        disabled_cause=None,
        failing_since=None,
        created_at=at,
        updated_at=at,
    )
    record = Record(
        id=ports.ids.new(AUDIT_PREFIX), at=at, actor="operator", action=Action.WEBHOOK_ADDED, subject=endpoint.id
    )
    ports.endpoints.add(endpoint, secret=secret, endpoints_max=20, record=record)
    return endpoint.id


def _is_over(stack: Stack, listeners: list[Listener], documents: int, *, to_the_end: bool) -> bool:
    """Whether every event was made, and delivered where it can be; to the end: delivered or dead everywhere."""
    awaited = [each.endpoint_id for each in listeners if each.is_reached or to_the_end]
    pending = (deliveries.c.status == "pending") & deliveries.c.webhook_id.in_(awaited)
    return len(_rows(stack, select(events.c.id).where(MADE))) == documents and not _rows(
        stack, select(deliveries.c.id).where(pending).limit(1)
    )


def _compare(stack: Stack, listeners: list[Listener], first: str, documents: int, *, to_the_end: bool) -> None:
    rows = _rows(stack, select(events).where(MADE))
    assert len({row["operation_id"] for row in rows}) == len(rows) == documents
    for listener in listeners:
        wanted = {row["id"] for row in rows if listener.name in REACHED or row["gstin"] == first}
        sent = _rows(stack, select(deliveries).where(deliveries.c.webhook_id == listener.endpoint_id))
        assert sorted(row["event_id"] for row in sent) == sorted(wanted), listener.name
        if listener.is_reached:
            assert {row["status"] for row in sent} == {"delivered"}, listener.name
        elif to_the_end:
            assert {(row["status"], row["failures"]) for row in sent} == {("dead", ATTEMPTS)}, listener.name
        if listener.receiver is not None:
            came = {request.headers["webhook-id"] for request in listener.receiver.received}
            assert came == wanted if listener.is_reached or to_the_end else came <= wanted, listener.name
        _compare_attempts(stack, sent)


def _compare_attempts(stack: Stack, sent: list[dict[str, Any]]) -> None:
    """Each attempt has its row, numbered through; none is left without an end once its delivery has one."""
    for row in sent:
        mine = delivery_attempts.c.delivery_id == row["id"]
        tries = _rows(stack, select(delivery_attempts).where(mine).order_by(delivery_attempts.c.number))
        if row["status"] != "pending":  # or a worker is at it just now
            assert [each["number"] for each in tries] == list(range(1, row["attempts"] + 1))
            assert all(each["ended_at"] is not None for each in tries)


def _found(stack: Stack) -> dict[str, Any]:
    statuses = Counter(row["status"] for row in _rows(stack, select(deliveries.c.status)))
    attempts = _rows(stack, select(delivery_attempts.c.error))
    lost = sum(row["error"] == "lost" for row in attempts)
    return {"deliveries": dict(statuses), "attempts": len(attempts), "lost_with_a_worker": lost}


def _rows(stack: Stack, query: Select[Any]) -> list[dict[str, Any]]:
    with stack.wiring.database.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]

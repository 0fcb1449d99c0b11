"""How fast events reach their receivers: deliveries a second, how long the first byte takes, and whom stallers hold up.

Real processes with their defaults and SQLite, receivers in a process of their own. Events are written as the engine
writes them, one transaction each, and their endpoints rung. First a backlog is delivered, then 50 events a second come,
each for one of 20 endpoints; then the same with two endpoints that stall for 15 s. Bars: 200 deliveries a second; 95 in
a hundred first bytes within 1 s of the commit; with the stallers at most twice as late at the others.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence

import _receivers
import _stack
from sqlalchemy import select

from gateway.domain.audit import Action, Record
from gateway.domain.deliveries import EndpointLane
from gateway.domain.events import Announcement, EventType
from gateway.domain.identifiers import AUDIT_PREFIX, EVENT_PREFIX, WEBHOOK_PREFIX
from gateway.domain.operations import Environment
from gateway.ports import Endpoint
from gateway.services import access
from gateway.storage import events, tables

ENDPOINTS = 20
STALLING = 2
STALL_SECONDS = 15
BACKLOG = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
RATE = 50
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
DELIVERED_MIN, P95_SECONDS_MAX, SLOWER_MAX = 200, 1.0, 2.0
WAIT_SECONDS_MAX = 120


class Feed:
    """A stack whose sellers have an endpoint each."""

    def __init__(self, running: _stack.Stack, urls: Sequence[str]) -> None:
        self._wiring = running.wiring
        self._gstins = [gstin for gstin, _ in _stack.sellers(running, len(urls))]
        ports = self._wiring.ports
        self._client_id, _ = access.add_client(
            environment=Environment.TEST, gstins=self._gstins, name="receiver", respond_async=True, ports=ports
        )
        seller = ports.directory.seller(environment=Environment.TEST, gstin=self._gstins[0])
        assert seller is not None
        self._org_id = seller.org_id
        self._endpoint_ids = [self._endpoint(url, number) for number, url in enumerate(urls)]

    def happen(self, number: int) -> tuple[str, float]:
        """An event for the endpoint of that number: its subject, and when it was committed, in seconds since 1970."""
        ports = self._wiring.ports
        subject = ports.ids.new(EVENT_PREFIX)
        announcement = Announcement(
            type=EventType.IRN_GENERATED,
            environment=Environment.TEST,
            org_id=self._org_id,
            gstin=self._gstins[number],
            subject=subject,
            data={"irn": "0" * 64, "document": {"type": "INV", "number": subject, "total": "2950.00"}},
        )
        at = ports.clock.now()
        self._wiring.database.write(lambda connection: events.announce(connection, announcement, ids=ports.ids, at=at))
        committed = time.time()
        ports.bell.ring(self._lane(self._endpoint_ids[number]), direct=False)
        return subject, committed

    def ids(self) -> dict[str, str]:
        """The id of every event, by its subject."""
        with self._wiring.database.read() as connection:
            rows = connection.execute(select(tables.events.c.subject, tables.events.c.id)).all()
        return {row.subject: row.id for row in rows}

    def _lane(self, id: str) -> EndpointLane:
        """As the engine reads it: by how the endpoint stands."""
        query = select(tables.webhooks.c.prompt_since).where(tables.webhooks.c.id == id)
        with self._wiring.database.read() as connection:
            return EndpointLane(id, prompt=connection.execute(query).scalar_one() is not None)

    def _endpoint(self, url: str, number: int) -> str:
        ports = self._wiring.ports
        at = ports.clock.now()
        endpoint = Endpoint(
            id=ports.ids.new(WEBHOOK_PREFIX),
            environment=Environment.TEST,
            org_id=self._org_id,
            client_id=self._client_id,
            name=f"endpoint {number}",
            url=url,
            types=(),
            gstins=(self._gstins[number],),
            policy="default",
            headers={},
            disabled_cause=None,
            failing_since=None,
            created_at=at,
            updated_at=at,
        )
        record = Record(
            id=ports.ids.new(AUDIT_PREFIX), at=at, actor="operator", action=Action.WEBHOOK_ADDED, subject=endpoint.id
        )
        secret = ports.webhook_secrets.new()
        ports.endpoints.add(endpoint, secret=secret, endpoints_max=ENDPOINTS, record=record)
        return endpoint.id


def main() -> int:
    """Measure, print, and say whether the bars hold (0) or not (1)."""
    rate, p95 = _healthy()
    slower = _with_stallers() / p95
    _stack.say(benchmark="p95 with stalling endpoints, times the one without", value=round(slower, 2), bar=SLOWER_MAX)
    return 0 if rate >= DELIVERED_MIN and p95 <= P95_SECONDS_MAX and slower <= SLOWER_MAX else 1


def _healthy() -> tuple[float, float]:
    with _receivers.receivers(*[0] * ENDPOINTS) as receivers, _stack.stack() as running:
        feed = Feed(running, receivers.urls)
        os.kill(running.pid("worker"), signal.SIGSTOP)
        for number in range(BACKLOG):
            feed.happen(number % ENDPOINTS)
        started = time.monotonic()
        os.kill(running.pid("worker"), signal.SIGCONT)
        _stack.wait_until(lambda: receivers.count() >= BACKLOG, seconds=WAIT_SECONDS_MAX)
        rate = BACKLOG / (time.monotonic() - started)
        _stack.say(benchmark="deliveries per second", value=round(rate, 1), bar=DELIVERED_MIN, of=BACKLOG)
        receivers.calls()
        return rate, _p95(feed, receivers, range(ENDPOINTS), "commit to first byte")


def _with_stallers() -> float:
    stalls = [STALL_SECONDS] * STALLING + [0] * (ENDPOINTS - STALLING)
    with _receivers.receivers(*stalls) as receivers, _stack.stack() as running:
        return _p95(Feed(running, receivers.urls), receivers, range(STALLING, ENDPOINTS), "the same beside stallers")


def _p95(feed: Feed, receivers: _receivers.Receivers, watched: range, name: str) -> float:
    """Seconds from commit to first byte at the watched endpoints, at `RATE` events a second."""
    committed: dict[str, float] = {}
    began = time.monotonic()
    for count in range(RATE * SECONDS):
        time.sleep(max(0.0, began + count / RATE - time.monotonic()))
        number = count % ENDPOINTS
        subject, at = feed.happen(number)
        if number in watched:
            committed[subject] = at
    rate = RATE * SECONDS / (time.monotonic() - began)
    ids = feed.ids()
    awaited = {ids[subject]: at for subject, at in committed.items()}
    found: dict[str, float] = {}

    def all_came() -> bool:
        for _, id, at in receivers.calls():
            found.setdefault(id, at)
        return awaited.keys() <= found.keys()

    _stack.wait_until(all_came, seconds=WAIT_SECONDS_MAX)
    late = [max(0.0, found[id] - at) for id, at in awaited.items()]
    p50, p95 = _stack.quantile(late, 0.5), _stack.quantile(late, 0.95)
    _stack.say(
        benchmark=name,
        p50_ms=round(p50 * 1000),
        p95_ms=round(p95 * 1000),
        bar_ms=P95_SECONDS_MAX * 1000,
        events_per_second=round(rate, 1),
        machine=_stack.machine(),
    )
    return p95


if __name__ == "__main__":
    sys.exit(main())

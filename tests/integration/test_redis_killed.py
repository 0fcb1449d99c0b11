"""Real processes whose Redis is killed while more work waits than the limit allows; the portal's log is the judge."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from gateway.cli.up import Stack
from gateway.domain.token_bucket import Limit
from gateway.services import access
from tests.integration.kill_kit import control, post, seller
from tests.simulation.fleet import violations

GSTIN = Limit(calls=120, seconds=60, burst=4)
ACCOUNT = Limit(calls=240, seconds=60, burst=8)
SLACK = timedelta(milliseconds=50)
"""On the wire, between the permit and the portal's note."""
SELLERS = 3
DOCUMENTS = 90
SECONDS_MAX = 120


@pytest.mark.soak
def test_a_killed_redis_causes_no_violation_and_loses_nothing(tmp_path: Path) -> None:
    """Killed twice: no call before the law of its bucket allows it, and every document is registered once."""
    with Stack(tmp_path) as stack:
        ports = stack.wiring.ports
        access.put_route(
            replace(ports.routebook.route("sandbox"), limits={"gstin": GSTIN, "account": ACCOUNT}), ports=ports
        )
        control(stack, latency_ms=100)
        sellers = [seller(stack, f"29AAAPL{number:04}C1Z5") for number in range(SELLERS)]
        posting = threading.Thread(target=_queue, args=(stack, sellers))
        posting.start()
        for _ in range(2):
            _await_calls(stack, more=20)
            os.kill(stack.pid("redis"), signal.SIGKILL)
            time.sleep(1)
            stack.watch()
        posting.join()
        _await_calls(stack, registered=DOCUMENTS)
        calls = _calls(stack)
    of_one: dict[str, list[datetime]] = defaultdict(list)
    for at, gstin, _ in calls:
        of_one[gstin].append(at)
    assert violations((at for at, _, _ in calls), ACCOUNT, slack=SLACK) == []
    assert {gstin: found for gstin, each in of_one.items() if (found := violations(each, GSTIN, slack=SLACK))} == {}
    assert sum(operation == "generate" for _, _, operation in calls) == DOCUMENTS


def _queue(stack: Stack, sellers: list[tuple[str, str]]) -> None:
    for number in range(DOCUMENTS):
        post(stack, *sellers[number % SELLERS], number * 3 + 1)  # a number that is queued


def _await_calls(stack: Stack, *, more: int = 0, registered: int = 0) -> None:
    """Wait until the portal had so many more calls, or registered so many documents."""
    wanted = len(_calls(stack)) + more
    ends_at = time.monotonic() + SECONDS_MAX
    while len(calls := _calls(stack)) < wanted or sum(each[2] == "generate" for each in calls) < registered:
        assert time.monotonic() < ends_at, f"{len(calls)} calls"
        stack.watch()
        time.sleep(0.2)


def _calls(stack: Stack) -> list[tuple[datetime, str, str]]:
    lines = httpx.get(f"{stack.sandbox_url}/_calls", trust_env=False).text.splitlines()
    notes = map(json.loads, lines)
    return sorted((datetime.fromisoformat(note["at"]), note["gstin"], note["operation"]) for note in notes)

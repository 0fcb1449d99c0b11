"""What a client may ask of the gateway, told in every answer; and GET /limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support_api import Blueprint, Stack, document, refused, written

BURST = 5
FIELDS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy")
NO_SUCH = "/operations/op_00000000000000000000000000"


@pytest.fixture
def narrow(tmp_path: Path, blueprint: Blueprint) -> Iterator[Stack]:
    """A gateway that takes 60 requests a minute of a client, five at once, and twice as many that read."""
    limits: dict[str, Any] = {"client_requests_per_minute": 60, "client_reads_per_minute": 120, "client_burst": BURST}
    with Stack(tmp_path, blueprint, **limits, client_in_flight_max=3) as made:
        yield made


def told(answer: httpx.Response) -> tuple[int, int]:
    """What is left, and the whole limit."""
    return int(answer.headers["x-ratelimit-remaining"]), int(answer.headers["x-ratelimit-limit"])


def test_every_answer_to_a_known_client_tells_its_limit(narrow: Stack) -> None:
    """Successes, absences, refusals and turned away alike; both families of fields say the same."""
    answers = [narrow.get("/limits"), narrow.get(NO_SUCH), narrow.post(b"{"), narrow.post(document(No="0"))]
    for answer in answers:
        assert all(name in answer.headers for name in FIELDS), answer.request.url
    assert [told(answer) for answer in answers] == [(4, 120), (3, 120), (4, 60), (3, 60)]
    assert answers[3].headers["ratelimit-policy"] == '"write";q=60;w=60;burst=5'
    assert answers[3].headers["ratelimit"] == '"write";r=3;t=2'


def test_nobody_knows_a_stranger_s_limit(narrow: Stack) -> None:
    """Where there is no client there are no fields."""
    assert not any(name in narrow.send("GET", "/limits").headers for name in FIELDS)


def test_too_many_requests_are_429(narrow: Stack) -> None:
    """The sixth at once is turned away with the time to come back, in the header and in the body; then it may."""
    for _ in range(BURST):
        assert narrow.get(NO_SUCH).status_code == 404
    answer = narrow.get(NO_SUCH)
    problem = refused(answer, 429, "client-limit-reached")
    assert (problem["limit_owner"], problem["scope"]) == ("gateway", "client")
    assert problem["retryAfter"] == problem["retry_after"] == int(answer.headers["retry-after"]) == 1
    assert answer.headers["x-ratelimit-remaining"] == "0"
    narrow.clock.step(seconds=problem["retryAfter"])
    assert narrow.get(NO_SUCH).status_code == 404


def test_reading_and_writing_are_counted_apart(narrow: Stack) -> None:
    """A client that has read too much can still register."""
    for _ in range(BURST + 1):
        answer = narrow.get(NO_SUCH)
    assert answer.status_code == 429
    assert narrow.post(document()).status_code == 201


def test_what_was_turned_away_costs_nothing(narrow: Stack) -> None:
    """A client that goes on asking is let in as soon as one that waited."""
    for _ in range(BURST + 20):
        narrow.get(NO_SUCH)
    narrow.clock.step(seconds=1)
    assert [narrow.get(NO_SUCH).status_code for _ in range(3)] == [404, 404, 429]


def test_no_more_requests_under_way_than_allowed(narrow: Stack) -> None:
    """Three direct calls wait; the fourth request is turned away; once they are answered there is room again."""
    narrow.idle = True
    headers = narrow.headers(given={"Prefer": "wait=1"})

    async def all_at_once() -> list[int]:
        calls = [
            narrow.asend("POST", "/irn", content=written(document(No=f"W/{number}")), headers=headers)
            for number in range(4)
        ]
        return [answer.status_code for answer in await asyncio.gather(*calls)]

    assert sorted(narrow.run(all_at_once())) == [202, 202, 202, 429]
    narrow.clock.step(seconds=60)
    assert narrow.get(NO_SUCH).status_code == 404


def test_the_limits_are_told(stack: Stack) -> None:
    """Both buckets with their level and use, the queues, the errors and the portal."""
    stack.post(document())
    stack.idle = True
    stack.post(document(No="Q/1"), headers={"Prefer": "respond-async"})
    stack.clock.step(seconds=2)
    told = stack.get("/limits").json()
    buckets = {bucket["scope"]: bucket for bucket in told["buckets"]}
    assert set(buckets) == {"gstin", "account"}
    assert buckets["gstin"]["used_last_minute"] == {"direct": 2, "queued": 0}
    assert all(bucket["speed_percent"] == 100 and bucket["room"] > 0 for bucket in told["buckets"])
    assert told["queues"]["queued"]["waiting"] == 1
    assert told["error_budget"]["gstin"]["limit"] == 20_000
    assert told["portal"]["down_seconds"] == 0
    assert told["limiter"] == "present"

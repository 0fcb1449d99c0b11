"""What a client may ask of the gateway, told in every answer; and GET /limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.domain.calendar import write_instant
from gateway.domain.error_budget import LOGIN_WINDOW, LOGINS_MAX
from gateway.domain.token_bucket import Limit, Shares
from gateway.limits.health import FAILURES_MIN, TRY_SECONDS
from gateway.limits.memory import MemoryLimiter
from gateway.ports import Caller
from gateway.services import access
from tests.support import FakeClock
from tests.support_api import (
    PASSWORD,
    ROUTE,
    SELLER,
    STRANGER,
    USER,
    Blueprint,
    Stack,
    add_seller,
    document,
    document_of_a_stranger,
    refused,
    written,
)

BURST = 5
FIELDS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy")
ASYNC = {"Prefer": "respond-async"}
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


def add_sister(stack: Stack) -> None:
    """A second route for the seller, to the same limits."""
    access.put_route(replace(ROUTE, name="sister"), ports=stack.ports)
    seller = stack.ports.directory.seller(environment=ROUTE.environment, gstin=SELLER)
    assert seller is not None
    changed = replace(seller, other_routes=("sister",))
    access.put_seller(changed, user_name=USER, password=PASSWORD, ports=stack.ports)


def test_every_answer_to_a_known_client_tells_its_limit(narrow: Stack) -> None:
    """Successes, absences, refusals and turned away alike; both families of fields say the same."""
    answers = [narrow.get("/limits"), narrow.get(NO_SUCH), narrow.post(b"{"), narrow.post(document(No="0"))]
    for answer in answers:
        assert all(name in answer.headers for name in FIELDS), answer.request.url
    assert [told(answer) for answer in answers] == [(4, 120), (3, 120), (3, 60), (2, 60)]  # one was the token
    assert answers[3].headers["ratelimit-policy"] == '"write";q=60;w=60;burst=5'
    assert answers[3].headers["ratelimit"] == '"write";r=2;t=3'


@pytest.mark.parametrize(
    ("method", "path", "status", "limit"),
    [
        ("GET", "/limits", 401, 120),
        ("POST", "/irn", 401, 60),
        ("GET", "/healthz", 200, 120),
        ("HEAD", "/docs", 200, 120),
        ("GET", "/nothing", 404, 120),
        ("DELETE", "/irn", 405, 60),
        ("GET", "/" + "a" * 9000, 414, 120),
        ("POST", "/oauth/token", 400, 60),
    ],
)
def test_what_counts_in_nobody_s_limit_spends_nothing(
    narrow: Stack, method: str, path: str, status: int, limit: int
) -> None:
    """Whoever is not known is told the limit that a client would have, whole, however often it asks."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for _ in range(BURST + 1):
        answer = narrow.send(method, path, headers=headers)
        assert (answer.status_code, *told(answer)) == (status, BURST, limit)
    assert all(name in answer.headers for name in FIELDS)
    assert answer.headers["x-ratelimit-reset"] == "0"


def test_too_many_requests_are_429(narrow: Stack) -> None:
    """The sixth at once is turned away with the time to come back, in the header and in the body; then it may."""
    for _ in range(BURST):
        assert narrow.get(NO_SUCH).status_code == 404
    answer = narrow.get(NO_SUCH)
    problem = refused(answer, 429, "client-limit-reached")
    assert (problem["limit_owner"], problem["scope"]) == ("gateway", "client")
    assert problem["retryAfter"] == problem["retry_after"] == int(answer.headers["retry-after"]) == 1
    assert problem["reset"] == write_instant(narrow.clock.now() + timedelta(seconds=1))
    assert answer.headers["x-ratelimit-remaining"] == "0"
    narrow.clock.step(seconds=problem["retryAfter"])
    assert narrow.get(NO_SUCH).status_code == 404


def test_reading_and_writing_are_counted_apart(narrow: Stack) -> None:
    """A client that has read too much can still register."""
    for _ in range(BURST + 1):
        answer = narrow.get(NO_SUCH)
    assert answer.status_code == 429
    assert narrow.post(document()).status_code == 201


@pytest.mark.parametrize(("path", "limit"), [("token", 60), ("revoke", 60), ("introspect", 120)])
def test_a_client_s_logins_count_in_its_limit(narrow: Stack, path: str, limit: int) -> None:
    """Each with the right secret is a request of the client's, and one too many is told as OAuth tells it."""

    def ask(secret: str) -> httpx.Response:
        form = {"grant_type": "client_credentials", "gstin": SELLER, "token": "t"}
        return narrow.send("POST", f"/oauth/{path}", data=form, auth=(narrow.clients["erp"][0], secret))

    right = narrow.clients["erp"][1]
    assert ask("wrong").status_code == 401  # which costs nothing here
    assert [told(ask(right)) for _ in range(2)] == [(4, limit), (3, limit)]
    for _ in range(3):
        ask(right)
    answer = ask(right)
    problem = answer.json()
    assert (answer.status_code, problem["error"], problem["scope"]) == (429, "slow_down", "client")
    assert problem["retryAfter"] == int(answer.headers["retry-after"]) == 1
    narrow.clock.step(seconds=1)
    assert ask(right).status_code == 200


def test_what_was_turned_away_costs_nothing(narrow: Stack) -> None:
    """A client that goes on asking is let in as soon as one that waited."""
    for _ in range(BURST + 20):
        narrow.get(NO_SUCH)
    narrow.clock.step(seconds=1)
    assert [narrow.get(NO_SUCH).status_code for _ in range(3)] == [404, 404, 429]


@pytest.mark.parametrize(
    "named", [{}, {"X-Request-Id": "same"}, {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}]
)
def test_no_more_requests_under_way_than_allowed(narrow: Stack, named: dict[str, str]) -> None:
    """Three direct calls wait, the fourth request is turned away, whatever its name; then there is room again."""
    narrow.idle = True
    headers = narrow.headers(given={"Prefer": "wait=1", **named})

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
    """The buckets with their level and use, the queues, the errors, the logins and the route."""
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
    assert [(each["route"], each["attempts"], each["limit"]) for each in told["logins"]] == [(ROUTE.name, 1, 4)]
    assert told["routes"] == [{"route": ROUTE.name, "breaker": "closed", "down_seconds": 0}]
    assert told["limiter"] == "present"


def test_a_class_of_calls_has_its_own_bucket(stack: Stack) -> None:
    """A limit of logins and one of look-ups stand beside the others, each with the calls of its class alone."""
    limits = {**ROUTE.limits, "login": Limit(60, 3600, 2), "look_up": Limit(100, 60, 10)}
    access.put_route(replace(ROUTE, limits=limits), ports=stack.ports)
    stack.get("/limits")
    stack.clock.step(hours=3)
    stack.post(document())
    told = {bucket["scope"]: bucket for bucket in stack.get("/limits").json()["buckets"]}
    assert {scope: bucket["used_last_minute"]["direct"] for scope, bucket in told.items()} == {
        "account": 2,
        "gstin": 2,
        "login": 1,
        "look_up": 0,
    }
    assert (told["login"]["calls"], told["login"]["seconds"], told["login"]["burst"]) == (60, 3600, 2)


def test_a_class_of_calls_holds_up_what_is_queued(stack: Stack) -> None:
    """Whoever waits behind others for a permit to send is told so, though the taxpayer has room for other calls."""
    access.put_route(replace(ROUTE, limits={**ROUTE.limits, "send": Limit(1, 60, 1)}), ports=stack.ports)
    stack.clock.step(hours=1)
    stack.idle = True
    turns = []
    for number in range(4):
        stack.clock.step(seconds=1)
        told = stack.post(document(No=f"Q/{number}"), headers=ASYNC).json()
        turns.append(datetime.fromisoformat(told["expected_at"]) - stack.clock.now())
    assert turns[3] - turns[1] == timedelta(minutes=2)


def test_a_share_is_what_can_be_counted_on(tmp_path: Path, blueprint: Blueprint) -> None:
    """While direct calls use all that there is, the queue goes on at the share that it was given, and says so."""
    clock, limit = FakeClock(), Limit(60, 60, 5)
    limiter = MemoryLimiter(clock, Shares(direct=60, queued=10))
    with Stack(tmp_path, blueprint, limiter=limiter) as stack:
        access.put_route(replace(ROUTE, limits={"gstin": limit}), ports=stack.ports)
        seller = stack.ports.directory.seller(environment=ROUTE.environment, gstin=SELLER)
        assert seller is not None
        for _ in range(60):
            clock.sleep(1)
            limiter.take(
                stack.ports.enquiries.allowance(seller),
                Caller(account=ROUTE.gsp_account, gstin=SELLER, direct=True),
            )
        stack.idle = True
        turns = []
        for number in range(3):
            told = stack.post(document(No=f"Q/{number}"), headers=ASYNC).json()
            turns.append(datetime.fromisoformat(told["expected_at"]) - stack.clock.now())
            stack.clock.step(seconds=1)
        assert turns[2] - turns[1] == timedelta(seconds=10)


def test_a_portal_that_is_down_is_waited_for(stack: Stack) -> None:
    """Nobody has a turn before it is tried again; where another of the taxpayer's routes is open, at once."""
    stack.idle = True
    for _ in range(FAILURES_MIN):
        stack.ports.health.failed(ROUTE.name)
    told = stack.post(document(), headers=ASYNC).json()
    at = write_instant(stack.clock.now() + timedelta(seconds=TRY_SECONDS))
    assert told["expected_at"] == at
    assert stack.get("/limits").json()["queues"]["queued"]["expected_at"] == at
    add_sister(stack)
    assert stack.get(f"/operations/{told['id']}").json()["expected_at"] == write_instant(stack.clock.now())


def test_a_permit_that_is_not_used_is_given_back(stack: Stack) -> None:
    """The sending of what could not be sent, because its login was refused, holds no place in any bucket."""
    access.put_route(replace(ROUTE, limits={**ROUTE.limits, "send": Limit(60, 60, 6)}), ports=stack.ports)
    with stack.visitor():  # the portal knows the password from now on
        add_seller(SELLER, ports=stack.ports, password="wrong")
    stack.clock.step(hours=1)
    assert stack.post(document()).status_code == 202
    told = {bucket["scope"]: bucket for bucket in stack.get("/limits").json()["buckets"]}
    assert {scope: bucket["promised"] for scope, bucket in told.items()} == {"account": 0, "gstin": 0, "send": 0}
    assert told["send"]["used_last_minute"] == {"direct": 0, "queued": 0}


def test_every_route_of_the_taxpayer_is_told(stack: Stack) -> None:
    """In the order of its choice, each with its breaker; buckets that two routes share are told once."""
    add_sister(stack)
    for _ in range(FAILURES_MIN):
        stack.ports.health.failed(ROUTE.name)
    told = stack.get("/limits").json()
    assert [(each["route"], each["breaker"], each["down_seconds"] > 0) for each in told["routes"]] == [
        (ROUTE.name, "open", True),
        ("sister", "closed", False),
    ]
    assert [(each["route"], each["scope"]) for each in told["buckets"]] == [
        (ROUTE.name, "account"),
        (ROUTE.name, "gstin"),
    ]


def test_a_login_that_has_to_wait_is_told(stack: Stack) -> None:
    """After as many attempts as the portal bears, when there may be another."""
    seller = stack.ports.directory.seller(environment=ROUTE.environment, gstin=SELLER)
    assert seller is not None
    for _ in range(LOGINS_MAX):
        assert stack.ports.enquiries.try_login(seller).accepted
    (told,) = stack.get("/limits").json()["logins"]
    assert told["attempts"] == told["limit"] == LOGINS_MAX
    assert told["next_at"] == write_instant(stack.clock.now() + LOGIN_WINDOW)
    stack.clock.step(seconds=told["window_seconds"])
    (told,) = stack.get("/limits").json()["logins"]
    assert (told["attempts"], "next_at" in told) == (0, False)


def test_of_others_nothing_but_a_sum_is_told(stack: Stack) -> None:
    """Another organisation's calls count in the account, and its GSTIN is nowhere."""
    stack.post(document_of_a_stranger(), client="stranger")
    stack.idle = True
    stack.post(document_of_a_stranger() | {"DocDtls": document(No="S/2")["DocDtls"]}, client="stranger", headers=ASYNC)
    stack.clock.step(seconds=2)
    answer = stack.get("/limits")
    used = {bucket["scope"]: bucket["used_last_minute"]["direct"] for bucket in answer.json()["buckets"]}
    assert used == {"account": 2, "gstin": 0}
    assert answer.json()["queues"]["queued"]["waiting"] == 0
    assert STRANGER not in answer.text
    assert "Strangers" not in answer.text

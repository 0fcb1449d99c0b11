"""Let in or turned away: the shared limit, a portal that is down, and what is accepted all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.irp import permits
from gateway.irp.endpoints import SIGN_OF_LIFE
from gateway.limits.health import FAILURES_MIN, TRY_SECONDS
from gateway.ports import Use
from tests.support_api import ROUTE, SELLER, AwayLimiter, Blueprint, Stack, document, refused

ASYNC = {"Prefer": "respond-async"}
KEY = {"Idempotency-Key": "k"}


@pytest.fixture
def blind(tmp_path: Path, blueprint: Blueprint) -> Iterator[Stack]:
    """A gateway whose limiter cannot be asked."""
    limiter: Any = AwayLimiter()
    with Stack(tmp_path, blueprint, limiter=limiter) as made:
        yield made


def spend(stack: Stack, *, seconds: float) -> None:
    """Leave no room in the seller's limit for so long."""
    seller = next(each for each in stack.ports.directory.sellers() if each.gstin == SELLER)
    stack.ports.limiter.drain(stack.ports.enquiries.allowance(seller), seconds=seconds, keep_permille=1000)


def promises(stack: Stack) -> dict[str, int]:
    """What is promised in each bucket of the seller."""
    return {each["scope"]: each["promised"] for each in stack.get("/limits").json()["buckets"]}


def take_down(stack: Stack) -> None:
    """Let the portal fail so often in a row that it counts as down."""
    for _ in range(FAILURES_MIN):
        stack.ports.health.failed(ROUTE.name)


def turned_away(answer: httpx.Response, status: int, code: str, *, owner: str) -> int:
    """Seconds after which a turned away caller shall come back."""
    problem = refused(answer, status, code)
    assert problem["limit_owner"] == owner
    assert answer.headers["retry-after"] == str(problem["retry_after"])
    assert "respond-async" in problem["help"]
    seconds: int = problem["retry_after"]
    return seconds


def test_no_room_is_429(stack: Stack) -> None:
    """Without room in the shared limit a direct call is turned away with the time to come back; nothing is stored."""
    spend(stack, seconds=30)
    before = stack.traces()
    assert turned_away(stack.post(document(), headers=KEY), 429, "limit-reached", owner="gsp") == 30
    assert stack.traces() == before
    stack.clock.step(seconds=30)
    answer = stack.post(document(), headers=KEY)
    assert (answer.status_code, "idempotent-replayed" in answer.headers) == (201, False)


@pytest.mark.parametrize(("prefer", "status"), [("wait=10", 201), ("wait=1", 429), ("wait=0", 429)])
def test_patience_is_the_caller_s_own(stack: Stack, prefer: str, status: int) -> None:
    """A short wait for a permit is waited for, unless the caller would not wait so long."""
    spend(stack, seconds=1.5)
    assert stack.post(document(), headers={"Prefer": prefer}).status_code == status


def test_a_limiter_that_is_away_is_503(blind: Stack) -> None:
    """When nobody can say whether a call is allowed, it is not; nothing is stored."""
    before = blind.traces()
    assert turned_away(blind.post(document()), 503, "limiter-away", owner="gateway") == 1
    assert blind.traces() == before


def test_a_portal_that_is_down_is_503(stack: Stack) -> None:
    """A portal known to be down is not waited for; nothing is stored, and a little later it is tried."""
    take_down(stack)
    before = stack.traces()
    assert turned_away(stack.post(document()), 503, "portal-down", owner="portal") == TRY_SECONDS
    assert stack.traces() == before
    stack.clock.step(seconds=TRY_SECONDS)
    assert stack.post(document()).status_code == 201


def test_the_queue_takes_what_has_no_room(stack: Stack) -> None:
    """`respond-async` is accepted while the limit has no room, and `expected_at` knows of it."""
    stack.idle = True
    spend(stack, seconds=30)
    told = stack.post(document(), headers=ASYNC)
    assert (told.status_code, told.json()["expected_at"]) == (202, "2026-11-20T12:00:30+05:30")


def test_the_queue_takes_what_a_portal_does_not(stack: Stack) -> None:
    """`respond-async` is accepted while the portal is down."""
    stack.idle = True
    take_down(stack)
    assert stack.post(document(), headers=ASYNC).status_code == 202


def test_the_queue_needs_no_limiter(blind: Stack) -> None:
    """`respond-async` is accepted while the limiter is away; when its turn comes, nobody can say."""
    blind.idle = True
    told = blind.post(document(), headers=ASYNC)
    assert (told.status_code, "expected_at" in told.json()) == (202, False)


@pytest.mark.parametrize("trouble", [take_down, lambda stack: spend(stack, seconds=30)])
def test_what_is_known_needs_no_room(stack: Stack, trouble: object) -> None:
    """A repetition is answered from the ledger, whatever the portal and the limit do."""
    first = stack.post(document(), headers=KEY)
    assert callable(trouble)
    trouble(stack)
    assert stack.post(document(), headers=KEY).content == first.content
    assert stack.post(document()).status_code == 200


@pytest.mark.parametrize("trouble", [take_down, lambda stack: spend(stack, seconds=30)])
def test_what_is_wrong_is_told_first(stack: Stack, trouble: object) -> None:
    """A document with faults is 400 even when there is no room: coming back later would not help it."""
    assert callable(trouble)
    trouble(stack)
    refused(stack.post(document(No="0")), 400, "document-invalid")


def test_those_who_were_let_in_before_are_counted(stack: Stack) -> None:
    """A caller is let in only if those who wait already leave it room within its patience."""
    stack.idle = True
    for number in range(60):
        assert stack.post(document(No=f"W/{number}"), headers={"Prefer": "wait=0"}).status_code == 202
    spend(stack, seconds=0.5)
    answer = stack.post(document(No="W/60"), headers={"Prefer": "wait=1"})
    assert turned_away(answer, 429, "limit-reached", owner="gsp") == 2


def test_a_withdrawn_call_gives_its_promise_back(stack: Stack) -> None:
    """At once, in every bucket: whoever comes next need not wait a minute for what nobody will send."""
    stack.idle = True
    told = [stack.post(document(No=f"W/{number}"), headers={"Prefer": "wait=0"}).json() for number in range(3)]
    assert promises(stack) == {"account": 3, "gstin": 3}
    for left, each in zip((2, 1, 0), told, strict=True):
        assert stack.post({}, f"/operations/{each['id']}/withdraw").status_code == 200
        assert promises(stack) == {"account": left, "gstin": left}


def test_a_call_is_withdrawn_while_the_limiter_is_away(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its promise ends by itself."""
    stack.idle = True
    told = stack.post(document(), headers={"Prefer": "wait=0"}).json()
    monkeypatch.setattr(stack.ports.limiter, "dismiss", AwayLimiter().dismiss)
    assert stack.post({}, f"/operations/{told['id']}/withdraw").json()["status"] == "withdrawn"


def test_a_sign_of_life_takes_a_permit(stack: Stack) -> None:
    """A route that is down stays so while its account has none, and nobody waits for that; later it is asked."""
    stack.post(document())
    take_down(stack)
    told = stack.post(document(No="Q/1"), headers=ASYNC).json()
    route = stack.ports.routebook.route(ROUTE.name)
    stack.ports.limiter.drain(permits.buckets(route, gstin=""), seconds=60, keep_permille=500)
    calls, began = stack.calls(), stack.clock.now()
    stack.later(seconds=TRY_SECONDS + 1)
    stack.drain()
    assert stack.calls() == calls
    assert stack.get(f"/operations/{told['id']}").json()["attempts"] == 0
    assert (stack.clock.now() - began).total_seconds() < 2 * TRY_SECONDS
    stack.later(seconds=60)
    stack.drain()
    assert stack.get(f"/operations/{told['id']}").json()["status"] == "succeeded"
    assert stack.ports.limiter.used(route.gsp_account)[Use("", direct=True, call=SIGN_OF_LIFE)] == 1

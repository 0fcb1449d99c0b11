"""GET /gstins/{gstin}: answered from what the portal told before, asked anew when it is due or wished for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select

from gateway.domain.calendar import write_instant
from gateway.domain.token_bucket import Limit
from gateway.limits.health import FAILURES_MIN
from gateway.ports import Limiter
from gateway.sandbox import master
from gateway.services import access, sweeping
from gateway.storage.tables import taxpayers
from tests.support import START, record
from tests.support_api import ROUTE, SECOND_SELLER, SELLER, AwayLimiter, Blueprint, Stack, document, refused

GONE = master.UNDATED_CANCELLED_TAXPAYER.gstin
"""Cancelled; only the GST register knows since when."""
SIX_HOURS = 6 * 3600


def ask(stack: Stack, gstin: str = SECOND_SELLER, query: str = "", **options: Any) -> dict[str, Any]:
    """What is told of a taxpayer. The header says the same age as the body."""
    answer = stack.get(f"/gstins/{gstin}{query}", **options)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert answer.headers["age"] == str(told["age"])
    return told


def asked(stack: Stack) -> list[str]:
    """The calls for taxpayers that reached the portal."""
    return [call for call in stack.calls() if call in ("gstin", "sync_gstin")]


def test_an_answer_is_given_again_until_it_is_too_old(stack: Stack) -> None:
    """Within six hours without a call, with its age; then the portal is asked again."""
    first = ask(stack)
    assert (first["age"], first["fetched_at"], first["stale"]) == (0, write_instant(START), False)
    stack.clock.step(seconds=SIX_HOURS - 1)
    assert ask(stack) == first | {"age": SIX_HOURS - 1}
    assert asked(stack) == ["gstin"]
    stack.clock.step(seconds=1)
    assert ask(stack)["age"] == 0
    assert asked(stack) == ["gstin", "gstin"]


def test_refresh_has_the_portal_look_into_the_register(stack: Stack) -> None:
    """Its own copy may be behind: what is told then is kept, and given from then on."""
    assert ask(stack, GONE)["DtDReg"] is None
    stack.clock.step(minutes=1)
    fresh = ask(stack, GONE, "?refresh=true")
    assert (fresh["DtDReg"], fresh["age"]) == ("31/03/2025", 0)
    assert ask(stack, GONE, "?refresh=false") == fresh
    assert asked(stack) == ["gstin", "sync_gstin"]


def test_refresh_takes_a_permit_each_time(stack: Stack) -> None:
    """It is paced by the limit that all calls of the seller share, and what is known answers where there is no room."""
    burst, asks = 10, 12
    ask(stack)
    access.put_route(replace(ROUTE, limits={"gstin": Limit(1, 60, burst)}), ports=stack.ports)
    stack.clock.step(seconds=2)  # a process may know a route for a second
    stale = sum(ask(stack, query="?refresh=true")["stale"] for _ in range(asks))
    synced = asked(stack).count("sync_gstin")
    assert synced + stale == asks
    assert 0 < synced < burst
    stack.clock.step(hours=1)
    assert ask(stack, query="?refresh=true")["stale"] is False


@pytest.mark.parametrize("kind", ["gstin", "account"])
@pytest.mark.parametrize("path", [f"/gstins/{GONE}", f"/irn/{'0' * 64}", "/ewb/180000000999"])
def test_a_question_for_which_there_is_no_room_is_told_when_to_come_back(stack: Stack, path: str, kind: str) -> None:
    """429 as for everything else that the shared limit turns away, not 503: nothing is away."""
    ask(stack)
    stack.get("/ewb/180000000998")  # both systems are logged in
    access.put_route(replace(ROUTE, limits={kind: Limit(1, 60, 1)}), ports=stack.ports)
    stack.clock.step(seconds=2)  # a process may know a route for a second
    assert stack.get(f"/irn/{'1' * 64}").status_code == 404  # takes the permit that there is
    problem = refused(stack.get(path), 429, "limit-reached")
    assert (problem["limit_owner"], problem["scope"]) == ("gsp", kind)
    assert 30 < problem["retryAfter"] <= 60
    stack.clock.step(seconds=problem["retryAfter"])
    assert stack.get(path).status_code != 429


def test_a_question_without_a_limiter_is_503(tmp_path: Path, blueprint: Blueprint) -> None:
    """Then nobody can tell whether a call is allowed: the gateway lacks a part, and not the portal."""
    with Stack(tmp_path, blueprint, limiter=cast("Limiter", AwayLimiter())) as stack:
        problem = refused(stack.get(f"/gstins/{GONE}"), 503, "limiter-away")
        assert (problem["limit_owner"], problem["retryAfter"]) == ("gateway", 1)


@pytest.mark.parametrize(
    ("strike", "members"),
    [
        ("throttle", {"retry_after_seconds": 7}),
        ("html", {"after": False}),
        ("error_5xx", {"after": False, "status": 502}),
        ("drop_after", {"style": "timeout"}),
        ("refuse", {}),
        ("unknown_code", {"after": False}),
    ],
)
@pytest.mark.parametrize("query", ["", "?refresh=true"])
def test_what_was_told_before_stands_in_for_a_portal_that_is_down(
    stack: Stack, strike: str, members: dict[str, Any], query: str
) -> None:
    """However old it is, and marked so; the portal is asked again the next time."""
    first = ask(stack)
    stack.clock.step(days=30)
    stack.strike(strike, operations=["gstin", "sync_gstin"], **members)
    age = 30 * 24 * 3600
    told = ask(stack, query=query)
    assert told == first | {"age": told["age"], "stale": True}
    assert age <= told["age"] < age + 60
    stack.clock.step(minutes=10)
    assert (ask(stack)["stale"], ask(stack)["age"]) == (False, 0)


def test_what_nobody_asked_for_in_three_months_is_forgotten(stack: Stack) -> None:
    """By the sweeper. Until then it stands in."""
    ask(stack)
    for days, kept in ((90, 1), (1, 0)):
        stack.clock.step(days=days)
        sweeping.sweep(holder="test", count=0, ports=stack.ports)
        assert stack.count(taxpayers) == kept


def test_a_route_that_is_known_to_be_down_is_not_asked(stack: Stack) -> None:
    """Nobody waits half a minute for what is known to come to nothing. Without an answer to give it is asked."""
    ask(stack)
    stack.clock.step(seconds=SIX_HOURS)
    for _ in range(FAILURES_MIN):
        stack.ports.health.failed(ROUTE.name)
    assert ask(stack)["stale"] is True
    assert asked(stack) == ["gstin"]
    assert ask(stack, GONE)["stale"] is False


def test_a_seller_without_a_login_is_told_what_was_known(stack: Stack) -> None:
    """What an operator has to mend is no reason to forget it."""
    ask(stack)
    stack.clock.step(seconds=SIX_HOURS)
    account = stack.ports.routebook.account(environment=ROUTE.environment, gstin=SELLER, route=ROUTE.name)
    assert account is not None
    stack.ports.routebook.refuse_account(account.id, code="1007", record=record("aud_x"))
    assert ask(stack)["stale"] is True
    assert stack.get(f"/gstins/{GONE}").status_code >= 400


def test_one_that_the_portal_does_not_know_any_more_is_forgotten(stack: Stack) -> None:
    """Then it is 404 from the cache as well."""
    ask(stack)
    stack.strike("unknown_code", operations=["sync_gstin"], after=False, code="3028")
    refused(stack.get(f"/gstins/{SECOND_SELLER}?refresh=true"), 404, "gstin-unknown-to-portal")
    stack.strike("unknown_code", operations=["gstin"], after=False, code="3028")
    refused(stack.get(f"/gstins/{SECOND_SELLER}"), 404, "gstin-unknown-to-portal")
    assert len(asked(stack)) == 3


def test_an_organisation_sees_its_own_answers_alone(stack: Stack) -> None:
    """By the age of another's one could tell that it deals with the taxpayer."""
    ask(stack)
    stack.clock.step(hours=1)
    assert ask(stack, client="stranger")["age"] == 0
    assert ask(stack)["age"] == 3600
    with stack.wiring.database.read() as connection:
        kept = connection.execute(select(taxpayers.c.org_id, taxpayers.c.gstin)).all()
    assert len({org for org, _ in kept}) == len(kept) == 2


def test_what_a_registration_learns_is_told(stack: Stack) -> None:
    """A refusal for a party that the portal does not know has it look into the register: that is kept as well."""
    buyer = document()["BuyerDtls"]["Gstin"]
    assert ask(stack, buyer)["age"] == 0
    stack.clock.step(hours=1)
    stack.strike("unknown_code", operations=["generate"], after=False, code="3028")
    assert stack.post(document()).status_code == 201
    assert ask(stack, buyer)["age"] == 0
    assert set(asked(stack)) == {"gstin", "sync_gstin"}
    assert asked(stack).count("gstin") == 1


def test_refresh_is_true_or_false(stack: Stack) -> None:
    """Anything else is told, and asks nobody."""
    refused(stack.get(f"/gstins/{SELLER}?refresh=perhaps"), 400, "refresh-malformed")
    assert asked(stack) == []

"""Whoever guesses secrets is told to slow down, and locks nobody out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.domain.calendar import write_instant
from gateway.errors import Throttled, Unauthorised
from gateway.limits.clients import RedisClientLimits
from gateway.limits.connection import connect
from gateway.services import authentication, brake
from gateway.services.authentication import Proof
from tests.support_api import Stack

OF_CLIENT = brake.OF_CLIENT.limit.burst
OF_SOURCE = brake.OF_SOURCE.limit.burst
GRANT = {"grant_type": "client_credentials"}


def guess(stack: Stack, client_id: str, *, path: str = "/oauth/token", source: str = "192.0.2.1") -> httpx.Response:
    """A login with a wrong secret, from an address."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(stack.app, client=(source, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as caller:
            return await caller.post(path, data={**GRANT, "token": "t"}, auth=(client_id, "guessed"))

    return stack.run(ask())


def slowed(answer: httpx.Response) -> dict[str, Any]:
    """What an answer says that has to be 429 in the form of RFC 6749."""
    content: dict[str, Any] = answer.json()
    assert (answer.status_code, content["error"]) == (429, "slow_down"), answer.text
    assert int(answer.headers["retry-after"]) == content["retryAfter"]
    assert answer.headers["cache-control"] == "no-store"
    assert content["limit_owner"] == "gateway"
    return content


def test_guessing_for_one_client_is_slowed_from_wherever_it_comes(stack: Stack) -> None:
    """Ten failures at once, then one every six seconds; and the time to come back."""
    erp, _ = stack.clients["erp"]
    answers = [guess(stack, erp, source=f"192.0.2.{number}") for number in range(OF_CLIENT + 1)]
    assert [answer.status_code for answer in answers] == [401] * OF_CLIENT + [429]
    told = slowed(answers[-1])
    assert (told["retryAfter"], told["scope"]) == (6, "client")
    assert told["reset"] == write_instant(stack.clock.now() + timedelta(seconds=6))
    stack.clock.step(seconds=6)
    assert [guess(stack, erp).status_code for _ in range(2)] == [401, 429]


def test_the_right_secret_is_taken_all_the_while(stack: Stack) -> None:
    """An attacker who uses its id, or its address, does not lock a client out."""
    erp, _ = stack.clients["erp"]
    for _ in range(OF_SOURCE + OF_CLIENT):
        last = guess(stack, erp, source="127.0.0.1")
    slowed(last)
    assert stack.ask_token("erp").status_code == 200
    assert stack.ask_token("queueing").status_code == 200


def test_guessing_for_many_clients_from_one_address_is_slowed(stack: Stack) -> None:
    """Whatever ids it tries; another address is not."""
    answers = [guess(stack, f"cli_{number}") for number in range(OF_SOURCE + 1)]
    assert [answer.status_code for answer in answers] == [401] * OF_SOURCE + [429]
    assert slowed(answers[-1])["scope"] == "source"
    assert guess(stack, "cli_0", source="192.0.2.2").status_code == 401


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("testclient", "testclient", True),
    ],
)
def test_an_ipv6_network_is_one_source(stack: Stack, one: str, other: str, *, same: bool) -> None:
    """Its owner has 2 to the 64 addresses; an IPv4 address is one, in whichever form."""
    for number in range(OF_SOURCE):
        guess(stack, f"cli_{number}", source=one)
    assert guess(stack, "cli_x", source=other).status_code == (429 if same else 401)


def test_a_slowed_source_uses_up_no_client_s_failures(stack: Stack) -> None:
    """So it can neither fill the store with ids nor have another's typing error answered with 429."""
    erp, _ = stack.clients["erp"]
    for number in range(OF_SOURCE):
        guess(stack, f"cli_{number}")
    for _ in range(OF_CLIENT):
        slowed(guess(stack, erp))
    assert guess(stack, erp, source="192.0.2.2").status_code == 401


@pytest.mark.parametrize("path", ["/oauth/revoke", "/oauth/introspect"])
def test_every_door_with_a_secret_has_the_brake(stack: Stack, path: str) -> None:
    """They count together with the token's own."""
    erp, _ = stack.clients["erp"]
    for _ in range(OF_CLIENT):
        guess(stack, erp)
    slowed(guess(stack, erp, path=path))


def test_without_redis_a_process_counts_alone(stack: Stack) -> None:
    """The brake holds, and the right secret is taken."""
    nobody = connect("redis://127.0.0.1:1")
    ports = replace(stack.ports, clients=RedisClientLimits(nobody, prefix="t:", clock=stack.clock))
    erp, secret = stack.clients["erp"]
    for _ in range(OF_CLIENT):
        with pytest.raises(Unauthorised):
            authentication.client(Proof(client_id=erp, secret="guessed", source="192.0.2.1"), ports=ports)
    with pytest.raises(Throttled):
        authentication.client(Proof(client_id=erp, secret="guessed", source="192.0.2.1"), ports=ports)
    assert authentication.client(Proof(client_id=erp, secret=secret), ports=ports).id == erp

"""One name from a request to the calls at the portal and to the receivers of its event, in the headers of both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from gateway import correlation
from gateway.domain.deliveries import Verdict
from gateway.services import sweeping
from gateway.storage.tables import audit
from tests.receivers import Receiver, receiving, saying
from tests.support_api import Stack, document
from tests.support_webhooks import sender

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
NAMED = {"X-Request-Id": "mine-7", "traceparent": PARENT}


def add(stack: Stack, **members: Any) -> dict[str, Any]:
    """A webhook: its id and its secret."""
    made: dict[str, Any] = stack.post({"url": "https://erp.example/hooks"} | members, "/webhooks").json()
    return made


@contextmanager
def wired(stack: Stack, secret: str) -> Iterator[Receiver]:
    """While this is open, what is sent to a webhook goes over a real wire to a receiver that verifies it."""
    with receiving(saying(200), secret) as receiver, sender() as wire:
        stack.sender.on_send = lambda dispatch: wire.send(replace(dispatch, url=receiver.url)) and None
        yield receiver


def overheard(stack: Stack) -> list[Mapping[str, str]]:
    """The headers of what goes to the portal from now on."""
    heard: list[Mapping[str, str]] = []
    client = stack.wiring._wire._client
    send = client.send

    def listening(request: Any, **named: Any) -> Any:
        heard.append(request.headers)
        return send(request, **named)

    client.send = listening  # type: ignore[method-assign]  # it only listens
    return heard


def test_portal_and_receiver_are_told_the_name_of_a_request(stack: Stack) -> None:
    """Its name and its trace, with a span of its own for each call; a worker goes on under them, hours later too."""
    made, heard = add(stack), overheard(stack)
    stack.idle = True
    stack.post(document(), headers=NAMED | {"Prefer": "respond-async"})
    stack.idle = False
    with wired(stack, made["secret"]) as receiver:
        stack.sender.answers = lambda _: Verdict.FAILED
        stack.drain()
        stack.later(hours=2)
    told = [*heard, *(request.headers for request in receiver.received)]
    assert (len(heard) >= 2, len(receiver.received)) == (True, 2)
    assert {headers["x-request-id"] for headers in told} == {"mine-7"}
    assert {correlation.trace_in(headers["traceparent"]) for headers in told} == {TRACE}
    assert len({headers["traceparent"] for headers in told}) == len(told)


def test_a_client_s_own_header_does_not_pass_for_the_name(stack: Stack) -> None:
    """What it fixed for its webhook would be the same for every message; other headers go out as they are."""
    made = add(stack, headers={"X-Request-Id": "fixed", "Traceparent": "fixed", "X-Tenant": "north"})
    with wired(stack, made["secret"]) as receiver:
        stack.post(document(), headers=NAMED)
    [request] = receiver.received
    assert (request.headers["x-request-id"], request.headers["x-tenant"]) == ("mine-7", "north")
    assert correlation.trace_in(request.headers["traceparent"]) == TRACE


def test_a_sample_has_the_name_of_who_asks_for_it(stack: Stack) -> None:
    """And what time makes has none: no request is its cause."""
    made = add(stack)
    stack.post(document())
    with wired(stack, made["secret"]) as receiver:
        stack.post({}, f"/webhooks/{made['id']}/test", headers=NAMED)
        stack.clock.step(hours=23)
        sweeping.sweep(holder="test", count=0, ports=stack.ports)
    assert [json.loads(request.body)["type"] for request in receiver.received] == [
        "webhook.test",
        "irn.cancel_window_closing",
    ]
    assert [request.headers.get("x-request-id") for request in receiver.received] == ["mine-7", None]


def test_a_delivery_and_the_record_of_its_death_have_the_name(stack: Stack) -> None:
    """So that a client and an operator find the request whose outcome was not heard."""
    made = add(stack, policy="brisk", types=["irn.generated"])
    stack.sender.answers = lambda _: Verdict.FAILED
    stack.post(document(), headers=NAMED)
    for _ in range(6):
        stack.later(seconds=30)
    query = select(audit.c.facts).where(audit.c.action == "delivery:exhaust")
    with stack.wiring.database.read() as connection:
        [facts] = connection.execute(query).scalars().all()
    assert facts["request_id"] == "mine-7"
    [delivery] = stack.get(f"/webhooks/{made['id']}/deliveries").json()["deliveries"]
    assert (delivery["status"], delivery["request_id"]) == ("dead", "mine-7")

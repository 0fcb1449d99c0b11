"""Webhooks and events over HTTP: who may have which, what is sent, and what its owner can see and do."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.domain.deliveries import Verdict
from gateway.services import sweeping
from gateway.services.webhooks import ENDPOINTS_MAX
from tests import support_events
from tests.receivers import receiving, saying
from tests.support_api import SECOND_SELLER, SELLER, STRANGER, Stack, document, refused, written
from tests.support_webhooks import sender

URL = "https://erp.example/hooks"


def call(stack: Stack, method: str, path: str, body: Any = None, *, client: str = "erp", **form: str) -> httpx.Response:
    """A call with a token, and with a body if there is one."""
    headers = stack.bearer(client, **form)
    if body is None:
        return stack.send(method, path, headers=headers)
    return stack.send(method, path, headers=headers | {"Content-Type": "application/json"}, content=written(body))


def add(stack: Stack, *, client: str = "erp", form: dict[str, str] | None = None, **members: Any) -> dict[str, Any]:
    """A new webhook."""
    answer = call(stack, "POST", "/webhooks", {"url": URL, **members}, client=client, **(form or {}))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def register(stack: Stack, doc_no: str = "A/1", *, client: str = "erp") -> dict[str, Any]:
    """A document is registered."""
    answer = stack.post(document(No=doc_no), client=client)
    assert answer.status_code == 201, answer.text
    registered: dict[str, Any] = answer.json()
    return registered


def events(stack: Stack, query: str = "", *, client: str = "erp", **form: str) -> dict[str, Any]:
    """A page of the feed, each event in the form of its schema."""
    answer = call(stack, "GET", f"/events{query}", client=client, **form)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    for event in page["events"]:
        support_events.check(event)
    return page


def test_a_registration_is_told_at_once(stack: Stack) -> None:
    """One POST /irn, one signed message with the event as the feed has it."""
    made = add(stack, headers={"X-Tenant": "north"})
    registered = register(stack)
    [sent] = stack.sender.sent
    [event] = events(stack)["events"]
    assert json.loads(sent.body) == event
    assert (event["type"], event["data"]["document"]["irn"]) == ("irn.generated", registered["irn"])
    assert (sent.message_id, sent.url, sent.secrets, sent.headers) == (
        event["id"],
        URL,
        (made["secret"],),
        {"X-Tenant": "north"},
    )


def test_a_secret_is_shown_once(stack: Stack) -> None:
    """In the answer that makes it, and nowhere else; of headers only the names are shown."""
    made = add(stack, headers={"Authorization": "Bearer of-the-receiver"})
    assert made["secret"].startswith("whsec_")
    shown = [call(stack, "GET", path).text for path in ("/webhooks", f"/webhooks/{made['id']}")]
    for text in shown:
        assert made["secret"] not in text
        assert "of-the-receiver" not in text
        assert '"Authorization"' in text


def test_a_webhook_is_changed_member_by_member(stack: Stack) -> None:
    """What is not named stays; another URL cancels what waits for the old one."""
    made = add(stack, name="first", types=["irn.generated"])
    stack.idle = True
    stack.post(document(), headers={"Prefer": "respond-async"})
    stack.idle = False
    stack.sender.answers = lambda _: Verdict.FAILED
    stack.drain()
    path = f"/webhooks/{made['id']}"
    named = call(stack, "PATCH", path, {"name": "second", "policy": "patient"}).json()
    assert (named["name"], named["policy"], named["types"], named["cancelled"]) == (
        "second",
        "patient",
        ["irn.generated"],
        0,
    )
    moved = call(stack, "PATCH", path, {"url": "https://new.example/"}).json()
    assert (moved["url"], moved["cancelled"]) == ("https://new.example/", 1)


def test_a_deleted_webhook_is_gone(stack: Stack) -> None:
    """It is not found any more, and nothing is sent to it."""
    made = add(stack)
    assert call(stack, "DELETE", f"/webhooks/{made['id']}").json() == {"cancelled": 0}
    refused(call(stack, "GET", f"/webhooks/{made['id']}"), 404, "webhook-unknown")
    refused(call(stack, "DELETE", f"/webhooks/{made['id']}"), 404, "webhook-unknown")
    register(stack)
    assert stack.sender.sent == []


def test_disabled_and_enabled(stack: Stack) -> None:
    """Nothing is sent meanwhile; a replay of the time brings it."""
    made = add(stack)
    path = f"/webhooks/{made['id']}"
    off = call(stack, "POST", f"{path}/disable").json()
    assert (off["enabled"], off["disabled_cause"]) == (False, "owner")
    register(stack)
    refused(call(stack, "POST", f"{path}/replay", {"statuses": ["dead"]}), 409, "webhook-disabled")
    assert call(stack, "POST", f"{path}/enable").json()["enabled"] is True
    assert stack.sender.sent == []
    since = {"since": "2026-11-20T00:00:00+05:30"}
    assert call(stack, "POST", f"{path}/replay", since).json() == {"replayed": 1, "more": False}
    assert len(stack.sender.sent) == 1


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("who", ["another organisation", "another client", "another seller's token"])
def test_another_s_webhook_does_not_exist(stack: Stack, method: str, who: str) -> None:
    """404, as for one that never was."""
    path = f"/webhooks/{add(stack)['id']}"
    client = {"another organisation": "stranger", "another client": "queueing"}.get(who, "group")
    if who == "another seller's token":
        path = f"/webhooks/{add(stack, client='group', form={'gstin': SELLER})['id']}"
    form = {"gstin": SECOND_SELLER} if client == "group" else {}
    body = {"name": "x"} if method == "PATCH" else None
    refused(call(stack, method, path, body, client=client, **form), 404, "webhook-unknown")
    for part, content in (
        ("deliveries", None),
        ("test", {}),
        ("replay", {"statuses": ["dead"]}),
        ("rotate", {}),
        ("disable", {}),
        ("enable", {}),
    ):
        verb = "GET" if content is None else "POST"
        refused(call(stack, verb, f"{path}/{part}", content, client=client, **form), 404, "webhook-unknown")
    assert call(stack, "GET", "/webhooks", client=client, **form).json() == {"webhooks": []}


def test_events_of_others_are_not_seen(stack: Stack) -> None:
    """A token shows its own seller; others that the client is granted, when they are named; nobody else's."""
    register(stack)
    assert len(events(stack)["events"]) == 1
    assert events(stack, client="stranger")["events"] == []
    second = {"gstin": SECOND_SELLER}
    assert events(stack, client="group", **second)["events"] == []
    assert len(events(stack, f"?gstin={SELLER},{SECOND_SELLER}", client="group", **second)["events"]) == 1
    for client, form, gstin in (("erp", {}, SECOND_SELLER), ("stranger", {}, SELLER), ("erp", {}, STRANGER)):
        refused(call(stack, "GET", f"/events?gstin={gstin}", client=client, **form), 403, "gstin-not-granted")


def test_webhooks_are_for_granted_sellers(stack: Stack) -> None:
    """Nobody subscribes to another's events."""
    body = {"url": URL, "gstins": [SELLER, STRANGER]}
    refused(call(stack, "POST", "/webhooks", body), 403, "gstin-not-granted")
    both = add(stack, client="group", form={"gstin": SELLER}, gstins=[SELLER, SECOND_SELLER])
    assert sorted(both["gstins"]) == sorted([SELLER, SECOND_SELLER])
    refused(
        call(stack, "PATCH", f"/webhooks/{both['id']}", {"gstins": [STRANGER]}, client="group", gstin=SELLER),
        403,
        "gstin-not-granted",
    )


def test_a_scope_is_needed(stack: Stack) -> None:
    """`webhooks` for webhooks, `read` for the feed."""
    for path, scope in (("/webhooks", "read"), ("/events", "webhooks")):
        headers = {"Authorization": f"Bearer {stack.ask_token(scope=scope).json()['access_token']}"}
        refused(stack.send("GET", path, headers=headers), 403, "scope-missing")


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"url": ""}, "/url"),
        ({"url": "https://x/" + "a" * 2000}, "/url"),
        ({"url": 7}, "/url"),
        ({"types": ["irn.made"]}, "/types"),
        ({"types": ["webhook.test"]}, "/types"),
        ({"types": []}, "/types"),
        ({"gstins": []}, "/gstins"),
        ({"policy": "never"}, "/policy"),
        ({"name": ""}, "/name"),
        ({"secret": "whsec_x"}, "/secret"),
        ({"headers": {"Webhook-Id": "x"}}, "/headers"),
        ({"headers": {"Host": "inside"}}, "/headers"),
        ({"headers": {"X": "é"}}, "/headers"),
        ({"headers": {"X Y": "a"}}, "/headers"),
        ({"headers": {"X": "1", "x": "2"}}, "/headers"),
        ({"headers": {f"X-{number}": "1" for number in range(11)}}, "/headers"),
        ({"headers": {"X": "a" * 1001}}, "/headers"),
        ({"headers": ["X"]}, "/headers"),
    ],
)
def test_a_wrong_webhook_is_refused(stack: Stack, members: dict[str, Any], place: str) -> None:
    """With its place, and nothing is stored."""
    problem = refused(call(stack, "POST", "/webhooks", {"url": URL, **members}), 400, "body-invalid")
    assert [fault["at"] for fault in problem["errors"]] == [place]
    assert call(stack, "GET", "/webhooks").json() == {"webhooks": []}


def test_every_fault_is_told_at_once(stack: Stack) -> None:
    """Not only the first."""
    problem = refused(call(stack, "POST", "/webhooks", {"name": "", "policy": 1, "x": 2}), 400, "body-invalid")
    assert sorted(fault["at"] for fault in problem["errors"]) == ["/name", "/policy", "/url", "/x"]


def test_a_url_that_may_not_be_called_is_refused(stack: Stack) -> None:
    """When it is added, and when it is changed."""
    refused(call(stack, "POST", "/webhooks", {"url": "http://erp.example/"}), 400, "webhook-url-refused")
    made = add(stack)
    refused(call(stack, "PATCH", f"/webhooks/{made['id']}", {"url": "ftp://x/"}), 400, "webhook-url-refused")


def test_a_client_has_so_many_webhooks(stack: Stack) -> None:
    """Twenty; the next is refused until one is deleted."""
    made = [add(stack) for _ in range(ENDPOINTS_MAX)]
    refused(call(stack, "POST", "/webhooks", {"url": URL}), 409, "webhooks-too-many")
    call(stack, "DELETE", f"/webhooks/{made[0]['id']}")
    add(stack)


def test_a_sample_is_sent_now(stack: Stack) -> None:
    """Signed like any other, whatever the filters say; the receiver's answer is the answer, the feed is as before."""
    made = add(stack, types=["irn.rejected"])
    stack.sender.answers = lambda _: Verdict.FAILED
    tried = call(stack, "POST", f"/webhooks/{made['id']}/test", {}).json()
    [sent] = stack.sender.sent
    assert (tried["event_id"], tried["verdict"], tried["status"]) == (sent.message_id, "failed", 500)
    support_events.check(json.loads(sent.body))
    assert sent.secrets == (made["secret"],)
    assert events(stack)["events"] == []


def test_a_rotated_secret_signs_beside_the_old_one(stack: Stack) -> None:
    """For 24 hours who knows either one verifies everything, from the answer on; then who knows the new one."""
    made = add(stack)
    register(stack, "A/1")
    stack.clock.step(seconds=0.1)
    rotated = call(stack, "POST", f"/webhooks/{made['id']}/rotate", {}).json()
    assert rotated["former_secret_until"] == "2026-11-21T12:00:00+05:30"
    knowing = {"old": made["secret"], "new": rotated["secret"]}
    with ExitStack() as open_things:
        wire = open_things.enter_context(sender())
        by = {name: open_things.enter_context(receiving(saying(200), secret)) for name, secret in knowing.items()}
        stack.sender.on_send = lambda sent: [wire.send(replace(sent, url=each.url)) for each in by.values()] and None
        register(stack, "A/2")
        stack.clock.step(hours=24, seconds=-1)
        register(stack, "A/3")
        assert [len(each.received) for each in by.values()] == [2, 2]
        assert [each.unverified for each in by.values()] == [[], []]
        stack.clock.step(seconds=2)
        register(stack, "A/4")
        assert [len(each.received) for each in by.values()] == [3, 3]
        assert [len(each.unverified) for each in by.values()] == [1, 0]
        by["old"].unverified.clear()


def test_what_fails_is_tried_again_and_seen(stack: Stack) -> None:
    """By the sweeper's bell, when the schedule says; every attempt stands in the list."""
    made = add(stack)
    path = f"/webhooks/{made['id']}"
    stack.sender.answers = lambda _: Verdict.FAILED
    register(stack)
    for hours in (1, 1, 1, 2, 8):  # the last pause is six hours and up to a fifth more
        stack.later(hours=hours)
    assert len(stack.sender.sent) == 6
    assert len({(sent.message_id, sent.body) for sent in stack.sender.sent}) == 1
    [dead] = call(stack, "GET", f"{path}/deliveries?status=dead").json()["deliveries"]
    assert (dead["attempts"], dead["status"], dead["next_attempt_at"]) == (6, "dead", None)
    assert [each["number"] for each in dead["history"]] == [1, 2, 3, 4, 5, 6]
    assert dead["history"][0]["excerpt"] == "said the receiver"
    assert [event["type"] for event in events(stack)["events"]] == ["irn.generated", "webhook.exhausted"]
    stack.sender.answers = lambda _: Verdict.DELIVERED
    assert call(stack, "POST", f"{path}/replay", {"statuses": ["dead"]}).json() == {"replayed": 1, "more": False}
    [risen] = call(stack, "GET", f"{path}/deliveries").json()["deliveries"]
    assert (risen["status"], risen["attempts"]) == ("delivered", 7)


def test_one_delivery_is_replayed(stack: Stack) -> None:
    """By its id, though it had arrived."""
    made = add(stack)
    register(stack)
    path = f"/webhooks/{made['id']}"
    [delivery] = call(stack, "GET", f"{path}/deliveries").json()["deliveries"]
    assert call(stack, "POST", f"{path}/replay", {"delivery_id": delivery["id"]}).json()["replayed"] == 1
    assert len({sent.message_id for sent in stack.sender.sent}) == 1
    assert len(stack.sender.sent) == 2
    refused(call(stack, "POST", f"{path}/replay", {}), 400, "replay-of-nothing")
    refused(call(stack, "POST", f"{path}/replay", {"since": "yesterday"}), 400, "time-malformed")


def test_deliveries_come_in_pages(stack: Stack) -> None:
    """Newest first, each once."""
    made = add(stack)
    for number in range(3):
        register(stack, f"P/{number + 1}")
    path = f"/webhooks/{made['id']}/deliveries?limit=2"
    first = call(stack, "GET", path).json()
    rest = call(stack, "GET", f"{path}&before={first['next']}").json()
    seen = [each["id"] for each in first["deliveries"] + rest["deliveries"]]
    assert (len(first["deliveries"]), len(set(seen)), rest["next"]) == (2, 3, None)


def test_the_feed_is_read_on(stack: Stack) -> None:
    """Page after page each event once, in its order; then nothing until something happens."""
    for number in range(5):
        register(stack, f"F/{number + 1}")
    seen, after, more = [], "0", True
    while more:
        page = events(stack, f"?after={after}&limit=2")
        seen += [event["data"]["document"]["doc_no"] for event in page["events"]]
        after, more = page["next"], page["more"]
    assert seen == [f"F/{number + 1}" for number in range(5)]
    assert events(stack, f"?after={after}") == {"events": [], "next": after, "more": False}
    register(stack, "F/6")
    assert len(events(stack, f"?after={after}")["events"]) == 1
    assert events(stack, "?types=irn.rejected,irn.conflict")["events"] == []


def test_the_feed_forgets_after_90_days(stack: Stack) -> None:
    """Not before."""
    register(stack)
    stack.clock.step(days=90)
    assert len(events(stack)["events"]) == 1
    stack.clock.step(seconds=1)
    assert events(stack)["events"] == []


@pytest.mark.parametrize(
    "query",
    [
        "after=-1",
        "after=x",
        "after=1&after=2",
        "after=99999999999999999999",
        "limit=0",
        "limit=501",
        "types=irn.made",
        "types=",
        "gstin=29",
        "limit=٣",
    ],
)
def test_a_wrong_query_is_refused(stack: Stack, query: str) -> None:
    """A filter that was passed over would show what was not asked for."""
    refused(call(stack, "GET", f"/events?{query}"), 400, "query-invalid")


@pytest.mark.parametrize("query", ["status=lost", "before=x", "limit=101"])
def test_a_wrong_query_of_deliveries_is_refused(stack: Stack, query: str) -> None:
    """The same there."""
    path = f"/webhooks/{add(stack)['id']}/deliveries"
    refused(call(stack, "GET", f"{path}?{query}"), 400, "query-invalid")


def test_a_brisk_policy_is_for_the_test_environment(stack: Stack) -> None:
    """There a developer sees a recovery; a live receiver would miss everything."""
    assert add(stack, policy="brisk")["policy"] == "brisk"


def test_what_time_brings_is_told_too(stack: Stack) -> None:
    """The sweeper looks once a minute, and the endpoint is rung in the same sweep."""
    add(stack, types=["irn.cancel_window_closing"])
    register(stack)
    stack.clock.step(hours=22, minutes=30)
    sweeping.sweep(holder="test", count=0, ports=stack.ports)
    [sent] = stack.sender.sent
    assert json.loads(sent.body)["type"] == "irn.cancel_window_closing"

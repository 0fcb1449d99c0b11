"""Wrong requests that are no table: how their bodies come, what is passed over, and what answers a surprise.

The table is `tests/bad_inputs`, held by `test_bad_inputs.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.types import Message

from tests.support_api import (
    URL,
    Blueprint,
    Stack,
    document,
    refused,
    written,
)
from tests.support_logs import logged

BODY_BYTES_MAX = 5_000_000


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, blueprint: Blueprint) -> Iterator[Stack]:
    """One gateway for the whole file: nothing of what is sent here may change it."""
    with Stack(tmp_path_factory.mktemp("bad-input"), blueprint, body_seconds_max=0.02) as made:
        made.post(b"[]")
        yield made


@pytest.fixture
def gateway(shared: Stack) -> Iterator[Stack]:
    """The same, watched: no row and no call may come of the request."""
    shared.token()
    before = shared.traces()
    yield shared
    assert shared.traces() == before


def edited(**parts: dict[str, Any]) -> dict[str, Any]:
    """A good document with other members in its parts."""
    return {**document(), **{name: document()[name] | members for name, members in parts.items()}}


def test_all_faults_come_at_once(gateway: Stack) -> None:
    """A document with three faults is answered with three, each with its JSON Pointer."""
    body = edited(DocDtls={"No": "0", "Dt": "1/1/26"})
    del body["BuyerDtls"]["Pos"]
    problem = refused(gateway.post(body), 400, "document-invalid")
    assert {fault["at"] for fault in problem["errors"]} == {"/DocDtls/No", "/DocDtls/Dt", "/BuyerDtls/Pos"}


@pytest.mark.parametrize("path", ["/irn", "/cdnr"])
def test_a_body_above_the_limit_is_413(gateway: Stack, path: str) -> None:
    """One byte above 5 MB is too large, whether its length was announced or not."""
    refused(gateway.post(b" " * (BODY_BYTES_MAX + 1), path), 413, "body-too-large")

    async def in_parts() -> AsyncIterator[bytes]:
        for _ in range(51):
            yield b" " * (BODY_BYTES_MAX // 50)

    headers = gateway.headers()
    refused(gateway.send("POST", path, content=in_parts(), headers=headers), 413, "body-too-large")


def test_blanks_do_not_count_as_document(stack: Stack) -> None:
    """A good document in a body of exactly 5 MB is registered: its blanks are not sent on."""
    text = written(document())
    assert stack.post(text + b" " * (BODY_BYTES_MAX - len(text))).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/irn", "GET, HEAD, POST"),
        ("DELETE", "/irn", "GET, HEAD, POST"),
        ("OPTIONS", "/irn", "GET, HEAD, POST"),
        ("GET", "/cdnr", "POST"),
        ("PUT", "/ewb/consolidated", "POST"),
        ("GET", "/ewb/consolidated", "POST"),
        ("PUT", "/ewb/123456789012", "GET, HEAD"),
        ("GET", "/oauth/token", "POST"),
        ("POST", f"/irn/{'0' * 64}", "GET, HEAD"),
        ("TRACE", "/healthz", "GET, HEAD"),
    ],
)
def test_another_method_is_405(gateway: Stack, method: str, path: str, allowed: str) -> None:
    """A path that does not take the method says which it takes, all of them."""
    answer = gateway.send(method, path, headers=gateway.bearer())
    refused(answer, 405, "method-unknown")
    assert answer.headers["allow"] == allowed


def test_head_of_a_post_is_405_without_a_body(gateway: Stack) -> None:
    """HEAD where there is no GET is 405."""
    answer = gateway.send("HEAD", "/oauth/token")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "["},
        {"Host": "a/b?c#d"},
        {"X-Forwarded-Proto": "javascript"},
        {"Accept": "image/png"},
        {"Content-Length": "abc"},
        {"Expect": "200-maybe"},
        {"Range": "bytes=0-1"},
        {"If-None-Match": "*"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"Prefer": "wait=\x00, ;;;=,"},
        {"Prefer": "wait=\u0661".encode().decode("latin-1")},
        {"Cookie": "a=b; c"},
    ],
)
def test_odd_headers_change_nothing(gateway: Stack, headers: dict[str, str]) -> None:
    """Headers that mean nothing here are passed over: the document is judged as ever."""
    given: Any = {name: value.encode("latin-1") for name, value in headers.items()}
    refused(gateway.post(document(No="0"), headers=given), 400, "document-invalid")


def test_the_host_is_no_part_of_a_request(stack: Stack) -> None:
    """A key stands for its path, whatever a proxy made of the host."""
    first = stack.post(document(), headers={"Idempotency-Key": "k"})
    again = stack.post(document(), headers={"Idempotency-Key": "k", "Host": "else.where/behind?a"})
    assert again.content == first.content


def test_a_body_that_does_not_come_is_400(gateway: Stack) -> None:
    """A sender who stops in the middle is waited for no longer than the limit."""

    async def in_drips() -> AsyncIterator[bytes]:
        yield b'{"Version":'
        await asyncio.Event().wait()

    answer = gateway.send("POST", "/irn", content=in_drips(), headers=gateway.headers())
    refused(answer, 400, "body-too-slow")


def test_a_sender_who_goes_away_is_no_failure(gateway: Stack, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that ends within the body is an ordinary thing: nothing is logged as an error."""
    incoming: list[Message] = [
        {"type": "http.request", "body": b'{"Version":', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in gateway.headers().items()]
    scope = {
        "type": "http", "method": "POST", "path": "/irn", "raw_path": b"/irn", "query_string": b"", "scheme": "http",
        "headers": headers, "server": (URL, 80), "client": ("127.0.0.1", 1), "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    gateway.run(gateway.app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert b"body-incomplete" in sent[1]["body"]
    assert caplog.records == []


def test_a_surprise_is_500_and_says_what_to_do(gateway: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure that nobody foresaw leaves as a problem with the request's id, and stands in the log under it."""

    def fail(_: object) -> dict[str, str]:
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setattr("gateway.api.presenting.respond", fail)
    with logged() as lines:
        answer = gateway.send("GET", "/healthz", headers={"X-Request-Id": "mine-7"})
    problem = refused(answer, 500, "gateway-failed")
    assert problem["request_id"] == "mine-7"
    assert "secret" not in answer.text
    [line] = [each for each in lines() if each["logger"] == "gateway.api.edge"]
    assert (line["request_id"], line["error"], line["event"]) == ("mine-7", "ZeroDivisionError", "request failed")
    assert "secret" not in str(line)

"""Wrong requests: an exact status, a stable code, what to do, nothing stored, nothing sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.types import Message

from gateway.api.body import VALUES_MAX
from tests.support_api import (
    SECOND_SELLER,
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


def with_member(text: bytes) -> bytes:
    """A good document with something written into its top."""
    return b"{" + text + b"," + written(document())[1:]


MALFORMED = {
    "empty": (b"", "json-malformed"),
    "half": (written(document())[:-1], "json-malformed"),
    "two": (written(document()) * 2, "json-malformed"),
    "comment": (b"// hello\n" + written(document()), "json-malformed"),
    "single quotes": (b"{'a': 1}", "json-malformed"),
    "trailing comma": (b'{"a": 1,}', "json-malformed"),
    "leading zero": (b'{"a": 01}', "json-malformed"),
    "plus sign": (b'{"a": +1}', "json-malformed"),
    "bare word": (b"INV-01", "json-malformed"),
    "NaN": (with_member(b'"x":NaN'), "json-not-a-number"),
    "Infinity": (with_member(b'"x":-Infinity'), "json-not-a-number"),
    "1e999": (with_member(b'"x":1e999'), "json-not-a-number"),
    "1e-999999999": (with_member(b'"x":1e-999999999'), "json-not-a-number"),
    "long number": (with_member(b'"x":' + b"9" * 41), "json-number-too-long"),
    "a million digits": (with_member(b'"x":' + b"9" * 1_000_000), "json-number-too-long"),
    "a member twice": (with_member(b'"Version":"1.1"'), "json-duplicate-key"),
    "a member twice, escaped": (with_member(b'"\\u0056ersion":"1.1"'), "json-duplicate-key"),
    "17 deep": (with_member(b'"x":' + b"[" * 16 + b"]" * 16), "json-too-deep"),
    "a million deep": (b"[" * 1_000_000, "json-too-deep"),
    "a million deep, objects": (b'{"a":' * 500_000, "json-too-deep"),
    "not UTF-8": (with_member(b'"x":"\xff"'), "json-not-utf8"),
    "UTF-16": (written(document()).decode().encode("utf-16"), "json-bom"),
    "byte order mark": (b"\xef\xbb\xbf" + written(document()), "json-bom"),
    "NUL": (with_member(b'"x":"\\u0000"'), "json-forbidden-character"),
    "raw NUL": (with_member(b'"x":"\x00"'), "json-forbidden-character"),
    "half a surrogate pair": (with_member(b'"x":"\\ud800"'), "json-forbidden-character"),
}


@pytest.mark.parametrize(("body", "code"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_strict_json_is_400(gateway: Stack, body: bytes, code: str) -> None:
    """Text that could be read in two ways, or could exhaust us, is refused by name and place."""
    refused(gateway.post(body), 400, code)


def edited(**parts: dict[str, Any]) -> dict[str, Any]:
    """A good document with other members in its parts."""
    return {**document(), **{name: document()[name] | members for name, members in parts.items()}}


WRONG_DOCUMENTS = {
    "null": (b"null", "schema-null"),
    "a list": (b"[]", "schema-type"),
    "a number": (b"1", "schema-type"),
    "a text": (b'"INV"', "schema-type"),
    "empty": (b"{}", "schema-required"),
    "unknown type": (edited(DocDtls={"Typ": "XYZ"}), "schema-enum"),
    "number from 0": (edited(DocDtls={"No": "0401"}), "schema-pattern"),
    "number with a line feed": (
        written(document()).replace(b"TGW/26-27/0401", b"TGW/26-27\\n"),
        "json-forbidden-character",
    ),
    "number of 17": (edited(DocDtls={"No": "A" * 17}), "schema-pattern"),
    "number in Devanagari": (edited(DocDtls={"No": "\u0967\u0968"}), "schema-pattern"),
    "no day": (edited(DocDtls={"Dt": "31/02/2026"}), "GSP-HDR-01"),
    "ISO date": (edited(DocDtls={"Dt": "2026-11-10"}), "schema-pattern"),
    "GSTIN of 14": (edited(BuyerDtls={"Gstin": "29AABCA5312L1Z"}), "schema-pattern"),
    "GSTIN in full width": (edited(BuyerDtls={"Gstin": "\uff12\uff19AABCA5312L1ZP"}), "schema-pattern"),
    "negative amount": (edited(ValDtls={"TotInvVal": -1}), "schema-range"),
    "amount as words": (edited(ValDtls={"TotInvVal": "2,950.00"}), "schema-type"),
    "member twice in other letters": (edited(BuyerDtls={"POS": "29"}), "member-twice"),
    "no lines": ({**document(), "ItemList": []}, "GSP-HDR-07"),
    "1,001 lines": ({**document(), "ItemList": document()["ItemList"] * 1001}, "GSP-HDR-06"),
}


@pytest.mark.parametrize(("body", "code"), WRONG_DOCUMENTS.values(), ids=WRONG_DOCUMENTS)
def test_a_document_with_a_fault_is_400(gateway: Stack, body: Any, code: str) -> None:
    """Every fault has its own code, its place, and what to do."""
    answer = gateway.post(body)
    if code.startswith("json-"):
        refused(answer, 400, code)
    else:
        assert code in {fault["code"] for fault in refused(answer, 400, "document-invalid")["errors"]}


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


def test_a_length_beyond_all_bounds_is_413(gateway: Stack) -> None:
    """A Content-Length that no body can have is refused unread."""
    for length in ("5000001", "9" * 18, "9" * 5000):
        refused(gateway.post(b"{}", headers={"Content-Length": length}), 413, "body-too-large")


LARGE = {
    "blanks": (b"{}" + b" " * (BODY_BYTES_MAX - 2), "document-invalid"),
    "one text": (b'{"a":"' + b"x" * (BODY_BYTES_MAX - 8) + b'"}', "document-invalid"),
    "members": (b"{" + b",".join(b'"%06d":0' % number for number in range(VALUES_MAX)) + b"}", "document-invalid"),
    "numbers": (b"[" + b"1," * (BODY_BYTES_MAX // 2 - 2) + b"1" + b"]", "json-too-many-values"),
    "objects": (b"[" + b"{}," * ((BODY_BYTES_MAX - 4) // 3) + b"{}" + b"]", "json-too-many-values"),
}


@pytest.mark.parametrize(("body", "code"), LARGE.values(), ids=LARGE)
def test_a_body_at_the_limit_is_read(gateway: Stack, body: bytes, code: str) -> None:
    """Up to 5 MB and 150,000 values are judged as a document, whatever they hold; more is refused."""
    assert len(body) <= BODY_BYTES_MAX
    refused(gateway.post(body), 400, code)


def test_blanks_do_not_count_as_document(stack: Stack) -> None:
    """A good document in a body of exactly 5 MB is registered: its blanks are not sent on."""
    text = written(document())
    assert stack.post(text + b" " * (BODY_BYTES_MAX - len(text))).status_code == 201


def test_a_document_above_the_portal_s_limit_is_400(gateway: Stack) -> None:
    """Above 2 MB without its blanks, a document is refused here and not by the portal."""
    line = document()["ItemList"][0]
    detail = {"Nm": "A" * 100, "Val": "B" * 100}
    lines = [{**line, "SlNo": str(number + 1), "AttribDtls": [detail] * 9} for number in range(1000)]
    totals = {"AssVal": 2500000, "CgstVal": 225000, "SgstVal": 225000, "TotInvVal": 2950000}
    body = written({**document(), "ItemList": lines, "ValDtls": totals})
    assert 2 * 1024 * 1024 < len(body) < BODY_BYTES_MAX
    problem = refused(gateway.post(body), 400, "document-invalid")
    assert [(fault["code"], fault["portal_code"]) for fault in problem["errors"]] == [("GSP-HDR-05", "5002")]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "text/plain"}, "media-type-unsupported"),
        ({"Content-Type": ""}, "media-type-unsupported"),
        ({"Content-Type": "application/json-patch+json"}, "media-type-unsupported"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, "media-type-unsupported"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "media-type-unsupported"),
        ({"Content-Encoding": "gzip"}, "content-encoding-unsupported"),
        ({"Content-Encoding": "identity, br"}, "content-encoding-unsupported"),
    ],
)
def test_another_kind_of_body_is_415(gateway: Stack, headers: dict[str, str], code: str) -> None:
    """Nothing but plain JSON is read; what it would have to be is said."""
    refused(gateway.post(document(), headers=headers), 415, code)


@pytest.mark.parametrize(
    "key", ["", '""', '"', 'a"b', "a" * 256, "a b", "a\tb", "a\x7fb", "a\x01b", "schl\xfcssel", '"a" "b"']
)
def test_a_key_that_is_none_is_400(gateway: Stack, key: str) -> None:
    """An Idempotency-Key is 1 to 255 visible characters of ASCII; what it is not is refused before anything."""
    headers: Any = gateway.headers() | {"Idempotency-Key": key.encode("latin-1")}
    answer = gateway.send("POST", "/irn", content=written(document()), headers=headers)
    refused(answer, 400, "idempotency-key-invalid")


def test_two_keys_are_none(gateway: Stack) -> None:
    """Two Idempotency-Key headers are refused: which of them counts would be a guess."""
    headers = [*gateway.headers().items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = gateway.send("POST", "/irn", content=written(document()), headers=headers)
    refused(answer, 400, "idempotency-key-invalid")


def test_another_s_document_is_403(gateway: Stack) -> None:
    """A seller who is not the token's GSTIN is refused, whoever it is."""
    for seller in (SECOND_SELLER, "29AAACM0001A1ZH"):
        refused(gateway.post(edited(SellerDtls={"Gstin": seller})), 403, "seller-not-yours")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/irn/"), ("POST", "/irn/"), ("POST", "/IRN"), ("POST", "//irn"), ("POST", "/irn%0A"),
        ("GET", "/irn/a/b"), ("GET", "/docs/nothing.js"), ("GET", "/docs/..%2F..%2Fsettings.py"), ("GET", "/redoc"),
        ("GET", "/.env"), ("POST", "/wp-login.php"), ("GET", "/" + "a" * 5000), ("GET", "/%F0%9F%92%A3"),
    ],
)  # fmt: skip
def test_an_unknown_path_is_404(gateway: Stack, method: str, path: str) -> None:
    """What is not there is 404, and nothing is redirected."""
    answer = gateway.send(method, path, headers=gateway.bearer())
    problem = refused(answer, 404, "path-unknown")
    assert len(problem["detail"]) < 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/irn", "GET, HEAD, POST"),
        ("DELETE", "/irn", "GET, HEAD, POST"),
        ("OPTIONS", "/irn", "GET, HEAD, POST"),
        ("GET", "/cdnr", "POST"),
        ("GET", "/oauth/token", "POST"),
        ("POST", f"/irn/{'0' * 64}", "GET, HEAD"),
        ("TRACE", "/healthz", "GET, HEAD"),
        ("BREW", "/healthz", "GET, HEAD"),
        ("X" * 300, "/healthz", "GET, HEAD"),
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


@pytest.mark.parametrize("version", ["2025-01-01", "1", "latest", "", "2026-11-01, 2026-11-01"])
def test_an_unknown_version_is_400(gateway: Stack, version: str) -> None:
    """A client that was written for another version is told so, not answered in this one."""
    refused(gateway.post(document(), headers={"API-Version": version}), 400, "api-version-unknown")


@pytest.mark.parametrize("headers", [{f"X-{number}": "1" for number in range(64)}, {"X-Large": "x" * 16_384}])
def test_too_many_headers_are_431(gateway: Stack, headers: dict[str, str]) -> None:
    """More header fields or bytes than any client needs are refused unread."""
    refused(gateway.post(document(), headers=headers), 431, "headers-too-large")


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

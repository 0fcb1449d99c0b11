"""Requests that are wrong before their document is read: keys, headers, media, paths, queries, other bodies."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.bad_inputs.cases import FORM, JSON, PLAIN, Case, nobody, shown, with_text, written

GOOD: Final = written(PLAIN)
TYPE: Final = ("Content-Type", JSON)
IRN: Final = "0" * 64
UNKNOWN: Final = "op_000000000000000000000000"

KEYS: Final[Sequence[bytes]] = (
    b"", b" ", b'""', b'"', b'"a', b'a"', b'a"b', b'"a" "b"', b'"a","b"', b"a b", b"a\tb", b"\ta b", b"a\x7fb",
    b"a\x00b", b"a\x01b", b"a\x1bb", b"a\x80b", b"schl\xfcssel", "schl\u00fcssel".encode(), "\u0967".encode(),
    "a\u200bb".encode(), "\u202ea".encode(), "\U0001f511".encode(), b"a" * 256, b"a" * 1024, b"a" * 8000,
    b'"' + b"a" * 256 + b'"', b"\xff", b"\xc0\xaf", b"\xa0a", b"a\x85",
)  # fmt: skip
"""What is no Idempotency-Key: empty, quoted by half, with blanks, controls or letters beyond ASCII, too long."""

MEDIA: Final[Sequence[str]] = (
    "", "text/plain", "text/json", "text/html", "application/xml", "application/jsonp", "application/json5",
    "application/ld+json", "application/json-patch+json", "application/problem+json", "application/x-json", "json",
    "*/*", "application/*", "application/json, text/plain", "application /json", "application/json\xa0",
    "multipart/form-data; boundary=x", FORM, "application/octet-stream", "application/vnd.api+json",
    "application/jose", "application/gzip", "text/plain; a=application/json",
)  # fmt: skip
ENCODINGS: Final[Sequence[str]] = (
    "gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "compress", "identity, gzip", "gzip, identity", "gzip, gzip",
    "*", "", "aes128gcm",
)  # fmt: skip
VERSIONS: Final[Sequence[bytes]] = (
    b"2025-01-01", b"2026-11-02", b"1", b"v1", b"latest", b"", b"2026-11-01, 2026-11-01", b"2026-11-1",
    "2026-11-\u0660\u0661".encode(), b"../1", b"2026-11-01\xa0",
)  # fmt: skip
RETRIES: Final[Sequence[bytes]] = (b"yes", b"1", b"0", b"truefalse", b"true, true", b"null", "\u0442rue".encode())

PATHS: Final[Sequence[tuple[str, str]]] = (
    ("GET", "/"), ("GET", "/irn/"), ("POST", "/irn/"), ("POST", "/IRN"), ("POST", "//irn"), ("POST", "/irn%0A"),
    ("POST", "/irn%00"), ("POST", "/irn%20"), ("POST", "/irn;a=b"), ("POST", "/irn%2F"), ("POST", "/./irn%2e"),
    ("POST", "/i%72n%C2%A0"), ("POST", "/irn\u200b"), ("GET", "/irn/a/b"), ("GET", "/docs/nothing.js"),
    ("GET", "/docs/..%2F..%2Fsettings.py"), ("GET", "/docs/%2e%2e%2fmaster.key"), ("GET", "/redoc"), ("GET", "/.env"),
    ("GET", "/.git/config"), ("GET", "/admin"), ("GET", "/admin/"), ("POST", "/wp-login.php"), ("GET", "/actuator/env"),
    ("GET", "/server-status"), ("POST", "/graphql"), ("GET", "/" + "a" * 5000), ("GET", "/%F0%9F%92%A3"),
    ("GET", "/%E2%80%AEnri"), ("GET", "/%FF%FE"), ("GET", "/%"), ("GET", "/irn/" + "a/" * 500), ("GET", "/irn/%00"),
    ("GET", f"/irn/{IRN}%0A"), ("GET", f"/irn/{IRN}%E2%80%8B"), ("GET", "/operations/%1b[2J"),
)  # fmt: skip
METHODS: Final[Sequence[tuple[str, str]]] = (
    ("PUT", "/irn"), ("DELETE", "/irn"), ("PATCH", "/irn"), ("OPTIONS", "/irn"), ("TRACE", "/irn"), ("CONNECT", "/irn"),
    ("GET", "/cdnr"), ("GET", "/oauth/token"), ("PUT", "/oauth/token"), ("POST", f"/irn/{IRN}"), ("GET", "/validate"),
    ("DELETE", f"/operations/{UNKNOWN}"), ("GET", f"/irn/{IRN}/cancel"), ("POST", "/audit"), ("DELETE", "/audit"),
    ("POST", "/limits"), ("POST", "/metrics"), ("TRACE", "/healthz"), ("BREW", "/healthz"), ("irn", "/healthz"),
    ("GET,POST", "/irn"), ("X" * 300, "/healthz"), ("PROPFIND", "/docs"),
)  # fmt: skip

QUERIES: Final[Mapping[str, Sequence[str]]] = {
    "query-unknown": [
        "/irn?form=2026-11-01", "/irn?Limit=1", "/irn?limit[]=1", "/irn?buyer_gstin=x", "/irn?%6cimits=1", "/irn?=1",
        "/irn?a", "/irn?limit=1&debug=true", "/irn?\u200blimit=1", "/irn?limit%00=1", "/irn?org_id=org_1",
        "/operations?gstin=27AAACM0002B1ZI", "/operations?state=queued", "/limits?gstin=27AAACM0002B1ZI",
        f"/irn/{IRN}?refresh=true", f"/operations/{UNKNOWN}?include=secrets", "/ewb?from=2026-11-01", "/events?since=1",
        "/gstins/29AAHCT7421P1ZM?sync=true", "/irn?" + "&".join(f"a{number}=1" for number in range(300)),
    ],
    "query-invalid": [
        "/irn?limit=1&limit=2", "/irn?buyer=29AABCA5312L1ZP&buyer=", "/operations?status=queued&status=held",
        "/events?after=0&after=0", "/events?limit=0", "/events?limit=1e3", "/events?limit=\u0661", "/events?after=-1",
        "/events?after=99999999999999999999", "/events?after=0x10", "/events?types=nothing.done", "/events?types=",
        "/events?after=", "/events?limit=+5", "/events?limit=5.0",
    ],
    "limit-invalid": [
        "/irn?limit=0", "/irn?limit=201", "/irn?limit=-1", "/irn?limit=x", "/irn?limit=1.0", "/irn?limit=1e2",
        "/irn?limit=\u0661", "/irn?limit=%EF%BC%91", "/irn?limit=%2B1", "/operations?limit=9999999999",
        "/irn?limit=%201", "/operations?limit=null",
    ],
    "refresh-malformed": [
        *(f"/gstins/29AAHCT7421P1ZM?refresh={text}" for text in ("", "yes")),
        *(f"/ewb/180000000001?refresh={text}" for text in ("1", "\u0442rue")),
        *(f"/irn/{IRN}/ewb?refresh={text}" for text in ("truefalse", "null")),
    ],
    "cursor-invalid": [
        "/irn?cursor=x", "/irn?cursor=e30", "/irn?cursor=W10", "/irn?cursor=" + "W" * 400, "/irn?cursor=%00",
        "/irn?cursor=WyIyMDI2LTExLTEwIl0", "/operations?cursor=WyJhIiwiYiJd", "/operations?cursor=%F0%9F%92%A3",
        "/irn?cursor=bnVsbA", "/irn?cursor=WzFd",
    ],
    "date-malformed": [
        "/irn?from=yesterday", "/irn?from=2026-02-30", "/irn?to=31/02/2026", "/irn?from=2026-W46-2", "/irn?to=20261110",
        "/irn?from=2026-11-10T00:00:00Z", "/irn?from=", "/irn?to=\u0661\u0660/11/2026", "/irn?from=2025-02-29",
        "/irn?doc_type=INV&doc_no=1&doc_date=10-11-2026", "/irn?doc_type=INV&doc_no=1", "/irn?to=10/11/26",
    ],
}  # fmt: skip

HEADERS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "65 fields": [(f"X-{number}", "1") for number in range(64)],
    "a thousand fields": [(f"X-{number}", "1") for number in range(1000)],
    "one large field": [("X-Large", "x" * 16_384)],
    "a large name": [("X" * 16_384, "1")],
    "one name 64 times": [("Cookie", "a=1")] * 64,
    "many middling ones": [(f"X-{number}", "x" * 500) for number in range(40)],
}

IRNS: Final[Sequence[str]] = (
    "0" * 63, "0" * 65, "G" * 64, "x", "A" * 64 + "0", "\u0660" * 64, "0" * 63 + "\uff10", "' OR 1=1", "null", "-1",
)  # fmt: skip

CANCELS: Final[Mapping[str, tuple[bytes, str]]] = {
    "nothing": (b"", "json-malformed"),
    "twice": (b'{"reason":"duplicate","reason":"data-entry"}', "json-duplicate-key"),
    "NaN": (b'{"reason":NaN}', "json-not-a-number"),
    "a NUL": (b'{"remark":"\\u0000"}', "json-forbidden-character"),
    "a half": (b'{"remark":"\\ud800"}', "json-forbidden-character"),
    "deep": (b'{"a":' * 40 + b"1" + b"}" * 40, "json-too-deep"),
    "UTF-16": ('{"reason":"duplicate"}'.encode("utf-16"), "json-bom"),
    "latin-1": ('{"remark":"\u00fc"}'.encode("latin-1"), "json-not-utf8"),
}

BODIES: Final[Mapping[str, Sequence[bytes]]] = {
    "/webhooks": [
        b"[]", b"null", b"1", b'"x"', b"{}", b'{"url":1}', b'{"url":null}', b'{"url":"https://a.example/","x":1}',
        b'{"url":"https://a.example/","types":"irn.generated"}', b'{"url":"https://a.example/","types":["nothing"]}',
        b'{"url":"https://a.example/","headers":[]}', b'{"url":"https://a.example/","headers":{"a":1}}',
    ],
    "/admin/clients": [
        b"[]", b"null", b"{}", b'{"name":1,"gstins":["29AAHCT7421P1ZM"]}', b'{"name":"x","gstins":"29AAHCT7421P1ZM"}',
        b'{"name":"","gstins":["29AAHCT7421P1ZM"]}', b'{"name":"x","gstins":[]}',
        b'{"name":"x","gstins":["29AAHCT7421P1ZM"],"scopes":["everything"]}',
        b'{"name":"x","gstins":["29AAHCT7421P1ZM"],"org_id":"org_1"}',
        b'{"name":"x","gstins":["29AAHCT7421P1ZM"],"respond_async":"yes"}',
    ],
    "/admin/keys": [
        b"[]", b"{}", b'{"client_id":"cli_1"}', b'{"client_id":1,"gstin":"29AAHCT7421P1ZM","name":"x"}',
        b'{"client_id":"cli_1","gstin":"29AAHCT7421P1ZM","name":"x","read_only":1}',
        b'{"client_id":"cli_1","gstin":"29AAHCT7421P1ZM","name":"x","text":"sk_test_x"}',
    ],
}  # fmt: skip


def _at(group: str, name: object, status: int, code: str, **more: Any) -> Case:
    return Case(group=group, name=shown(name), status=status, code=code, **more)


def _keys() -> Iterator[Case]:
    for key in KEYS:
        headers = (TYPE, ("Idempotency-Key", key))
        yield _at("key", key, 400, "idempotency-key-invalid", headers=headers, body=GOOD)
    for key in KEYS[:6]:
        for path in ("/cdnr", f"/irn/{IRN}/cancel", "/ewb"):
            headers = (TYPE, ("Idempotency-Key", key))
            yield _at("key", path + ascii(key), 400, "idempotency-key-invalid", path=path, headers=headers, body=GOOD)
    twice = (TYPE, ("Idempotency-Key", "a"), ("Idempotency-Key", "a"))
    yield _at("key", "the same twice", 400, "idempotency-key-invalid", headers=twice, body=GOOD)
    two = (TYPE, ("Idempotency-Key", "a"), ("idempotency-key", "b"))
    yield _at("key", "two", 400, "idempotency-key-invalid", headers=two, body=GOOD)


def _headers() -> Iterator[Case]:
    for media in MEDIA:
        yield _at("media", media, 415, "media-type-unsupported", headers=(("Content-Type", media),), body=GOOD)
    yield _at("media", "none", 415, "media-type-unsupported", headers=(), body=GOOD)
    for coding in ENCODINGS:
        headers = (TYPE, ("Content-Encoding", coding))
        yield _at("encoding", coding, 415, "content-encoding-unsupported", headers=headers, body=gzip.compress(GOOD))
    bomb = gzip.compress(bytes(10_000_000), mtime=0)
    headers = (TYPE, ("Content-Encoding", "gzip"))
    yield _at("encoding", "a bomb", 415, "content-encoding-unsupported", headers=headers, body=bomb)
    headers = (TYPE, ("Content-Encoding", "deflate"))
    yield _at("encoding", "zlib", 415, "content-encoding-unsupported", headers=headers, body=zlib.compress(GOOD))
    for version in VERSIONS:
        headers = (TYPE, ("API-Version", version))
        yield _at("version", version, 400, "api-version-unknown", headers=headers, body=GOOD)
    for said in RETRIES:
        headers = (TYPE, ("Mohar-Retry-Refused", said))
        yield _at("retry", said, 400, "header-invalid", headers=headers, body=GOOD)
    for name, fields in HEADERS.items():
        yield _at("headers", name, 431, "headers-too-large", headers=(TYPE, *fields), body=GOOD)
    for length in ("5000001", "9" * 18, "9" * 5000):
        headers = (TYPE, ("Content-Length", length))
        yield _at("length", length, 413, "body-too-large", headers=headers, body=b"{}")


def _addresses() -> Iterator[Case]:
    for method, path in PATHS:
        yield _at("path", f"{method} {path}", 404, "path-unknown", method=method, path=path, headers=())
    for method, path in METHODS:
        yield _at("method", f"{method} {path}", 405, "method-unknown", method=method, path=path, headers=())
    for long in ("/" + "a" * 8192, "/irn?buyer=" + "a" * 8192, "/irn?" + "a=1&" * 2100, "/irn/" + "%F0" * 3000):
        yield _at("target", long, 414, "target-too-long", method="GET", path=long, headers=())
    for code, paths in QUERIES.items():
        for path in paths:
            yield _at("query", path, 400, code, method="GET", path=path, headers=())
    for path in ("/irn?dry_run=true", "/irn?allow=A&allow=B", "/validate?asof=2026-11-01", "/cdnr?gstin=x"):
        code = "query-invalid" if "&" in path else "query-unknown"
        yield _at("query", f"POST {path}", 400, code, path=path, body=GOOD)
    for allow in ("a%00", "a" * 41, "%F0%9F%92%A3", "a b", ",".join(f"A{n}" for n in range(21)), "A;B", "\u0410"):
        yield _at("allow", allow, 400, "allow-malformed", path=f"/irn?allow={allow}", body=GOOD)
    for day in ("", "today", "31/12/2026", "2026-02-30", "2026-1-1", "2026-W46-2", "20261231", "\u0662026-01-01"):
        yield _at("as_of", day, 400, "date-malformed", path=f"/validate?as_of={day}", body=GOOD)
    for irn in IRNS:
        yield _at("irn", irn, 400, "irn-malformed", method="GET", path=f"/irn/{irn}", headers=())


def _bodies() -> Iterator[Case]:
    for name, (body, code) in CANCELS.items():
        paths = (f"/irn/{IRN}/cancel", f"/irn/{IRN}/reverse") if body else ()  # theirs may be left out
        for path in (*paths, "/ewb", "/ewb/123456789012/cancel"):
            yield _at("cancel", f"{path[:4]}{path[-8:]} {name}", 400, code, path=path, body=body)
    for path, bodies in BODIES.items():
        for body in bodies:
            yield _at("body", f"{path} {body!r}", 400, "body-invalid", path=path, body=body)
    for media in ("text/plain", FORM, ""):
        for path in (*BODIES, f"/irn/{IRN}/cancel", "/verify"):
            headers = (("Content-Type", media),)
            yield _at("media", path + media, 415, "media-type-unsupported", path=path, headers=headers, body=b"{}")


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _keys()
    yield from _headers()
    yield from _addresses()
    yield from _bodies()
    for authorisation in ("", "Bearer", "bearer", "Basic eDp5", "Digest x", "Negotiate x", "eyJhbGciOi", "Token x"):
        headers = (TYPE, ("Authorization", authorisation))
        yield _at("nobody", authorisation, 401, "token-missing", who=nobody, headers=headers, body=GOOD)
    for number in ("0401", "A" * 17):
        yield _at("nobody", number, 401, "token-missing", who=nobody, body=with_text("/DocDtls/No", number))

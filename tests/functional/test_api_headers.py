"""What every answer carries, whatever it answers: types are not guessed, nothing is cached or framed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from unittest.mock import Mock

import httpx
import pytest

from tests.support_api import Blueprint, Stack, document, written
from tests.support_contract import described

ALWAYS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "api-version": "2026-11-01",
}
RATE: Final = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "ratelimit-policy")
POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
OWN_CACHE: Final = {
    "/oauth/jwks": "public, max-age=300",
    "/.well-known/oauth-authorization-server": "public, max-age=300",
    "/openapi.json": "no-cache",
    "/docs": "no-cache",
    "/docs/docs.css": "no-cache",
    "/docs/docs.js": "no-cache",
    "/docs/mark.svg": "no-cache",
}
"""What may be kept, since it is nobody's secret. Everything else tells who sold what to whom."""
OWN_POLICY: Final = frozenset({"/docs"})
"""The page, whose own script and style run; `test_api_openapi.py` holds it to them."""
FORBIDDEN: Final = ("server", "x-powered-by", "access-control-allow-origin", "set-cookie", "location")
JSON: Final = {"Content-Type": "application/json"}
OPERATIONS: Final = [
    (method.upper(), re.sub(r"\{\w+\}", "x", path))
    for path, calls in described()["paths"].items()
    for method, told in calls.items()
    if isinstance(told, dict)
]
PAGES: Final = [("GET", path) for path in OWN_CACHE if path.startswith(("/docs", "/openapi"))]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, blueprint: Blueprint) -> Iterator[Stack]:
    """One gateway for all of them."""
    with Stack(tmp_path_factory.mktemp("headers"), blueprint) as made:
        yield made


def check(answer: httpx.Response, path: str) -> None:
    """Fail unless the answer carries what every answer does."""
    headers = answer.headers
    assert {name: headers.get(name) for name in ALWAYS} == ALWAYS
    assert headers["x-request-id"]
    assert [name for name in RATE if name not in headers] == []
    assert [name for name in FORBIDDEN if name in headers and answer.status_code >= 400] == []
    assert [name for name in FORBIDDEN[:-1] if name in headers] == []
    good = answer.status_code < 400
    assert headers["cache-control"] == (OWN_CACHE.get(path, "no-store") if good else "no-store")
    assert headers["content-security-policy"] == POLICY or (good and path in OWN_POLICY)


@pytest.mark.parametrize(("method", "path"), OPERATIONS + PAGES, ids=[" ".join(each) for each in OPERATIONS + PAGES])
def test_every_operation_answers_with_them(gateway: Stack, method: str, path: str) -> None:
    """Without a token, with one, with a body that is none, of another kind and too large, and asked for its head."""
    token = gateway.bearer()
    sent: list[dict[str, Any]] = [
        {"headers": {}},
        {"headers": token},
        {"headers": {"Authorization": "Bearer x"}},
        {"headers": token | JSON, "content": b"{"},
        {"headers": token | {"Content-Type": "text/plain"}, "content": b"x"},
        {"headers": token | JSON | {"Content-Length": "99999999"}, "content": b"{}"},
        {"headers": token | {"API-Version": "1"}},
        {"headers": token | {"X-Large": "x" * 20_000}},
    ]
    for each in sent:
        check(gateway.send(method, path, **each), path)
    if method == "GET":
        check(gateway.send("HEAD", path, headers=token), path)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/%0A", 404),
        ("GET", "/" + "a" * 9000, 414),
        ("PUT", "/irn", 405),
        ("OPTIONS", "/irn", 405),
        ("TRACE", "/irn", 405),
        ("HEAD", "/oauth/token", 405),
        ("HEAD", "/nothing", 404),
    ],
)
def test_what_there_is_not_answers_with_them(gateway: Stack, method: str, path: str, status: int) -> None:
    """An unknown path, a path that is too long, another method; a preflight of a browser is told nothing."""
    answer = gateway.send(method, path, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == status
    check(answer, path)


def test_a_surprise_answers_with_them(gateway: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of our own too."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gateway.api.presenting.respond", fail)
    for path in ("/healthz", "/limits"):
        answer = gateway.send("GET", path, headers=gateway.bearer() if path == "/limits" else {})
        assert answer.status_code == 500
        check(answer, path)


def test_a_success_answers_with_them(stack: Stack) -> None:
    """A registration: nothing of it may be kept on the way."""
    answer = stack.send("POST", "/irn", content=written(document()), headers=stack.bearer() | JSON)
    assert answer.status_code == 201
    check(answer, "/irn")


def test_the_framework_tells_nobody_of_a_call(gateway: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process has a tracer, the framework would give it requests and exceptions with what they say."""
    tracer = Mock()
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", Mock(return_value=tracer))
    monkeypatch.setattr("opentelemetry.metrics.get_meter_provider", Mock(return_value=tracer))
    monkeypatch.setattr("opentelemetry._logs.get_logger_provider", Mock(return_value=tracer))
    assert gateway.send("GET", "/healthz").status_code == 200
    assert tracer.mock_calls == []

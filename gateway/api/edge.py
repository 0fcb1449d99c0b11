"""What every request passes first, and every answer last."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import correlation
from gateway.api import metering, problems
from gateway.api.calls import Calls
from gateway.ports import Ids
from gateway.settings import Settings

API_VERSION: Final = "2026-11-01"
"""The only version so far. It is dated, so that a client can pin what it was written for."""
HEADERS_MAX: Final = 64
"""Header fields of one request. A client behind two proxies sends about twenty."""
HEADER_BYTES_MAX: Final = 16_384
"""Names and values of all header fields. An access token takes one kilobyte of them."""

TARGET_BYTES_MAX: Final = 8_192
"""Of the path with its query. RFC 9112, section 3, asks for that much at least."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
REQUEST_PREFIX: Final = "req_"
ALWAYS: Final[Mapping[str, str]] = {
    "API-Version": API_VERSION,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
UNLESS_SAID: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",  # answers tell who sold what to whom
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # an SVG opened as a page runs nothing
}

log = logging.getLogger(__name__)


class Edge:
    """Names each request, refuses what no endpoint should see, answers HEAD, and turns a surprise into a problem.

    It stands outside the exception handlers of the framework, so that no answer leaves without its headers.
    """

    def __init__(self, app: ASGIApp, ids: Ids, calls: Calls, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._ids = ids
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and mark the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = self._name(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, scope=scope, settings=self._settings)
        refusal = _refusal(scope, headers, request_id)
        inner, began = _as_get(scope), self._calls.began()
        try:
            await (refusal or self._app)(inner, receive, answer)
        except Exception:
            if answer.status:
                raise
            log.exception("request failed")
            await problems.of_surprise(request_id)(scope, receive, answer)
        finally:
            self._calls.note(inner, status=answer.status, began=began)
            await metering.leave(scope)

    def _name(self, headers: Headers) -> str:
        """The name of a request, under which all that follows from it goes."""
        given, trace = headers.get("x-request-id", ""), correlation.trace_in(headers.get("traceparent", ""))
        named = given if _REQUEST_ID.fullmatch(given) else trace or self._ids.new(REQUEST_PREFIX)
        correlation.begin(named, trace=trace)
        return named


class _Answer:
    """Puts what every answer carries into it, and leaves out the body that HEAD does not want."""

    def __init__(self, send: Send, *, scope: Scope, settings: Settings) -> None:
        self._send = send
        self._scope = scope
        self._settings = settings
        self._bodiless = scope["method"] == "HEAD"
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message["headers"], *self._ours(message["headers"])]}
        elif self._bodiless and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def _ours(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        """The fields that are ours to say, beside those of the answer."""
        said = {name for name, _ in headers}
        yield from _ALWAYS
        yield b"x-request-id", self._scope["state"]["request_id"].encode()
        for name, value in metering.fields(self._scope, self._settings).items():
            yield name.lower().encode(), value.encode()
        yield from (field for field in _UNLESS_SAID if field[0] not in said)


def _raw(fields: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in fields.items())


_ALWAYS: Final = _raw(ALWAYS)
_UNLESS_SAID: Final = _raw(UNLESS_SAID)


def _as_get(scope: Scope) -> Scope:
    """RFC 9110, 9.3.2: HEAD is answered as GET is, without the body."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _refusal(scope: Scope, headers: Headers, request_id: str) -> Response | None:
    size = sum(len(name) + len(value) for name, value in headers.raw)
    if len(headers.raw) > HEADERS_MAX or size > HEADER_BYTES_MAX:
        return problems.problem(
            431,
            "headers-too-large",
            f"The request has {len(headers.raw)} header fields of {size} bytes.",
            help=f"Send at most {HEADERS_MAX} header fields and {HEADER_BYTES_MAX} bytes of them.",
            request_id=request_id,
        )
    if len(scope["raw_path"]) + len(scope["query_string"]) > TARGET_BYTES_MAX:
        return problems.problem(
            414,
            "target-too-long",
            f"The path and its query are above {TARGET_BYTES_MAX} bytes.",
            help="Send documents in the body; no call has that much to say in its path.",
            request_id=request_id,
        )
    if not scope["path"].isprintable():  # the framework would take /irn and a line feed for /irn
        return problems.of_unknown_path(scope["path"], request_id=request_id)
    asked = headers.get("api-version", API_VERSION)
    if asked != API_VERSION:
        return problems.problem(
            400,
            "api-version-unknown",
            "There is no such API version.",
            help=f"Send API-Version: {API_VERSION}, or leave the header out.",
            request_id=request_id,
        )
    return None

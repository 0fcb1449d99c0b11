"""One HTTP call to a portal, under one deadline; and the one question that matters: was anything written."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpcore
import httpx

from gateway import correlation
from gateway.domain.calendar import read_retry_after
from gateway.irp.clocks import PortalClocks
from gateway.ports import Clock

CONNECT_SECONDS_MAX: Final = 5.0
"""To a portal in the same country; one that takes longer is down."""
CONNECTIONS_MAX: Final = 100
"""Of one process to all portals: more than its threads."""
IDLE_SECONDS_MAX: Final = 20.0
"""An idle connection is closed before the portal closes it: a request into a closing one is in doubt."""
ANSWER_BYTES_MAX: Final = 20_000_000
"""An answer holds one signed invoice of at most 2 MB, encrypted and in Base64. What is longer is no answer."""


HTTP_TOO_MANY: Final = 429
RETRY_AFTER_SECONDS_MAX: Final = 3600
"""A longer Retry-After is taken for a mistake: nobody may put a seller to sleep for a day."""


class UnreachedError(Exception):
    """No byte of the request was written. Sending it again is safe."""


class LostError(Exception):
    """The request, or a part of it, was written and no whole answer came. What it did is unknown."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


_NEVER_WRITTEN: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
)
_BROKEN: Final = (
    httpx.TransportError,
    httpx.DecodingError,
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
)


class Wire:
    """Sends requests.

    httpx has time-outs per read alone, so that a dripping portal could hold a thread for ever: here every read and
    write gets what is left of the call's own time.
    """

    def __init__(self, clock: Clock, *, call_seconds: float, transport: httpx.BaseTransport | None = None) -> None:
        self._clock = clock
        self._call_seconds = call_seconds
        self.clocks = PortalClocks(clock)
        self._client = httpx.Client(
            transport=transport or _DeadlineTransport(clock),
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),  # one client serves all sellers
            trust_env=False,
            follow_redirects=False,
        )

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], params: Mapping[str, str], body: bytes | None
    ) -> Reply:
        """One call. Raises UnreachedError when nothing was written, LostError when its effect is unknown."""
        deadline = self._clock.monotonic() + self._call_seconds
        _call.deadline = deadline
        request = self._client.build_request(
            method,
            url,
            headers=dict(correlation.headers(f"{method} {url} {deadline}")) | dict(headers),
            params=dict(params),
            content=body,
            timeout=self._call_seconds,
        )
        try:
            reply = self._read(self._client.send(request, stream=True))
        except _NEVER_WRITTEN as error:
            raise UnreachedError(f"no connection: {type(error).__name__}") from error
        except _BROKEN as error:
            raise LostError(f"no whole answer: {type(error).__name__}") from error
        if self._clock.monotonic() > deadline:
            raise LostError("the answer came after the deadline")
        self.clocks.note(url, reply.headers)
        return reply

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _read(self, response: httpx.Response) -> Reply:
        try:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise LostError(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
            return Reply(response.status_code, response.headers, bytes(body))
        finally:
            response.close()


_call = threading.local()
"""The deadline of the call that this thread is making."""


class _DeadlineTransport(httpx.BaseTransport):
    def __init__(self, clock: Clock) -> None:
        self._pool = httpcore.ConnectionPool(
            max_connections=CONNECTIONS_MAX,
            keepalive_expiry=IDLE_SECONDS_MAX,
            network_backend=_DeadlineBackend(clock),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        response = self._pool.handle_request(
            httpcore.Request(
                request.method, url, headers=request.headers.raw, content=request.read(), extensions=request.extensions
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Stream(response))

    def close(self) -> None:
        self._pool.close()


class _Stream(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _DeadlineBackend(httpcore.NetworkBackend):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._real = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        seconds = min(timeout or CONNECT_SECONDS_MAX, CONNECT_SECONDS_MAX)
        stream = self._real.connect_tcp(host, port, seconds, local_address, socket_options)
        return _DeadlineStream(stream, self._clock)


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002  the call's own counts
        return self._stream.read(max_bytes, self._left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002  the call's own counts
        self._stream.write(buffer, self._left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = min(timeout or CONNECT_SECONDS_MAX, CONNECT_SECONDS_MAX)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, seconds), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _left(self, late: type[httpcore.TimeoutException]) -> float:
        left: float = _call.deadline - self._clock.monotonic()
        if left <= 0:
            raise late("the call's time is over")
        return left


def retry_after(headers: Mapping[str, str], *, at: datetime) -> int | None:
    """The seconds that an answer asks for before the next call, bounded; None when it does not say."""
    seconds = read_retry_after(headers.get("Retry-After", ""), at=at)
    return None if seconds is None else min(max(seconds, 1), RETRY_AFTER_SECONDS_MAX)

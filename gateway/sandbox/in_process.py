"""The sandbox without a port: a transport for httpx that answers from the state machine and keeps its clock."""

from __future__ import annotations

import httpx

from gateway.sandbox.portal import Sandbox
from gateway.sandbox.wire import DropStyle, Reply, Request

_DROPS: dict[DropStyle, tuple[type[httpx.TransportError], str]] = {
    DropStyle.RESET: (httpx.ReadError, "connection reset by the sandbox"),
    DropStyle.CLOSED: (httpx.RemoteProtocolError, "the sandbox closed the connection without an answer"),
    DropStyle.TIMEOUT: (httpx.ReadTimeout, "the sandbox stays silent"),
}


def transport(sandbox: Sandbox) -> httpx.BaseTransport:
    """A transport for `httpx.Client(transport=…)`. Delays are slept on the sandbox's clock, which a test moves.

    A drop raises httpx.ReadError, RemoteProtocolError or ReadTimeout by its style, a refused connection ConnectError
    and an answer that is cut RemoteProtocolError: what httpx raises over a wire.
    """

    def answer(request: httpx.Request) -> httpx.Response:
        reply = sandbox.handle(_read(request))
        if reply.delay_ms and not reply.refused:
            sandbox.clock.sleep(reply.delay_ms / 1000)
        return _delivered(reply, request)

    return httpx.MockTransport(answer)


def _read(request: httpx.Request) -> Request:
    return Request.of(
        request.method,
        request.url.path,
        query=request.url.query.decode("ascii"),
        headers=request.headers.items(),
        body=request.read(),
    )


def _delivered(reply: Reply, request: httpx.Request) -> httpx.Response:
    if reply.refused:
        message = "connection refused by the sandbox"
        raise httpx.ConnectError(message, request=request)
    if reply.dropped:
        error, message = _DROPS[reply.drop_style]
        raise error(message, request=request)
    if reply.cut_at is not None:
        message = f"the sandbox broke off after {reply.cut_at} of {len(reply.body)} bytes"
        raise httpx.RemoteProtocolError(message, request=request)
    return httpx.Response(reply.status, headers=list(reply.headers), content=reply.body, request=request)

"""The sandbox on a port: a plain ASGI application, and a server that can break connections on purpose."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.sandbox.portal import Sandbox
from gateway.sandbox.wire import DropStyle, Reply, Request, json_reply

BODY_BYTES_MAX: Final = 8 * 1024 * 1024
"""A document of 2 MB, encrypted and in Base64, is 2.7 MB. What is larger is refused before it is read to its end."""

SILENT_SECONDS_MAX: Final = 120.0
"""How long a connection stays silent where a time-out is played, if the client does not leave before."""

KEEP_ALIVE_SECONDS: Final = 75
"""How long an idle connection is kept. uvicorn's five seconds close connections just as a busy client reuses them."""

SHUTDOWN_SECONDS: Final = 1
"""How long a stop waits for answers under way. A connection that is kept silent on purpose must not hold it up."""

TRANSPORT: Final = "mohar.transport"
"""Where the server's protocol puts the connection, in `scope["extensions"]`."""

_TOO_LARGE: Final = json_reply({"error": "The body is too large."}, status=413)
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class BreakableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also hands the connection to the application."""

    def on_message_begin(self) -> None:
        """Called by the parser at the start of each request."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


def app(sandbox: Sandbox) -> Application:
    """The application. Without `BreakableProtocol` a drop or a cut is an error of the server, answered with 500.

    Waiting is done on the event loop; serving a request takes about a millisecond and is done in line.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            message = f"the sandbox speaks HTTP, not {scope['type']}"
            raise ValueError(message)
        try:
            body = await _body(receive)
        except ConnectionError:  # the client left before it had sent everything: nothing was received
            return
        reply = _TOO_LARGE if body is None else sandbox.handle(_request(scope, body))
        await _deliver(reply, scope, receive, send)

    return application


def server(sandbox: Sandbox, *, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Server:
    """A server that is not started yet. Port 0 takes a free one. The portal has no own protection: keep it local."""
    config = uvicorn.Config(
        app(sandbox),
        host=host,
        port=port,
        http=BreakableProtocol,
        lifespan="off",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        log_level="warning",
        server_header=False,
        date_header=False,
    )
    return uvicorn.Server(config)


def serve(sandbox: Sandbox, *, host: str = "127.0.0.1", port: int = 8400) -> None:
    """Serve until the process is told to stop (SIGINT or SIGTERM)."""
    server(sandbox, host=host, port=port).run()


def _request(scope: Scope, body: bytes) -> Request:
    return Request.of(
        scope["method"],
        scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        body=body,
    )


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or None when it is too large. Raises ConnectionError when the client leaves before its end."""
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > BODY_BYTES_MAX:
            return None
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _deliver(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a reply the way it says: late, cut, or not at all."""
    if reply.refused:
        await _break(scope, receive, reset=True)
        return
    if reply.delay_ms:
        await asyncio.sleep(reply.delay_ms / 1000)
    if reply.dropped:
        await _drop(reply, scope, receive)
        return
    length = (b"content-length", str(len(reply.body)).encode())
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": [*headers, length]})
    whole = reply.cut_at is None
    await send({"type": "http.response.body", "body": reply.body[: reply.cut_at], "more_body": not whole})
    if not whole:
        await _break(scope, receive, reset=False)


async def _drop(reply: Reply, scope: Scope, receive: Receive) -> None:
    if reply.drop_style is DropStyle.TIMEOUT:
        try:
            await asyncio.wait_for(_gone(receive), SILENT_SECONDS_MAX)
        except TimeoutError:
            pass
        else:
            return
    await _break(scope, receive, reset=reply.drop_style is DropStyle.RESET)


async def _break(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """End the connection: with a reset, or in order, after what was written has gone out."""
    transport: asyncio.Transport = scope["extensions"][TRANSPORT]["transport"]
    connection = transport.get_extra_info("socket")
    if reset and connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    if reset:
        transport.abort()
    else:
        transport.close()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Wait until the server knows that the connection is closed, so that it does not answer by itself."""
    while (await receive())["type"] != "http.disconnect":
        pass

"""Connections that are opened to be held: what a client may take its time with, before and after there is a request.

The server that carries the application bounds neither how long a request's head takes to arrive nor how large it grows,
it reads what follows an answer for ever, and it takes connections until the process has no files left. `protocol` adds
that to whichever of its protocols is installed. How long a body may take, and how large it may be, is
`gateway.api.body`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from gateway.api import edge, problems

HEAD_BYTES_MAX: Final = edge.HEADER_BYTES_MAX + edge.TARGET_BYTES_MAX
"""Of a request's first line and its header fields, while they are incomplete. Complete ones are counted by `edge`."""
REST_BYTES_MAX: Final = 8 * 1024 * 1024
"""What is read, and thrown away, of a body that was answered before its end, so that the answer is not lost."""
_RETRY_SECONDS: Final = 1
"""After which it is worth another try: most answers take less."""
TOLD_MAX: Final = 64
"""Connections beyond the most that are told so. More are hung up on: they would use the files that are left."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, in seconds, a connection may take: for a whole head, for the rest of a body, to take its answer."""

    head: float
    rest: float = 5
    answer: float = 60


class _At(Enum):
    """Where a connection is."""

    HEAD = auto()
    REQUEST = auto()
    REST = auto()
    IDLE = auto()
    OVER = auto()


class _Guard(asyncio.Protocol):
    """Put before one of uvicorn's protocols, whose methods it extends and whose `cycle` is the latest request."""

    patience: ClassVar[Patience]
    connections_max: ClassVar[int]
    limit_fields: ClassVar[Mapping[str, str]]
    name: ClassVar[Callable[[], str]]
    transport: Any
    connections: set[Any]
    cycle: Any
    loop: asyncio.AbstractEventLoop
    _at: _At
    _bytes: int
    _timer: asyncio.TimerHandle | None
    _stalled: asyncio.TimerHandle | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there, and has to say something."""
        super().connection_made(transport)
        self._timer = self._stalled = None
        self._expect_head()
        if len(self.connections) > self.connections_max:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._wait_no_more()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes, which may complete a head, or belong to one, or to a body."""
        if self._is_over():
            self._count(len(data))
            return
        if self._at is _At.IDLE:
            self._expect_head()
        before = self.cycle
        super().data_received(data)
        if self.transport.is_closing():
            self._wait_no_more()
        elif self._is_over():
            return
        elif self.cycle is not before:
            self._wait_no_more()
            self._at = _At.REQUEST
            self._look_for_an_end()
        else:
            self._count(len(data))

    def on_response_complete(self) -> None:
        """An answer has been written."""
        super().on_response_complete()  # type: ignore[misc]  # the protocol behind this one has it
        self._look_for_an_end()

    def send_400_response(self, msg: str) -> None:
        """What arrived is no HTTP."""
        self._refuse(400, "request-malformed", f"{msg.rstrip('.')}.", help="Send HTTP/1.1, with a library for it.")

    def pause_writing(self) -> None:
        """The client does not take its answer as fast as it is written."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.patience.answer, self.transport.abort)

    def resume_writing(self) -> None:
        """It does."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def _make_room(self) -> None:
        """Hang up on one that rests between two requests; where none does, on this one."""
        resting = next((each for each in self.connections if each.rests), None)
        if resting is not None:
            resting.transport.close()
        elif len(self.connections) > self.connections_max + TOLD_MAX:
            self._wait_no_more()
            self._at = _At.OVER
            self.transport.abort()
        else:
            message = f"There are {self.connections_max} connections already, and a request on each."
            help = "Come back, and send requests one after the other on fewer connections."
            self._refuse(503, "connections-exhausted", message, help=help, retry_after=_RETRY_SECONDS)

    @property
    def rests(self) -> bool:
        """Whether its last request is answered, and no other has begun."""
        return self._at is _At.IDLE and not self.transport.is_closing()

    def _expect_head(self) -> None:
        self._at, self._bytes = _At.HEAD, 0
        self._timer = self.loop.call_later(self.patience.head, self._head_is_late)

    def _head_is_late(self) -> None:
        if not self._bytes:
            self.transport.close()
            return
        message = f"The head of the request did not arrive within {self.patience.head} seconds."
        self._refuse(408, "request-too-slow", message, help="Send it in one go, over a better connection.")

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._at is _At.HEAD and self._bytes > HEAD_BYTES_MAX:
            message = f"The head of the request is above {HEAD_BYTES_MAX} bytes."
            self._refuse(431, "headers-too-large", message, help="Send fewer and shorter header fields.")
        elif self._bytes > REST_BYTES_MAX:
            self.transport.close()

    def _is_over(self) -> bool:
        return self._at is _At.OVER

    def _look_for_an_end(self) -> None:
        """Whether the latest request is answered, and whether its body has come to its end before."""
        if self.transport.is_closing() or not self.cycle.response_complete:
            return
        if self.cycle.more_body:
            self._pass_over(_At.REST)
        else:
            self._at = _At.IDLE

    def _pass_over(self, at: _At) -> None:
        """Read on for a while without using it: a connection that is closed on unread bytes takes its answer along."""
        self._at, self._bytes = at, 0
        self._timer = self.loop.call_later(self.patience.rest, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, code: str, message: str, *, help: str, retry_after: int | None = None) -> None:
        """Answer by hand, because there is no request that the application could answer, and say no more."""
        self._wait_no_more()
        request_id = type(self).name()
        answer = problems.problem(status, code, message, help=help, request_id=request_id, retry_after=retry_after)
        answer.headers.update(
            {**edge.ALWAYS, **edge.UNLESS_SAID, **self.limit_fields, "X-Request-Id": request_id, "Connection": "close"}
        )
        fields = b"".join(b"%b: %b\r\n" % field for field in answer.raw_headers)
        self.transport.write(b"HTTP/1.1 %d \r\n%b\r\n%b" % (status, fields, bytes(answer.body)))
        self.transport.write_eof()
        self._pass_over(_At.OVER)


def protocol(
    patience: Patience,
    name: Callable[[], str],
    *,
    connections_max: int,
    limit_fields: Mapping[str, str],
    base: type[asyncio.Protocol] = AutoHTTPProtocol,
) -> type[asyncio.Protocol]:
    """A protocol for `uvicorn.Config(http=...)`. `name` makes the id of a request that the application never sees.

    `limit_fields` tell its client's limit, of which it has spent nothing.
    """
    own = {
        "patience": patience,
        "connections_max": connections_max,
        "limit_fields": limit_fields,
        "name": staticmethod(name),
    }
    return type("GuardedProtocol", (_Guard, base), own)

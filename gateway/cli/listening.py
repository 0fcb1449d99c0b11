"""A receiver of webhooks on this machine, for development: it verifies every message and tells of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from gateway.ports import Clock
from gateway.webhooks import signing
from gateway.webhooks.signing import UnverifiedError

HOST: Final = "127.0.0.1"
BODY_BYTES_MAX: Final = 1_000_000
"""Fifty times the largest event."""
IDLE_SECONDS_MAX: Final = 30
"""A connection that says nothing for so long is closed."""
VERIFIED_STATUS: Final = 204
UNVERIFIED_STATUS: Final = 400

_LENGTH: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Message:
    """A request that was received. `complaint` says why it is not verified; None when it is."""

    at: datetime
    id: str
    body: bytes
    complaint: str | None
    status: int


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    secret: str
    status: int
    clock: Clock
    tell: Callable[[Message], None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS_MAX
    server: _Server

    def do_POST(self) -> None:
        """Read, verify, answer, tell."""
        length = self.headers.get("Content-Length", "")
        if _LENGTH.fullmatch(length) is None or int(length) > BODY_BYTES_MAX:
            self.send_error(413)
            return
        body, at = self.rfile.read(int(length)), self.server.clock.now()
        complaint = self._complaint(body, at)
        status = UNVERIFIED_STATUS if complaint else self.server.status
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.tell(Message(at, self.headers.get(signing.ID_HEADER, ""), body, complaint, status))

    def _complaint(self, body: bytes, at: datetime) -> str | None:
        received = {name.lower(): value for name, value in self.headers.items()}
        try:
            signing.verify(received, body, secrets=(self.server.secret,), at=at)
        except UnverifiedError as error:
            return str(error)
        return None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name in the standard library
        """Messages are told of, requests are not logged."""


@contextmanager
def listening(
    secret: str,
    *,
    port: int,
    status: int = VERIFIED_STATUS,
    clock: Clock,
    tell: Callable[[Message], None],
) -> Iterator[str]:
    """Listen while the block runs, and give the URL. `tell` is called by many threads, `status` answers what verifies.

    Raises OSError when the port is taken.
    """
    server = _Server((HOST, port), _Handler)
    server.secret, server.status, server.clock, server.tell = secret, status, clock, tell
    thread = threading.Thread(target=server.serve_forever, name="listener", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

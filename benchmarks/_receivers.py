"""Receivers of webhooks in a process of their own, quick enough not to be what is measured.

Each notes when the first byte of every request came, by this machine's clock, and answers at once or after a while.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

HEAD_END = b"\r\n\r\n"
ANSWER = b"HTTP/1.1 204 Taken\r\n\r\n"

Call = tuple[int, str, float]
"""Which receiver, the message's id, and when its first byte came, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Receivers:
    """The process, as its parent sees it. `urls` has one per receiver."""

    urls: Sequence[str]
    _pipe: Connection

    def calls(self) -> list[Call]:
        """All requests until now; they are forgotten afterwards."""
        self._pipe.send("calls")
        found: list[Call] = self._pipe.recv()
        return found

    def count(self) -> int:
        """How many requests there were since the last `calls`."""
        self._pipe.send("count")
        found: int = self._pipe.recv()
        return found


@contextmanager
def receivers(*stall_seconds: float) -> Iterator[Receivers]:
    """A receiver for each number, which answers after so many seconds."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_serve, args=(there, stall_seconds), daemon=True)
    child.start()
    try:
        yield Receivers([f"http://127.0.0.1:{port}/" for port in here.recv()], here)
    finally:
        child.terminate()
        child.join()


class _Protocol(asyncio.Protocol):
    def __init__(self, number: int, stall_seconds: float, calls: list[Call]) -> None:
        self._number, self._stall_seconds, self._calls = number, stall_seconds, calls
        self._data = b""
        self._first_byte_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._data:
            self._first_byte_at = time.time()
        self._data += data
        head, found, body = self._data.partition(HEAD_END)
        if not found:
            return
        headers = dict(line.lower().split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
        if len(body) < int(headers["content-length"]):
            return
        self._data = b""
        self._calls.append((self._number, headers["webhook-id"], self._first_byte_at))
        if self._stall_seconds:
            asyncio.get_running_loop().call_later(self._stall_seconds, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)


def _serve(pipe: Connection, stall_seconds: Sequence[float]) -> None:
    calls: list[Call] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(lambda each=each: _Protocol(*each, calls), "127.0.0.1", 0, backlog=512)
            for each in enumerate(stall_seconds)
        ]
        pipe.send([server.sockets[0].getsockname()[1] for server in servers])
        await loop.run_in_executor(None, _answer_parent, pipe, calls)

    asyncio.run(run())


def _answer_parent(pipe: Connection, calls: list[Call]) -> None:
    while True:
        if pipe.recv() == "count":
            pipe.send(len(calls))
        else:
            taken = calls[:]
            del calls[: len(taken)]
            pipe.send(taken)

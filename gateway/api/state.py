"""What the endpoints of one process share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import anyio
from anyio import CapacityLimiter
from fastapi import Request

from gateway.services.ports import Ports
from gateway.settings import Settings

Result = TypeVar("Result")

LARGE_BODY_BYTES: Final = 64 * 1024
"""From some 150 lines on, checking a document keeps Python's one lock for longer than a small request takes in all."""


class Expecting(Protocol):
    """Callers who wait for operations; `gateway.jobs.waiting.Waiters`, or a twin in a test."""

    def expecting(self, operation_id: str) -> Any:
        """An async context manager whose event is set when the operation may be settled."""

    async def start(self) -> None:
        """Begin to listen."""

    async def stop(self) -> None:
        """Stop listening."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One per application."""

    settings: Settings
    ports: Ports
    waiters: Expecting
    ready: Callable[[], dict[str, str]]
    threads: CapacityLimiter
    portal_threads: CapacityLimiter
    large: CapacityLimiter
    measures: Callable[[], bytes]

    async def ask(self, work: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Run something that may wait for a portal, in one of the few threads for it: a slow portal stops no seller."""
        return await anyio.to_thread.run_sync(partial(work, *arguments, **named), limiter=self.portal_threads)

    async def weigh(self, body: bytes, work: Callable[[], Result]) -> Result:
        """Run the work on a body in a thread; large ones one at a time, so that small ones find the process free."""
        limiter = self.large if len(body) > LARGE_BODY_BYTES else self.threads
        return await anyio.to_thread.run_sync(work, limiter=limiter)

    async def run(self, work: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Run something that blocks, in one of the process' threads."""
        return await anyio.to_thread.run_sync(partial(work, *arguments, **named), limiter=self.threads)


def of(request: Request) -> State:
    """The state of the application that a request came to."""
    state: State = request.app.state.mohar
    return state

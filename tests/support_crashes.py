"""A process that dies at one place where it touches the world, before that is done or after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from gateway.sandbox import portal
from gateway.sandbox.wire import Reply, Request
from tests.support_api import Stack

POINTS: Final = (
    "claim:after",
    "begin_attempt:before",
    "begin_attempt:after",
    "wire:before",
    "wire:after",
    "record:before",
    "record:after",
)
"""Before and after each write of the engine, and before and after the portal has done what it was asked."""
_WRITES: Final = ("claim", "begin_attempt", "record")


class Died(BaseException):
    """The process is gone: nobody catches this."""


class Reaper:
    """Stands at every boundary of a stack, and ends the process once, at the first of `points` that it comes to.

    A boundary is `<kind>/<point>`, for the kind of operation that is in hand; on the wire, the portal's name of the
    call stands in the kind's place. `passed` has all of them, in order.
    """

    def __init__(self, stack: Stack, patch: pytest.MonkeyPatch, *points: str, turn: int | None = None) -> None:
        self.passed: list[str] = []
        self.died_at: str | None = None
        self._points = points
        self._turn = turn
        for write in _WRITES:
            real = getattr(stack.ports.work, write)
            patch.setattr(stack.ports.work, write, self._guarded(real, write, _kind_in_hand))
        patch.setattr(stack.ports.intake, "accept", self._guarded(stack.ports.intake.accept, "accept", _kind_asked))
        patch.setattr(stack.sandbox, "handle", self._on_the_wire(stack.sandbox.handle))

    def _reach(self, boundary: str) -> None:
        turn = len(self.passed)
        self.passed.append(boundary)
        if self.died_at is None and (turn == self._turn or boundary in self._points):
            self.died_at = boundary
            raise Died(boundary)

    def _guarded(self, real: Callable[..., Any], name: str, kind_of: Callable[[Any], str | None]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            kind = kind_of(given[0])
            if kind is not None:
                self._reach(f"{kind}/{name}:before")
            result = real(*given, **named)
            kind = kind or kind_of(result)  # a claim tells only then what it is of
            if kind is not None:
                self._reach(f"{kind}/{name}:after")
            return result

        return call

    def _on_the_wire(self, serve: Callable[[Request], Reply]) -> Callable[[Request], Reply]:
        def handle(request: Request) -> Reply:
            service = portal.service_of(request)
            if service is None:  # a page of the sandbox
                return serve(request)
            self._reach(f"{service}/wire:before")
            reply = serve(request)
            self._reach(f"{service}/wire:after")
            return reply

        return handle


def _kind_in_hand(claim_or_attempt: Any) -> str | None:
    operation = getattr(claim_or_attempt, "operation", None)
    return None if operation is None else operation.kind.value


def _kind_asked(new: Any) -> str | None:
    return str(new.kind.value)

"""Receivers without a wire: what a sender was asked to send, and what it is told to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.domain.deliveries import Verdict
from gateway.domain.operations import Environment
from gateway.errors import Invalid
from gateway.ports import Answer, Dispatch


class FakeSender:
    """Implements `ports.Sender`. Every dispatch is kept; `answers` gives the verdict for each."""

    def __init__(self) -> None:
        self.sent: list[Dispatch] = []
        self.answers: Callable[[Dispatch], Verdict] = lambda _: Verdict.DELIVERED
        self.on_send: Callable[[Dispatch], None] = lambda _: None

    def send(self, dispatch: Dispatch) -> Answer:
        """See `ports.Sender`."""
        self.sent.append(dispatch)
        self.on_send(dispatch)
        return answer(self.answers(dispatch))


class FakeAddresses:
    """Implements `ports.Addresses`: whatever begins with https is good."""

    def check(self, url: str, *, environment: Environment) -> None:
        """See `ports.Addresses`."""
        if not url.startswith("https://"):
            raise Invalid("webhook-url-refused", f"Not there, in {environment}.", help="Use https.")


def answer(verdict: Verdict, **members: Any) -> Answer:
    """What a receiver said."""
    status = {Verdict.DELIVERED: 200, Verdict.FAILED: 500, Verdict.GONE: 410, Verdict.SLOW_DOWN: 429}.get(verdict)
    filled: dict[str, Any] = {
        "verdict": verdict,
        "status": status,
        "retry_after_seconds": None,
        "excerpt": "said the receiver",
        "error": None if status else "refused",
        "duration_ms": 12,
    }
    return Answer(**filled | members)

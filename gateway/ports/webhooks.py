"""The wire to receivers: whether a URL may be called, one signed request, and the secrets that sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.domain.deliveries import Verdict
from gateway.domain.operations import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """One request to a receiver. `message_id` is the same on every attempt; `secrets` has the newest first."""

    url: str
    environment: Environment
    headers: Mapping[str, str] = field(repr=False)
    message_id: str
    body: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a request. `excerpt` is the answer's first 1,000 bytes, as text; `error` one short word."""

    verdict: Verdict
    status: int | None
    retry_after_seconds: int | None
    excerpt: str
    error: str | None
    duration_ms: int


class Addresses(Protocol):
    """Where the gateway may send events."""

    def check(self, url: str, *, environment: Environment) -> None:
        """Raises Invalid (`webhook-url-refused`) when this URL may not be called, or its name leads nowhere."""


class Sender(Protocol):
    """The wire to receivers."""

    def send(self, dispatch: Dispatch) -> Answer:
        """Sign and send, once, within the wire's own deadlines. Checks the address again; never raises."""


class WebhookSecrets(Protocol):
    """Secrets that sign webhooks."""

    def new(self) -> str:
        """A fresh one: `whsec_` and the Base64 of 24 to 64 random bytes."""

"""Time, randomness, secrets and tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.operations import Environment


class Clock(Protocol):
    """Time, the only source of it below the processes."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps, for deadlines within a process."""

    def sleep(self, seconds: float) -> None:
        """Wait. A test's clock moves on instead."""


class Ids(Protocol):
    """Randomness, the only source of it below the processes."""

    def new(self, prefix: str) -> str:
        """A fresh id: the prefix and 26 characters that sort by time."""

    def random_bytes(self, size: int) -> bytes:
        """Unpredictable bytes, for keys and tokens."""

    def fraction(self) -> float:
        """A number in [0, 1), for jitter."""


class Vault(Protocol):
    """Seals what must not be readable in a table. The context binds a sealed value to its row."""

    def seal(self, secret: bytes, *, context: str) -> bytes:
        """Encrypt, under the newest master key."""

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt. Raises Misconfigured when the key is missing or the value belongs elsewhere."""

    def newest(self) -> str:
        """The id of the master key that seals."""

    def key_of(self, sealed: bytes) -> str:
        """The id of the master key that a value is sealed under."""


class Secrets(Protocol):
    """Client secrets: made once, shown once, kept as a keyed hash."""

    def new(self) -> str:
        """A fresh secret."""

    def digest(self, secret: str) -> bytes:
        """What is stored of a secret."""

    def matches(self, secret: str, digest: bytes | None) -> bool:
        """Whether it is the secret of that digest; with None the same work is done in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an access token says."""

    client_id: str
    gstin: str
    environment: Environment
    scopes: frozenset[str]
    token_id: str
    expires_at: datetime


class Tokens(Protocol):
    """Access tokens."""

    def issue(self, claims: Claims, *, at: datetime) -> str:
        """A signed token."""

    def check(self, token: str, *, at: datetime) -> Claims:
        """The claims of a token that is valid at that time. Raises Unauthorised."""

    def new_key(self) -> tuple[bytes, str]:
        """A fresh key to sign with: the private part (to be sealed), and the public one as PEM."""

    def published(self) -> Sequence[Mapping[str, str]]:
        """The public keys that tokens are checked with, as JWKs."""

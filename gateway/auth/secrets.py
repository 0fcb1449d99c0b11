"""Client secrets: made once, shown once, kept as a keyed hash."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Final

_SECRET_BYTES: Final = 32
"""256 random bits: no dictionary reaches them, so a fast keyed hash is enough. A slow one is for people's passwords."""


class ClientSecrets:
    """Makes and checks secrets under a pepper that is not in the database."""

    def __init__(self, pepper: bytes, random_bytes: Callable[[int], bytes]) -> None:
        self._pepper = pepper
        self._random_bytes = random_bytes

    def new(self) -> str:
        """A fresh secret, 43 URL-safe characters."""
        return base64.urlsafe_b64encode(self._random_bytes(_SECRET_BYTES)).rstrip(b"=").decode()

    def digest(self, secret: str) -> bytes:
        """What is stored of a secret."""
        return hmac.digest(self._pepper, secret.encode(), hashlib.sha256)

    def matches(self, secret: str, digest: bytes | None) -> bool:
        """Whether it is the secret of that digest. For an unknown client (None) the same work is done in vain."""
        return hmac.compare_digest(self.digest(secret), digest or bytes(32)) and digest is not None

"""Signatures by Standard Webhooks 1.0.0, symmetric (`v1`): HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  what every secret begins with, and none itself
SECRET_BYTES: Final = 32
"""As many as the hash has; the standard asks for 24 to 64."""
TOLERANCE_SECONDS: Final = 300
"""How far a message's time may be from the receiver's clock: the standard's five minutes."""
ID_HEADER: Final = "webhook-id"
TIME_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

_SECONDS: Final = re.compile(r"[0-9]{1,12}")


class UnverifiedError(Exception):
    """The message was not signed by a holder of the secret, not just now, or not in this form."""


class SigningSecrets:
    """Implements `ports.WebhookSecrets`."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes

    def new(self) -> str:
        """See `ports.WebhookSecrets`."""
        return SECRET_PREFIX + base64.b64encode(self._random_bytes(SECRET_BYTES)).decode("ascii")


def headers(*, message_id: str, body: bytes, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """The three headers of a message: its id, its time in whole seconds, and a signature for every secret."""
    seconds = int(at.timestamp())
    signatures = [_signature(secret, message_id=message_id, seconds=seconds, body=body) for secret in secrets]
    return {ID_HEADER: message_id, TIME_HEADER: str(seconds), SIGNATURE_HEADER: " ".join(signatures)}


def verify(received: Mapping[str, str], body: bytes, *, secrets: Sequence[str], at: datetime) -> None:
    """Raises UnverifiedError unless one of the secrets signed this very message. Header names are in lower case."""
    message_id, time_text = received.get(ID_HEADER, ""), received.get(TIME_HEADER, "")
    if not message_id or _SECONDS.fullmatch(time_text) is None:
        raise UnverifiedError(f"{ID_HEADER} or {TIME_HEADER} is missing or unreadable")
    if abs(at.timestamp() - int(time_text)) > TOLERANCE_SECONDS:
        raise UnverifiedError(f"its time is more than {TOLERANCE_SECONDS} seconds from this clock's")
    given = [text.encode() for text in received.get(SIGNATURE_HEADER, "").split(" ")]
    made = [_signature(each, message_id=message_id, seconds=int(time_text), body=body).encode() for each in secrets]
    if not any(hmac.compare_digest(one, other) for one in given for other in made):
        raise UnverifiedError("no signature is made with this secret over this id, time and body")


def _signature(secret: str, *, message_id: str, seconds: int, body: bytes) -> str:
    message = f"{message_id}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key(secret), message, hashlib.sha256)).decode("ascii")


def key(secret: str) -> bytes:
    """The bytes that a secret stands for. Raises ValueError, with nothing of the secret in it."""
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a signing secret is not in Base64") from None

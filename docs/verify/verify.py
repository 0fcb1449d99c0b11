"""Verify a webhook of Mohar: the standard library is enough."""

import base64
import hmac
import time
from collections.abc import Mapping

TOLERANCE_SECONDS = 300


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether it is genuine and fresh. `headers` by names in lower case, `body` as it came, before any parsing."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    at = headers["webhook-timestamp"]
    message = f"{headers['webhook-id']}.{at}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, message, "sha256"))
    given = headers["webhook-signature"].encode().split(b" ")
    is_fresh = abs(time.time() - int(at)) <= TOLERANCE_SECONDS
    return is_fresh and any(hmac.compare_digest(expected, each) for each in given)

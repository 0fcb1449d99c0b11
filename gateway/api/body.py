"""The one door for request bodies: limits on the stream, then strict JSON."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from gateway.domain import strict_json
from gateway.domain.faults import Fault
from gateway.errors import Invalid, Malformed, TooLarge, UnsupportedMedia

VALUES_MAX: Final = 150_000
"""Values and containers in one body. An INV-01 of 1,000 lines with every member has some 45,000, the rest is room for
attributes. Millions would hold Python's one lock for half a second at a time while they are made and dropped."""
BLANKS: Final = " \t"
"""What may stand around a value in a header (RFC 9110, section 5.6.3). Python would strip no-break spaces too."""
_LENGTH_DIGITS_MAX: Final = 18
"""Of a Content-Length that is read as a number at all."""


async def read(request: Request, *, media_type: str, bytes_max: int, seconds_max: float) -> bytes:
    """The body's bytes. Raises UnsupportedMedia, TooLarge, or Invalid when it comes too slowly or not to its end."""
    _check_media_type(request, media_type)
    _check_length(request, bytes_max)
    try:
        async with asyncio.timeout(seconds_max):
            return await _bounded(request, bytes_max)
    except TimeoutError:
        raise Invalid(
            "body-too-slow",
            f"The request body did not arrive within {seconds_max} seconds.",
            help="Send it in one go, over a better connection.",
        ) from None
    except ClientDisconnect:
        raise Invalid(
            "body-incomplete", "The connection ended before the body did.", help="Send the whole request again."
        ) from None


def parse(body: bytes) -> Any:
    """Strict JSON with Decimals. Raises Malformed."""
    try:
        return strict_json.read(body, values_max=VALUES_MAX)
    except strict_json.JsonFault as error:
        fault = Fault(error.code, error.at or "", error.message, error.help)
        raise Malformed(error.code, error.message, help=error.help, faults=[fault]) from None


def _check_media_type(request: Request, media_type: str) -> None:
    given = request.headers.get("content-type", "").split(";")[0].strip(BLANKS).lower()
    if given != media_type:
        raise UnsupportedMedia(
            "media-type-unsupported",
            f"The body must be {media_type}, and the header Content-Type has to say so.",
            help=f"Send the header Content-Type: {media_type}.",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMedia(
            "content-encoding-unsupported", "A compressed body is not read here.", help="Send the body as it is."
        )


def _check_length(request: Request, bytes_max: int) -> None:
    """Refuse by what the sender says of its body, so that none of it has to travel. What it is, `_bounded` sees."""
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and (len(said) > _LENGTH_DIGITS_MAX or int(said) > bytes_max):
        raise _too_large(bytes_max)


async def _bounded(request: Request, bytes_max: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
    return bytes(body)


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(
        "body-too-large",
        f"The request body is above the limit of {bytes_max} bytes.",
        help="Send one document per request; the portal takes documents of up to 2 MB.",
    )

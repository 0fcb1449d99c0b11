"""The one door for request bodies: limits on the stream, then strict JSON."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request

from gateway.domain import strict_json
from gateway.domain.faults import Fault
from gateway.errors import Invalid, Malformed, TooLarge, UnsupportedMedia


async def read(request: Request, *, media_type: str, bytes_max: int, seconds_max: float) -> bytes:
    """The body's bytes. Raises UnsupportedMedia, TooLarge, or Invalid when it comes too slowly."""
    _check_media_type(request, media_type)
    try:
        async with asyncio.timeout(seconds_max):
            return await _bounded(request, bytes_max)
    except TimeoutError:
        raise Invalid(
            "body-too-slow",
            f"The request body did not arrive within {seconds_max} seconds.",
            help="Send it in one go, over a better connection.",
        ) from None


def parse(body: bytes) -> Any:
    """Strict JSON with Decimals. Raises Malformed."""
    try:
        return strict_json.read(body)
    except strict_json.JsonFault as error:
        fault = Fault(error.code, error.at or "", error.message, error.help)
        raise Malformed(error.code, error.message, help=error.help, faults=[fault]) from None


def _check_media_type(request: Request, media_type: str) -> None:
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if given != media_type:
        raise UnsupportedMedia(
            "media-type-unsupported",
            f"The body must be {media_type}, not {given or 'without a type'}.",
            help=f"Send the header Content-Type: {media_type}.",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMedia(
            "content-encoding-unsupported", "A compressed body is not read here.", help="Send the body as it is."
        )


async def _bounded(request: Request, bytes_max: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise TooLarge(
                "body-too-large",
                f"The request body is above the limit of {bytes_max} bytes.",
                help="Send one document per request; the portal takes documents of up to 2 MB.",
            )
    return bytes(body)

"""The signed QR code as a picture: what the law has printed on every registered document."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Final

import qrcode
from qrcode.constants import ERROR_CORRECT_L
from qrcode.image.pure import PyPNGImage
from qrcode.image.svg import SvgPathImage

_MASK: Final = 4
"""One of eight masks, fixed: trying all of them for the prettiest takes many times as long."""
_PIXELS_PER_MODULE: Final = 4
_BORDER_MODULES: Final = 4
"""The quiet zone that ISO/IEC 18004 asks for."""
_CODES_CACHED_MAX: Final = 64
"""A document's code is fetched as a picture once or twice, shortly after it was made."""


def png(token: str) -> bytes:
    """A PNG picture."""
    picture = _code(token).make_image(image_factory=PyPNGImage)
    stream = io.BytesIO()
    picture.save(stream)
    return stream.getvalue()


def svg(token: str) -> bytes:
    """An SVG picture."""
    stream = io.BytesIO()
    _code(token).make_image(image_factory=SvgPathImage).save(stream)
    return stream.getvalue()


def lines(token: str) -> list[str]:
    """Lines of half blocks for a dark terminal: light modules are printed, so that a phone reads it."""
    rows = _code(token).get_matrix()
    rows += [[False] * len(rows[0])] * (len(rows) % 2)
    return [
        "".join(_HALVES[upper, lower] for upper, lower in zip(rows[index], rows[index + 1], strict=True))
        for index in range(0, len(rows), 2)
    ]


_HALVES: Final = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}


@lru_cache(maxsize=_CODES_CACHED_MAX)
def _code(token: str) -> qrcode.QRCode[PyPNGImage]:
    code = qrcode.QRCode(
        error_correction=ERROR_CORRECT_L,
        box_size=_PIXELS_PER_MODULE,
        border=_BORDER_MODULES,
        mask_pattern=_MASK,
        image_factory=PyPNGImage,
    )
    code.add_data(token)
    code.make(fit=True)
    return code

"""Codes that are no longer told. None of them is ever used again, for whatever rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RETIRED: Final[Mapping[str, str]] = {
    "date-not-in-calendar": "GSP-HDR-01",
    "document-too-large": "GSP-HDR-05",
    "gstin-check-digit": "GSP-PTY-01",
    "wrong-endpoint": "GSP-HDR-04",
}
"""Each with the code of the rule that has taken its place. These four were words before there was a catalogue."""

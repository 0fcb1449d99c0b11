"""The e-way bill system's codes as docs/ewaybill.md shows them."""

from __future__ import annotations

from typing import Final

from gateway.irp import codes
from gateway.irp.codes import Disposition

_FAMILY: Final = "ewb"
_DONE: Final = {
    Disposition.AMBIGUOUS: "looked into",
    Disposition.DUPLICATE: "compared",
    Disposition.SESSION: "logged in again",
    Disposition.THROTTLED: "waited",
    Disposition.QUOTA: "held",
    Disposition.CREDENTIALS: "held",
    Disposition.ACCOUNT: "held",
    Disposition.RETRY: "sent again",
    Disposition.TOO_OLD: "told as too old",
    Disposition.STATE: "refused",
    Disposition.REFUSED: "refused",
    Disposition.GSTIN_UNSYNCED: "refused",
    Disposition.ABSENT: "told as absent",
}


def table() -> str:
    """All codes of the system: what each means, what the gateway does, and what is left to its caller."""
    rows = sorted((row for row in codes.table().values() if row.api == _FAMILY), key=lambda row: int(row.code))
    head = ["| code | meaning | the gateway | what to do |", "|---|---|---|---|"]
    lines = (f"| {row.code} | {row.sentence} | {_DONE[row.disposition]} | {row.advice} |" for row in rows)
    return "\n".join([*head, *lines, ""])

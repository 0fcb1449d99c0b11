"""The portal's error codes: what each means for the document, and what its sender should do next.

The table is `schemas/codes/portal-codes.csv`. Its classes follow one rule: a code is called definite only where the
portal cannot have registered the document and still send it. A definite code on a document that was registered after
all would lose an invoice; a needless "ambiguous" only costs a look-up. So a code that is in no table is ambiguous.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from gateway.irp.envelope import PortalError

THROTTLED_WAIT_SECONDS: Final = 300
"""How long to stay away after a throttle that names no time. The portal's own text for 118 says five minutes."""


class Disposition(StrEnum):
    """What an error code tells. Members stand in the order in which one outweighs another within one answer."""

    AMBIGUOUS = "ambiguous"
    """It may or may not have had an effect: look it up before anything else."""
    DUPLICATE = "duplicate"
    """The number, or an e-way bill of it, exists: fetch what is registered, compare, adopt it or call it a conflict."""
    SESSION = "session"
    """Definite no effect: log in once more and repeat once."""
    THROTTLED = "throttled"
    """Definite no effect: wait, `THROTTLED_WAIT_SECONDS` if no other time is given."""
    QUOTA = "quota"
    """Definite no effect: the portal has blocked the interface, and a person has to have it opened again."""
    CREDENTIALS = "credentials"
    """Definite no effect: user, password, client or login key are wrong. Hold the account; trying on may lock it."""
    ACCOUNT = "account"
    """Definite no effect: the account or its route is not ready for e-invoicing. Hold it until that is mended."""
    RETRY = "retry"
    """Definite no effect, and not the document's fault: the same request may be sent later."""
    TOO_OLD = "too_old"
    """An answer to look-ups only: it is registered, but its details are no longer given. By no means "absent"."""
    STATE = "state"
    """Definite no effect: the invoice or e-way bill stands otherwise than the request takes for granted. After a cancel
    in doubt it may be that cancel which did it: look at the status before calling it a refusal."""
    REFUSED = "refused"
    """Definite no effect: the portal's verdict on this document. It is never sent again unchanged."""
    GSTIN_UNSYNCED = "gstin_unsynced"
    """As refused, but the portal's copy of the GST register may be behind: synchronising the GSTIN may mend it."""
    ABSENT = "absent"
    """An answer to look-ups only: there is no such registration at this portal."""


LOOK_UP_ONLY: Final = frozenset({Disposition.ABSENT, Disposition.TOO_OLD})
"""Answers to "what do you have?". To a call that registers something they are no answer: take them for ambiguous."""

_TABLE_FILE: Final = ("codes", "portal-codes.csv")
_WEIGHT: Final[Mapping[Disposition, int]] = {each: index for index, each in enumerate(Disposition)}
_TWO_FACED: Final = frozenset({"5002"})
"""Refusals of the schema whose code the portal also uses when its application breaks down."""
_BREAKDOWN: Final = re.compile(r"application error|internal (?:server )?error|time[d -]*out|try again", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One code. `api` is the family it belongs to; `sentence` says what it means and `advice` what to do next."""

    api: str
    code: str
    disposition: Disposition
    sentence: str
    advice: str


def disposition(code: str, *, message: str = "") -> Disposition:
    """What a code tells. The portal's `message` is needed for 5002 alone, which has two meanings."""
    row = table().get(code)
    if row is None:
        return Disposition.AMBIGUOUS
    if code in _TWO_FACED and _BREAKDOWN.search(message):
        return Disposition.AMBIGUOUS
    return row.disposition


def verdict(errors: Iterable[PortalError]) -> Disposition:
    """What an answer with several errors tells: the one that leaves most in doubt decides. None at all is ambiguous."""
    found = [disposition(error.code, message=error.message) for error in errors]
    return min(found, key=_WEIGHT.__getitem__, default=Disposition.AMBIGUOUS)


def explain(code: str) -> CodeRow | None:
    """What is known of a code, in our words, or None."""
    return table().get(code)


@lru_cache(maxsize=1)
def table() -> Mapping[str, CodeRow]:
    """All known codes. Read once from the package's data; a row with an unknown disposition raises ValueError."""
    text = resources.files("schemas").joinpath(*_TABLE_FILE).read_text(encoding="utf-8")
    return MappingProxyType({row["code"]: _row(row) for row in csv.DictReader(text.splitlines())})


def _row(row: Mapping[str, str]) -> CodeRow:
    return CodeRow(row["api"], row["code"], Disposition(row["disposition"]), row["sentence"], row["advice"])

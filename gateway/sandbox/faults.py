"""The menu of faults: what may go wrong between a client and the portal, by probability or for the next n calls.

A fault strikes one call. `refuse`, `throttle`, `drop_before` and `late` keep it from being served now;
`expire_session`, `ewb_fail`, `signing_unknown` and `wrong_document` change how it is served; the others spoil the
answer of a call that was served. `error_5xx`, `html` and `unknown_code` do either, by their member `after`.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from gateway.sandbox.wire import HTML_TYPE, DropStyle, Reply


class Kind(StrEnum):
    """Every kind of fault, by the name that `/_control` takes."""

    REFUSE = "refuse"
    """The connection is refused. A server that listens cannot do that: over a port it is aborted unanswered."""
    DROP_BEFORE = "drop_before"
    """Nothing is done, and the connection ends without an answer."""
    DROP_AFTER = "drop_after"
    """All is done, and the connection ends without an answer."""
    DELAY = "delay"
    """The answer comes `ms` later."""
    CUT = "cut"
    """The answer breaks off after byte `at` of its body."""
    GARBLE = "garble"
    """The answer's cipher text is damaged: it does not decrypt to JSON."""
    ERROR_5XX = "error_5xx"
    """502, 503 or 504 (or `status`)."""
    HTML = "html"
    """A page in HTML with status 200."""
    EXPIRE_SESSION = "expire_session"
    """The token is forgotten before the call is looked at: 1005."""
    THROTTLE = "throttle"
    """Too many calls: 429 with Retry-After."""
    WRONG_DOCUMENT = "wrong_document"
    """The call is served, and answered with another document's registration."""
    LATE = "late"
    """The connection ends without an answer, and the request is served `ms` later."""
    UNKNOWN_CODE = "unknown_code"
    """A failure with a code that is in no table."""
    EWB_FAIL = "ewb_fail"
    """The IRN is made, and the e-way bill fails with 4013."""
    SIGNING_UNKNOWN = "signing_unknown"
    """Signed by a key that is not published yet."""


EWAY_OPERATIONS: Final = (
    "ewb_login",
    "ewb_generate",
    "ewb_vehicle",
    "ewb_cancel",
    "ewb_reject",
    "ewb_extend",
    "ewb_transporter",
    "ewb_consolidate",
    "ewb_multi_begin",
    "ewb_multi_add",
    "ewb_multi_change",
    "ewb_close",
    "ewb_get",
    "ewb_get_by_document",
    "ewb_list",
    "ewb_trip_sheet",
    "ewb_gstin",
)
"""Those of the e-way bill system."""

OPERATIONS: Final = (
    "login",
    "generate",
    "get_irn",
    "get_by_document",
    "rejected_irns",
    "cancel",
    "bill_by_irn",
    "get_bill_by_irn",
    "gstin",
    "sync_gstin",
    "heartbeat",
    *EWAY_OPERATIONS,
)
"""The portal's calls, by the names that faults and the call log use."""

DEFAULT_OPERATIONS: Final = ("generate",)
DELAY_MS: Final = 2000
LATE_MS: Final = (1_000, 600_000)
"""How late a request lands when the fault does not say: up to ten minutes, as seen behind a slow gateway."""
RETRY_AFTER_SECONDS: Final = 5
UNKNOWN_CODE: Final = "7777"
GATEWAY_ERRORS: Final = (502, 503, 504)

_BLOCK_BYTES: Final = 16
_GARBLED_BLOCKS: Final = 3
"""Enough that a text which still parses by chance is beyond expectation."""

_CIPHER_TEXT: Final = re.compile(rb'"[Dd]ata":"([A-Za-z0-9+/=]+)"')
_PAGE: Final = b"<!DOCTYPE html><html><head><title>Notice</title></head><body><h1>Service notice</h1></body></html>"
_GATEWAY_TEXT: Final = {
    502: b'{"message": "Bad gateway"}',
    503: b'{"message": "Service unavailable"}',
    504: b'{"message": "Endpoint request timed out"}',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEntry:
    """One line of the menu. Either `probability` is given, or `times`: how many matching calls it still strikes."""

    kind: Kind
    probability: Decimal | None = None
    times: int | None = None
    operations: tuple[str, ...] = DEFAULT_OPERATIONS
    members: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The entry as `/_control` takes and tells it."""
        chance = {"probability": self.probability} if self.times is None else {"times": self.times}
        return {"kind": self.kind.value, **chance, "operations": list(self.operations), **self.members}


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A fault that hit a call, with everything random already decided."""

    kind: Kind
    ms: int = 0
    at: int | None = None
    after: bool = False
    status: int = 0
    code: str = UNKNOWN_CODE
    retry_after_seconds: int = RETRY_AFTER_SECONDS
    fabricate: bool = False
    drop_style: DropStyle = DropStyle.RESET


@dataclass(slots=True)
class Menu:
    """The entries in their order; the first that hits wins."""

    entries: list[FaultEntry] = field(default_factory=list)

    def strike(self, operation: str, rng: random.Random) -> Strike | None:
        """The fault that hits this call, if any."""
        for place, entry in enumerate(self.entries):
            if operation in entry.operations and self._hits(place, entry, rng):
                return _decided(entry, rng)
        return None

    def _hits(self, place: int, entry: FaultEntry, rng: random.Random) -> bool:
        if entry.times is None:
            return rng.random() < float(entry.probability or 0)
        if entry.times > 0:
            self.entries[place] = replace(entry, times=entry.times - 1)
            return True
        return False


def _decided(entry: FaultEntry, rng: random.Random) -> Strike:
    """Settle what the entry leaves open. Draws the same number of values whatever the entry gives."""
    style = rng.choice((DropStyle.RESET, DropStyle.CLOSED))
    after = rng.random() < 0.5  # noqa: PLR2004 - a fair coin
    status = rng.choice(GATEWAY_ERRORS)
    ms = rng.randint(*LATE_MS) if entry.kind is Kind.LATE else DELAY_MS
    given = entry.members
    return Strike(
        kind=entry.kind,
        ms=given.get("ms", ms),
        at=given.get("at"),
        after=given.get("after", after),
        status=given.get("status", status),
        code=given.get("code", UNKNOWN_CODE),
        retry_after_seconds=given.get("retry_after_seconds", RETRY_AFTER_SECONDS),
        fabricate=given.get("fabricate", False),
        drop_style=DropStyle(given.get("style", style)),
    )


UNSERVED: Final = frozenset({Kind.REFUSE, Kind.DROP_BEFORE, Kind.THROTTLE, Kind.LATE})
"""Kinds that keep a call from being served now."""

EITHER: Final = frozenset({Kind.ERROR_5XX, Kind.HTML, Kind.UNKNOWN_CODE})
"""Kinds that strike before or after the call is served, by their member `after`."""


def is_served(strike: Strike | None) -> bool:
    """Whether the portal does what the call asks, before anything is spoiled."""
    return strike is None or not (strike.kind in UNSERVED or (strike.kind in EITHER and not strike.after))


def spoil(reply: Reply, strike: Strike | None, rng: random.Random) -> Reply:
    """The reply as the fault leaves it."""
    spoiler = _SPOILERS.get(strike.kind) if strike is not None else None
    return spoiler(reply, strike, rng) if spoiler is not None and strike is not None else reply


def _refused(reply: Reply, strike: Strike, _rng: random.Random) -> Reply:
    return replace(reply, refused=True, body=b"", drop_style=strike.drop_style)


def _dropped(reply: Reply, strike: Strike, _rng: random.Random) -> Reply:
    return replace(reply, dropped=True, body=b"", drop_style=strike.drop_style)


def _delayed(reply: Reply, strike: Strike, _rng: random.Random) -> Reply:
    return replace(reply, delay_ms=reply.delay_ms + strike.ms)


def _cut(reply: Reply, strike: Strike, rng: random.Random) -> Reply:
    longest = max(0, len(reply.body) - 1)
    at = rng.randint(0, longest) if strike.at is None else min(strike.at, longest)
    return replace(reply, cut_at=at)


def _gateway_error(reply: Reply, strike: Strike, _rng: random.Random) -> Reply:
    return replace(reply, status=strike.status, body=_GATEWAY_TEXT.get(strike.status, b"{}"))


def _page(reply: Reply, _strike: Strike, _rng: random.Random) -> Reply:
    return replace(reply, status=200, headers=HTML_TYPE, body=_PAGE)


def _garbled(reply: Reply, _strike: Strike, rng: random.Random) -> Reply:
    found = _CIPHER_TEXT.search(reply.body)
    if found is None:
        return replace(reply, body=_damaged(reply.body, rng))
    cipher_text = base64.b64encode(_damaged(base64.b64decode(found[1]), rng))
    return replace(reply, body=reply.body[: found.start(1)] + cipher_text + reply.body[found.end(1) :])


def _damaged(raw: bytes, rng: random.Random) -> bytes:
    """The bytes with a few blocks replaced by others."""
    damaged = bytearray(raw)
    for _ in range(_GARBLED_BLOCKS):
        start = rng.randrange(0, max(1, len(damaged)), _BLOCK_BYTES)
        damaged[start : start + _BLOCK_BYTES] = rng.randbytes(len(damaged[start : start + _BLOCK_BYTES]))
    return bytes(damaged)


_SPOILERS: Final[Mapping[Kind, Callable[[Reply, Strike, random.Random], Reply]]] = {
    Kind.REFUSE: _refused,
    Kind.DROP_BEFORE: _dropped,
    Kind.DROP_AFTER: _dropped,
    Kind.LATE: _dropped,
    Kind.DELAY: _delayed,
    Kind.CUT: _cut,
    Kind.GARBLE: _garbled,
    Kind.ERROR_5XX: _gateway_error,
    Kind.HTML: _page,
}

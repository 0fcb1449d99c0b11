"""What always holds of the gateway's own tables, each under a name, and the parts of it that need no table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final

from gateway.domain import strict_json
from gateway.domain.lifecycle import NEVER_IN_DOUBT, TRANSITIONS
from gateway.domain.operations import Status
from gateway.domain.settlement import Event


class Name(StrEnum):
    """The names, which are labels of a measure too."""

    ONE_REGISTRATION = "one_registration"
    SIGNED_COPY = "signed_copy"
    ENDED_WITHOUT_EFFECT = "ended_without_effect"
    HISTORY = "history"
    KEYS = "keys"
    EVENTS = "events"
    DELIVERIES = "deliveries"
    ATTEMPTS = "attempts"
    AUDIT = "audit"
    LOGINS = "logins"
    WINDOWS = "windows"
    LEASES = "leases"
    MONEY = "money"


@dataclass(frozen=True, slots=True)
class Invariant:
    """What holds, and what to do where it does not."""

    says: str
    fix: str


_ENGINE: Final = "Nothing that was acknowledged is lost by that alone; keep the database as it is and report it."
_LEDGER: Final = "Run `mohar reconcile` for the taxpayer, which asks the portal; then report it."
_TOUCHED: Final = "Somebody changed the tables by other means than the gateway: compare with a backup."

INVARIANTS: Final[Mapping[Name, Invariant]] = {
    Name.ONE_REGISTRATION: Invariant(
        "A document's number is registered once, and each IRN is the SHA-256 of seller, year, type and number.", _LEDGER
    ),
    Name.SIGNED_COPY: Invariant("Whatever is registered has its signed copy and QR code, of the same number.", _LEDGER),
    Name.ENDED_WITHOUT_EFFECT: Invariant(
        "What was rejected, withdrawn or expired brought no document, and did not end in doubt.", _LEDGER
    ),
    Name.HISTORY: Invariant(
        "The records of an operation are a path through the lifecycle, one version at a time, to where it stands.",
        _TOUCHED,
    ),
    Name.KEYS: Invariant("An idempotency key leads to an operation of its client's own organisation.", _ENGINE),
    Name.EVENTS: Invariant("Each transition that is announced has one event, for 90 days.", _ENGINE),
    Name.DELIVERIES: Invariant(
        "A delivery has a row for each attempt; one that is dead is on record, and a delivered one was taken.", _ENGINE
    ),
    Name.ATTEMPTS: Invariant("Attempts are numbered without a gap, each on record before its call.", _TOUCHED),
    Name.AUDIT: Invariant(
        "Each seal names the one before, its root is its leaves', and records are unchanged.", _TOUCHED
    ),
    Name.LOGINS: Invariant("No taxpayer was logged in more than four times within 15 minutes.", _ENGINE),
    Name.WINDOWS: Invariant("Nothing was begun after its legal window, but look-ups of what is in doubt.", _ENGINE),
    Name.LEASES: Invariant("What is being submitted is leased, and a lease has its holder and its end.", _ENGINE),
    Name.MONEY: Invariant("Every amount that goes to the portal equals what the client wrote.", _ENGINE),
}

ELSEWHERE: Final[Mapping[str, str]] = {
    "Whatever a client was told is stored": "needs the clients' own logs; `make soak` compares them",
    "The portal's ledger and ours agree": "needs the portal's; `mohar reconcile` asks it",
    "Receivers got each delivery, signed, in its time": "needs the receivers' logs; `make soak` compares them",
    "Nobody sees what is another's, and no secret is in the clear": "needs callers; the tests try it",
    "Redis may vanish at any moment; what is begun comes to an end": "needs faults; `make soak` makes them",
}
"""What no table can tell, and what does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A record of an operation's history: what happened, and what it became. No event: it was accepted."""

    version: int | None
    event: str | None
    status: str
    in_doubt: bool = False


def flaw_of_history(steps: Sequence[Step], *, status: str, version: int) -> str | None:
    """Where the steps leave the lifecycle's table, or do not lead to how the operation stands; None: nowhere."""
    if not steps or steps[0].event is not None:
        return "its history does not begin with its acceptance"
    if [step.version for step in steps] != list(range(1, len(steps) + 1)):
        return f"the versions of its history are {[step.version for step in steps]}"
    here, in_doubt = Status.QUEUED, False
    for step in steps[1:]:
        in_doubt = in_doubt or step.in_doubt
        following = _following(here, step.event)
        if following is None or following != step.status:
            return f"'{step.event}' made {step.status} of {here}, which the lifecycle does not know"
        if in_doubt and step.event in NEVER_IN_DOUBT:
            return f"'{step.event}' ended it in doubt"
        here = following
    if (here, len(steps)) != (status, version):
        return f"its history ends as {here} in version {len(steps)}, and it stands as {status} in {version}"
    return None


def _following(here: Status, event: str | None) -> Status | None:
    known = {each.value: each for each in Event}
    return TRANSITIONS.get((here, known[event])) if event in known else None


def flaw_of_money(request: bytes, payload: bytes) -> str | None:
    """The first number of the payload that is not what the client wrote in its place; None: there is none.

    Places are compared without letter-case, and numbers that a client wrote as text count as numbers.
    """
    written = dict(_leaves(strict_json.read(request), ""))
    for place, sent in _leaves(strict_json.read(payload), ""):
        if not isinstance(sent, Decimal | int) or isinstance(sent, bool) or place not in written:
            continue
        if _number(written[place]) != sent:
            return f"{place} was sent as {sent}, and is not what the client wrote"
    return None


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _leaves(member, f"{place}/{name.casefold()}")
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            yield from _leaves(member, f"{place}/{index}")
    else:
        yield place, value


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return Decimal(str(value).strip())
    except InvalidOperation:
        return None

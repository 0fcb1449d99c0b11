"""What the protocols of all kinds share: one attempt's talk with a portal, and what its Noes mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from gateway.domain import strict_json
from gateway.domain.operations import HoldCause, Operation
from gateway.domain.outcomes import Meaning, Outcome
from gateway.irp import codes, envelope, portal_json
from gateway.irp.codes import Disposition
from gateway.irp.endpoints import Endpoint
from gateway.irp.exchange import Exchange, Told
from gateway.irp.signatures import KeyStore

CALL: Final = "call"
LOOK_UP: Final = "look_up"

REFUSALS: Final[Mapping[Disposition, Outcome]] = {
    Disposition.REFUSED: Outcome(meaning=Meaning.REFUSED, lasting=True),
    Disposition.GSTIN_UNSYNCED: Outcome(meaning=Meaning.REFUSED, lasting=True),
    Disposition.STATE: Outcome(meaning=Meaning.REFUSED),
    Disposition.CREDENTIALS: Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.CREDENTIALS),
    Disposition.ACCOUNT: Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.ACCOUNT),
    Disposition.QUOTA: Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.QUOTA),
    Disposition.RETRY: Outcome(meaning=Meaning.UNREACHED),
}
"""A No of the portal to a call, whatever is not in here being in doubt."""
LOOK_UP_ANSWERS: Final[Mapping[Disposition, Outcome]] = {
    Disposition.ABSENT: Outcome(meaning=Meaning.ABSENT),
    Disposition.TOO_OLD: Outcome(meaning=Meaning.UNREADABLE),
    Disposition.CREDENTIALS: REFUSALS[Disposition.CREDENTIALS],
    Disposition.ACCOUNT: REFUSALS[Disposition.ACCOUNT],
    Disposition.QUOTA: REFUSALS[Disposition.QUOTA],
    Disposition.RETRY: REFUSALS[Disposition.RETRY],
}
"""A No of the portal to a look-up. A refused look-up tells nothing of what was asked."""

Answer = Told | envelope.Failure | Outcome
"""The portal's Yes, its No, or what came instead of either."""


@dataclass(frozen=True)
class Matter:
    """What a talk is about: enough to read an answer by."""

    operation: Operation
    payload: bytes
    keys: KeyStore

    @cached_property
    def asked(self) -> Mapping[str, Any]:
        """What the portal is asked, read."""
        asked: Mapping[str, Any] = strict_json.read(self.payload)
        return asked

    @property
    def irn(self) -> str:
        """The IRN that it is about. Raises ValueError when its kind should have one and it has none."""
        if self.operation.irn is None:
            raise ValueError(f"{self.operation.id} names no IRN")
        return self.operation.irn


@dataclass(frozen=True)
class Talk(Matter):
    """One attempt, and the line to speak over. `keep_lease` is called before every wire call."""

    kept_answer: bytes | None
    exchange: Exchange
    keep_lease: Callable[[], None]
    learnt: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the portal told of taxpayers on the way, by GSTIN."""

    def ask(self, endpoint: Endpoint, *, key: str = "", params: Mapping[str, str] | None = None) -> Answer:
        """A question that changes nothing at the portal."""
        return self.exchange.ask(endpoint, key=key, params=params, keep_lease=self.keep_lease)

    def send(self, endpoint: Endpoint) -> Answer:
        """The request itself."""
        return self.exchange.ask(endpoint, payload=self.payload, keep_lease=self.keep_lease)


def meant(answer: envelope.Failure, table: Mapping[Disposition, Outcome]) -> Outcome:
    """What a No means by a table, with the portal's own codes and sentences."""
    outcome = table.get(codes.verdict(answer.errors), Outcome(meaning=Meaning.UNKNOWN))
    return replace(
        outcome,
        code=",".join(dict.fromkeys(error.code for error in answer.errors)),
        message="; ".join(dict.fromkeys(error.message for error in answer.errors)),
    )


def has_code(answer: envelope.Failure, known: frozenset[str]) -> bool:
    """Whether a No names one of these codes."""
    return any(error.code in known for error in answer.errors)


def members(told: Told) -> dict[str, Any] | None:
    """What a Yes says, its members under lower-case names; None when it is no object."""
    try:
        return portal_json.members(portal_json.read(told.data))
    except ValueError:
        return None


def unknown(told: Told, message: str) -> Outcome:
    """A Yes that nobody can make sense of."""
    return Outcome(meaning=Meaning.UNKNOWN, message=message, evidence=told.data)

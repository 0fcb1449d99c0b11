"""The calls of one attempt, and what their answers mean: the only place that decides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.domain import strict_json
from gateway.domain.operations import HoldCause, Kind
from gateway.domain.outcomes import Meaning, Outcome
from gateway.irp import codes, endpoints, envelope, reading
from gateway.irp.codes import Disposition
from gateway.irp.endpoints import Endpoint
from gateway.irp.exchange import Exchange, Told
from gateway.irp.signatures import KeyStore
from gateway.ports import Attempt

CALL: Final = "call"
LOOK_UP: Final = "look_up"


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a kind of operation is spoken: the call, and what a look-up asks for."""

    call: Endpoint
    by_document: Endpoint
    by_irn: Endpoint


PROTOCOLS: Final[Mapping[Kind, Protocol]] = {
    Kind.IRN_GENERATE: Protocol(
        call=endpoints.GENERATE_IRN, by_document=endpoints.GET_IRN_BY_DOCUMENT, by_irn=endpoints.GET_IRN
    ),
}

_REFUSALS: Final[Mapping[Disposition, Outcome]] = {
    Disposition.REFUSED: Outcome(meaning=Meaning.REFUSED),
    Disposition.GSTIN_UNSYNCED: Outcome(meaning=Meaning.REFUSED),
    Disposition.STATE: Outcome(meaning=Meaning.REFUSED),
    Disposition.CREDENTIALS: Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.CREDENTIALS),
    Disposition.ACCOUNT: Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.ACCOUNT),
    Disposition.QUOTA: Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.QUOTA),
    Disposition.RETRY: Outcome(meaning=Meaning.UNREACHED),
}
"""A No of the portal to a call, whatever is not in here being in doubt."""
_LOOK_UP_ANSWERS: Final[Mapping[Disposition, Outcome]] = {
    Disposition.ABSENT: Outcome(meaning=Meaning.ABSENT),
    Disposition.TOO_OLD: Outcome(meaning=Meaning.UNREADABLE),
    Disposition.CREDENTIALS: _REFUSALS[Disposition.CREDENTIALS],
    Disposition.ACCOUNT: _REFUSALS[Disposition.ACCOUNT],
    Disposition.QUOTA: _REFUSALS[Disposition.QUOTA],
    Disposition.RETRY: _REFUSALS[Disposition.RETRY],
}
"""A No of the portal to a look-up. A refused look-up tells nothing of the document."""


class PortalConversation:
    """Implements `ports.Conversation`."""

    def __init__(self, exchange: Exchange, keys: KeyStore) -> None:
        self._exchange = exchange
        self._keys = keys

    def call(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:
        """See `ports.Conversation`. A duplicate is fetched and compared at once."""
        protocol = PROTOCOLS[attempt.operation.kind]
        answer = self._exchange.ask(protocol.call, payload=attempt.payload, keep_lease=keep_lease)
        if isinstance(answer, Told):
            return reading.read(answer, _document(attempt), self._keys, found_by=CALL)
        if isinstance(answer, Outcome):
            return answer
        if codes.verdict(answer.errors) is Disposition.DUPLICATE:
            return self._existing(attempt, protocol, answer, keep_lease)
        return _meant(answer, _REFUSALS)

    def look_up(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:
        """See `ports.Conversation`. An answer that was kept for want of its key is read again first."""
        document = _document(attempt)
        if attempt.kept_answer is not None:
            kept = reading.read(Told(attempt.kept_answer, envelope.Info()), document, self._keys, found_by=LOOK_UP)
            if kept.meaning is not Meaning.UNKNOWN:
                return kept
        details = document["DocDtls"]
        answer = self._exchange.ask(
            PROTOCOLS[attempt.operation.kind].by_document,
            params={"doctype": details["Typ"], "docnum": details["No"], "docdate": details["Dt"]},
            keep_lease=keep_lease,
        )
        return self._found(answer, document)

    def _existing(
        self, attempt: Attempt, protocol: Protocol, refusal: envelope.Failure, keep_lease: Callable[[], None]
    ) -> Outcome:
        """Fetch what stands under our number. Whatever keeps us from seeing it leaves us in doubt."""
        known = refusal.info.duplicate()
        irn = known.irn if known is not None else attempt.operation.irn
        answer = self._exchange.ask(protocol.by_irn, key=irn, keep_lease=keep_lease)
        found = self._found(answer, _document(attempt))
        if found.meaning in (Meaning.REGISTERED, Meaning.CONFLICT, Meaning.UNVERIFIED):
            return found
        error = refusal.errors[0]
        elsewhere = found.meaning is Meaning.ABSENT and known is not None and known.irp is not None
        lasting = Meaning.UNREADABLE if elsewhere or found.meaning is Meaning.UNREADABLE else Meaning.UNKNOWN
        return Outcome(
            meaning=lasting,
            code=error.code,
            message=f"Registered already ({error.message}), but it could not be read back: {found.message}",
            retry_after_seconds=found.retry_after_seconds,
        )

    def _found(self, answer: Told | envelope.Failure | Outcome, document: Mapping[str, Any]) -> Outcome:
        if isinstance(answer, Told):
            return reading.read(answer, document, self._keys, found_by=LOOK_UP)
        if isinstance(answer, Outcome):
            return answer
        return _meant(answer, _LOOK_UP_ANSWERS)


def _meant(answer: envelope.Failure, table: Mapping[Disposition, Outcome]) -> Outcome:
    outcome = table.get(codes.verdict(answer.errors), Outcome(meaning=Meaning.UNKNOWN))
    return replace(
        outcome,
        code=",".join(dict.fromkeys(error.code for error in answer.errors)),
        message="; ".join(dict.fromkeys(error.message for error in answer.errors)),
    )


def _document(attempt: Attempt) -> Mapping[str, Any]:
    document: Mapping[str, Any] = strict_json.read(attempt.payload)
    return document

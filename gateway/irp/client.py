"""One attempt's conversation: the calls that the kind's protocol makes, at a time at which they may be made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from gateway.domain.kinds import KINDS
from gateway.domain.lifecycle import TOO_LATE_CODE
from gateway.domain.operations import Operation
from gateway.domain.outcomes import Meaning, Outcome
from gateway.irp.exchange import Exchange
from gateway.irp.protocols import PROTOCOLS
from gateway.irp.signatures import KeyStore
from gateway.irp.talk import Talk
from gateway.ports import Attempt, Clock

SKEW_SECONDS_MAX: Final = 60
"""Between the portal's clock and ours: half of the margin before a window closes."""


class PortalConversation:
    """Implements `ports.Conversation`."""

    def __init__(self, exchange: Exchange, keys: KeyStore, clock: Clock) -> None:
        self._exchange = exchange
        self._keys = keys
        self._clock = clock

    def call(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:
        """See `ports.Conversation`. Nothing is sent past its legal deadline, whatever it waited for.

        The portal's clock decides, where it has told its time; where the two are far apart, nobody can say when a
        window closes, and what has one waits for an operator to set ours.
        """
        untimely = self._untimely(attempt.operation, keep_lease)
        if untimely is not None:
            self._exchange.dismiss_permits()
            return untimely
        told = PROTOCOLS[attempt.operation.kind].call(self._talk(attempt, keep_lease))
        return replace(told, errors_told=self._exchange.errors_told)

    def look_up(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:
        """See `ports.Conversation`."""
        found = PROTOCOLS[attempt.operation.kind].look_up(self._talk(attempt, keep_lease))
        if found.meaning is not Meaning.ABSENT or not attempt.operation.may_send:
            self._exchange.dismiss_permits()  # it is not sent now
        return replace(found, errors_told=self._exchange.errors_told)

    def _untimely(self, operation: Operation, keep_lease: Callable[[], None]) -> Outcome | None:
        if operation.deadline_at is None:
            return None
        has_window = KINDS[operation.kind].window is not None
        if has_window and abs(self._exchange.skew_seconds() or 0.0) > SKEW_SECONDS_MAX:
            keep_lease()
            self._exchange.ask_time()  # one of the two may have been set since
        skew = self._exchange.skew_seconds() or 0.0
        if has_window and abs(skew) > SKEW_SECONDS_MAX:
            message = f"The portal's clock and ours differ by {skew:.0f} s: set ours, or the window may be missed."
            return Outcome(meaning=Meaning.UNREACHED, code="clocks-apart", message=message, retry_after_seconds=60)
        if self._clock.now() + timedelta(seconds=skew) < operation.deadline_at:
            return None
        message = "The legal time for it was over before it could be sent."
        return Outcome(meaning=Meaning.TOO_LATE, code=TOO_LATE_CODE, message=message)

    def _talk(self, attempt: Attempt, keep_lease: Callable[[], None]) -> Talk:
        return Talk(
            operation=attempt.operation,
            payload=attempt.payload,
            kept_answer=attempt.kept_answer,
            exchange=self._exchange,
            keys=self._keys,
            keep_lease=keep_lease,
        )

"""One attempt's conversation: the calls that the kind's protocol makes, at a time at which they may be made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from gateway.domain import lifecycle
from gateway.domain.kinds import KINDS
from gateway.domain.operations import Operation
from gateway.domain.outcomes import Meaning, Outcome
from gateway.irp.exchange import Exchange
from gateway.irp.protocols import PROTOCOLS
from gateway.irp.signatures import KeyStore
from gateway.irp.talk import Talk
from gateway.ports import Attempt, Clock, PutOff

log = logging.getLogger(__name__)

SKEW_SECONDS_MAX: Final = 60
"""So far from ours, in seconds, the portal's clock is believed: half of the margin before a window closes. Ours agrees
with the database's. A `Date` that is further away comes from a cache, a proxy or a clock that nobody sets, and a single
header may not end an operation for good."""
CLOCKS_LOOK_SECONDS: Final = 60
"""So often it is looked whether the clocks agree again; an hour's wait out of a window of 24 loses a minute."""


class PortalConversation:
    """Implements `ports.Conversation`."""

    def __init__(self, exchange: Exchange, keys: KeyStore, clock: Clock) -> None:
        self._exchange = exchange
        self._keys = keys
        self._clock = clock

    @property
    def errors_told(self) -> int:
        """See `ports.Conversation`."""
        return self._exchange.errors_told

    def call(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:
        """See `ports.Conversation`. Nothing is sent past its legal deadline, whatever it waited for.

        The portal's clock decides, where it has told its time and can be believed. Where the two are far apart nobody
        can say when a window of hours closes, and what has one waits; what has days goes by ours, and the portal says
        itself if that is too late.
        """
        untimely = self._untimely(attempt.operation, keep_lease)
        if untimely is not None:
            self._exchange.dismiss_permits()
            return untimely
        talk = self._talk(attempt, keep_lease)
        told = PROTOCOLS[attempt.operation.kind].call(talk)
        return replace(told, taxpayers=talk.learnt)

    def put_off(self, operation: Operation, *, keep_lease: Callable[[], None]) -> PutOff | None:
        """See `ports.Conversation`. What has a window waits here for clocks that agree; one in doubt is looked up."""
        if operation.in_doubt or operation.deadline_at is None:
            return None
        apart = self._apart(operation, keep_lease)
        if apart is None:
            return None
        self._exchange.dismiss_permits()
        return PutOff(CLOCKS_LOOK_SECONDS, lifecycle.CLOCKS_APART_CODE, apart)

    def look_up(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:
        """See `ports.Conversation`."""
        found = PROTOCOLS[attempt.operation.kind].look_up(self._talk(attempt, keep_lease))
        if found.meaning is not Meaning.ABSENT or not attempt.operation.may_send:
            self._exchange.dismiss_permits()  # it is not sent now
        return found

    def _untimely(self, operation: Operation, keep_lease: Callable[[], None]) -> Outcome | None:
        if operation.deadline_at is None:
            return None
        apart = self._apart(operation, keep_lease)
        if apart is not None:
            return Outcome(meaning=Meaning.UNREACHED, code=lifecycle.CLOCKS_APART_CODE, message=apart)
        skew = self._skew_seconds(operation)
        believed = skew if abs(skew) <= SKEW_SECONDS_MAX else 0.0
        if self._clock.now() + timedelta(seconds=believed) < operation.deadline_at:
            return None
        message = "The legal time for it was over before it could be sent."
        return Outcome(meaning=Meaning.TOO_LATE, code=lifecycle.TOO_LATE_CODE, message=message)

    def _apart(self, operation: Operation, keep_lease: Callable[[], None]) -> str | None:
        """For what has a window: that the clocks are too far apart for it, in words; None: they agree."""
        if KINDS[operation.kind].window is None or abs(self._skew_seconds(operation)) <= SKEW_SECONDS_MAX:
            return None
        keep_lease()
        asked = self._exchange.ask_time(PROTOCOLS[operation.kind].system)  # one of the two may have been set since
        skew = self._skew_seconds(operation)
        if abs(skew) <= SKEW_SECONDS_MAX:
            return None
        if asked:
            log.warning("portal's clock is apart, what has a window waits", extra={"seconds": round(skew)})
        return f"The portal's clock and ours differ by {abs(skew):.0f} s: nobody can say when the window closes."

    def _skew_seconds(self, operation: Operation) -> float:
        return self._exchange.skew_seconds(PROTOCOLS[operation.kind].system) or 0.0

    def _talk(self, attempt: Attempt, keep_lease: Callable[[], None]) -> Talk:
        return Talk(
            operation=attempt.operation,
            payload=attempt.payload,
            kept_answer=attempt.kept_answer,
            exchange=self._exchange,
            keys=self._keys,
            keep_lease=keep_lease,
        )

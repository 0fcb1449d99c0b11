"""A permit for every call at the wire, of every kind: look-ups and logins too."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.token_bucket import Limit
from gateway.irp import codes, endpoints, envelope
from gateway.irp.codes import Disposition
from gateway.irp.wire import HTTP_TOO_MANY, Reply, retry_after
from gateway.ports import Caller, Clock, Limiter, LimiterAwayError, Route, scope_of

PATIENCE_SECONDS: Final = 5.0
"""How long a direct call that was claimed waits for its permit. Well below what its lease has left."""
BULK_PATIENCE_SECONDS: Final = 1.0
"""Queued work waits less: its thread is of more use to another seller."""
LATER_PATIENCE_SECONDS: Final = 20.0
"""How long a later call of an attempt waits for its own permit, such as the one after a login."""
PLANNED_PATIENCE_SECONDS: Final = 600.0
"""How long a planned call waits, such as the send after a look-up: it was promised the next permit. To give up would
mean to look up again, for ever where a limit is slower than that. Its lease is renewed meanwhile."""
PROMISE_AGAIN_SECONDS: Final = 20.0
"""A promise is renewed so often while it is waited for: it ends after a minute."""
PLANNED_AGAIN_SECONDS: Final = 1.0
"""A row whose planned call found no permit is taken up again so soon: its plan then tells how long its lane waits."""
NAP_SECONDS_MAX: Final = 1.0
"""Between two looks at the limit, and at the lease: it may have been changed, or another promise given up meanwhile."""
NAP_SECONDS_MIN: Final = 0.02
"""Those who wait for one permit ask for it no more often than that."""
ACCOUNT_PAUSE_SECONDS: Final = 1
"""A throttle answer names nobody. If the account as a whole was meant, its other sellers will be told so themselves."""
SELLER_KEEPS_PERMILLE: Final = 500
"""A throttled seller goes on at half its speed."""
ACCOUNT_KEEPS_PERMILLE: Final = 900
"""Its account hardly slower: if it was meant, the throttles of its other sellers add up."""
LIMITER_AWAY_SECONDS: Final = 1
"""When the limiter cannot be asked nothing is allowed, and it is asked again after so long."""
_REFUSED: Final = range(400, 500)
"""A portal, or what stands before it, refuses a call by HTTP alone too. NIC counts unsuccessful calls and does not say
in which form: what is counted in vain stops a caller early, what is not counted may block a taxpayer for days. 5xx is
the portal's own breakdown."""
_THROTTLES: Final = frozenset({Disposition.THROTTLED, Disposition.QUOTA})
_ACCOUNT: Final = ":account"


def names(route: Route, gstin: str, *classes: str) -> dict[str, str]:
    """The names of a seller's buckets on a route by what each limits: the account, the seller, these classes of calls.

    Those alone that the route has a limit for; the account's alone for a call that is for no seller, whose GSTIN is
    empty. One tag: a Redis Cluster keeps them together.
    """
    tag = f"{{{route.gsp_account}}}"
    own = {kind: f"{tag}:{kind}:{gstin}" for kind in ("gstin", *classes)} if gstin else {}
    return {kind: name for kind, name in {"account": f"{tag}{_ACCOUNT}", **own}.items() if kind in route.limits}


def buckets(route: Route, gstin: str, *classes: str) -> dict[str, Limit]:
    """The buckets that calls of these classes count in: the account's, the seller's, and that of each class."""
    return {name: route.limits[kind] for kind, name in names(route, gstin, *classes).items()}


class Permits:
    """The permits of one conversation: promised before it begins, and taken at the wire, call by call.

    Whoever waits for one goes by what `latest` says of the route's limits meanwhile.
    """

    def __init__(self, limiter: Limiter, clock: Clock, latest: Callable[[], Route], caller: Caller) -> None:
        self._limiter = limiter
        self._clock = clock
        self._latest = latest
        self._route = latest()
        self._caller = caller
        self._planned: list[str] = []
        self.errors_told = 0
        """Answers so far that were errors."""
        self._no_room: Mapping[str, Limit] | None = None
        """The buckets that had no room for the last call, where it did not go out for that."""
        self.limiter_away = False
        """Whether the last call did not go out because nobody could say whether it may."""

    def plan(self, *calls: str, patience_seconds: float) -> float:
        """Have a permit promised for the first of these calls. 0, or the seconds until it makes sense to ask again.

        For each call after it one is promised when the one before goes out.
        """
        ends_at = self._clock.monotonic() + patience_seconds
        try:
            while (wait := self._promise(calls[0], patience_seconds=0)) > 0:
                if self._clock.monotonic() + wait > ends_at:
                    return wait
                self._nap(wait)
        except LimiterAwayError:
            return float(LIMITER_AWAY_SECONDS)
        self._planned = list(calls)
        return 0.0

    def dismiss(self) -> None:
        """What was planned does not come about."""
        self._planned.clear()
        if self._caller.promise is None:
            return
        try:
            self._limiter.dismiss(self._buckets(*endpoints.CLASSES), self._caller)
        except LimiterAwayError:  # the promise ends by itself
            return

    def use(self, call: str, keep_lease: Callable[[], None]) -> Outcome | None:
        """A permit for a call that goes out now, waited for. An Outcome instead when there is none.

        Raises LeaseLostError.
        """
        patience = PLANNED_PATIENCE_SECONDS if self._planned else LATER_PATIENCE_SECONDS
        self._no_room, self.limiter_away = None, False
        try:
            wait = self._take(call, patience, keep_lease=keep_lease)
            if wait == 0:
                return None
            self._no_room = self._buckets(call)
        except LimiterAwayError:
            wait, self.limiter_away = float(LIMITER_AWAY_SECONDS), True
        if self._waits_when_planned(call):
            wait = PLANNED_AGAIN_SECONDS
        self.dismiss()
        away = "The gateway cannot tell whether a call is allowed."
        return Outcome(
            meaning=Meaning.UNREACHED,
            message=away if self.limiter_away else "The shared limit has no room just now.",
            retry_after_seconds=max(1, round(wait)),
        )

    def soon(self, call: str) -> bool:
        """Whether there is a permit within a moment, for a call that goes out then or is left undone."""
        try:
            return self._take(call, BULK_PATIENCE_SECONDS, keep_lease=no_lease) == 0
        except LimiterAwayError:
            return False

    def tightest(self) -> str | None:
        """Whose bucket had no room for the last call, `gstin` or `account`; None where it was not for that."""
        if self._no_room is None:
            return None
        try:
            return scope_of(self._limiter.levels(self._no_room))
        except LimiterAwayError:  # gone since
            return scope_of({})

    def heard(self, reply: Reply, answer: envelope.Answer, call: str) -> int | None:
        """Count an answer that is an error, and slow down where it says that it is too much, in whichever way.

        The seconds for which it wants no more; None when it does not say that.
        """
        if isinstance(answer, envelope.Success):
            return None
        self.errors_told += isinstance(answer, envelope.Failure) or reply.status in _REFUSED
        seconds = retry_after(reply.headers, at=self._clock.now())
        if seconds is None and _is_too_much(reply, answer):
            seconds = codes.THROTTLED_WAIT_SECONDS
        if seconds is not None:
            self._punish(seconds, call)
        return seconds

    def _punish(self, seconds: int, call: str) -> None:
        """The portal said that it is too much: this seller waits for so long, the others of the account a moment."""
        try:
            for name, limit in self._buckets(call).items():
                shared = name.endswith(_ACCOUNT)
                self._limiter.drain(
                    {name: limit},
                    seconds=min(seconds, ACCOUNT_PAUSE_SECONDS) if shared else seconds,
                    keep_permille=ACCOUNT_KEEPS_PERMILLE if shared else SELLER_KEEPS_PERMILLE,
                )
        except LimiterAwayError:  # then nobody gets a permit anyway
            return

    def _waits_when_planned(self, call: str) -> bool:
        """Whether planning anew tells how long this call waits: then its lane waits, which a raised limit frees."""
        return bool(self._planned) and self._buckets(call).keys() <= self._buckets(self._planned[0]).keys()

    def _take(self, call: str, patience_seconds: float, *, keep_lease: Callable[[], None]) -> float:
        """0 once there was a permit within the patience, else the seconds until it makes sense to ask again.

        Raises LimiterAwayError.
        """
        ends_at = self._clock.monotonic() + patience_seconds
        promised_at = self._clock.monotonic()
        while True:
            keep_lease()
            wait = self._limiter.take(self._buckets(call), replace(self._caller, call=call))
            if wait == 0:
                self._went_out(call)
                return 0.0
            if self._clock.monotonic() + wait > ends_at:
                return wait
            if self._planned and self._clock.monotonic() - promised_at > PROMISE_AGAIN_SECONDS:
                promised_at = self._clock.monotonic()
                self._promise(call, patience_seconds=math.inf)
            self._nap(wait)

    def _went_out(self, call: str) -> None:
        """The promise is spent. A call that was not planned, such as a login, went in the place of one that was."""
        if self._planned and self._planned[0] == call:
            self._planned.pop(0)
        if self._planned:
            with contextlib.suppress(LimiterAwayError):  # this call has its permit; the next one stands in the queue
                self._promise(self._planned[0], patience_seconds=math.inf)

    def _promise(self, call: str, *, patience_seconds: float) -> float:
        return self._limiter.promise(self._buckets(call), self._caller, patience_seconds=patience_seconds)

    def _nap(self, wait: float) -> None:
        self._clock.sleep(min(max(wait, NAP_SECONDS_MIN), NAP_SECONDS_MAX))
        self._route = self._latest()

    def _buckets(self, *classes: str) -> Mapping[str, Limit]:
        return buckets(self._route, self._caller.gstin, *classes)


def no_lease() -> None:
    """Keeps nothing: an enquiry holds no row, and what waits a second at most need not renew its lease."""


def _is_too_much(reply: Reply, answer: envelope.Answer) -> bool:
    errors = answer.errors if isinstance(answer, envelope.Failure) else ()
    told = {codes.disposition(error.code, message=error.message) for error in errors}
    return reply.status == HTTP_TOO_MANY or not told.isdisjoint(_THROTTLES)

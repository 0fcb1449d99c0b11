"""A permit for every call at the wire, of every kind: look-ups and logins too."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.token_bucket import Limit
from gateway.ports import Clock, Limiter, LimiterAwayError, Route

PATIENCE_SECONDS = 5.0
"""How long a call that is under way waits for its permit. Well below what its lease has left."""
LATER_PATIENCE_SECONDS = 20.0
"""How long a later call of an attempt waits for its own: the send after a look-up must get one also where a limit gives
one in ten seconds, or the look-up is repeated for ever."""
BULK_PATIENCE_SECONDS = 1.0
"""Queued work reserves less far ahead, so that a direct call finds room within its caller's patience."""
ACCOUNT_PAUSE_SECONDS = 1
"""A throttle answer names nobody. If the account as a whole was meant, its other sellers will be told so themselves."""
_ACCOUNT = ":account"
LIMITER_AWAY_SECONDS = 1
"""When the limiter cannot be asked nothing is allowed, and it is asked again after so long."""


def buckets(route: Route, gstin: str) -> dict[str, Limit]:
    """The buckets that a call of a seller on a route counts in. One tag: a Redis Cluster keeps them together."""
    tag = f"{{{route.gsp_account}}}"
    named = {"account": f"{tag}{_ACCOUNT}", "gstin": f"{tag}:gstin:{gstin}"}
    return {name: route.limits[kind] for kind, name in named.items() if kind in route.limits}


class Permits:
    """The permits of one conversation. One may have been taken for it beforehand."""

    def __init__(self, limiter: Limiter, clock: Clock, wanted: Mapping[str, Limit]) -> None:
        self._limiter = limiter
        self._clock = clock
        self._wanted = wanted
        self._prepaid = 0

    def prepay(self, *, patience_seconds: float) -> float:
        """Take the first call's permit now. 0, or the seconds until it makes sense to ask again."""
        wait = self._take(patience_seconds)
        if wait is None:
            self._prepaid = 1
            return 0.0
        return wait

    def use(self) -> Outcome | None:
        """A permit for the next call, waited for. An Outcome instead when there is none."""
        if self._prepaid:
            self._prepaid = 0
            return None
        wait = self._take(LATER_PATIENCE_SECONDS)
        if wait is None:
            return None
        return Outcome(
            meaning=Meaning.UNREACHED,
            message="The shared limit has no room just now.",
            retry_after_seconds=max(1, round(wait)),
        )

    def punish(self, seconds: int) -> None:
        """The portal said that it is too much: this seller waits for so long, the others of the account a moment."""
        try:
            for name, limit in self._wanted.items():
                shared = name.endswith(_ACCOUNT)
                self._limiter.drain({name: limit}, seconds=min(seconds, ACCOUNT_PAUSE_SECONDS) if shared else seconds)
        except LimiterAwayError:  # then nobody gets a permit anyway
            return

    def _take(self, patience_seconds: float) -> float | None:
        try:
            wait = self._limiter.take(self._wanted, patience_seconds=patience_seconds)
            if wait is None:
                return self._limiter.wait(self._wanted)
        except LimiterAwayError:
            return float(LIMITER_AWAY_SECONDS)
        if wait > 0:
            self._clock.sleep(wait)
        return None

"""One authenticated call: permit, session, cipher, and one repeat when the session turns out to have ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gateway.domain.outcomes import Meaning, Outcome
from gateway.irp import codes, crypto, endpoints, envelope
from gateway.irp.codes import Disposition
from gateway.irp.dialect import JSON, Dialect
from gateway.irp.dialects import DIALECTS
from gateway.irp.endpoints import Endpoint
from gateway.irp.permits import Permits
from gateway.irp.session import Sessions
from gateway.irp.wire import HTTP_TOO_MANY, LostError, Reply, UnreachedError, Wire
from gateway.ports import PortalAccount, Route, Session


@dataclass(frozen=True, slots=True)
class Told:
    """A success: what the portal said, decrypted, and the blocks beside it."""

    data: bytes = field(repr=False)
    info: envelope.Info


class Exchange:
    """The calls of one account on one route, within one attempt. Not shared between threads."""

    def __init__(
        self, *, route: Route, account: PortalAccount, sessions: Sessions, wire: Wire, permits: Permits
    ) -> None:
        self.route = route
        self._account = account
        self._sessions = sessions
        self._wire = wire
        self._permits = permits

    def skew_seconds(self, system: str) -> float | None:
        """By how much the clock of a system's host is ahead of ours; None while nothing is known of it."""
        return self._wire.clocks.skew_seconds(endpoints.url(self.route, endpoints.TELLS_TIME[system]))

    def ask_time(self, system: str) -> bool:
        """Read the clock of a system's host anew, without a session. False: there is no permit, or it was just read."""
        url = endpoints.url(self.route, endpoints.TELLS_TIME[system])
        if not self._wire.clocks.may_ask(url):
            return False
        if not self._permits.soon(endpoints.SIGN_OF_LIFE):
            self._wire.clocks.was_not_asked(url)
            return False
        headers = DIALECTS[system].headers(self.route, self._account, None) | {"Cache-Control": "no-cache"}
        with contextlib.suppress(UnreachedError, LostError):  # then what was known before still stands
            self._wire.send("GET", url, headers=headers, params={}, body=None)
        return True

    def ask(
        self,
        endpoint: Endpoint,
        *,
        keep_lease: Callable[[], None],
        key: str = "",
        params: Mapping[str, str] | None = None,
        payload: bytes | None = None,
    ) -> Told | envelope.Failure | Outcome:
        """The portal's Yes (decrypted), its No, or an Outcome when neither came."""
        session = self._sessions.current(
            self.route, self._account, system=endpoint.system, permits=self._permits, keep_lease=keep_lease
        )
        if isinstance(session, Outcome):
            self._permits.dismiss()
            return session
        answer = self._once(endpoint, session, keep_lease, key=key, params=params or {}, payload=payload)
        if not _session_ended(answer):
            return answer
        session = self._sessions.replace(
            self.route, self._account, session, system=endpoint.system, permits=self._permits, keep_lease=keep_lease
        )
        if isinstance(session, Outcome):
            self._permits.dismiss()
            return session
        answer = self._once(endpoint, session, keep_lease, key=key, params=params or {}, payload=payload)
        if _session_ended(answer):
            return Outcome(meaning=Meaning.UNREACHED, message="The portal takes not even a fresh session.")
        return answer

    def _once(
        self,
        endpoint: Endpoint,
        session: Session,
        keep_lease: Callable[[], None],
        *,
        key: str,
        params: Mapping[str, str],
        payload: bytes | None,
    ) -> Told | envelope.Failure | Outcome:
        dialect = DIALECTS[endpoint.system]
        refused = self._permits.use(endpoint.limited_as, keep_lease)
        if refused is not None:
            return refused
        try:
            reply = self._wire.send(
                endpoint.method,
                endpoints.url(self.route, endpoint, key=key),
                headers=dialect.headers(self.route, self._account, session) | JSON,
                params=params,
                body=None if payload is None else dialect.sealed(endpoint, payload, session),
            )
        except UnreachedError as error:
            return Outcome(meaning=Meaning.UNREACHED, message=f"The portal was not reached: {error}.", silent=True)
        except LostError as error:
            return Outcome(meaning=Meaning.UNKNOWN, message=f"The portal's answer was lost: {error}.", silent=True)
        return self._read(reply, session, dialect, endpoint.limited_as)

    @property
    def errors_told(self) -> int:
        """Answers so far that were errors, those to logins included."""
        return self._permits.errors_told

    def tightest(self) -> str | None:
        """Whose bucket had no room for the last call, `gstin` or `account`; None where it was not for that."""
        return self._permits.tightest()

    @property
    def limiter_away(self) -> bool:
        """Whether the last call did not go out because nobody could say whether it may."""
        return self._permits.limiter_away

    def dismiss_permits(self) -> None:
        """The permits that were planned for later calls are not needed."""
        self._permits.dismiss()

    def _read(
        self, reply: Reply, session: Session, dialect: Dialect, limited_as: str
    ) -> Told | envelope.Failure | Outcome:
        answer = dialect.read(reply.status, reply.body)
        seconds = self._permits.heard(reply, answer, limited_as)
        if reply.status == HTTP_TOO_MANY or _is_throttle(answer):
            return _throttled(reply, answer, seconds)
        if isinstance(answer, envelope.Failure):
            return answer
        if isinstance(answer, envelope.Unreadable):
            unread = _unknown(f"The portal's answer cannot be read: {answer.reason}.", reply.body)
            return replace(unread, retry_after_seconds=seconds)
        try:
            data = dialect.opened(answer, session)
        except crypto.CannotDecrypt:
            return _unknown("The portal's answer cannot be decrypted.", reply.body)
        if data is None:
            return _unknown("The portal's success has no data.", reply.body)
        return Told(data, answer.info)


def _session_ended(answer: Told | envelope.Failure | Outcome) -> bool:
    return isinstance(answer, envelope.Failure) and codes.verdict(answer.errors) is Disposition.SESSION


def _is_throttle(answer: envelope.Answer) -> bool:
    return isinstance(answer, envelope.Failure) and codes.verdict(answer.errors) is Disposition.THROTTLED


def _throttled(reply: Reply, answer: envelope.Answer, seconds: int | None) -> Outcome:
    error = answer.errors[0] if isinstance(answer, envelope.Failure) else None
    return Outcome(
        meaning=Meaning.THROTTLED,
        code=error.code if error else str(reply.status),
        message=error.message if error else "The portal takes no more calls for now.",
        retry_after_seconds=seconds,
    )


def _unknown(message: str, evidence: bytes) -> Outcome:
    return Outcome(meaning=Meaning.UNKNOWN, message=message, evidence=evidence)

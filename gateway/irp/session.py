"""The login, and the session that all workers of an account share.

A session is renewed by one worker at a time, which holds a lease on its row; the others take what it stored. It is
renewed a little before it ends, each worker at another moment, and at once when the portal says that it is no longer
good (1005), but then not twice within the route's `relogin_seconds_min`: two gateways of one taxpayer would otherwise
throw each other out for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.audit import Action, Record
from gateway.domain.calendar import read_portal_time
from gateway.domain.identifiers import AUDIT_PREFIX
from gateway.domain.operations import HoldCause
from gateway.domain.outcomes import Meaning, Outcome
from gateway.irp import codes, crypto, endpoints, envelope
from gateway.irp.codes import Disposition
from gateway.irp.permits import Permits
from gateway.irp.wire import HTTP_TOO_MANY, LostError, UnreachedError, Wire, retry_after
from gateway.ports import Clock, Ids, PortalAccount, Route, Routebook, Session

SYSTEM: Final = "einvoice"
FORCE_REFRESH_BEFORE: Final = timedelta(minutes=10)
"""Only within the last ten minutes of a token's life does the portal give a new one (NIC, authentication v1.04)."""
_RENEW_BEFORE_MIN: Final = timedelta(minutes=2)
_RENEW_BEFORE_SPREAD: Final = timedelta(minutes=7)
_LEASE: Final = timedelta(seconds=45)
"""Longer than a login can take (30 s)."""
_OTHERS_LOGIN_SECONDS_MAX: Final = 10
_LOOK_SECONDS: Final = 0.2


class Sessions:
    """Sessions by account. One instance per process; threads share it."""

    def __init__(self, *, routebook: Routebook, wire: Wire, clock: Clock, ids: Ids, worker: str) -> None:
        self._routebook = routebook
        self._wire = wire
        self._clock = clock
        self._ids = ids
        self._worker = worker
        self._known: dict[str, Session] = {}
        self._paused_until: dict[tuple[str, datetime | None], float] = {}
        self._renew_before = _RENEW_BEFORE_MIN + ids.fraction() * _RENEW_BEFORE_SPREAD
        self._lock = threading.Lock()

    def current(
        self, route: Route, account: PortalAccount, *, permits: Permits, keep_lease: Callable[[], None]
    ) -> Session | Outcome:
        """A session that is good for now, logging in if there is none; or why there is none."""
        session = self._usable(account)
        if session is not None:
            return session
        return self._renewed(route, account, permits=permits, keep_lease=keep_lease)

    def replace(
        self, route: Route, account: PortalAccount, stale: Session, *, permits: Permits, keep_lease: Callable[[], None]
    ) -> Session | Outcome:
        """Another session than `stale`, which the portal no longer takes."""
        with self._lock:
            if self._known.get(account.id) == stale:
                del self._known[account.id]
        stored = self._routebook.session(account.id, system=SYSTEM)
        if stored is not None and stored.generation > stale.generation:
            return self._remember(stored)
        age = (self._clock.now() - stale.renewed_at).total_seconds()
        if age < route.relogin_seconds_min:
            return _later("The session is being thrown out again and again.", round(route.relogin_seconds_min - age))
        return self._renewed(route, account, stale=stale, permits=permits, keep_lease=keep_lease)

    def _usable(self, account: PortalAccount) -> Session | None:
        known = self._known.get(account.id)
        if known is None or not self._fresh(known):
            known = self._routebook.session(account.id, system=SYSTEM)
        return self._remember(known) if known is not None and self._fresh(known) else None

    def _fresh(self, session: Session) -> bool:
        return self._clock.now() < session.expires_at - self._renew_before

    def _remember(self, session: Session) -> Session:
        with self._lock:
            self._known[session.account_id] = session
        return session

    def _renewed(
        self,
        route: Route,
        account: PortalAccount,
        *,
        permits: Permits,
        keep_lease: Callable[[], None],
        stale: Session | None = None,
    ) -> Session | Outcome:
        """Log in, or wait for whoever is doing so."""
        waited_until = self._clock.monotonic() + _OTHERS_LOGIN_SECONDS_MAX
        pause = self._paused_until.get((account.id, account.changed_at), 0.0) - self._clock.monotonic()
        if pause > 0:
            return _later("The last login failed a moment ago.", max(1, round(pause)))
        while True:
            stored = self._routebook.session(account.id, system=SYSTEM)
            if stored is not None and self._fresh(stored) and (stale is None or stored.generation > stale.generation):
                return self._remember(stored)
            generation = stored.generation if stored is not None else 0
            at = self._clock.now()
            token = self._routebook.lease_session(
                account.id, system=SYSTEM, generation=generation, at=at, until=at + _LEASE
            )
            if token is not None:
                return self._log_in(route, account, stored, token=token, permits=permits, keep_lease=keep_lease)
            if self._clock.monotonic() > waited_until:
                return _later("Another worker is logging in.", 2)
            self._clock.sleep(_LOOK_SECONDS)

    def _log_in(
        self,
        route: Route,
        account: PortalAccount,
        stored: Session | None,
        *,
        token: str,
        permits: Permits,
        keep_lease: Callable[[], None],
    ) -> Session | Outcome:
        result: Session | Outcome | None = None
        try:
            result = permits.use() or self._ask(route, account, stored, permits=permits, keep_lease=keep_lease)
            if isinstance(result, Session):
                record = self._audited(account, Action.SESSION_RENEWED, generation=result.generation)
                if not self._routebook.store_session(result, system=SYSTEM, token=token, record=record):
                    return _later("The login took longer than its lease.", 1)
                return self._remember(result)
        finally:
            if not isinstance(result, Session):
                self._routebook.release_session(account.id, system=SYSTEM, token=token)
        pause_seconds = max(result.retry_after_seconds or 0, route.relogin_seconds_min)
        self._paused_until[account.id, account.changed_at] = self._clock.monotonic() + pause_seconds
        if result.meaning is Meaning.HELD and result.hold_cause is HoldCause.CREDENTIALS:
            record = self._audited(account, Action.CREDENTIALS_REFUSED, code=result.code)
            self._routebook.refuse_account(
                account.id, code=result.code or "unknown", record=record, tried=account.changed_at
            )
        return result

    def _ask(
        self,
        route: Route,
        account: PortalAccount,
        stored: Session | None,
        *,
        permits: Permits,
        keep_lease: Callable[[], None],
    ) -> Session | Outcome:
        """The login call itself. It has no effect on any document, so nothing of it is ambiguous."""
        keep_lease()
        app_key = crypto.new_app_key(self._ids.random_bytes)
        at = self._clock.now()
        force = stored is not None and at < stored.expires_at <= at + FORCE_REFRESH_BEFORE
        data = crypto.login_data(
            user_name=account.user_name,
            password=account.password,
            app_key=app_key,
            public_key_pem=self._login_key(route),
            force_refresh=force,
        )
        try:
            reply = self._wire.send(
                endpoints.AUTHENTICATE.method,
                endpoints.url(route, endpoints.AUTHENTICATE),
                headers=endpoints.headers(route, account) | {"Content-Type": "application/json"},
                params={},
                body=b'{"Data":"%s"}' % data.encode("ascii"),
            )
        except (UnreachedError, LostError) as error:
            return replace(_later(f"No answer to the login: {error}.", None), silent=True)
        answer = envelope.read(reply.status, reply.body)
        if reply.status == HTTP_TOO_MANY:
            seconds = retry_after(reply.headers) or codes.THROTTLED_WAIT_SECONDS
            permits.punish(seconds)
            return _later("The portal takes no more logins for now.", seconds)
        if isinstance(answer, envelope.Success):
            return self._session(account, stored, answer, app_key)
        if isinstance(answer, envelope.Failure):
            return refusal(answer)
        return _later(f"The answer to the login cannot be read: {answer.reason}.", None)

    def _session(
        self, account: PortalAccount, stored: Session | None, answer: envelope.Success, app_key: bytes
    ) -> Session | Outcome:
        data = answer.data if isinstance(answer.data, dict) else {}
        try:
            return Session(
                account_id=account.id,
                generation=(stored.generation if stored is not None else 0) + 1,
                token=str(data["AuthToken"]),
                session_key=crypto.unwrap_sek(str(data["Sek"]), app_key),
                expires_at=read_portal_time(str(data["TokenExpiry"])),
                renewed_at=self._clock.now(),
            )
        except (KeyError, ValueError, OverflowError):
            return _later("The answer to the login has no usable token, key and expiry.", None)

    def _login_key(self, route: Route) -> bytes:
        keys = self._routebook.portal_keys(route=route.name, purpose="login")
        return list(keys.values())[-1].encode() if keys else b""

    def _audited(self, account: PortalAccount, action: Action, **facts: int | str | None) -> Record:
        return Record(
            id=self._ids.new(AUDIT_PREFIX),
            at=self._clock.now(),
            actor=self._worker,
            action=action,
            subject=account.id,
            environment=account.environment,
            gstin=account.gstin,
            facts=facts,
        )


def refusal(answer: envelope.Failure) -> Outcome:
    """What the portal's No to a login means for the document that waits for it."""
    error = answer.errors[0]
    verdict = codes.verdict(answer.errors)
    if verdict in (Disposition.CREDENTIALS, Disposition.SESSION, Disposition.REFUSED):
        return Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.CREDENTIALS, code=error.code, message=error.message)
    if verdict in (Disposition.ACCOUNT, Disposition.STATE, Disposition.ABSENT):
        return Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.ACCOUNT, code=error.code, message=error.message)
    if verdict is Disposition.QUOTA:
        return Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.QUOTA, code=error.code, message=error.message)
    seconds = codes.THROTTLED_WAIT_SECONDS if verdict is Disposition.THROTTLED else None
    return Outcome(meaning=Meaning.UNREACHED, code=error.code, message=error.message, retry_after_seconds=seconds)


def _later(message: str, seconds: int | None) -> Outcome:
    return Outcome(meaning=Meaning.UNREACHED, message=message, retry_after_seconds=seconds)

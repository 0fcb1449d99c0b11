"""The login, and the session that all workers of an account share: one for each system of the portal.

A session is renewed by one worker at a time, which holds a lease on its row; the others take what it stored. It is
renewed a little before it ends, each worker at another moment, and at once when the portal says that it is no longer
good (1005), but then not twice within the route's `relogin_seconds_min`: two gateways of one taxpayer would otherwise
throw each other out for ever.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.audit import Action, Record
from gateway.domain.identifiers import AUDIT_PREFIX
from gateway.domain.operations import HoldCause
from gateway.domain.outcomes import Meaning, Outcome
from gateway.irp import codes, crypto, endpoints, envelope
from gateway.irp.codes import Disposition
from gateway.irp.dialect import JSON, Dialect
from gateway.irp.dialects import DIALECTS
from gateway.irp.endpoints import EINVOICE
from gateway.irp.permits import Permits, no_lease
from gateway.irp.wire import HTTP_TOO_MANY, LostError, UnreachedError, Wire
from gateway.ports import Clock, Ids, LoginPause, PortalAccount, Route, Routebook, Session

_OF_THE_ACCOUNT: Final = EINVOICE
"""A login that this system refuses is refused for good; of another it is known that the user may not be enrolled there,
which must not keep invoices waiting."""
REFUSED_PAUSE_SECONDS: Final = 3600
"""How long no other login is tried in a system that refused one. The e-way bill system locks a user out for a while
after five tries within a quarter of an hour."""
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
        self._known: dict[tuple[str, str], Session] = {}
        self._renew_before = _RENEW_BEFORE_MIN + ids.fraction() * _RENEW_BEFORE_SPREAD
        self._lock = threading.Lock()

    def current(
        self,
        route: Route,
        account: PortalAccount,
        *,
        permits: Permits,
        keep_lease: Callable[[], None],
        system: str = EINVOICE,
    ) -> Session | Outcome:
        """A session that is good for now, logging in if there is none; or why there is none."""
        session = self._usable(account, system)
        if session is not None:
            return session
        return self._renewed(route, account, system, permits=permits, keep_lease=keep_lease)

    def replace(
        self,
        route: Route,
        account: PortalAccount,
        stale: Session,
        *,
        permits: Permits,
        keep_lease: Callable[[], None],
        system: str = EINVOICE,
    ) -> Session | Outcome:
        """Another session than `stale`, which the portal no longer takes."""
        with self._lock:
            if self._known.get((account.id, system)) == stale:
                del self._known[account.id, system]
        stored = self._routebook.session(account.id, system=system)
        if stored is not None and stored.generation > stale.generation:
            return self._remember(stored, system)
        age = (self._clock.now() - stale.renewed_at).total_seconds()
        if age < route.relogin_seconds_min:
            return _later("The session is being thrown out again and again.", round(route.relogin_seconds_min - age))
        return self._renewed(route, account, system, stale=stale, permits=permits, keep_lease=keep_lease)

    def probe(self, route: Route, account: PortalAccount, *, permits: Permits) -> Session | Outcome:
        """Log in now, also where there is a session that would do: to learn whether the portal takes this login.

        It counts as any other login does, and what one of them has just been told is the answer for the next.
        """
        stored = self._routebook.session(account.id, system=EINVOICE)
        return self._renewed(route, account, EINVOICE, stale=stored, permits=permits, keep_lease=no_lease)

    def _usable(self, account: PortalAccount, system: str) -> Session | None:
        known = self._known.get((account.id, system))
        if known is None or not self._fresh(known):
            known = self._routebook.session(account.id, system=system)
        return self._remember(known, system) if known is not None and self._fresh(known) else None

    def _fresh(self, session: Session) -> bool:
        return self._clock.now() < session.expires_at - self._renew_before

    def _remember(self, session: Session, system: str) -> Session:
        with self._lock:
            self._known[session.account_id, system] = session
        return session

    def _renewed(
        self,
        route: Route,
        account: PortalAccount,
        system: str,
        *,
        permits: Permits,
        keep_lease: Callable[[], None],
        stale: Session | None = None,
    ) -> Session | Outcome:
        """Log in, or wait for whoever is doing so."""
        waited_until = self._clock.monotonic() + _OTHERS_LOGIN_SECONDS_MAX
        while True:
            account = self._as_stored(account)
            stored = self._routebook.session(account.id, system=system)
            if stored is not None and self._fresh(stored) and (stale is None or stored.generation > stale.generation):
                return self._remember(stored, system)
            paused = self._paused(account, system)
            if paused is not None:
                return paused
            generation = stored.generation if stored is not None else 0
            at = self._clock.now()
            token = self._routebook.lease_session(
                account.id, system=system, generation=generation, at=at, until=at + _LEASE
            )
            if token is not None:
                result = self._log_in(
                    route, account, system, stored, token=token, permits=permits, keep_lease=keep_lease
                )
                if _is_refused(result) and self._as_stored(account).changed_at != account.changed_at:
                    continue
                return result
            if self._clock.monotonic() > waited_until:
                return _later("Another worker is logging in.", 2)
            self._clock.sleep(_LOOK_SECONDS)

    def _as_stored(self, account: PortalAccount) -> PortalAccount:
        """The login as it is now: it may have been replaced since the caller's conversation began."""
        stored = self._routebook.account(environment=account.environment, gstin=account.gstin, route=account.route)
        return stored or account

    def _log_in(
        self,
        route: Route,
        account: PortalAccount,
        system: str,
        stored: Session | None,
        *,
        token: str,
        permits: Permits,
        keep_lease: Callable[[], None],
    ) -> Session | Outcome:
        result: Session | Outcome | None = None
        try:
            no_permit = permits.use(endpoints.LOGIN, keep_lease)
            if no_permit is not None:  # the portal was not asked: no pause
                return no_permit
            if not self._routebook.begin_login(account.id, system=system, token=token, at=self._clock.now()):
                return self._paused(account, system) or _later("Another worker is logging in.", 2)
            result = self._ask(route, account, system, stored, permits=permits, keep_lease=keep_lease)
            if isinstance(result, Session):
                record = self._audited(account, Action.SESSION_RENEWED, generation=result.generation, system=system)
                if not self._routebook.store_session(result, system=system, token=token, record=record):
                    return _later("The login took longer than its lease.", 1)
                return self._remember(result, system)
        finally:
            if not isinstance(result, Session):
                self._routebook.release_session(account.id, system=system, token=token)
        self._pause(route, account, system, result)
        return result

    def _pause(self, route: Route, account: PortalAccount, system: str, result: Outcome) -> None:
        """Keep the next login from coming too soon; one that was refused, from coming at all, until it is changed."""
        refused = _is_refused(result)
        for_good = refused and system == _OF_THE_ACCOUNT
        least = REFUSED_PAUSE_SECONDS if refused and not for_good else route.relogin_seconds_min
        seconds = max(result.retry_after_seconds or 0, least)
        pause = LoginPause(
            until=self._clock.now() + timedelta(seconds=seconds),
            code=result.code if refused else None,
            message=result.message if refused else None,
        )
        self._routebook.pause_logins(account.id, system=system, changed_at=account.changed_at, pause=pause)
        if refused:
            record = self._audited(account, Action.CREDENTIALS_REFUSED, code=result.code, system=system)
            if for_good:
                self._routebook.refuse_account(
                    account.id, code=result.code or "unknown", record=record, tried=account.changed_at
                )

    def _paused(self, account: PortalAccount, system: str) -> Outcome | None:
        """Why nobody may log in just now: the last one failed, or there were too many."""
        at = self._clock.now()
        pause = self._routebook.login_pause(account.id, system=system, changed_at=account.changed_at, at=at)
        if pause is None:
            return None
        if pause.code is not None:
            return Outcome(
                meaning=Meaning.HELD, hold_cause=HoldCause.CREDENTIALS, code=pause.code, message=pause.message
            )
        return _later("There was a login a moment ago.", max(1, math.ceil((pause.until - at).total_seconds())))

    def _ask(
        self,
        route: Route,
        account: PortalAccount,
        system: str,
        stored: Session | None,
        *,
        permits: Permits,
        keep_lease: Callable[[], None],
    ) -> Session | Outcome:
        """The login call itself. It has no effect on any document, so nothing of it is ambiguous."""
        keep_lease()
        dialect = DIALECTS[system]
        app_key = crypto.new_app_key(self._ids.random_bytes)
        at = self._clock.now()
        force = stored is not None and at < stored.expires_at <= at + FORCE_REFRESH_BEFORE
        public_key = self._login_key(route, dialect.login_key_purposes)
        try:
            reply = self._wire.send(
                dialect.authenticate.method,
                endpoints.url(route, dialect.authenticate),
                headers=dialect.headers(route, account, None) | JSON,
                params={},
                body=dialect.login(account, app_key=app_key, public_key_pem=public_key, force=force),
            )
        except (UnreachedError, LostError) as error:
            return replace(_later(f"No answer to the login: {error}.", None), silent=True)
        answer = dialect.read(reply.status, reply.body)
        seconds = permits.heard(reply, answer, endpoints.LOGIN)
        if reply.status == HTTP_TOO_MANY:
            return _later("The portal takes no more logins for now.", seconds)
        if isinstance(answer, envelope.Success):
            return self._session(account, dialect, stored, answer, app_key, at=at)
        if isinstance(answer, envelope.Failure):
            return replace(refusal(answer), retry_after_seconds=seconds)
        return _later(f"The answer to the login cannot be read: {answer.reason}.", seconds)

    def _session(
        self,
        account: PortalAccount,
        dialect: Dialect,
        stored: Session | None,
        answer: envelope.Success,
        app_key: bytes,
        *,
        at: datetime,
    ) -> Session | Outcome:
        try:
            login = dialect.logged_in(answer, app_key, at=at)
        except (KeyError, TypeError, ValueError, OverflowError):
            return _later("The answer to the login has no usable token, key and expiry.", None)
        return Session(
            account_id=account.id,
            generation=(stored.generation if stored is not None else 0) + 1,
            token=login.token,
            session_key=login.session_key,
            expires_at=login.expires_at,
            renewed_at=self._clock.now(),
        )

    def _login_key(self, route: Route, purposes: Sequence[str]) -> bytes:
        """The newest key of the first purpose that has one."""
        for purpose in purposes:
            keys = self._routebook.portal_keys(route=route.name, purpose=purpose)
            if keys:
                return list(keys.values())[-1].encode()
        return b""

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
    return Outcome(meaning=Meaning.UNREACHED, code=error.code, message=error.message)


def _is_refused(result: Session | Outcome) -> bool:
    return isinstance(result, Outcome) and (result.meaning, result.hold_cause) == (Meaning.HELD, HoldCause.CREDENTIALS)


def _later(message: str, seconds: int | None) -> Outcome:
    return Outcome(meaning=Meaning.UNREACHED, message=message, retry_after_seconds=seconds)

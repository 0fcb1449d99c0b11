"""All portals, by route: who may speak to which, with what keys and under which limits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from gateway.domain.operations import HoldCause, Operation
from gateway.domain.outcomes import Meaning, Outcome
from gateway.irp import envelope, talk
from gateway.irp.client import PortalConversation
from gateway.irp.endpoints import LOOK_UP, SEND
from gateway.irp.exchange import Exchange, Told
from gateway.irp.permits import BULK_PATIENCE_SECONDS, PATIENCE_SECONDS, Permits
from gateway.irp.protocols import PROTOCOLS
from gateway.irp.session import Sessions
from gateway.irp.signing_keys import KeyFile, SigningKeys
from gateway.irp.talk import Matter
from gateway.irp.wire import Wire
from gateway.ports import Attempt, Caller, Clock, Conversation, Limiter, NoPermit, PortalAccount, Route, Routebook

SISTER_HEADER: Final = "irp"
"""NIC, from 2025: NIC1 or NIC2, on a call to the other of the two (3098 for any other value)."""


class IrpPortals:
    """Implements `ports.Portals`."""

    def __init__(self, *, routebook: Routebook, sessions: Sessions, wire: Wire, limiter: Limiter, clock: Clock) -> None:
        self._routebook = routebook
        self._sessions = sessions
        self._wire = wire
        self._limiter = limiter
        self._clock = clock
        self._keys: dict[str, SigningKeys] = {}
        self._lock = threading.Lock()

    def converse(self, operation: Operation, *, route: str, home: str | None = None) -> Conversation | NoPermit:
        """See `ports.Portals`."""
        way = self._way(route, home)
        account = self._routebook.account(environment=operation.environment, gstin=operation.gstin, route=route)
        permits = self.permits(way, operation.gstin, direct=operation.direct, promise=operation.id)
        if account is None or account.refused_code is not None:
            permits.dismiss()
            if account is None:
                return Silence(HoldCause.CREDENTIALS, "no-account", "There is no login for this GSTIN on this route.")
            refused = "The portal does not take this GSTIN's login."
            return Silence(HoldCause.CREDENTIALS, account.refused_code or "unknown", refused)
        calls = [LOOK_UP] if operation.in_doubt else []
        calls += [SEND] if operation.may_send else []
        patience = PATIENCE_SECONDS if operation.direct else BULK_PATIENCE_SECONDS
        wait_seconds = permits.plan(*calls, patience_seconds=patience)
        if wait_seconds > 0:
            return NoPermit(wait_seconds)
        return PortalConversation(self.exchange(way, account, permits), self.signing_keys(way), self._clock)

    def read(self, operation: Operation, *, payload: bytes, answer: bytes) -> Outcome:
        """See `ports.Portals`."""
        keys = self.signing_keys(self._routebook.route(operation.route or ""))
        matter = Matter(operation, payload, keys)
        return PROTOCOLS[operation.kind].read(matter, Told(answer, envelope.Info()), talk.LOOK_UP)

    def _way(self, route: str, home: str | None) -> Route:
        """A route, with the header by which NIC's two portals ask each other for what the other has."""
        way = self._routebook.route(route)
        portal = self._routebook.route(home).portal if home is not None and home != route else ""
        return replace(way, headers={**way.headers, SISTER_HEADER: portal}) if portal not in ("", way.portal) else way

    def exchange(self, route: Route, account: PortalAccount, permits: Permits) -> Exchange:
        """The authenticated calls of an account."""
        return Exchange(route=route, account=account, sessions=self._sessions, wire=self._wire, permits=permits)

    def try_login(self, route: Route, account: PortalAccount, permits: Permits) -> Outcome | None:
        """Log an account in, whatever is known of it; None when the portal took it."""
        result = self._sessions.probe(route, account, permits=permits)
        return result if isinstance(result, Outcome) else None

    def permits(self, route: Route, gstin: str, *, direct: bool = True, promise: str | None = None) -> Permits:
        """The permits of a seller on a route, none taken. `promise` names what may have been promised one."""
        caller = Caller(account=route.gsp_account, gstin=gstin, direct=direct, promise=promise)
        return Permits(self._limiter, self._clock, lambda: self._routebook.route(route.name), caller)

    def signing_keys(self, route: Route) -> SigningKeys:
        """The keys by which a route's portal signs; keys that are added later are found when they are needed."""
        with self._lock:
            if route.name not in self._keys:
                stored = self._stored_keys(route.name)
                # Only the portal's answers are read by them: no flood, and none is held for a key that is there.
                keys = SigningKeys(monotonic=self._clock.monotonic, reload=stored, reload_seconds=0)
                for found in stored():
                    keys.add(found.pem, kid=found.kid)
                self._keys[route.name] = keys
            return self._keys[route.name]

    def _stored_keys(self, route: str) -> Callable[[], Iterable[KeyFile]]:
        def stored() -> Iterable[KeyFile]:
            pems = self._routebook.portal_keys(route=route, purpose="signing")
            return [KeyFile(pem.encode(), kid) for kid, pem in pems.items()]

        return stored


class Silence:
    """A conversation that does not take place: nothing is sent, and the operation is held."""

    errors_told = 0

    def __init__(self, cause: HoldCause, code: str, message: str) -> None:
        self._outcome = Outcome(meaning=Meaning.HELD, hold_cause=cause, code=code, message=message)

    def put_off(self, operation: Operation, *, keep_lease: Callable[[], None]) -> None:
        """See `ports.Conversation`. It is held, which is said by an attempt."""

    def call(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:  # noqa: ARG002  a port's signature
        """See `ports.Conversation`."""
        return self._outcome

    def look_up(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:  # noqa: ARG002  a port's signature
        """See `ports.Conversation`."""
        return self._outcome

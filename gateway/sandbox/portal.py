"""The portal as one state machine: a request in, a reply out. Time and chance come from outside.

Everything that a portal remembers (registrations, accounts, sessions, limits) and everything that may go wrong with it
is behind `Sandbox.handle`. It never waits: a reply says how long its delivery takes, and the shell around it waits.
The 429 answer of an exceeded limit is the form of a GSP; the portals publish no limit, and code 118 (try after five
minutes) is borrowed from the e-way bill system.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

from gateway.domain import canonical
from gateway.domain.calendar import IST, write_portal_time
from gateway.ports import Clock
from gateway.sandbox import codec, control, eway, eway_wire, faults, master
from gateway.sandbox.calls import Answer, Call, envelope_data
from gateway.sandbox.control import Limits
from gateway.sandbox.eway import EwaySystem
from gateway.sandbox.eway_bills import Bills
from gateway.sandbox.faults import Kind, Strike
from gateway.sandbox.irn_bills import IrnBills
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.pages import Pages
from gateway.sandbox.registrations import Registrar
from gateway.sandbox.sessions import Account, Gate, read_credentials
from gateway.sandbox.state import Late, PortalClock, State, seeded
from gateway.sandbox.traffic import CallEntry
from gateway.sandbox.wire import JSON_TYPE, TEXT_TYPE, Refusal, Reply, Request

THROTTLED_CODE: Final = "118"
"""What a throttled call is told, in the portal's failure form with status 429."""

LOGIN: Final = "login"
HEARTBEAT: Final = "heartbeat"

_ROUTES: Final = (
    ("POST", re.compile(r"/eivital/v1\.0[34]/auth"), LOGIN),
    ("POST", re.compile(r"/eicore/v1\.03/Invoice"), "generate"),
    ("POST", re.compile(r"/eicore/v1\.03/Invoice/Cancel"), "cancel"),
    ("GET", re.compile(r"/eicore/v1\.03/Invoice/irn/(?P<argument>[^/]+)"), "get_irn"),
    ("GET", re.compile(r"/eicore/v1\.03/Invoice/irnbydocdetails"), "get_by_document"),
    ("GET", re.compile(r"/eicore/v1\.03/Invoice/rejectedirns"), "rejected_irns"),
    ("POST", re.compile(r"/eiewb/v1\.03/ewaybill"), "bill_by_irn"),
    ("GET", re.compile(r"/eiewb/v1\.03/ewaybill/irn/(?P<argument>[^/]+)"), "get_bill_by_irn"),
    ("GET", re.compile(r"/eivital/v1\.0[34]/Master/gstin/(?P<argument>[^/]+)"), "gstin"),
    ("GET", re.compile(r"/eivital/v1\.0[34]/Master/syncgstin/(?P<argument>[^/]+)"), "sync_gstin"),
    ("GET", re.compile(r"/eivital/v1\.0[34]/heartbeat/ping"), HEARTBEAT),
)


@dataclass(frozen=True, slots=True)
class _Target:
    """What a request asks for: one of the portal's services, and the last part of its path."""

    service: str
    argument: str

    @property
    def is_eway(self) -> bool:
        """Whether it belongs to the e-way bill system."""
        return self.service.startswith(eway.PREFIX)


class Sandbox:
    """The portal. Thread-safe: one lock around everything, because one request changes several things at once.

    `seed` decides every choice that is left to chance, tokens and session keys included. With `journal`, the file
    remembers registrations and cancellations, so that a restarted sandbox knows them.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        keys: SandboxKeys,
        seed: int = 0,
        journal: Path | None = None,
        limits: Limits | None = None,
        latency_ms: int = 0,
    ) -> None:
        self.clock = clock
        self.keys = keys
        self._lock = threading.Lock()
        self._time = PortalClock(clock)
        self._state = State(
            seed=seed,
            rng=seeded(seed),
            ledger=Ledger(journal),
            gate=Gate(seed),
            eway_gate=Gate(seed + 1),
            bills=Bills(journal and journal.with_name(f"{journal.name}.eway")),
            limits=limits or Limits(),
            latency_ms=latency_ms,
        )
        for bill in self._state.bills:
            self._state.ledger.note_ewb_no(bill.number)
        self._eway = EwaySystem(self._state, keys)
        self._pages = Pages(self._state, keys, self._time)

    def handle(self, request: Request) -> Reply:
        """Serve one request. Raises nothing that a request can cause."""
        with self._lock:
            self._land(until=self._time.now())
            reply = self._served(request)
            date = format_datetime(self._time.now(), usegmt=True)  # RFC 9110, 6.6.1
            return replace(reply, headers=(*reply.headers, ("date", date)))

    def configure(self, **members: Any) -> None:
        """The members of `POST /_control`, for callers in process. Raises ControlError."""
        with self._lock:
            raw = canonical.written(members)
            self._pages.apply(control.read(raw, limits=self._state.limits))

    def now(self) -> datetime:
        """The portal's own time, in UTC."""
        return self._time.now()

    def _served(self, request: Request) -> Reply:
        if request.path.startswith("/_"):
            return self._pages.serve(request)
        target = _target(request)
        if target is None:
            return Reply(status=404, headers=TEXT_TYPE, body=b"There is no such call.")
        return self._call(request, target)

    def _call(self, request: Request, target: _Target) -> Reply:
        """Log a call, let limits and faults have their say, and serve it as far as they leave it alone."""
        state, gstin = self._state, request.header("gstin")
        entry = state.calls.add(CallEntry(at=self.now(), gstin=gstin, operation=target.service))
        wait_seconds = self._wait_for_limit(request)
        if wait_seconds > 0:
            entry.fault = "limit"
            reply = self._throttled(-int(-wait_seconds // 1), target)
        else:
            strike = state.menu.strike(target.service, state.rng)
            entry.fault = strike.kind.value if strike else None
            reply = faults.spoil(self._struck(request, target, strike, entry), strike, state.rng)
        entry.elapsed_ms = reply.delay_ms + state.latency_ms
        return replace(reply, delay_ms=entry.elapsed_ms)

    def _struck(self, request: Request, target: _Target, strike: Strike | None, entry: CallEntry) -> Reply:
        """The answer to a call, served or not as its fault allows, and not yet spoiled."""
        reply = Reply()
        if strike is not None and strike.kind is Kind.EXPIRE_SESSION:
            gate = self._state.eway_gate if target.is_eway else self._state.gate
            gate.drop_session(entry.gstin)
        if strike is not None and strike.kind is Kind.LATE:
            self._postpone(request, target, strike, entry)
        if faults.is_served(strike):
            reply = self._serve(request, target, strike, entry)
        if strike is not None and strike.kind is Kind.UNKNOWN_CODE:
            reply = self._failed(Refusal(strike.code, "The request could not be processed."), target)
        if strike is not None and strike.kind is Kind.THROTTLE:
            reply = self._throttled(strike.retry_after_seconds, target)
        return reply

    def _serve(self, request: Request, target: _Target, strike: Strike | None, entry: CallEntry) -> Reply:
        try:
            reply = self._answered(request, target, strike, entry)
        except Refusal as refusal:
            entry.code = refusal.code
            return self._failed(refusal, target)
        entry.code = "ok"
        return reply

    def _answered(self, request: Request, target: _Target, strike: Strike | None, entry: CallEntry) -> Reply:
        if target.service == HEARTBEAT:
            written = entry.at.astimezone(IST).strftime("%d-%m-%Y %H:%M:%S")
            return Reply(headers=TEXT_TYPE, body=f"e-Invoice Vital:-{written}".encode())
        if target.service == LOGIN:
            return Reply(body=self._log_in(request, at=entry.at))
        if target.service == eway.LOGIN:
            return Reply(body=self._eway.log_in(request, at=entry.at))
        call = self._authenticated(request, target, strike, entry)
        answer = self._answer(target.service, call)
        entry.irn = answer.irn
        if target.is_eway:
            return Reply(body=self._eway.success(call, answer))
        data = codec.encrypt(call.session.sek, answer.text.encode())
        return Reply(body=self._state.envelope.success(data, info=answer.info))

    def _authenticated(self, request: Request, target: _Target, strike: Strike | None, entry: CallEntry) -> Call:
        gate: EwaySystem | Gate = self._eway if target.is_eway else self._state.gate
        session = gate.authenticate(request, at=entry.at)
        return Call(request=request, session=session, at=entry.at, argument=target.argument, strike=strike)

    def _answer(self, service: str, call: Call) -> Answer:
        state = self._state
        if service.startswith(eway.PREFIX):
            return self._eway.answer(service, call)
        hours = state.limits.readback_hours
        registrar = Registrar(
            ledger=state.ledger, bills=state.bills, keys=self.keys, rng=state.rng, readback_hours=hours
        )
        irn_bills = IrnBills(ledger=state.ledger, bills=state.bills)
        services: Mapping[str, Callable[[Call], Answer]] = {
            "generate": registrar.generate,
            "get_irn": registrar.get_irn,
            "get_by_document": registrar.get_by_document,
            "rejected_irns": registrar.rejected,
            "cancel": registrar.cancel,
            "bill_by_irn": irn_bills.generate,
            "get_bill_by_irn": irn_bills.get,
            "gstin": _tell_of_gstin,
            "sync_gstin": _sync_gstin,
        }
        return services[service](call)

    def _failed(self, refusal: Refusal, target: _Target) -> Reply:
        return Reply(body=eway_wire.failure(refusal) if target.is_eway else self._state.envelope.failure(refusal))

    def _throttled(self, seconds: int, target: _Target) -> Reply:
        refusal = Refusal(THROTTLED_CODE, f"Too many requests: try again after {seconds} seconds.")
        headers = (*JSON_TYPE, ("retry-after", str(seconds)))
        return replace(self._failed(refusal, target), status=429, headers=headers)

    def _wait_for_limit(self, request: Request) -> float:
        """Seconds until this call would be within both limits; it is counted when that is now."""
        rates, limits, at = self._state.rates, self._state.limits, self.clock.monotonic()
        names = (
            (f"gstin:{request.header('gstin')}", limits.per_minute_gstin),
            (f"client:{request.header('client-id')}", limits.per_minute_client),
        )
        wait_seconds = max(rates.wait_seconds(name, limit, at=at) for name, limit in names)
        if wait_seconds <= 0:
            for name, limit in names:
                rates.count(name, limit, at=at)
        return wait_seconds

    def _log_in(self, request: Request, *, at: datetime) -> bytes:
        """Open a session. Raises Refusal 1004, 1006, 1010 to 1013, 1016 to 1020 and 5003."""
        gstin = read_credentials(request)
        try:
            login = codec.open_login(self.keys.login, envelope_data(request.body))
        except codec.CodecError as error:
            raise Refusal("1020", "The login data could not be decrypted.") from error
        presented = Account(
            client_id=request.header("client-id"),
            client_secret=request.header("client-secret"),
            user=_text(login, "UserName", code="1006"),
            password=_text(login, "Password", code="1013"),
        )
        try:
            app_key = codec.read_app_key(login.get("AppKey"))
        except codec.CodecError as error:
            raise Refusal("1016", "The AppKey could not be decrypted.") from error
        force = login.get("ForceRefreshAccessToken") in (True, "true")
        minutes = self._state.limits.token_minutes
        session = self._state.gate.log_in(gstin, presented, force=force, token_minutes=minutes, at=at)
        data = {
            "ClientId": session.client_id,
            "UserName": session.user,
            "AuthToken": session.token,
            "Sek": codec.encrypt(app_key, session.sek),
            "TokenExpiry": write_portal_time(session.expires_at),
        }
        return self._state.envelope.success(data)

    def _postpone(self, request: Request, target: _Target, strike: Strike, entry: CallEntry) -> None:
        """Keep a request for later, with the session that it has now. One without a session dies on the way."""
        if target.service in (LOGIN, HEARTBEAT, eway.LOGIN):
            return
        try:
            call = self._authenticated(request, target, None, entry)
        except Refusal as refusal:
            entry.code = refusal.code
            return
        due_at = entry.at + timedelta(milliseconds=strike.ms)
        self._state.postpone(Late(due_at, target.service, replace(call, at=due_at), entry))

    def _land(self, *, until: datetime) -> None:
        """Serve the late requests whose time has come, each at its own time. Nobody reads the answers."""
        late = self._state.late
        while late and late[0].due_at <= until:
            landing = late.pop(0)
            landing.entry.landed_at = landing.due_at
            try:
                landing.entry.irn = self._answer(landing.service, landing.call).irn
            except Refusal as refusal:
                landing.entry.code = refusal.code
            else:
                landing.entry.code = "ok"


def service_of(request: Request) -> str | None:
    """The name of the call that a request makes, of either system, as the call log has it; None for a page."""
    target = _target(request)
    return None if target is None else target.service


def _target(request: Request) -> _Target | None:
    for method, path, service in _ROUTES:
        match = path.fullmatch(request.path) if method == request.method else None
        if match is not None:
            return _Target(service, match.groupdict().get("argument", ""))
    service_of_bills = eway.service_of(request)
    return None if service_of_bills is None else _Target(service_of_bills, "")


def _text(login: Mapping[str, Any], name: str, *, code: str) -> str:
    value = login.get(name)
    if isinstance(value, str) and value:
        return value
    raise Refusal(code, f"The login has no {name}.")


def _tell_of_gstin(call: Call) -> Answer:
    return _taxpayer_answer(master.find(call.argument))


def _sync_gstin(call: Call) -> Answer:
    return _taxpayer_answer(master.synced(call.argument))


def _taxpayer_answer(taxpayer: master.Taxpayer | None) -> Answer:
    if taxpayer is None:
        raise Refusal("3028", "The GSTIN is not valid.")
    return Answer(canonical.write(taxpayer.as_json()))

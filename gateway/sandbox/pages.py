"""The sandbox's own pages, beside the portal's: `/_control`, `/_ledger`, `/_ewaybills`, `/_calls` and `/_keys`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.domain import canonical
from gateway.domain.calendar import write_instant
from gateway.sandbox import control
from gateway.sandbox.control import Change, ControlError
from gateway.sandbox.faults import Menu
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.ledger import json_lines
from gateway.sandbox.state import PortalClock, State, seeded
from gateway.sandbox.wire import LINES_TYPE, Reply, Request, json_reply


@dataclass(frozen=True, slots=True)
class Pages:
    """What a developer or a test sees and sets."""

    state: State
    keys: SandboxKeys
    time: PortalClock

    def serve(self, request: Request) -> Reply:
        """Answer a request for one of the pages. Others are answered with 404."""
        pages: Mapping[tuple[str, str], Callable[[Request], Reply]] = {
            ("GET", "/_control"): self._settings,
            ("POST", "/_control"): self._control,
            ("GET", "/_ledger"): self._ledger,
            ("DELETE", "/_ledger"): self._clear,
            ("GET", "/_ewaybills"): self._eway_bills,
            ("GET", "/_calls"): self._calls,
            ("GET", "/_keys"): self._keys,
        }
        page = pages.get((request.method, request.path))
        if page is None:
            return json_reply({"error": f"There is no page for {request.method} {request.path}."}, status=404)
        return page(request)

    def apply(self, change: Change) -> None:
        """Make a change of the settings."""
        state = self.state
        state.envelope = change.envelope(state.envelope)
        if change.seed is not None:
            state.seed, state.rng = change.seed, seeded(change.seed)
        if change.latency_ms is not None:
            state.latency_ms = change.latency_ms
        if change.faults is not None:
            state.menu = Menu(list(change.faults))
        if change.limits is not None:
            state.limits = change.limits
            state.rates.clear()
        if change.sets_now:
            self.time.set(change.now)
        for gstin, password in change.passwords.items():
            state.gate.change_password(gstin, password)
        state.ledger.reject(change.reject, at=self.time.now())
        if change.publish_signing_key:
            self.keys.publish()
        if change.rotate_signing_key:
            self.keys.rotate()

    def _control(self, request: Request) -> Reply:
        try:
            change = control.read(request.body, limits=self.state.limits)
        except ControlError as error:
            return json_reply({"error": f"{error}."}, status=400)
        self.apply(change)
        return self._settings(request)

    def _settings(self, _request: Request) -> Reply:
        state = self.state
        settings = {
            "latency_ms": state.latency_ms,
            "faults": [entry.as_json() for entry in state.menu.entries],
            "seed": state.seed,
            "now": write_instant(self.time.now()) if self.time.is_set else None,
            "limits": state.limits.as_json(),
            "envelope": "base64" if state.envelope.errors_base64 else "plain",
            "status_as": "string" if state.envelope.status_text else "number",
            "signing_kid": self.keys.current.kid,
            "pending_late": len(state.late),
        }
        return Reply(body=canonical.written(settings))

    def _keys(self, _request: Request) -> Reply:
        return json_reply(self.keys.as_json())

    def _ledger(self, _request: Request) -> Reply:
        pending = ("x-pending-late", str(len(self.state.late)))
        return Reply(headers=(*LINES_TYPE, pending), body=self.state.ledger.lines())

    def _eway_bills(self, _request: Request) -> Reply:
        return Reply(headers=LINES_TYPE, body=json_lines(bill.as_json() for bill in self.state.bills))

    def _calls(self, request: Request) -> Reply:
        written = request.query.get("since")
        if not written:
            return Reply(headers=LINES_TYPE, body=self.state.calls.lines())
        try:
            # A plus sign that was not percent-encoded reaches us as a blank.
            since = datetime.fromisoformat(written.replace(" ", "+"))
        except ValueError:
            return json_reply({"error": "since is an ISO 8601 instant."}, status=400)
        if since.tzinfo is None:
            return json_reply({"error": "since needs its offset from UTC."}, status=400)
        return Reply(headers=LINES_TYPE, body=self.state.calls.lines(since=since))

    def _clear(self, _request: Request) -> Reply:
        """Forget registrations, calls, sessions and what is still on its way; accounts and settings stay."""
        self.state.ledger.clear()
        self.state.calls.clear()
        self.state.bills.clear()
        self.state.gate.clear_sessions()
        self.state.eway_gate.clear_sessions()
        self.state.rates.clear()
        self.state.late.clear()
        return Reply(status=204, headers=())

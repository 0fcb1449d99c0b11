"""The e-way bill system beside the e-invoice system: its paths, its logins, and whose hands a call goes through."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.domain.identifiers import is_gstin
from gateway.sandbox import codec, eway_wire
from gateway.sandbox.calls import Answer, Call
from gateway.sandbox.eway_movements import Movements
from gateway.sandbox.eway_office import Office
from gateway.sandbox.eway_questions import Questions
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.sessions import Account, Session
from gateway.sandbox.state import State
from gateway.sandbox.wire import Refusal, Request

LOGIN: Final = "ewb_login"
PREFIX: Final = "ewb_"
"""All its services are called so."""

_ACTIONS: Final = {
    "GENEWAYBILL": "ewb_generate",
    "VEHEWB": "ewb_vehicle",
    "CANEWB": "ewb_cancel",
    "REJEWB": "ewb_reject",
    "EXTENDVALIDITY": "ewb_extend",
    "UPDATETRANSPORTER": "ewb_transporter",
    "GENCEWB": "ewb_consolidate",
    "MULTIVEHMOVINT": "ewb_multi_begin",
    "MULTIVEHADD": "ewb_multi_add",
    "MULTIVEHUPD": "ewb_multi_change",
    "CLSEWB": "ewb_close",
    "CLOSEEWB": "ewb_close",
}
_QUESTIONS: Final = {
    "ewayapi/getewaybill": "ewb_get",
    "ewayapi/getewaybillgeneratedbyconsigner": "ewb_get_by_document",
    "ewayapi/getewaybillsbydate": "ewb_list",
    "ewayapi/gettripsheet": "ewb_trip_sheet",
    "master/getgstindetails": "ewb_gstin",
}
_UNKNOWN: Final = "ewb_unknown"
_PATH: Final = re.compile(r"(?:/ewaybillapi)?/v1\.03/(?P<rest>.+?)/?", re.IGNORECASE)
"""Below the host of both systems, as in the portals' sandbox, or at the host of this one alone."""

SERVICES: Final = tuple(dict.fromkeys((LOGIN, *_ACTIONS.values(), *_QUESTIONS.values())))
"""What faults and the call log call them."""

_LOGIN_CODES: Final = {
    "1004": "108",
    "1010": "110",
    "1011": "103",
    "1012": "104",
    "1017": "101",
    "1018": "111",
    "1019": "102",
    "3030": "108",
}
"""What the e-invoice system's reasons for turning a login away are called here."""


def service_of(request: Request) -> str | None:
    """The service that a request asks for; None when it is for another system."""
    match = _PATH.fullmatch(request.path)
    if match is None:
        return None
    rest = match["rest"].lower()
    if request.method == "POST" and rest == "auth":
        return LOGIN
    if request.method == "POST" and rest == "ewayapi":
        return _ACTIONS.get(eway_wire.action_of(request.body), _UNKNOWN)
    return _QUESTIONS.get(rest) if request.method == "GET" else None


@dataclass(slots=True)
class EwaySystem:
    """Logs in, admits, serves and puts into the envelope, over what the portal as a whole remembers."""

    state: State
    keys: SandboxKeys

    def log_in(self, request: Request, *, at: datetime) -> bytes:
        """Open a session. Raises Refusal 101 to 104, 107 to 111, or 115."""
        try:
            login = codec.open_login(self.keys.login, eway_wire.login_data(request.body))
            app_key = codec.read_app_key(login.get("app_key"))
        except codec.CodecError as error:
            raise Refusal("107", "") from error
        if str(login.get("action", "")).upper() != "ACCESSTOKEN":
            raise Refusal("239", "")
        presented = Account(
            client_id=_header(request, "client-id", code="103"),
            client_secret=_header(request, "client-secret", code="104"),
            user=_text(login, "username", code="101"),
            password=_text(login, "password", code="102"),
        )
        minutes = self.state.limits.token_minutes
        try:
            session = self.state.eway_gate.log_in(_gstin(request), presented, force=False, token_minutes=minutes, at=at)
        except Refusal as refusal:
            raise Refusal(_LOGIN_CODES.get(refusal.code, "108"), "") from refusal
        return eway_wire.login_success(session.token, codec.encrypt(app_key, session.sek))

    def authenticate(self, request: Request, *, at: datetime) -> Session:
        """The session that a call belongs to. Raises Refusal 103, 104, 108, 237 or 238."""
        gstin = _gstin(request)
        client = _header(request, "client-id", code="103"), _header(request, "client-secret", code="104")
        session = self.state.eway_gate.session(gstin)
        if session is None or session.expires_at <= at or session.token != request.header("auth-token"):
            raise Refusal("238", "")
        if not self.state.eway_gate.knows(*client) or session.client_id != client[0]:
            raise Refusal("237", "")
        return session

    def answer(self, service: str, call: Call) -> Answer:
        """Do what a call asks. Raises Refusal with the published codes."""
        if service not in SERVICES:
            raise Refusal("239", "")
        return self._services()[service](call)

    def success(self, call: Call, answer: Answer) -> bytes:
        """The envelope of a Yes."""
        documented = self.state.envelope.errors_base64
        sek = call.session.sek
        if call.request.method == "POST":
            return eway_wire.action_success(answer.text, sek=sek, documented=documented)
        rek = self.state.rng.randbytes(codec.APP_KEY_BYTES)
        return eway_wire.question_success(answer.text, sek=sek, rek=rek, documented=documented)

    def _services(self) -> Mapping[str, Callable[[Call], Answer]]:
        parts: dict[str, Any] = {"bills": self.state.bills, "ledger": self.state.ledger}
        office, movements, questions = Office(**parts), Movements(**parts), Questions(**parts)
        return {
            "ewb_generate": office.generate,
            "ewb_vehicle": office.vehicle,
            "ewb_cancel": office.cancel,
            "ewb_reject": office.reject,
            "ewb_extend": office.extend,
            "ewb_transporter": office.transporter,
            "ewb_consolidate": office.consolidate,
            "ewb_close": office.close,
            "ewb_multi_begin": movements.begin,
            "ewb_multi_add": movements.add,
            "ewb_multi_change": movements.change,
            "ewb_get": questions.get,
            "ewb_get_by_document": questions.get_by_document,
            "ewb_list": questions.list_of_day,
            "ewb_trip_sheet": questions.trip_sheet,
            "ewb_gstin": questions.taxpayer,
        }


def _gstin(request: Request) -> str:
    gstin = request.header("gstin")
    if not is_gstin(gstin):
        raise Refusal("108", "")
    return gstin


def _header(request: Request, name: str, *, code: str) -> str:
    value = request.header(name)
    if not value:
        raise Refusal(code, "")
    return value


def _text(login: Mapping[str, Any], name: str, *, code: str) -> str:
    value = login.get(name)
    if isinstance(value, str) and value:
        return value
    raise Refusal(code, "")

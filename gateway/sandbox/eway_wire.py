"""The e-way bill system's envelope on the portal's side: actions in, statuses, codes, `rek` and `hmac` out.

Nothing here is shared with `gateway.irp`. By default answers are as programs describe them; with the documents' form
of errors (`/_control` envelope `base64`) the JSON within the cipher is in Base64 once more, and so is what the HMAC is
taken over, as the published pages have it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gateway.domain import canonical, strict_json
from gateway.domain.calendar import IST
from gateway.sandbox import codec
from gateway.sandbox.wire import Refusal

_TIME: Final = "%d/%m/%Y %I:%M:00 %p"
"""To the minute: recorded answers of this system have no seconds."""


def failure(refusal: Refusal) -> bytes:
    """The failure form: nothing but codes, each followed by a comma."""
    codes = "".join(f"{code}," for code, _ in refusal.errors)
    error = base64.b64encode(canonical.written({"errorCodes": codes})).decode()
    return canonical.written({"status": "0", "error": error, "info": None})


def login_success(token: str, sek: str) -> bytes:
    """The answer to a login, which does not say how long it lasts."""
    return canonical.written({"status": 1, "authtoken": token, "sek": sek})


def action_success(text: str, *, sek: bytes, documented: bool) -> bytes:
    """The answer to an action: under the session key."""
    data = codec.encrypt(sek, _within(text, documented=documented))
    return canonical.written({"status": "1", "data": data, "alert": ""})


def question_success(text: str, *, sek: bytes, rek: bytes, documented: bool) -> bytes:
    """The answer to a question: under a key of its own, which comes along under the session key, with an HMAC."""
    inner = _within(text, documented=documented)
    data = codec.encrypt(rek, inner)
    authenticated = inner if documented else data.encode()
    mac = base64.b64encode(hmac.new(rek, authenticated, hashlib.sha256).digest()).decode()
    return canonical.written({"status": "1", "data": data, "rek": codec.encrypt(sek, rek), "hmac": mac})


def action_of(body: bytes) -> str:
    """The action that a request names, in capitals; nothing when it is no request."""
    members = _members(body)
    action = members.get("action")
    return action.upper() if isinstance(action, str) else ""


def payload_of(body: bytes, sek: bytes) -> dict[str, Any]:
    """What an action is asked with. Raises Refusal 115, 109 or 100."""
    data = _members(body).get("data")
    if not isinstance(data, str) or not data:
        raise Refusal("115", "The payload is missing.")
    try:
        plain = codec.decrypt(sek, data)
    except codec.CodecError as error:
        raise Refusal("109", "The payload does not decrypt with the session key.") from error
    try:
        payload = strict_json.read(_unwrapped(plain))
    except strict_json.JsonFault as error:
        raise Refusal("100", "The payload is no JSON.") from error
    if not isinstance(payload, dict):
        raise Refusal("100", "The payload is no JSON object.")
    return {name: value for name, value in payload.items() if value is not None}


def login_data(body: bytes) -> str:
    """The `Data` of a login. Raises Refusal 115."""
    data = _members(body).get("Data")
    if not isinstance(data, str) or not data:
        raise Refusal("115", "The login has no data.")
    return data


def write_time(at: datetime) -> str:
    """`dd/MM/yyyy hh:mm:ss AM` in IST."""
    return at.astimezone(IST).strftime(_TIME)


def _members(body: bytes) -> Mapping[str, Any]:
    try:
        members = strict_json.read(body)
    except strict_json.JsonFault:
        return {}
    return members if isinstance(members, dict) else {}


def _within(text: str, *, documented: bool) -> bytes:
    return base64.b64encode(text.encode()) if documented else text.encode()


def _unwrapped(plain: bytes) -> bytes:
    """The JSON text, from Base64 if it is in that: the portal takes both."""
    try:
        return base64.b64decode(plain, validate=True)
    except ValueError:
        return plain

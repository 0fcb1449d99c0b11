"""The e-way bill system's way of speaking: `ewayapi` v1.03, with its own login, envelope, `rek` and `hmac`.

It differs from the e-invoice system in small things throughout. A call names an action beside its data. An answer to a
question has a key of its own (`rek`), which the session key opens, and an HMAC-SHA256 under that key. A failure holds
nothing but codes, separated by commas, in Base64. A login does not say how long it lasts.

The published pages and the programs that use the system disagree on whether the JSON inside the cipher is in Base64
once more, and over which text the HMAC is taken. Both forms are read; plain JSON is sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.irp import codes, crypto, endpoints, envelope, portal_json
from gateway.irp.dialect import Login
from gateway.irp.endpoints import Endpoint
from gateway.irp.envelope import Answer, Failure, Info, InfoBlock, PortalError, Success, Unreadable
from gateway.ports import PortalAccount, Route, Session

TOKEN_LIFE: Final = timedelta(minutes=360)
"""Of a token, counted from before its login was sent (API v1.03, authentication). The answer does not say."""
CODES_MAX: Final = 50
"""In one failure. The longest list of reasons that was recorded has a handful."""

_DATA: Final = frozenset({"data", "rek", "hmac", "authtoken", "sek", "alert"})
"""The members of a success that mean something."""


class EWayApi:
    """Implements `dialect.Dialect`."""

    authenticate = endpoints.EWB_AUTHENTICATE
    login_key_purposes: tuple[str, ...] = ("ewb-login", "login")

    def login(self, account: PortalAccount, *, app_key: bytes, public_key_pem: bytes, force: bool) -> bytes:  # noqa: ARG002  no such wish here
        """See `Dialect`. The system has no way to ask for another token before the old one ends."""
        login = {
            "action": self.authenticate.action,
            "username": account.user_name,
            "password": account.password,
            "app_key": base64.b64encode(app_key).decode("ascii"),
        }
        text = json.dumps(login, ensure_ascii=False, separators=(",", ":")).encode()
        return b'{"Data":"%s"}' % crypto.seal_login(text, public_key_pem).encode("ascii")

    def logged_in(self, answer: Success, app_key: bytes, *, at: datetime) -> Login:
        """See `Dialect`."""
        data = answer.data if isinstance(answer.data, dict) else {}
        return Login(
            token=str(data["authtoken"]),
            session_key=crypto.unwrap_sek(str(data["sek"]), app_key),
            expires_at=at + TOKEN_LIFE,
        )

    def headers(self, route: Route, account: PortalAccount, session: Session | None) -> dict[str, str]:
        """See `Dialect`."""
        names = {"client-id": route.client_id, "client-secret": route.client_secret, "Gstin": account.gstin}
        return {
            **route.headers,
            **names,
            **endpoints.PLAIN,
            **({} if session is None else {"authtoken": session.token}),
        }

    def sealed(self, endpoint: Endpoint, payload: bytes, session: Session) -> bytes:
        """See `Dialect`."""
        data = crypto.encrypt(payload, session.session_key)
        return b'{"action":"%s","data":"%s"}' % (endpoint.action.encode("ascii"), data.encode("ascii"))

    def read(self, status: int, body: bytes) -> Answer:
        """See `Dialect`."""
        members = envelope.opened(status, body)
        if isinstance(members, Unreadable):
            return members
        said = portal_json.plain_text(members["status"])
        errors = _errors(members.get("error"), _text(members.get("info")))
        if errors is None:
            return Unreadable("error codes in no known form")
        if said == "0":
            return Failure(errors, _info(members)) if errors else Unreadable("a failure without an error code")
        if said != "1":
            return Unreadable("a status that is neither 0 nor 1")
        if errors or not envelope.is_success(status):
            return Unreadable("a success that is also called an error")
        return Success({name: each for name, each in members.items() if name in _DATA}, _info(members))

    def opened(self, answer: Success, session: Session) -> bytes | None:
        """See `Dialect`. With a `rek`, the data is under that key, and its HMAC has to fit."""
        members = answer.data if isinstance(answer.data, Mapping) else {}
        data = members.get("data")
        if not isinstance(data, str):
            return None
        rek = members.get("rek")
        if not isinstance(rek, str) or not rek:
            return _within(crypto.decrypt(data, session.session_key))
        key = _key(crypto.decrypt(rek, session.session_key))
        plain = crypto.decrypt(data, key)
        mac = members.get("hmac")
        if isinstance(mac, str) and mac and not _fits(mac, data, plain, key):
            raise crypto.CannotDecrypt("the HMAC does not fit the data")
        return _within(plain)


def _key(opened: bytes) -> bytes:
    """The answer's own key, plain or in Base64. Raises CannotDecrypt."""
    key = opened if len(opened) == crypto.KEY_BYTES else _within(opened)
    if len(key) != crypto.KEY_BYTES:
        message = f"the answer's key has {len(key)} bytes and should have {crypto.KEY_BYTES}"
        raise crypto.CannotDecrypt(message)
    return key


def _fits(mac: str, data: str, plain: bytes, key: bytes) -> bool:
    """Whether an HMAC is one of `data` as it was sent, of what is in it, or of that in Base64."""
    texts = (data.encode(), plain, base64.b64encode(plain))
    wanted = (base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode("ascii") for text in texts)
    return any([hmac.compare_digest(each, mac) for each in wanted])  # noqa: C419  a list: all are compared, always


def _within(plain: bytes) -> bytes:
    """What stands in a text that may be in Base64 once more."""
    if plain.lstrip().startswith((b"{", b"[")):
        return plain
    try:
        return base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        return plain


def _errors(error: Any, info: str) -> tuple[PortalError, ...] | None:
    """The codes of a failure; empty when there are none; None when one of them is unclear."""
    error = portal_json.unwrapped(error)
    members = portal_json.members(error)
    listed = members.get("errorcodes") if members is not None else error
    if listed in (None, "", [], {}):
        return ()
    text = portal_json.plain_text(listed)
    named = [code.strip() for code in text.split(",") if code.strip()] if text else []
    if not named or len(named) > CODES_MAX or not all(envelope.is_code(code) for code in named):
        return None
    return tuple(PortalError(code, info or _sentence(code)) for code in dict.fromkeys(named))


def _sentence(code: str) -> str:
    row = codes.explain(code)
    return row.sentence if row is not None else ""


def _info(members: Mapping[str, Any]) -> Info:
    """What is said beside: the alert of a success, or the info of either."""
    texts = (_text(members.get(name)) for name in ("alert", "info"))
    return Info(InfoBlock("", text) for text in texts if text)


def _text(value: Any) -> str:
    value = portal_json.unwrapped(value)
    return value.strip()[: envelope.MESSAGE_CHARACTERS_MAX] if isinstance(value, str) else ""

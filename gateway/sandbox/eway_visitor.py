"""Another program that uses the e-way bill system, in the plainest way and by the sandbox's own codec."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.domain import canonical, strict_json
from gateway.sandbox import codec

_BASE: Final = "/ewaybillapi/v1.03"


@dataclass(frozen=True, slots=True)
class EwayHeard:
    """One answer: the HTTP status, the envelope as it came, and what was in it, decrypted."""

    status: int
    envelope: Mapping[str, Any]
    data: Any

    @property
    def codes(self) -> list[str]:
        """The error codes, none after a success."""
        error = self.envelope.get("error")
        if not error:
            return []
        listed = json.loads(base64.b64decode(error))["errorCodes"]
        return [code for code in listed.split(",") if code]


class EwayVisitor:
    """One user of one GSTIN. `http` leads to a sandbox: by `in_process.transport`, or to its port."""

    def __init__(
        self, http: httpx.Client, *, gstin: str, user: str = "visitor", client_id: str = "visitor-client"
    ) -> None:
        self._http = http
        self._user = user
        self._sek = b""
        self.headers = {"client-id": client_id, "client-secret": f"{client_id}-secret", "Gstin": gstin}

    def log_in(self, *, password: str = "visiting", action: str = "ACCESSTOKEN") -> EwayHeard:  # noqa: S107  enrolled as it comes
        """Log in, and use the token from now on."""
        app_key = bytes(range(codec.APP_KEY_BYTES))
        login = {
            "action": action,
            "username": self._user,
            "password": password,
            "app_key": base64.b64encode(app_key).decode(),
        }
        body = {"Data": codec.seal_login(json.dumps(login, separators=(",", ":")).encode(), self._portal_key())}
        heard = self._heard(self._http.post(f"{_BASE}/auth", json=body, headers=self.headers))
        if not heard.codes:
            self._sek = codec.decrypt(app_key, heard.envelope["sek"])
            self.headers["authtoken"] = heard.envelope["authtoken"]
        return heard

    def act(self, action: str, payload: Mapping[str, Any], *, in_base64: bool = False) -> EwayHeard:
        """Ask for something to be done."""
        plain = canonical.written(payload)
        data = codec.encrypt(self._sek, base64.b64encode(plain) if in_base64 else plain)
        return self.send({"action": action, "data": data})

    def send(self, body: Any) -> EwayHeard:
        """Send a body of one's own making."""
        return self._heard(self._http.post(f"{_BASE}/ewayapi", json=body, headers=self.headers))

    def ask(self, question: str, **named: str) -> EwayHeard:
        """Ask about something, such as `ewayapi/GetEwayBill`."""
        return self._heard(self._http.get(f"{_BASE}/{question}", params=named, headers=self.headers))

    def _heard(self, response: httpx.Response) -> EwayHeard:
        envelope = strict_json.read(response.content)
        data = envelope.get("data")
        if isinstance(data, str):
            data = strict_json.read(self._opened(data, envelope))
        return EwayHeard(response.status_code, envelope, data)

    def _opened(self, data: str, envelope: Mapping[str, Any]) -> bytes:
        key = self._sek
        if "rek" in envelope:
            key = codec.decrypt(self._sek, envelope["rek"])
        inner = codec.decrypt(key, data)
        if "hmac" in envelope:
            macs = [base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()) for text in (data.encode(), inner)]
            if envelope["hmac"].encode() not in macs:
                message = "the HMAC does not fit"
                raise ValueError(message)
        return inner if inner.startswith((b"{", b"[")) else base64.b64decode(inner)

    def _portal_key(self) -> rsa.RSAPublicKey:
        key = load_pem_public_key(self._http.get("/_keys").json()["login_public_key"].encode())
        if not isinstance(key, rsa.RSAPublicKey):
            message = "the portal's login key is no RSA key"
            raise TypeError(message)
        return key

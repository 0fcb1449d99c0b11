"""Another program that uses the portal: another ERP of the same taxpayer, a colleague at the web page, a curious test.

It speaks the published protocol in the plainest way and by the sandbox's own codec, so that the sandbox can be tried
without the gateway, and so that things can happen at the portal of which the gateway knows nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.domain import canonical, strict_json
from gateway.sandbox import codec

_INVOICES: Final = "/eicore/v1.03/Invoice"
_VITAL: Final = "/eivital/v1.04"


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer: the HTTP status, the portal's envelope as it came, and what was in it, decrypted."""

    status: int
    envelope: Mapping[str, Any]
    data: Any

    @property
    def codes(self) -> list[str]:
        """The portal's error codes, none after a success."""
        return [str(error["ErrorCode"]) for error in self.envelope["ErrorDetails"] or ()]

    @property
    def info(self) -> dict[str, Any]:
        """What else was told (InfoDtls), by its code."""
        return {entry["InfCd"]: entry["Desc"] for entry in self.envelope["InfoDtls"] or ()}


class Visitor:
    """One user of one GSTIN. `http` leads to a sandbox: by `in_process.transport`, or to its port."""

    def __init__(
        self,
        http: httpx.Client,
        *,
        gstin: str,
        user: str = "visitor",
        password: str = "visiting",  # noqa: S107 - the sandbox enrols whatever comes first
        client_id: str = "visitor-client",
        app_key: bytes = bytes(range(codec.APP_KEY_BYTES)),
    ) -> None:
        self._http = http
        self._login = {"UserName": user, "Password": password, "AppKey": base64.b64encode(app_key).decode()}
        self._app_key = app_key
        self._sek = b""
        self.headers = {"client_id": client_id, "client_secret": f"{client_id}-secret", "Gstin": gstin}

    def log_in(self, *, force: bool = False) -> Heard:
        """Log in, and use the token from now on. A refusal changes nothing."""
        login = json.dumps({**self._login, "ForceRefreshAccessToken": force}, separators=(",", ":")).encode()
        body = {"Data": codec.seal_login(login, self._portal_key())}
        envelope = self._read(self._http.post(f"{_VITAL}/auth", json=body, headers=self.headers))
        if envelope.data is not None:
            self._sek = codec.decrypt(self._app_key, envelope.data["Sek"])
            self.headers |= {"user_name": self._login["UserName"], "AuthToken": envelope.data["AuthToken"]}
        return envelope

    def generate(self, document: Mapping[str, Any]) -> Heard:
        """Register a document."""
        return self._post(_INVOICES, document)

    def cancel(self, irn: str, *, reason: str = "1", remark: str = "entered twice") -> Heard:
        """Cancel an IRN."""
        return self._post(f"{_INVOICES}/Cancel", {"Irn": irn, "CnlRsn": reason, "CnlRem": remark})

    def get_irn(self, irn: str) -> Heard:
        """Read a registration back by its IRN."""
        return self._get(f"{_INVOICES}/irn/{irn}")

    def get_by_document(self, *, doc_type: str, doc_no: str, doc_date: str) -> Heard:
        """Read a registration back by its document. The date is dd/MM/yyyy."""
        query = {"doctype": doc_type, "docnum": doc_no, "docdate": doc_date}
        return self._get(f"{_INVOICES}/irnbydocdetails", query)

    def rejected_irns(self, date: str) -> Heard:
        """Ask which IRNs were rejected on a day. The date is dd/MM/yyyy."""
        return self._get(f"{_INVOICES}/rejectedirns", {"date": date})

    def gstin(self, gstin: str, *, sync: bool = False) -> Heard:
        """Ask for a taxpayer, as the portal has it or fresh from the common portal."""
        return self._get(f"{_VITAL}/Master/{'syncgstin' if sync else 'gstin'}/{gstin}")

    def send(self, path: str, body: bytes) -> Heard:
        """Send bytes of one's own making."""
        return self._read(self._http.post(path, content=body, headers=self.headers))

    def seal(self, plain: bytes) -> bytes:
        """The request body that carries a text."""
        return json.dumps({"Data": codec.encrypt(self._sek, plain)}).encode()

    def _post(self, path: str, payload: Mapping[str, Any]) -> Heard:
        return self.send(path, self.seal(canonical.written(payload)))

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Heard:
        return self._read(self._http.get(path, params=query, headers=self.headers))

    def _read(self, response: httpx.Response) -> Heard:
        envelope = strict_json.read(response.content)
        data = envelope["Data"]
        if isinstance(data, str):
            data = strict_json.read(codec.decrypt(self._sek, data))
        return Heard(response.status_code, envelope, data)

    def _portal_key(self) -> rsa.RSAPublicKey:
        pem = self._http.get("/_keys").json()["login_public_key"]
        key = serialization.load_pem_public_key(pem.encode())
        if not isinstance(key, rsa.RSAPublicKey):
            message = "the portal's login key is no RSA key"
            raise TypeError(message)
        return key

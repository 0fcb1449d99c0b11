"""A running gateway as the commands call it: over HTTP, as any client does."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from gateway.domain import strict_json
from gateway.errors import Misconfigured, Unauthorised, Unavailable

CONNECT_SECONDS_MAX: Final = 5.0
ANSWER_SECONDS_MAX: Final = 30.0
"""Beyond the wait that the caller asked for: the gateway always answers before."""
VARIABLES: Final = {
    "base_url": "MOHAR_BASE_URL",
    "client_id": "MOHAR_CLIENT_ID",
    "client_secret": "MOHAR_CLIENT_SECRET",
}
_CLIENT_ERRORS: Final = 400
_UNAUTHORISED: Final = 401
_SERVER_ERRORS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where a gateway is, and who calls it."""

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    gstin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the gateway. `content` is its JSON with exact numbers."""

    status: int
    headers: Mapping[str, str]
    content: Any
    elapsed_ms: int

    @property
    def replayed(self) -> bool:
        """Whether it repeats an earlier answer to the same key."""
        return self.headers.get("idempotent-replayed") == "true"

    @property
    def ok(self) -> bool:
        """Whether it is no problem."""
        return self.status < _CLIENT_ERRORS


class OutcomeUnknownError(Exception):
    """The connection ended before the answer came: what was asked may have been done."""


def read_credentials(file: Path | None) -> Credentials:
    """From a JSON file as `mohar up` writes it, or from the environment where it is silent. Raises Misconfigured."""
    known = _read_object(file) if file is not None else {}
    found = {name: str(known.get(name) or os.environ.get(variable, "")) for name, variable in VARIABLES.items()}
    missing = [name for name, value in found.items() if not value]
    if missing:
        variables = ", ".join(VARIABLES[name] for name in missing)
        raise Misconfigured(
            "credentials-missing",
            f"Not known: {', '.join(missing)}.",
            help=f"Name the file that `mohar up --credentials` wrote with --credentials, or set {variables}.",
        )
    return Credentials(**found, gstin=known.get("gstin"))


class Gateway:
    """One client's connection to a gateway. Use it as a context manager."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._http = httpx.Client(
            base_url=credentials.base_url,
            timeout=httpx.Timeout(ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX),
            trust_env=False,
        )
        self._token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._http.close()

    def log_in(self, gstin: str | None) -> Answer:
        """Get an access token for a GSTIN, used from then on. Raises Unauthorised, Misconfigured or Unavailable."""
        form = {"grant_type": "client_credentials"} | ({"gstin": gstin} if gstin else {})
        known = self._credentials
        answer = self._send("POST", "/oauth/token", data=form, auth=(known.client_id, known.client_secret))
        if not answer.ok:
            raise _token_refused(answer)
        self._token = answer.content["access_token"]
        return answer

    def submit(self, document: bytes, *, path: str, key: str | None, prefer: str, wait_seconds: int = 0) -> Answer:
        """Post a document. Raises Unavailable, or OutcomeUnknownError once it was sent."""
        headers = {"Content-Type": "application/json"}
        headers |= {"Prefer": prefer} if prefer else {}
        headers |= {"Idempotency-Key": key} if key else {}
        timeout = httpx.Timeout(ANSWER_SECONDS_MAX + wait_seconds, connect=CONNECT_SECONDS_MAX)
        return self._send("POST", path, content=document, headers=headers | self._bearer(), timeout=timeout)

    def get(self, path: str) -> Answer:
        """Read something. Raises Unavailable or OutcomeUnknownError."""
        return self._send("GET", path, headers=self._bearer())

    def post(self, path: str, content: Any) -> Answer:
        """Ask for something small. Raises Unavailable or OutcomeUnknownError."""
        return self._send("POST", path, json=content, headers=self._bearer())

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _send(self, method: str, path: str, **arguments: Any) -> Answer:
        began = time.monotonic()
        try:
            reply = self._http.request(method, path, **arguments)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise Unavailable(
                "gateway-away",
                f"Nothing answers at {self._credentials.base_url}.",
                help="Check the address; `mohar up` starts a gateway on this machine.",
                retry_after=1,
            ) from error
        except httpx.HTTPError as error:
            raise OutcomeUnknownError(type(error).__name__) from error
        elapsed_ms = round((time.monotonic() - began) * 1000)
        return Answer(status=reply.status_code, headers=reply.headers, content=_json(reply), elapsed_ms=elapsed_ms)


def _json(reply: httpx.Response) -> Any:
    try:
        return strict_json.read(reply.content)
    except strict_json.JsonFault as error:
        raise Unavailable(
            "no-gateway",
            f"What answers at {reply.url} with HTTP {reply.status_code} is no Mohar gateway.",
            help="Check the address; between you and the gateway there may be a proxy that is in trouble.",
            retry_after=1,
        ) from error


def _token_refused(answer: Answer) -> Exception:
    said = answer.content.get("error_description") or answer.content.get("detail") or f"HTTP {answer.status}"
    code = str(answer.content.get("error") or answer.content.get("code") or "token-refused")
    if answer.status == _UNAUTHORISED:
        return Unauthorised(code, said, help="Check client_id and client_secret; `mohar client add` makes new ones.")
    if answer.status >= _SERVER_ERRORS or answer.status == 429:  # noqa: PLR2004  too many requests
        return Unavailable(code, said, help="Try again in a moment.", retry_after=1)
    return Misconfigured(code, said, help="Use the credentials of a client that may speak for this GSTIN.")


def _read_object(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured(
            "credentials-unreadable",
            f"{file} cannot be read as JSON: {error}.",
            help="Name the file that `mohar up --credentials FILE` wrote.",
        ) from error
    if not isinstance(content, dict):
        raise Misconfigured(
            "credentials-unreadable", f"{file} holds no JSON object.", help="See `mohar up --credentials FILE`."
        )
    return content

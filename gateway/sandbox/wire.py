"""What comes in and what goes out, free of any server: requests, replies and the portal's envelope."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qsl

from gateway.domain import canonical

JSON_TYPE: Final = (("content-type", "application/json; charset=utf-8"),)
HTML_TYPE: Final = (("content-type", "text/html; charset=utf-8"),)
TEXT_TYPE: Final = (("content-type", "text/plain; charset=utf-8"),)
LINES_TYPE: Final = (("content-type", "application/x-ndjson"),)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are lower case with hyphens: the portal takes `_` and `-` in any case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @classmethod
    def of(
        cls, method: str, path: str, *, query: str = "", headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Request:
        """A request from its parts as a server has them. `path` is already percent-decoded, `query` is not."""
        named = {name.lower().replace("_", "-"): value for name, value in headers}
        return cls(method.upper(), path, dict(parse_qsl(query, keep_blank_values=True)), named, body)

    def header(self, name: str) -> str:
        """A header's value, or nothing. `authtoken` and `auth-token`, `user_name` and `username` are each the same."""
        return self.headers.get(name) or self.headers.get(name.replace("-", "")) or ""


class DropStyle(StrEnum):
    """How a connection ends without an answer."""

    RESET = "reset"
    CLOSED = "closed"
    TIMEOUT = "timeout"
    """It does not end: the line stays silent until the client has had enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer, and how it is delivered.

    `delay_ms` is how long it waits, `cut_at` after how many bytes of the body the line breaks; `dropped` means that
    no byte is sent at all, `refused` that there was not even a connection.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = JSON_TYPE
    body: bytes = b""
    delay_ms: int = 0
    cut_at: int | None = None
    dropped: bool = False
    refused: bool = False
    drop_style: DropStyle = DropStyle.RESET


class Refusal(Exception):
    """The portal says no: its code, a sentence, and what else it tells (InfoDtls)."""

    def __init__(
        self,
        code: str,
        sentence: str,
        *,
        info: Sequence[Mapping[str, Any]] | None = None,
        more: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.errors = ((code, sentence), *more)
        self.info = info


@dataclass(frozen=True, slots=True)
class Envelope:
    """The two things in which descriptions of the portal's envelope differ.

    `errors_base64`: ErrorDetails is the Base64 of the list (the v1.03 documents) instead of the list (live traffic).
    `status_text`: Status is `"1"` instead of 1.
    """

    errors_base64: bool = False
    status_text: bool = False

    def success(self, data: Any, *, info: Sequence[Mapping[str, Any]] | None = None) -> bytes:
        """`Data` is a plain object after a login, encrypted text after every other call."""
        return self._write(1, data=data, errors=None, info=info)

    def failure(self, refusal: Refusal) -> bytes:
        """The failure form, with every error that was found."""
        errors: Any = [{"ErrorCode": code, "ErrorMessage": sentence} for code, sentence in refusal.errors]
        if self.errors_base64:
            errors = base64.b64encode(json.dumps(errors).encode()).decode()
        return self._write(0, data=None, errors=errors, info=refusal.info)

    def _write(self, status: int, *, data: Any, errors: Any, info: Sequence[Mapping[str, Any]] | None) -> bytes:
        members = {
            "Status": str(status) if self.status_text else status,
            "Data": data,
            "ErrorDetails": errors,
            "InfoDtls": list(info) if info else None,
        }
        return canonical.written(members)


def json_reply(value: Any, *, status: int = 200) -> Reply:
    """A JSON answer of the sandbox's own pages (`/_control` and its like)."""
    return Reply(status=status, body=json.dumps(value, ensure_ascii=False).encode())

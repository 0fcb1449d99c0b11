"""The envelope around every answer of a portal: what it says, in whichever of its forms it comes.

`{"Status": 1, "Data": …, "ErrorDetails": null, "InfoDtls": null}`, where Status is a number or text, ErrorDetails a
list, one object, JSON text or Base64 of JSON, and InfoDtls a list, one object, JSON text or nothing. NIC's documents
and its recorded answers disagree, so all forms are read.

Whatever cannot be read without a guess is `Unreadable`, upon which the gateway looks the document up: a time-out text,
a page of HTML, half an answer, or a body that contradicts itself. Nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from gateway.domain.calendar import read_portal_time
from gateway.domain.identifiers import is_irn
from gateway.irp import portal_json

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one answer. The signed copy of a 2 MB document, escaped and in Base64 twice, takes about 8 MB; we take double."""

CODE_CHARACTERS_MAX: Final = 20
"""Of an error code. The longest known has 10."""

MESSAGE_CHARACTERS_MAX: Final = 2000
"""Of an error message that is kept. Schema faults list many fields; what follows is in the evidence."""

DUPLICATE_CODES: Final = frozenset({"DUPIRN", "DUPIRNGLP"})
"""Info blocks that name an existing registration: at this portal, or at another IRP by way of the registry."""

EWB_ERROR_CODE: Final = "EWBERR"
"""Info block of a document that was registered while its e-way bill was not made."""

_SUCCESS: Final = frozenset({"1"})
_FAILURE: Final = frozenset({"0"})
_HTTP_OK: Final = range(200, 300)
_HTTP_REDIRECT: Final = range(300, 400)
_HTTP_SERVER_FAULT: Final = 500
_CODE: Final = re.compile(r"[0-9A-Za-z_.-]+", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_GATEWAY_TIMEOUT: Final = re.compile(rb"endpoint request timed out|gateway time-?out", re.IGNORECASE)
_PEEK_BYTES: Final = 2048
"""How much of an unreadable body is searched for a reason."""


@dataclass(frozen=True, slots=True)
class PortalError:
    """One entry of ErrorDetails: the portal's code and its own sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class InfoBlock:
    """One entry of InfoDtls: its InfCd (empty for bare text) and what stands in Desc, JSON text already read."""

    code: str
    desc: Any


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An existing registration, as an info block names it. `irp` is the portal that made it, where that is said."""

    irn: str
    ack_no: str | None
    ack_at: datetime | None
    irp: str | None


class Info(tuple[InfoBlock, ...]):
    """The info blocks of an answer, in their order."""

    __slots__ = ()

    def duplicate(self) -> Duplicate | None:
        """The existing registration, wherever its block stands among the others; None without a usable IRN."""
        found = (_duplicate(block.desc) for block in self if block.code in DUPLICATE_CODES)
        return next((each for each in found if each is not None), None)

    def ewb_errors(self) -> tuple[PortalError, ...]:
        """Why no e-way bill was made along with a registered document; empty when nothing is said."""
        found = (_errors(block.desc) for block in self if block.code == EWB_ERROR_CODE)
        return tuple(error for errors in found if errors for error in errors)

    def texts(self, code: str) -> tuple[str, ...]:
        """What is said in plain text under a code, such as the distance under EWBPPD."""
        return tuple(block.desc for block in self if block.code == code and isinstance(block.desc, str))


@dataclass(frozen=True, slots=True)
class Success:
    """The portal did what was asked. `data` is encrypted text, a login's plain object, or nothing; it may be secret."""

    data: str | Mapping[str, Any] | None = field(repr=False)
    info: Info = field(default_factory=Info)


@dataclass(frozen=True, slots=True)
class Failure:
    """The portal's own No, with at least one error."""

    errors: tuple[PortalError, ...]
    info: Info = field(default_factory=Info)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Nobody can tell what the portal did. `reason` is for logs and holds nothing of the body."""

    reason: str


Answer = Success | Failure | Unreadable


def read(status: int, body: bytes) -> Answer:
    """What an answer says, by its HTTP status and its bytes. Never raises: what is not understood is Unreadable."""
    members = opened(status, body)
    return members if isinstance(members, Unreadable) else _answer(members, accepted=is_success(status))


def is_success(status: int) -> bool:
    """Whether HTTP itself says that all went well."""
    return status in _HTTP_OK


def is_code(text: str) -> bool:
    """Whether a text can be an error code of a portal."""
    return len(text) <= CODE_CHARACTERS_MAX and _CODE.fullmatch(text) is not None


def opened(status: int, body: bytes) -> Mapping[str, Any] | Unreadable:
    """The members of an answer under lower-case names, one of them its status; Unreadable for what is no envelope."""
    if status >= _HTTP_SERVER_FAULT:
        return Unreadable(f"HTTP {status}")
    if status not in _HTTP_OK and (status < _HTTP_OK.start or status in _HTTP_REDIRECT):
        return Unreadable(f"HTTP {status}, which is no answer")
    if len(body) > ANSWER_BYTES_MAX:
        return Unreadable(f"{len(body)} bytes, more than {ANSWER_BYTES_MAX}")
    try:
        members = portal_json.members(portal_json.read(body))
    except ValueError:
        return Unreadable(_reason_of_no_json(status, body))
    if members is None or "status" not in members:
        return Unreadable(_reason_of_no_envelope(status, body))
    return members


def _answer(members: Mapping[str, Any], *, accepted: bool) -> Answer:
    status = portal_json.plain_text(members["status"])
    errors = _errors(members.get("errordetails"))
    if errors is None:
        return Unreadable("ErrorDetails in no known form")
    info = _info(members.get("infodtls"))
    if status in _FAILURE:
        return Failure(errors, info) if errors else Unreadable("a failure without an error code")
    if status not in _SUCCESS:
        return Unreadable("a Status that is neither 0 nor 1")
    if errors or not accepted:
        return Unreadable("a success that is also called an error")
    return _success(members.get("data"), info)


def _success(data: Any, info: Info) -> Answer:
    if isinstance(data, str):
        data = portal_json.read_if_json(data) or None
    if data is None or isinstance(data, str | dict):
        return Success(data, info)
    return Unreadable("Data in no known form")


def _errors(details: Any) -> tuple[PortalError, ...] | None:
    """The errors of ErrorDetails in any of its forms; empty when there are none; None when one of them is unclear."""
    details = portal_json.unwrapped(details)
    if details in (None, "", [], {}):
        return ()
    if isinstance(details, dict):
        details = [details]
    if not isinstance(details, list):
        return None
    errors = [_error(each) for each in details]
    known = tuple(error for error in errors if error is not None)
    return known if len(known) == len(errors) else None


def _error(entry: Any) -> PortalError | None:
    members = portal_json.members(entry)
    if members is None:
        return None
    code = portal_json.plain_text(members.get("errorcode"))
    if code is None or not is_code(code):
        return None
    message = members.get("errormessage")
    return PortalError(code, message.strip()[:MESSAGE_CHARACTERS_MAX] if isinstance(message, str) else "")


def _info(details: Any) -> Info:
    """The info blocks. One that is unclear is kept without a code: it must not spoil the answer that it comes with."""
    details = portal_json.read_if_json(details)
    if details in (None, "", [], {}):
        return Info()
    entries = details if isinstance(details, list) else [details]
    return Info(_block(each) for each in entries)


def _block(entry: Any) -> InfoBlock:
    members = portal_json.members(entry)
    code = portal_json.plain_text(members.get("infcd")) if members else None
    if members is None or code is None:
        return InfoBlock("", entry)
    return InfoBlock(code.upper(), portal_json.read_if_json(members.get("desc")))


def _duplicate(desc: Any) -> Duplicate | None:
    members = portal_json.members(desc[0] if isinstance(desc, list) and desc else desc)
    irn = portal_json.plain_text(members.get("irn")) if members else None
    if members is None or irn is None or not is_irn(irn.lower()):
        return None
    ack_no = portal_json.plain_text(members.get("ackno"))
    return Duplicate(
        irn=irn.lower(),
        ack_no=ack_no if ack_no is not None and _DIGITS.fullmatch(ack_no) else None,
        ack_at=_time(members.get("ackdt")),
        irp=portal_json.plain_text(members.get("regirp")),
    )


def _time(value: Any) -> datetime | None:
    try:
        return read_portal_time(value.strip()) if isinstance(value, str) else None
    except (ValueError, OverflowError):  # OverflowError: a year before 1 once it is taken to UTC
        return None


def _reason_of_no_json(status: int, body: bytes) -> str:
    start = body[:_PEEK_BYTES].lstrip()
    if not start:
        return f"HTTP {status} without a body"
    if _GATEWAY_TIMEOUT.search(start):
        return "the portal's front timed out"
    if start.startswith(b"<"):
        return f"HTTP {status} with a page instead of JSON"
    return f"HTTP {status} with a body that is no JSON"


def _reason_of_no_envelope(status: int, body: bytes) -> str:
    if _GATEWAY_TIMEOUT.search(body[:_PEEK_BYTES]):
        return "the portal's front timed out"
    return f"HTTP {status} with JSON that is no answer of a portal"

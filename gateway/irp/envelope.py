"""The envelope around every answer of a portal: what it says, in whichever of its forms it comes.

`{"Status": 1, "Data": …, "ErrorDetails": null, "InfoDtls": null}`, where Status is a number or text, ErrorDetails a
list, one object, JSON text or Base64 of JSON, and InfoDtls a list, one object, JSON text or nothing. NIC's documents
and its recorded answers disagree, so all forms are read.

Whatever cannot be read without a guess is `Unreadable`, upon which the gateway looks the document up: a time-out text,
a page of HTML, half an answer, or a body that contradicts itself. Nothing here raises.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
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
    if status >= _HTTP_SERVER_FAULT:
        return Unreadable(f"HTTP {status}")
    if status not in _HTTP_OK and (status < _HTTP_OK.start or status in _HTTP_REDIRECT):
        return Unreadable(f"HTTP {status}, which is no answer")
    if len(body) > ANSWER_BYTES_MAX:
        return Unreadable(f"{len(body)} bytes, more than {ANSWER_BYTES_MAX}")
    try:
        members = _folded(portal_json.read(body))
    except ValueError:
        return Unreadable(_reason_of_no_json(status, body))
    if members is None or "status" not in members:
        return Unreadable(_reason_of_no_envelope(status, body))
    return _answer(members, accepted=status in _HTTP_OK)


def _answer(members: Mapping[str, Any], *, accepted: bool) -> Answer:
    status = _plain_text(members["status"])
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
        data = _read_if_json(data) or None
    if data is None or isinstance(data, str | dict):
        return Success(data, info)
    return Unreadable("Data in no known form")


def _errors(details: Any) -> tuple[PortalError, ...] | None:
    """The errors of ErrorDetails in any of its forms; empty when there are none; None when one of them is unclear."""
    details = _opened(details)
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
    members = _folded(entry)
    if members is None:
        return None
    code = _plain_text(members.get("errorcode"))
    if code is None or len(code) > CODE_CHARACTERS_MAX or not _CODE.fullmatch(code):
        return None
    message = members.get("errormessage")
    return PortalError(code, message.strip()[:MESSAGE_CHARACTERS_MAX] if isinstance(message, str) else "")


def _info(details: Any) -> Info:
    """The info blocks. One that is unclear is kept without a code: it must not spoil the answer that it comes with."""
    details = _read_if_json(details)
    if details in (None, "", [], {}):
        return Info()
    entries = details if isinstance(details, list) else [details]
    return Info(_block(each) for each in entries)


def _block(entry: Any) -> InfoBlock:
    members = _folded(entry)
    code = _plain_text(members.get("infcd")) if members else None
    if members is None or code is None:
        return InfoBlock("", entry)
    return InfoBlock(code.upper(), _read_if_json(members.get("desc")))


def _duplicate(desc: Any) -> Duplicate | None:
    members = _folded(desc[0] if isinstance(desc, list) and desc else desc)
    irn = _plain_text(members.get("irn")) if members else None
    if members is None or irn is None or not is_irn(irn.lower()):
        return None
    ack_no = _plain_text(members.get("ackno"))
    return Duplicate(
        irn=irn.lower(),
        ack_no=ack_no if ack_no is not None and _DIGITS.fullmatch(ack_no) else None,
        ack_at=_time(members.get("ackdt")),
        irp=_plain_text(members.get("regirp")),
    )


def _time(value: Any) -> datetime | None:
    try:
        return read_portal_time(value.strip()) if isinstance(value, str) else None
    except (ValueError, OverflowError):  # OverflowError: a year before 1 once it is taken to UTC
        return None


def _folded(value: Any) -> dict[str, Any] | None:
    """An object's members under lower-case names, as portals vary the case; None for all else, or if two become one."""
    if not isinstance(value, dict):
        return None
    members = {name.lower(): each for name, each in value.items()}
    return members if len(members) == len(value) else None


def _plain_text(value: Any) -> str | None:
    """A code or a number as text: `1`, `"1"` and `" 1 "` are one. None for anything else, and for blanks."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    return str(value).strip() or None


def _read_if_json(value: Any) -> Any:
    """What stands inside a text that is an object or a list of JSON; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return portal_json.read(value)
    except ValueError:
        return value


def _opened(value: Any) -> Any:
    """As `_read_if_json`, also when the JSON is in Base64, as the documents of API v1.03 have it."""
    value = _read_if_json(value)
    if not isinstance(value, str):
        return value
    try:
        inside = base64.b64decode(value.strip(), validate=True)
        return _read_if_json(inside.decode())
    except (binascii.Error, ValueError):
        return value


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

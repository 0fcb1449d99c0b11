"""One call in the portal's hands: what was asked, what is answered, and the reading of its encrypted payload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway import shape
from gateway.domain import strict_json
from gateway.domain.calendar import read_portal_date
from gateway.sandbox import codec, documents
from gateway.sandbox.faults import Kind, Strike
from gateway.sandbox.sessions import Session
from gateway.sandbox.wire import Refusal, Request

DOCUMENT_BYTES_MAX: Final = 2 * 1024 * 1024
"""The portal's limit on the JSON text of a document."""

LINES_MAX: Final = 1000
"""Lines of one document, by the portal's code 2173."""

_FAULTS_NAMED: Final = 20
"""Schema faults in one 5002 answer. A document that is wrong throughout would fill pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to be served: who asks, what, when, and what shall go wrong with it."""

    request: Request
    session: Session
    at: datetime
    argument: str = ""
    strike: Strike | None = None

    def is_struck_by(self, kind: Kind) -> bool:
        """Whether this fault is the one that hit the call."""
        return self.strike is not None and self.strike.kind is kind


@dataclass(frozen=True, slots=True)
class Answer:
    """What the portal says yes with: the text to be encrypted, what it adds (InfoDtls), and the IRN it is about."""

    text: str
    info: tuple[Mapping[str, Any], ...] = ()
    irn: str | None = None


def read_document(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The document that was sent, without its nulls.

    Raises Refusal 2173, 2144, or 5002 with the fields that are wrong.
    """
    document: dict[str, Any] = documents.without_nulls(sent)
    lines = document.get("ItemList")
    if isinstance(lines, list) and len(lines) > LINES_MAX:
        raise Refusal("2173", f"The document has more than {LINES_MAX} items.")
    faults = shape.check(document)
    if faults:
        named = "; ".join(f"{fault.at or '/'}: {fault.message}" for fault in faults[:_FAULTS_NAMED])
        raise Refusal("5002", named)
    try:
        read_portal_date(document["DocDtls"]["Dt"])
    except ValueError as error:
        raise Refusal("2144", "The document date is no day of the calendar.") from error
    return document


def decrypted(call: Call) -> bytes:
    """The text of a call's payload. Raises Refusal 5003, 2140 or 5002."""
    try:
        plain = codec.decrypt(call.session.sek, envelope_data(call.request.body))
    except codec.CodecError as error:
        raise Refusal("2140", "The payload does not decrypt with the session key.") from error
    if len(plain) > DOCUMENT_BYTES_MAX:
        raise Refusal("5002", "The request body is too large.")
    return plain


def envelope_data(body: bytes) -> str:
    """The `Data` of a request. Raises Refusal 5003 when there is none."""
    try:
        envelope = strict_json.read(body)
    except strict_json.JsonFault as error:
        raise Refusal("5003", "The request is no JSON.") from error
    data = envelope.get("Data") if isinstance(envelope, dict) else None
    if not isinstance(data, str) or not data:
        raise Refusal("5003", "The element Data is missing or empty.")
    return data


def read_object(call: Call) -> dict[str, Any]:
    """The JSON object of a call's payload. Raises Refusal 5003, 2140 or 5002."""
    try:
        value = strict_json.read(decrypted(call))
    except strict_json.JsonFault as fault:
        raise Refusal("5002", f"The payload cannot be read: {fault}") from fault
    if not isinstance(value, dict):
        raise Refusal("5002", "The payload is no JSON object.")
    return value

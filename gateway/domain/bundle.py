"""The lines of an evidence bundle: JSON objects, one a line, that can be checked with nothing but themselves.

A `bundle` line opens it; then come `key` and `portal_key` lines; then `seal` lines, each with what stands under it:
`record` lines, `document` lines after the record that names them, and `hash` lines in the place of whatever the reader
may not see or what was past its age; an `end` line closes it and is signed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.domain.audit import Record
from gateway.domain.merkle import Part
from gateway.domain.seals import Seal, instant

FORMAT: Final = 1
DOCUMENT_FACT: Final = "signed_document"
"""Of a record: the SHA-256 of the signed document that it brought."""
MEMBERS: Final[Mapping[str, frozenset[str]]] = {
    "bundle": frozenset({"format", "made_at", "series", "first_seal", "last_seal"}),
    "key": frozenset({"key_id", "pem"}),
    "portal_key": frozenset({"kid", "pem"}),
    "seal": frozenset({"number", "first_leaf", "size", "root", "previous", "at", "key_id", "signature"}),
    "hash": frozenset({"first_leaf", "size", "hash"}),
    "record": frozenset(
        {
            "leaf",
            "ordinal",
            "id",
            "at",
            "actor",
            "action",
            "subject",
            "environment",
            "org_id",
            "gstin",
            "version",
            "facts",
        }
    ),
    "document": frozenset({"sha256", "body"}),
    "end": frozenset({"lines", "sha256", "key_id", "signature"}),
}
"""What each kind of line has besides its `type`: exactly these members."""


def opening(*, made_at: datetime, series: Sequence[str], first_seal: int, last_seal: int) -> dict[str, Any]:
    """The first line: whose records, and in which seals. Both numbers are 0 when there are none."""
    return {
        "type": "bundle",
        "format": FORMAT,
        "made_at": instant(made_at),
        "series": list(series),
        "first_seal": first_seal,
        "last_seal": last_seal,
    }


def seal_line(seal: Seal, signature: str) -> dict[str, Any]:
    """A seal."""
    return {
        "type": "seal",
        "number": seal.number,
        "first_leaf": seal.first_leaf,
        "size": seal.size,
        "root": seal.root,
        "previous": seal.previous,
        "at": instant(seal.at),
        "key_id": seal.key_id,
        "signature": signature,
    }


def record_members(record: Record) -> dict[str, Any]:
    """A record, as everywhere where it is shown."""
    return {
        "id": record.id,
        "at": instant(record.at),
        "actor": record.actor,
        "action": str(record.action),
        "subject": record.subject,
        "environment": record.environment,
        "org_id": record.org_id,
        "gstin": record.gstin,
        "version": record.version,
        "facts": dict(record.facts),
    }


def record_line(record: Record, *, leaf: int, ordinal: int) -> dict[str, Any]:
    """A record at its leaf."""
    return {"type": "record", "leaf": leaf, "ordinal": ordinal, **record_members(record)}


def hash_line(part: Part, *, first_leaf: int) -> dict[str, Any]:
    """What stands for leaves that are not shown. `first_leaf` is that of the seal."""
    return {"type": "hash", "first_leaf": first_leaf + part.start, "size": part.size, "hash": part.hash.hex()}


def document_line(digest: str, body: str) -> dict[str, Any]:
    """A signed document, as the portal wrote it."""
    return {"type": "document", "sha256": digest, "body": body}


def end_statement(*, lines: int, sha256: str, key_id: str) -> bytes:
    """What is signed at the end: how many lines came before, and the hash of them all."""
    return _json({"key_id": key_id, "lines": lines, "sha256": sha256}).encode()


def text_of(line: Mapping[str, Any]) -> str:
    """A line as text, in the one form that it may have."""
    return _json(line) + "\n"


class Lines:
    """Writes lines, and remembers what the last one has to say of them."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = hashlib.sha256()

    def write(self, line: Mapping[str, Any]) -> str:
        """A line as text, with its end."""
        text = text_of(line)
        self.count += 1
        self._sum.update(text.encode())
        return text

    @property
    def sha256(self) -> str:
        """Of all lines so far."""
        return self._sum.hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, sort_keys=True)

"""Seals: what fixes a batch of audit records for good, and each seal the one before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.domain import merkle
from gateway.domain.audit import Record

NOTHING_BEFORE: Final = "0" * 64
"""What the first seal names in the place of the one before it."""
_ORDINAL_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A statement about leaves of the log: those from `first_leaf` on, `size` of them, have this root.

    `previous` is the digest of the seal before it; `key_id` names the key that signs the statement.
    """

    number: int
    first_leaf: int
    size: int
    root: str
    previous: str
    at: datetime
    key_id: str

    @property
    def statement(self) -> bytes:
        """What is signed: every member, in one form."""
        members = {
            "at": instant(self.at),
            "first_leaf": self.first_leaf,
            "key_id": self.key_id,
            "number": self.number,
            "previous": self.previous,
            "root": self.root,
            "size": self.size,
        }
        return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the statement: what the next seal calls `previous`."""
        return hashlib.sha256(self.statement).hexdigest()


def leaf(record_digest: str, *, ordinal: int) -> bytes:
    """The leaf hash of a record that is the `ordinal`-th of its series, counted from 1.

    The number is in the hash, so that whoever is shown a series can tell that none of its records is kept from him.
    """
    return merkle.leaf_hash(bytes.fromhex(record_digest) + ordinal.to_bytes(_ORDINAL_BYTES, "big"))


def series(*, environment: str | None, org_id: str | None, gstin: str | None) -> str:
    """The name of the series that a record belongs to: records of one taxpayer, of one organisation, or of nobody."""
    return "/".join((environment or "", org_id or "", gstin or ""))


def series_of(record: Record) -> str:
    """The series of a record."""
    return series(environment=record.environment, org_id=record.org_id, gstin=record.gstin)


def own_series(*, environment: str, org_id: str, gstin: str) -> tuple[str, str, str]:
    """What a caller may see: its taxpayer's records, and those of its organisation that are about no taxpayer."""
    return (
        series(environment=environment, org_id=org_id, gstin=gstin),
        series(environment=environment, org_id=org_id, gstin=None),
        series(environment=None, org_id=org_id, gstin=None),
    )


def instant(at: datetime) -> str:
    """The one form in which times stand in what is signed."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")

"""The sealed log: what is to be sealed, what was, and what of it one caller may see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from gateway.domain.audit import Record
from gateway.domain.seals import Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class SealKey:
    """A key that signs seals. Its id is derived from its public part, so that neither can be exchanged alone."""

    key_id: str
    private_sealed: bytes
    public_pem: str


class Sealer(Protocol):
    """Makes keys for seals and signs with them."""

    def new_key(self) -> SealKey:
        """A fresh key."""

    def sign(self, statement: bytes, *, key: SealKey) -> str:
        """The signature, in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsealed:
    """A record that was committed and is in no seal yet."""

    position: int
    id: str
    digest: str
    series: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A record's place in the sealed log: its leaf, and the how-manieth of its series it is."""

    index: int
    record_id: str
    series: str
    ordinal: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedSeal:
    """A seal and its signature, in hexadecimal."""

    seal: Seal
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRecord:
    """A record with its leaf. `record` is None where only the leaf is left: it was past its age limit."""

    leaf: Leaf
    seal_number: int
    record: Record | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records somebody asks for; what is None asks for nothing. `after` is a leaf, `since` and `until` times."""

    series: Sequence[str]
    after: int = -1
    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    subject: str | None = None


class Seals(Protocol):
    """The sealed log, for its one writer."""

    def unsealed(self, *, rows_max: int) -> Sequence[Unsealed]:
        """Records in no seal, in the order of their positions."""

    def last(self) -> Seal | None:
        """The newest seal."""

    def counts(self, series: Sequence[str]) -> Mapping[str, int]:
        """How many records of each of these series are sealed; a series without any is missing."""

    def keys(self) -> Sequence[SealKey]:
        """The keys, newest first."""

    def add_key(self, key: SealKey, *, record: Record) -> None:
        """Keep a key; from now on it signs."""

    def store(self, signed: SignedSeal, leaves: Sequence[Leaf], *, positions: Sequence[int]) -> bool:
        """Write a seal with its leaves, in one transaction. False when another was quicker, and nothing happened."""

    def reap(self, *, before: datetime, rows_max: int) -> int:
        """Delete sealed records older than that; their leaves stay. How many there were."""


class SealedLog(Protocol):
    """The sealed log, for its readers."""

    def find(self, wanted: Wanted, *, rows_max: int) -> Sequence[SealedRecord]:
        """Records in the order of their leaves."""

    def get(self, record_id: str, *, series: Sequence[str]) -> SealedRecord | None:
        """One record of these series."""

    def seal(self, number: int) -> SignedSeal:
        """A seal that is there."""

    def leaves_of(self, number: int) -> Sequence[str]:
        """The leaf hashes of a seal, in order."""

    def records_of(self, number: int, *, series: Sequence[str]) -> Sequence[SealedRecord]:
        """The records of a seal that belong to these series."""

    def span(self, wanted: Wanted) -> tuple[int, int] | None:
        """The first and the last seal that have what is wanted; None when none has."""

    def seals_between(self, first: int, last: int) -> Iterator[SignedSeal]:
        """Seals by their numbers, both ends included, without holding them all."""

    def keys(self) -> Mapping[str, str]:
        """Public keys (PEM) by their id."""

    def portal_keys(self, environment: str) -> Sequence[Mapping[str, Any]]:
        """Signing keys of the portals: `kid` and `pem`."""

    def body(self, digest: str) -> bytes | None:
        """The body of that digest, if it is kept."""

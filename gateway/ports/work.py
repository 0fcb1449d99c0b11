"""Operations and documents: as clients make them, as workers move them, as time does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

from gateway.domain.audit import Record
from gateway.domain.faults import Fault
from gateway.domain.operations import Environment, HoldCause, Kind, Lane, Operation, Status
from gateway.domain.outcomes import Outcome
from gateway.domain.settlement import Event, Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOperation:
    """What a client asks, validated, before it has a row.

    `subject` is what it is done to. What names a document is there as far as it is known; of a kind that claims its
    document's number, all of it. `waits_for` is the operation that has to succeed first.
    """

    id: str
    org_id: str
    environment: Environment
    gstin: str
    client_id: str
    kind: Kind
    direct: bool
    subject: str
    doc_type: str | None = None
    doc_no: str | None = None
    doc_date: date | None = None
    financial_year: str | None = None
    number_key: str | None = None
    irn: str | None = None
    waits_for: str | None = None
    content_digest: str
    request: bytes
    payload: bytes
    request_id: str
    trace_id: str = ""
    deadline_at: datetime | None
    refused_since: datetime | None = None
    """A lasting refusal of the very same since then answers again; None: it is sent whatever was answered before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """A client's own name for a request, good for 24 hours."""

    client_id: str
    key: str
    fingerprint: str
    expires_at: datetime


class Reception(StrEnum):
    """How a request met what is known already."""

    ACCEPTED = "accepted"
    SAME_KEY = "same key"
    SAME_DOCUMENT = "same document"
    KEY_REUSED = "key reused"
    OTHER_DOCUMENT = "other document"
    REFUSED_BEFORE = "refused before"
    """The portal has refused the very same, for what it says."""
    UNDER_WAY = "under way"
    """Another operation of the kind on this subject, which asks for something else, is not settled."""
    GROUND_MOVED = "ground moved"
    """The operation that it would wait for, which is the one returned, is settled by now: nothing was stored."""


@dataclass(frozen=True, slots=True)
class Received:
    """The operation that a request made, or met. `warnings` are what its sender should know about the document."""

    reception: Reception
    operation: Operation
    warnings: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A row in hand, until `lease_until`. A write with another token than the row's changes nothing.

    `more` tells that another row of its lane was due at that moment.
    """

    operation: Operation
    token: str
    lease_until: datetime
    more: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a portal, on record before its first byte is sent. `operation` is `submitting`."""

    id: str
    number: int
    worker: str
    operation: Operation
    claim: Claim
    route: str
    payload: bytes
    kept_answer: bytes | None


class LeaseLostError(Exception):
    """The lease ended and somebody else may hold the row: whoever raised this changed nothing and must stop."""


class Intake(Protocol):
    """Operations as clients make and read them. Every method is one transaction."""

    def find_by_key(self, key: IdempotencyKey, *, at: datetime) -> Received | None:
        """What this client's key stands for, if it was used within its life."""

    def find_by_identity(self, new: NewOperation) -> Received | None:
        """The operation that holds this document's number, or that is open on this subject, if there is one."""

    def accept(
        self, new: NewOperation, key: IdempotencyKey | None, *, at: datetime, before: NewOperation | None = None
    ) -> Received:
        """Store an operation with its key, its claim on the number and its evidence, or read back who came first.

        `before` is stored with it, unless one like it is open on its subject: either is waited for.
        """

    def latest_on(
        self, *, environment: Environment, gstin: str, kind: Kind, subject: str, statuses: Collection[Status]
    ) -> Operation | None:
        """The latest operation of a kind on a subject that stands so."""

    def get(self, id: str) -> Operation | None:
        """One operation."""

    def payload_of(self, id: str) -> bytes:
        """What an operation sends. Raises LookupError when there is no such operation."""

    def attempts_of(self, id: str) -> Sequence[Mapping[str, Any]]:
        """The tries at it, oldest first."""

    def queued_ahead(self, operation: Operation, *, by: datetime) -> int:
        """How many rows of its lane come before it, of those that are due by then: what is put off is overtaken."""


class Work(Protocol):
    """Operations as workers move them. Every method is one transaction."""

    def claim(
        self, lane: Lane, *, direct: bool, owner: str, at: datetime, lease_until: datetime, leases_max: int
    ) -> Claim | None:
        """Lease the next due row of a lane, unless `leases_max` are leased already or the lane is out of permits."""

    def renew(self, claim: Claim, *, until: datetime) -> Claim:
        """Lengthen a lease. Raises LeaseLostError."""

    def release(self, claim: Claim, *, due_at: datetime, code: str | None = None, message: str | None = None) -> None:
        """Give a row back without an attempt; untouched, or with what it waits for in place of the portal's words."""

    def block_lane(self, lane: Lane, *, direct: bool, until: datetime) -> None:
        """Note that a lane has no permits for one class of calls until then."""

    def begin_attempt(self, claim: Claim, *, route: str, worker: str, at: datetime) -> Attempt:
        """Write down that a try begins: from here on the row is in doubt if we die. Raises LeaseLostError."""

    def record(self, attempt: Attempt, settlement: Settlement, outcome: Outcome, *, at: datetime) -> Operation:
        """Write down what a try meant, with its evidence and what it changes in the ledger. Raises LeaseLostError."""


class Upkeep(Protocol):
    """Operations as time moves them, or a person. Every method is one transaction, or one per row."""

    def close(self, id: str, event: Event, *, actor: str, at: datetime) -> Operation:
        """Withdraw or expire an operation that never reached the portal."""

    def resume(self, id: str, *, actor: str, at: datetime) -> Operation:
        """Take a parked operation up again."""

    def judge(self, id: str, outcome: Outcome, *, note: str, actor: str, at: datetime) -> Operation:
        """Settle a parked operation by what a person found, with what that changes in the ledger."""

    def end_expired_leases(self, *, at: datetime, rows_max: int) -> int:
        """Bring back the rows whose lease is over; how many there were."""

    def close_windows(self, *, at: datetime, rows_max: int) -> int:
        """Expire what waited past its legal deadline."""

    def due_lanes(self, *, at: datetime) -> Sequence[tuple[Lane, bool]]:
        """The lanes to ring: lane, and whether for its direct calls."""

    def wake_held(
        self, *, environment: Environment, gstin: str | None, causes: Sequence[HoldCause], at: datetime
    ) -> int:
        """Make held operations due, and free their lanes, because the cause may be gone; how many."""

    def free_lanes(self, *, changed_since: datetime, at: datetime) -> int:
        """Free the lanes that wait for permits if a route, and perhaps its limits, was changed since; how many."""

    def wake_relogged(self, *, at: datetime) -> int:
        """Make due what was refused for a login that was changed while it was being refused; how many."""

    def lead(self, role: str, *, holder: str, at: datetime, until: datetime) -> bool:
        """Whether `holder` has the role, alone, until then: taken if it is free, renewed if it is held already."""

    def reap(self, *, at: datetime, rows_max: int) -> int:
        """Remove some idempotency keys past their life; how many."""


class Auditor(Protocol):
    """Audit records of what is no transition of an operation."""

    def write(self, *records: Record) -> None:
        """Write records in a transaction of their own."""

"""Reconciliation: the ledger against the portals, by taxpayer and day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from gateway.domain.operations import Environment, Operation
from gateway.domain.outcomes import Outcome, Registration
from gateway.domain.reconciling import Finding, Phase, ReconcileLane
from gateway.ports.directory import Seller
from gateway.ports.ledger import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The reconciliation of one taxpayer's day.

    `until` is the instant up to which documents are looked at, `cursor` the last thing that was looked at in its phase;
    `checked` and `looked_up` count documents and numbers of which the portal told how they stand, `unread` those of
    which it did not, and `found` what is new. `due_at` is None once it has ended; before that, it is `waiting` for it
    where it says why.
    """

    id: str
    environment: Environment
    org_id: str
    gstin: str
    day: date
    until: datetime
    phase: Phase
    cursor: str | None
    tries: int
    checked: int
    looked_up: int
    unread: int
    found: int
    waiting: str | None
    opened_at: datetime
    due_at: datetime | None
    ended_at: datetime | None

    @property
    def lane(self) -> ReconcileLane:
        """What its doorbell is named."""
        return ReconcileLane(self.environment, self.gstin)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRun:
    """A run under a lease."""

    run: Run
    token: str = field(repr=False)
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeNumber:
    """An operation that we hold as not registered, what it sent, and the route on which it was last tried."""

    operation: Operation
    details: tuple[str, str, date]
    """Type, number and date of its document."""
    route: str | None
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step of a run changes. With `due_at` the lease is given back until then; `errors` are the portal's.

    `of` is the operation, as it was when it was listed, whose number was looked up.
    """

    phase: Phase
    cursor: str | None
    tries: int = 0
    checked: int = 0
    looked_up: int = 0
    unread: int = 0
    findings: tuple[Finding, ...] = ()
    of: Operation | None = None
    errors: int = 0
    route: str | None = None
    due_at: datetime | None = None
    waiting: str | None = None


class Reconciliations(Protocol):
    """Runs, and what they find."""

    def open_due(self, day: date, *, at: datetime, rows_max: int) -> int:
        """Open the day's run of every taxpayer that has one, where it is not open yet; how many.

        Runs of earlier days end as they are: what they did not look at, the new one does, or no portal shows it.
        """

    def ask(self, seller: Seller, *, day: date, until: datetime, at: datetime, actor: str) -> Run:
        """Open a run, or begin one that has ended anew. One that is under way goes on, at once."""

    def due_lanes(self, *, at: datetime) -> Sequence[ReconcileLane]:
        """The lanes to ring: runs that are due, or whose worker has let its lease pass."""

    def claim(self, lane: ReconcileLane, *, worker: str, at: datetime, lease_until: datetime) -> HeldRun | None:
        """Lease the latest run of a lane that is due, if there is one."""

    def renew(self, held: HeldRun, *, until: datetime) -> HeldRun:
        """A longer lease. Raises LeaseLostError."""

    def next_document(self, run: Run) -> tuple[Document, str | None] | None:
        """The first document after the cursor, oldest first, and the route on which it was made, if we know."""

    def next_number(self, run: Run) -> FreeNumber | None:
        """The first number after the cursor that we hold as not registered, and that no other document has taken."""

    def record(self, held: HeldRun, step: Step, *, at: datetime) -> HeldRun | None:
        """Move a run, with what was found, in one commit; None when it has ended or was given back.

        What is known already, or was our own doing, is no finding. Raises LeaseLostError.
        """

    def list(
        self, *, environment: Environment, org_id: str, gstin: str, before: date | None, rows_max: int
    ) -> Sequence[Run]:
        """The runs of a taxpayer, the latest day first."""

    def findings(self, run_ids: Sequence[str], *, rows_max: int) -> Sequence[Mapping[str, Any]]:
        """What those runs have found, oldest first, so many of each at most."""


class Rechecks(Protocol):
    """Looks again at what a portal has, as queued work. Nothing raises but what `keep_lease` does.

    Only REGISTERED, CONFLICT and ABSENT say how something stands. UNREADABLE: it is there, and too old to be shown.
    """

    def document(self, seller: Seller, *, route: str, held: Registration, keep_lease: Callable[[], None]) -> Outcome:
        """A document of the ledger at its portal: REGISTERED with the content that we hold, or CONFLICT.

        Its result is the registration as it stands now, with its status and where it differs.
        """

    def number(
        self,
        seller: Seller,
        *,
        route: str,
        details: tuple[str, str, date],
        sent: Any,
        keep_lease: Callable[[], None],
    ) -> Outcome:
        """What stands under a type, number and date, compared with a document that was sent, or would be."""

    def rejected(self, seller: Seller, *, route: str, day: date, keep_lease: Callable[[], None]) -> Outcome:
        """The portal's list of the IRNs that were rejected on a day; REGISTERED with `Rejections`."""

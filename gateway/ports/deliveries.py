"""Endpoints that want events, the events, and their way there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from gateway.domain.audit import Record
from gateway.domain.deliveries import Delivery, DeliveryStatus, DisabledCause, EndpointLane, Progress
from gateway.domain.operations import Environment, Operation
from gateway.ports.webhooks import Answer, Dispatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a client wants its events. No `types` stands for all of them."""

    id: str
    environment: Environment
    org_id: str
    client_id: str
    name: str
    url: str
    types: tuple[str, ...]
    gstins: tuple[str, ...]
    policy: str
    headers: Mapping[str, str] = field(repr=False)
    disabled_cause: DisabledCause | None
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One try at an endpoint, on record before its first byte is sent, under a lease until `lease_until`.

    `more` tells that another row of its lane was due at that moment, `prompt` how its endpoint stood. What was asked
    for has the name and the trace of the request that asked; what time makes has none.
    """

    id: str
    number: int
    delivery: Delivery
    token: str
    lease_until: datetime
    policy: str
    dispatch: Dispatch
    request_id: str
    trace_id: str
    prompt: bool
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A try that is over: what its receiver said, what its row becomes, and when."""

    attempt: DeliveryAttempt
    answer: Answer
    progress: Progress
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which deliveries to send again: one, or those of a time, or of a status. At most `rows_max` of them."""

    delivery_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    statuses: tuple[DeliveryStatus, ...] = ()
    rows_max: int


class Deliveries(Protocol):
    """Deliveries as workers and time move them. Every method is one transaction, or one per row."""

    def take(
        self,
        lane: EndpointLane,
        *,
        worker: str,
        at: datetime,
        lease_until: datetime,
        leases_max: int,
        after: Sent | None = None,
    ) -> DeliveryAttempt | None:
        """Lease the next due row of an endpoint and write down that a try begins, unless enough are under way.

        Nothing is taken through the lane of a prompt endpoint when it is prompt no more: it has another then. To one
        that is not, one request goes at a time. A row waits for an earlier one of the same subject that did not fail
        yet. `after` is recorded first, in the same transaction: one commit a delivery in place of two.
        """

    def record(self, sent: Sent) -> bool:
        """Write down what a try meant, with what follows for its endpoint; false when the row is no longer held."""

    def end_expired_leases(self, *, at: datetime, rows_max: int) -> int:
        """Bring back the rows whose lease is over; how many there were."""

    def due_lanes(self, *, at: datetime) -> Sequence[EndpointLane]:
        """The lanes to ring."""

    def lanes_of(self, operation: Operation) -> Sequence[EndpointLane]:
        """The lanes that the event of an operation's present version waits in."""

    def tidy(self, *, at: datetime, rows_max: int) -> int:
        """Cancel what waits for an endpoint that is no more, and remove what is past its time; how many rows."""


class Endpoints(Protocol):
    """Endpoints as their clients manage them. What is secret is sealed before it reaches a table."""

    def add(self, endpoint: Endpoint, *, secret: str, endpoints_max: int, record: Record) -> None:
        """A new one. Raises Clash when its client has `endpoints_max` already."""

    def get(self, id: str) -> Endpoint | None:
        """One that is not deleted."""

    def of_client(self, client_id: str) -> Sequence[Endpoint]:
        """All of a client that are not deleted, oldest first."""

    def change(self, endpoint: Endpoint, *, record: Record) -> int:
        """Other values in place of the old; what waits for another URL is cancelled, and how much that was."""

    def disable(self, id: str, *, record: Record) -> int:
        """Send it nothing more; what waits is cancelled, and how much that was."""

    def enable(self, id: str, *, record: Record) -> None:
        """Send it what happens from now on."""

    def remove(self, id: str, *, record: Record) -> int:
        """Delete it, its secrets and its headers; what waits is cancelled, and how much that was."""

    def rotate(self, id: str, *, secret: str, old_until: datetime, record: Record) -> None:
        """A new secret; the old ones sign beside it until then."""

    def secrets(self, id: str, *, at: datetime) -> tuple[str, ...]:
        """The live secrets, newest first."""

    def deliveries(
        self, id: str, *, status: DeliveryStatus | None, before: int | None, rows_max: int
    ) -> Sequence[Mapping[str, Any]]:
        """What it was sent, newest first, before a position; each with its event and its `history` of attempts."""

    def replay(self, id: str, selection: Selection, *, record: Record) -> int:
        """Send again, from the beginning of the schedule; how many. What it never was sent is sent now."""


class Feed(Protocol):
    """Events in their order."""

    def read(
        self,
        *,
        environment: Environment,
        org_id: str,
        gstins: Sequence[str],
        types: Sequence[str],
        after: int,
        since: datetime,
        rows_max: int,
    ) -> Sequence[tuple[int, str]]:
        """Positions and bodies of the events after a position that happened since then, oldest first."""


class Notices(Protocol):
    """Events that time makes, each written once, one transaction for each."""

    def tell_of_cancel_windows(self, *, at: datetime, rows_max: int) -> int:
        """Tell of registered documents whose window for a cancellation closes soon; how many."""

    def tell_of_deadlines(self, *, at: datetime, rows_max: int) -> int:
        """Tell of documents that still wait though the last moment to report them is near; how many."""

    def tell_of_doubts(self, *, at: datetime, rows_max: int) -> int:
        """Tell of operations that have been in doubt for 1, 12 or 40 hours; how many."""

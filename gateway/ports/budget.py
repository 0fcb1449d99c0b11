"""What the portals do not forgive: errors and logins without end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from gateway.domain.client_limits import ClientLimit, Standing
from gateway.domain.error_budget import Scope
from gateway.domain.operations import Environment, Lane
from gateway.ports.directory import Seller


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The errors that count for one name, by day of India and by cause: our clients, or the GSTINs of a client id."""

    scope: Scope
    name: str
    days: Mapping[date, Mapping[str, int]]

    @property
    def errors(self) -> int:
        """All of them."""
        return sum(sum(causes.values()) for causes in self.days.values())


class ErrorBudget(Protocol):
    """The errors that the portal answered with, counted for good."""

    def note(self, seller: Seller, *, caused_by: str, errors: int, at: datetime) -> None:
        """Errors of calls that belong to no attempt. Those of an attempt are counted when it is recorded."""

    def spent(self, *, environment: Environment, scope: Scope, name: str, at: datetime) -> Spending:
        """What is spent. It may be a second old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLength:
    """How many rows of a class wait in a lane, how many of them are due, and since, or until, when the first is.

    What a thread holds until there is a permit for it waits too. `account` is the GSP's whose limit the lane's calls
    share at home; None when its taxpayer or its route is gone.
    """

    lane: Lane
    account: str | None
    direct: bool
    waiting: int
    due: int
    due_at: datetime


class Queues(Protocol):
    """How much waits where."""

    def lengths(self) -> Sequence[QueueLength]:
        """The lanes in which anything waits, due or not. A moment old."""

    def seconds_each(self, route: str, *, direct: bool) -> float:
        """From one row of a lane to the next, as fast as the portal answers. A moment old; 0 where nothing is known.

        What the latest tries on the route took, over as many as a lane may have under way at once.
        """


class ClientLimits(Protocol):
    """What clients may ask of the gateway itself. Nothing raises: without its store each process counts for itself."""

    def enter(self, client_id: str, slot: str, of: ClientLimit) -> Standing:
        """Count a request, if it is let in; how the client stands then. `slot` names it, and no other request."""

    def leave(self, client_id: str, slot: str) -> None:
        """A request that was let in is over."""

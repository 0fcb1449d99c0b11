"""What an operator wants to know of the whole gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.deliveries import DisabledCause
from gateway.domain.operations import Status
from gateway.ports.directory import Seller


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerLogin:
    """A taxpayer, and whether there is a login for its route that the portal takes, as far as we know."""

    seller: Seller
    present: bool
    refused_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """Who has a role, and until when."""

    holder: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """The operations of one status that are not settled: how many, and since when the oldest.

    Since its doubt began where it is in doubt, because the portal counts from there; else since it came in.
    """

    status: Status
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubledEndpoint:
    """An endpoint that does not get what it should: disabled by its failures, failing, or with dead deliveries."""

    id: str
    client_id: str
    disabled_cause: DisabledCause | None
    failing_since: datetime | None
    dead: int


class Survey(Protocol):
    """Questions about everything at once. Nothing is changed, and no secret is opened."""

    def now(self) -> datetime:
        """The present instant by the database's own clock."""

    def logins(self) -> Sequence[SellerLogin]:
        """All taxpayers, in the order of their GSTINs."""

    def leader(self, role: str) -> Leader | None:
        """Who has a role, or had it last; None when nobody ever had it."""

    def unsettled(self) -> Sequence[Unsettled]:
        """The operations that are not settled, by status."""

    def oldest_ignored(self, *, at: datetime) -> datetime | None:
        """Since when the oldest row is due in a lane that nobody works on though it is not out of permits."""

    def troubled_endpoints(self) -> Sequence[TroubledEndpoint]:
        """Endpoints that somebody has to look at."""

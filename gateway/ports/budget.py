"""What the portals do not forgive: errors and logins without end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.error_budget import Scope
from gateway.domain.operations import Environment
from gateway.ports.directory import Seller


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The errors that count for one name, and who caused them: our clients a GSTIN's, GSTINs those of a client id."""

    scope: Scope
    name: str
    errors: int
    by_cause: Mapping[str, int]


class ErrorBudget(Protocol):
    """The errors that the portal answered with, counted for good."""

    def note(self, seller: Seller, *, caused_by: str, errors: int, at: datetime) -> None:
        """Errors of calls that belong to no attempt. Those of an attempt are counted when it is recorded."""

    def spent(self, *, environment: Environment, scope: Scope, name: str, at: datetime) -> Spending:
        """What is spent. It may be a second old."""

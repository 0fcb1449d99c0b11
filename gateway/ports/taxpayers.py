"""What portals told of taxpayers, kept for those who asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from gateway.domain.operations import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTaxpayer:
    """A portal's answer about a GSTIN, in its own members, and when it was given."""

    answer: Mapping[str, Any]
    fetched_at: datetime


class Taxpayers(Protocol):
    """The latest answers, for each organisation its own: from another's age one could tell who deals with whom."""

    def get(self, gstin: str, *, environment: Environment, org_id: str) -> HeldTaxpayer | None:
        """What was told last."""

    def keep(self, gstin: str, held: HeldTaxpayer, *, environment: Environment, org_id: str) -> None:
        """Put an answer in the place of the one before."""

    def forget(self, gstin: str, *, environment: Environment, org_id: str) -> None:
        """The portal knows none such any more."""

    def reap(self, *, before: datetime) -> int:
        """Forget what was told before an instant; how much that was."""

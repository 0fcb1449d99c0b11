"""Reconciliation: the ledger against the portals, by taxpayer and day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Protocol

from gateway.domain.outcomes import Outcome, Registration
from gateway.ports.directory import Seller


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

"""The shield against the portals' block: those who cause the errors are stopped before all have to pay for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from gateway.domain import error_budget
from gateway.domain.calendar import write_instant
from gateway.domain.error_budget import Scope
from gateway.domain.operations import Operation
from gateway.errors import Misconfigured, Throttled
from gateway.ports import Seller, Spending
from gateway.services.ports import Ports

READING: Final = "reading"
"""What errors of look-ups outside operations are put down to: they come from whoever reads."""


def spending(seller: Seller, *, ports: Ports) -> Iterator[Spending]:
    """What is spent for a taxpayer, and for the client id that its route calls the portal by."""
    at = ports.clock.now()
    yield ports.budget.spent(environment=seller.environment, scope=Scope.GSTIN, name=seller.gstin, at=at)
    try:
        client_id = ports.routebook.route(seller.route).client_id
    except Misconfigured:
        return
    yield ports.budget.spent(environment=seller.environment, scope=Scope.CLIENT, name=client_id, at=at)


def stopped(seller: Seller, *, caused_by: str, ports: Ports) -> Spending | None:
    """The spending for which this caller is stopped; None when it is not."""
    causes = {Scope.GSTIN: caused_by, Scope.CLIENT: seller.gstin}
    for spent in spending(seller, ports=ports):
        if error_budget.stops(spent.scope, errors=spent.errors, by_cause=spent.by_cause, cause=causes[spent.scope]):
            return spent
    return None


def refuse_stopped(seller: Seller, *, caused_by: str, ports: Ports) -> None:
    """Raises Throttled for a caller whose errors have nearly used up what the portal bears."""
    spent = stopped(seller, caused_by=caused_by, ports=ports)
    if spent is None:
        return
    at = ports.clock.now()
    eases_at = error_budget.eases_at(at)
    limit, days = error_budget.ERRORS_MAX[spent.scope], error_budget.WINDOW_DAYS
    raise Throttled(
        "error-budget-spent",
        f"The portal answered with {spent.errors} errors within {days} days; at {limit} it blocks every call.",
        help="See the refusals of your last operations, and correct what they have in common before you send more.",
        retry_after=max(1, math.ceil((eases_at - at).total_seconds())),
        limit_owner="portal",
        scope=spent.scope.value,
        reset=write_instant(eases_at),
    )


def wait_until(operation: Operation, *, ports: Ports) -> datetime | None:
    """Until when a queued operation of a stopped caller is put off; None: it may go. One in doubt always may."""
    if operation.in_doubt:
        return None
    seller = ports.directory.seller(environment=operation.environment, gstin=operation.gstin)
    if seller is None or stopped(seller, caused_by=operation.client_id, ports=ports) is None:
        return None
    return error_budget.eases_at(ports.clock.now())

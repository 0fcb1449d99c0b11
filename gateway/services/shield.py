"""The shield against the portals' block: those who cause the errors are stopped before all have to pay for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.domain import error_budget
from gateway.domain.calendar import write_instant
from gateway.domain.error_budget import Scope
from gateway.domain.kinds import KINDS
from gateway.domain.operations import Kind, Operation
from gateway.errors import Misconfigured, Throttled
from gateway.ports import NewOperation, Seller, Spending
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


@dataclass(frozen=True, slots=True)
class Stop:
    """What a caller is stopped for, and until when, if no more errors come."""

    spent: Spending
    until: datetime

    @property
    def last(self) -> bool:
        """Whether no deadline but a window of hours passes any more."""
        return error_budget.percent(self.spent.scope, self.spent.errors) >= error_budget.LAST_PERCENT


def stopped(seller: Seller, *, caused_by: str, ports: Ports) -> Stop | None:
    """The stop of this caller that lets least pass, and of such the longest; None when it is not stopped."""
    causes, at = {Scope.GSTIN: caused_by, Scope.CLIENT: seller.gstin}, ports.clock.now()
    stops = [
        Stop(spent, until)
        for spent in spending(seller, ports=ports)
        if (until := error_budget.stopped_until(spent.scope, spent.days, cause=causes[spent.scope], at=at)) is not None
    ]
    return max(stops, key=lambda each: (each.last, each.until), default=None)


def refuse_stopped(seller: Seller, *, caused_by: str, ports: Ports, asked: NewOperation | None = None) -> None:
    """Raises Throttled for a caller whose errors have nearly used up what the portal bears, unless it cannot wait.

    `asked` is what it asks for; None for a question.
    """
    stop, at = stopped(seller, caused_by=caused_by, ports=ports), ports.clock.now()
    if stop is None or (asked is not None and _passes(stop, asked.kind, asked.deadline_at, at=at)):
        return
    due_first = asked is not None and asked.deadline_at is not None and asked.deadline_at <= stop.until
    reset = error_budget.eases_at(at) if due_first else stop.until
    limit, days = error_budget.ERRORS_MAX[stop.spent.scope], error_budget.WINDOW_DAYS
    raise Throttled(
        "error-budget-spent",
        f"The portal answered with {stop.spent.errors} errors within {days} days; at {limit} it blocks every call.",
        help="See the refusals of your last operations, and correct what they have in common before you send more.",
        retry_after=max(1, math.ceil((reset - at).total_seconds())),
        limit_owner="portal",
        scope=stop.spent.scope.value,
        reset=write_instant(reset),
    )


def wait_until(operation: Operation, *, ports: Ports) -> datetime | None:
    """Until when a queued operation of a stopped caller is put off; None: it may go. One in doubt always may.

    To the next midnight of India at most: errors of others can end a stop sooner, and a deadline may be near then.
    """
    if operation.in_doubt:
        return None
    seller = ports.directory.seller(environment=operation.environment, gstin=operation.gstin)
    stop = None if seller is None else stopped(seller, caused_by=operation.client_id, ports=ports)
    at = ports.clock.now()
    if stop is None or _passes(stop, operation.kind, operation.deadline_at, at=at):
        return None
    return min(stop.until, error_budget.eases_at(at))


def _passes(stop: Stop, kind: Kind, deadline_at: datetime | None, *, at: datetime) -> bool:
    """Whether it goes out all the same: its window is one of hours, or its deadline comes by the next midnight."""
    if KINDS[kind].window is not None:
        return True
    return not stop.last and deadline_at is not None and deadline_at <= error_budget.eases_at(at)

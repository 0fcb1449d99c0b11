"""The errors that portals answered with, by day, taxpayer, client id and cause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from gateway.domain import error_budget
from gateway.domain.calendar import indian_date
from gateway.domain.error_budget import Scope
from gateway.domain.events import Announcement, EventType
from gateway.domain.operations import Environment, Operation
from gateway.ports import Ids, Seller, Spending
from gateway.ports.reconciling import Run
from gateway.storage import events
from gateway.storage.database import Database
from gateway.storage.recent import Recent
from gateway.storage.tables import portal_errors, routes
from gateway.storage.upsert import counted_up

_ALL = ""


class SqlErrorBudget:
    """Implements `ports.ErrorBudget`."""

    def __init__(self, database: Database, ids: Ids, monotonic: Callable[[], float] | None = None) -> None:
        self._database = database
        self._ids = ids
        self._recent: Recent[Spending] = Recent(monotonic)

    def note(self, seller: Seller, *, caused_by: str, errors: int, at: datetime) -> None:
        """See `ports.ErrorBudget`."""

        def work(connection: Connection) -> None:
            told = count(connection, seller, route=seller.route, caused_by=caused_by, errors=errors, at=at)
            for announcement in told:
                events.announce(connection, announcement, ids=self._ids, at=at)

        self._database.write(work)

    def spent(self, *, environment: Environment, scope: Scope, name: str, at: datetime) -> Spending:
        """See `ports.ErrorBudget`."""
        return self._recent.get(f"{environment}:{scope}:{name}", lambda: self._sum(environment, scope, name, at=at))

    def _sum(self, environment: Environment, scope: Scope, name: str, *, at: datetime) -> Spending:
        query = select(portal_errors.c.day, portal_errors.c.caused_by, portal_errors.c.errors).where(
            portal_errors.c.environment == environment.value,
            portal_errors.c.scope == scope.value,
            portal_errors.c.name == name,
            portal_errors.c.day >= error_budget.first_day(at),
            portal_errors.c.caused_by != _ALL,
        )
        days: dict[date, dict[str, int]] = {}
        with self._database.read() as connection:
            for day, cause, errors in connection.execute(query):
                days.setdefault(day, {})[cause] = errors
        return Spending(scope=scope, name=name, days=days)


def count(
    connection: Connection,
    who: Operation | Seller | Run,
    *,
    route: str | None,
    caused_by: str,
    errors: int,
    at: datetime,
) -> list[Announcement]:
    """Count errors for the taxpayer and for the route's client id; what is to be told of marks that they went over.

    It is told last in the transaction.
    """
    if errors == 0:
        return []
    client_id = connection.execute(select(routes.c.client_id).where(routes.c.name == route)).scalar_one_or_none()
    named = {Scope.GSTIN: (who.gstin, caused_by), Scope.CLIENT: (client_id, who.gstin)}
    told = []
    for scope, (name, cause) in named.items():
        if name is None:  # the route was taken away meanwhile
            continue
        after = _added(connection, who.environment, scope, name, cause, errors=errors, at=at)
        mark = error_budget.crossed(scope, before=after - errors, after=after)
        if mark is not None:
            told.append(_announcement(who, scope, mark, after))
    return told


def _added(
    connection: Connection, environment: Environment, scope: Scope, name: str, cause: str, *, errors: int, at: datetime
) -> int:
    """The errors that count for a name, with these."""
    key = {"environment": environment.value, "scope": scope.value, "name": name, "day": indian_date(at)}
    for by in (_ALL, cause):  # the first locks: of two who go over a mark together one does, and one did before
        counted_up(connection, portal_errors, key | {"caused_by": by}, column="errors", by=errors)
    query = select(func.sum(portal_errors.c.errors)).where(
        portal_errors.c.environment == environment.value,
        portal_errors.c.scope == scope.value,
        portal_errors.c.name == name,
        portal_errors.c.day >= error_budget.first_day(at),
        portal_errors.c.caused_by == _ALL,
    )
    return int(connection.execute(query).scalar_one())


def _announcement(who: Operation | Seller | Run, scope: Scope, mark: int, errors: int) -> Announcement:
    return Announcement(
        type=EventType.LIMIT_ERROR_BUDGET,
        environment=who.environment.value,
        org_id=who.org_id,
        gstin=who.gstin,
        subject=f"error_budget:{scope}:{who.gstin}",
        data={
            "scope": scope.value,
            "percent": mark,
            "errors": errors,
            "limit": error_budget.ERRORS_MAX[scope],
            "window_days": error_budget.WINDOW_DAYS,
        },
    )

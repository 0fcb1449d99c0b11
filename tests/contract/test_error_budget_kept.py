"""`ports.ErrorBudget` and the count in `ports.Work.record`, on each engine."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.domain.calendar import indian_date
from gateway.domain.error_budget import ERRORS_MAX, Scope
from gateway.domain.operations import Environment
from gateway.domain.outcomes import Meaning
from gateway.ports import Spending
from gateway.storage import tables
from gateway.storage.error_budget import SqlErrorBudget
from tests.contract.storage_kit import Storage, at_once
from tests.support import CLIENT, GSTIN, OTHER_GSTIN, SeededIds, new_operation, record, route, seller

READING = "reading"


@pytest.fixture
def budget(storage: Storage) -> SqlErrorBudget:
    """A budget of which nothing is spent, on a route that is known."""
    storage.routebook.put_route(route(), record=record("aud_route"))
    return SqlErrorBudget(storage.database, SeededIds(7))


def spent(budget: SqlErrorBudget, storage: Storage, scope: Scope = Scope.GSTIN, name: str = GSTIN) -> Spending:
    """What is spent now."""
    return budget.spent(environment=Environment.TEST, scope=scope, name=name, at=storage.clock.now())


def note(budget: SqlErrorBudget, storage: Storage, errors: int, **members: Any) -> None:
    """Errors of somebody who reads."""
    budget.note(seller(**members), caused_by=READING, errors=errors, at=storage.clock.now())


def told(storage: Storage) -> list[tuple[str, str]]:
    """The events about it, by subject and mark."""
    query = select(tables.events.c.subject, tables.events.c.body).where(tables.events.c.type == "limit.error_budget")
    with storage.database.read() as connection:
        rows = connection.execute(query.order_by(tables.events.c.position)).all()
    return [(subject, body.partition('"percent":')[2][:2]) for subject, body in rows]


def test_an_attempt_s_errors_count_with_its_outcome(budget: SqlErrorBudget, storage: Storage) -> None:
    """Counted for the taxpayer and the client id in the transaction of the outcome, with who caused them."""
    storage.accept(new_operation("A/1"))
    attempt = storage.begin(storage.claimed())
    storage.settle(attempt, Meaning.REFUSED, errors_told=2)
    day = indian_date(storage.clock.now())
    assert spent(budget, storage) == Spending(scope=Scope.GSTIN, name=GSTIN, days={day: {CLIENT: 2}})
    assert spent(budget, storage, Scope.CLIENT, route().client_id).days == {day: {GSTIN: 2}}


def test_errors_are_kept_apart(budget: SqlErrorBudget, storage: Storage) -> None:
    """By taxpayer and cause; the client id has those of all."""
    note(budget, storage, 3)
    note(budget, storage, 4, gstin=OTHER_GSTIN)
    assert spent(budget, storage).errors == 3
    day = indian_date(storage.clock.now())
    assert spent(budget, storage, Scope.CLIENT, route().client_id).days == {day: {GSTIN: 3, OTHER_GSTIN: 4}}


def test_old_errors_leave_the_window(budget: SqlErrorBudget, storage: Storage) -> None:
    """Those of three days ago count no more."""
    note(budget, storage, 3)
    storage.clock.sleep(timedelta(days=2).total_seconds())
    note(budget, storage, 1)
    assert spent(budget, storage).errors == 4
    storage.clock.sleep(timedelta(days=1).total_seconds())
    assert spent(budget, storage).errors == 1


def test_each_mark_is_announced_once(budget: SqlErrorBudget, storage: Storage) -> None:
    """At 50, 80 and 90 per cent there is one event, in the transaction of the error that went over it."""
    one_percent = ERRORS_MAX[Scope.GSTIN] // 100
    for _ in range(95):
        note(budget, storage, one_percent)
    assert told(storage) == [(f"error_budget:gstin:{GSTIN}", mark) for mark in ("50", "80", "90")]


def test_errors_at_the_same_moment_all_count(budget: SqlErrorBudget, storage: Storage) -> None:
    """Eight processes that go over a mark together: nothing is lost, and one event is told."""
    half = ERRORS_MAX[Scope.GSTIN] // 2
    note(budget, storage, half - 4)
    at_once([lambda: note(budget, storage, 1)] * 8)
    assert spent(budget, storage).errors == half + 4
    assert told(storage) == [(f"error_budget:gstin:{GSTIN}", "50")]

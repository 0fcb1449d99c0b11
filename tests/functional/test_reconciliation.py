"""The day's run, from the sweeper to the event: what it finds, what it must not find, and how it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.calendar import indian_date
from gateway.domain.error_budget import ERRORS_MAX, Scope
from gateway.domain.events import EventType
from gateway.domain.operations import Environment
from gateway.domain.reconciling import ReconcileLane
from gateway.errors import Invalid
from gateway.ports.reconciling import HeldRun, Run, Step
from gateway.services import reconciling, sweeping
from gateway.storage.reconciling import SqlReconciliations
from tests.support_api import SELLER, Stack, document, refused

LANE = ReconcileLane(Environment.TEST, SELLER)
LOOKED: set[str] = {"get_irn", "get_by_document", "rejected_irns"}


def registered(stack: Stack, number: str = "A1") -> str:
    """The IRN of a document that the gateway has registered."""
    irn: str = stack.post(document(No=number)).json()["irn"]
    return irn


def run_day(stack: Stack) -> Run:
    """Let the day's run be opened and worked off as the sweeper and the workers do, up to where it waits."""
    stack.idle = False
    sweeping.sweep(holder="test", count=0, ports=stack.ports)
    stack.drain()
    return latest(stack)


def next_day(stack: Stack, *, hours: int = 14) -> Run:
    """The run of tomorrow, opened at half past one: from noon that is 14 hours on."""
    stack.clock.step(hours=hours)
    return run_day(stack)


def asked(stack: Stack) -> Run:
    """The run of today, asked for by a person."""
    seller = stack.ports.directory.seller(environment=Environment.TEST, gstin=SELLER)
    assert seller is not None
    reconciling.ask(seller=seller, day=indian_date(stack.clock.now()), actor="operator", ports=stack.ports)
    return run_day(stack)


def latest(stack: Stack) -> Run:
    """The latest run as it stands."""
    org = org_of(stack)
    [run] = stack.ports.reconciliations.list(
        environment=Environment.TEST, org_id=org, gstin=SELLER, before=None, rows_max=1
    )
    return run


def org_of(stack: Stack) -> str:
    """The organisation of the taxpayer."""
    seller = stack.ports.directory.seller(environment=Environment.TEST, gstin=SELLER)
    assert seller is not None
    return seller.org_id


def news(stack: Stack) -> list[dict[str, Any]]:
    """What receivers were told of findings."""
    wanted = {EventType.IRN_CANCELLED_ELSEWHERE, EventType.IRN_DRIFT, EventType.IRN_SUPERSEDED}
    rows = stack.get("/events?limit=500").json()["events"]
    return [each for each in rows if each["type"] in wanted]


def types(stack: Stack) -> list[str]:
    """The types of these."""
    return [each["type"] for each in news(stack)]


def test_a_day_without_differences_tells_nothing(stack: Stack) -> None:
    """Every document is looked at once, and both days' lists are read."""
    for number in range(3):
        registered(stack, f"A{number}")
    before = len(stack.calls())
    run = next_day(stack)
    assert (run.phase, run.checked, run.found, run.unread) == ("done", 3, 0, 0)
    calls = [each for each in stack.calls()[before:] if each in LOOKED]
    assert calls == ["get_irn"] * 3 + ["rejected_irns"] * 2
    assert news(stack) == []


def test_a_cancellation_elsewhere_is_found(stack: Stack) -> None:
    """The ledger has it from then on, and a second run of the day tells nothing new."""
    irn = registered(stack)
    with stack.visitor() as visitor:
        assert visitor.cancel(irn).codes == []
    assert next_day(stack).found == 1
    assert stack.get(f"/irn/{irn}").json()["status"] == "cancelled"
    assert types(stack) == ["irn.cancelled_elsewhere"]
    again = asked(stack)
    assert (again.phase, again.checked, again.found) == ("done", 1, 1)
    tomorrow = next_day(stack, hours=24)
    assert (tomorrow.checked, tomorrow.found) == (1, 0)
    assert types(stack) == ["irn.cancelled_elsewhere"]


def test_other_content_is_found_and_told_once(stack: Stack) -> None:
    """Registered anew with another line after the portal had lost it."""
    irn = registered(stack)
    stack.portal.delete("/_ledger")
    other = document(No="A1")
    other["ItemList"][0]["PrdDesc"] = "something else"
    with stack.visitor() as visitor:
        assert visitor.generate(other).codes == []
    assert next_day(stack).found == 1
    assert asked(stack).found == 1
    [event] = news(stack)
    assert (event["type"], event["subject"]) == ("irn.drift", irn)
    assert "/ItemList/0/PrdDesc" in event["data"]["differs_at"]
    assert stack.get(f"/irn/{irn}").json()["status"] == "active"


def test_a_document_that_is_gone_is_found(stack: Stack) -> None:
    """The portal says that it has no such IRN."""
    registered(stack)
    stack.portal.delete("/_ledger")
    assert next_day(stack).found == 1
    [event] = news(stack)
    assert (event["type"], event["data"]["absent"]) == ("irn.drift", True)


def test_a_superseded_document_is_found(stack: Stack) -> None:
    """On the portal's list, though it is too old to be shown; the answer says since when."""
    irn = registered(stack)
    stack.clock.step(hours=49)
    stack.sandbox.configure(reject=[irn])
    run = next_day(stack)
    assert (run.checked, run.found) == (0, 1)
    assert types(stack) == ["irn.superseded"]
    assert stack.get(f"/irn/{irn}").json()["superseded_at"]
    assert next_day(stack, hours=24).found == 0


def test_a_refused_number_that_stands_at_the_portal_is_found(stack: Stack) -> None:
    """Registered there by somebody, while we hold it as refused."""
    sent = document(No="A1")
    stack.strike("unknown_code", code="2172")
    assert stack.post(sent).status_code == 422
    registered(stack, "A2")
    with stack.visitor() as visitor:
        irn = visitor.generate(sent).data["Irn"]
    run = next_day(stack)
    assert (run.looked_up, run.found) == (1, 1)
    [event] = news(stack)
    assert (event["type"], event["subject"], event["data"]["differs_at"]) == ("irn.drift", irn, [""])
    assert event["data"]["operation"].startswith("op_")


def test_a_number_that_is_free_on_both_sides_is_none(stack: Stack) -> None:
    """The portal has no such document: looked up, and nothing found."""
    stack.strike("unknown_code", code="2172")
    assert stack.post(document(No="A1")).status_code == 422
    registered(stack, "A2")
    run = next_day(stack)
    assert (run.phase, run.looked_up, run.found) == ("done", 1, 0)


@pytest.mark.parametrize(("spent", "looked_up"), [(0, 3), (ERRORS_MAX[Scope.GSTIN] // 4, 1)])
def test_all_numbers_are_looked_up_while_the_portal_bears_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, spent: int, looked_up: int
) -> None:
    """Not only so many: a bound for a quiet taxpayer would leave out for good what no portal shows two days later."""
    monkeypatch.setattr("gateway.domain.reconciling.NUMBERS_MAX", 1)
    for number in range(3):
        stack.strike("unknown_code", after=False, code="2172")
        assert stack.post(document(No=f"R{number}")).status_code == 422
    seller = stack.ports.directory.seller(environment=Environment.TEST, gstin=SELLER)
    assert seller is not None
    stack.clock.step(hours=14)
    if spent:
        stack.ports.budget.note(seller, caused_by="cli_another", errors=spent, at=stack.clock.now())
    stack.clock.step(seconds=2)
    assert run_day(stack).looked_up == looked_up


@pytest.mark.parametrize(
    ("kind", "left_out"),
    [("refuse", 0), ("drop_before", 0), ("drop_after", 0), ("throttle", 0), ("error_5xx", 1), ("html", 1)],
)
def test_an_outage_is_no_finding(stack: Stack, kind: str, left_out: int) -> None:
    """The run waits where it is, and goes on by itself when the portal is back.

    Where a front answers in the portal's place, one question is given up, and then it waits too.
    """
    for number in range(3):
        registered(stack, f"A{number}")
    stack.clock.step(hours=14)
    stack.sandbox.configure(faults=[{"kind": kind, "probability": 1, "operations": ["get_irn"]}])
    run = run_day(stack)
    for _ in range(9):
        stack.clock.step(minutes=6)
        run = run_day(stack)
    assert (run.phase, run.checked, run.unread, run.found) == ("documents", 0, left_out, 0)
    assert run.waiting
    stack.sandbox.configure(faults=[])
    for _ in range(3):
        stack.clock.step(minutes=6)
        run = run_day(stack)
    assert (run.phase, run.checked, run.unread, run.found) == ("done", 3 - left_out, left_out, 0)
    assert news(stack) == []


def test_one_document_without_a_sensible_answer_holds_nobody_up(stack: Stack) -> None:
    """After three tries it is left out, and counted."""
    for number in range(3):
        registered(stack, f"A{number}")
    stack.clock.step(hours=14)
    stack.sandbox.configure(faults=[{"kind": "garble", "times": 3, "operations": ["get_irn"]}])
    run = run_day(stack)
    for _ in range(3):
        stack.clock.step(minutes=6)
        run = run_day(stack)
    assert (run.phase, run.checked, run.unread, run.found) == ("done", 2, 1, 0)


class DeadError(BaseException):
    """Stands for the end of a process."""


def test_a_killed_run_goes_on_where_it_was(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its lease; what was found before is not found again, and what comes after is."""
    irns = sorted(registered(stack, f"A{number}") for number in range(4))
    with stack.visitor() as visitor:
        for irn in (irns[0], irns[3]):
            assert visitor.cancel(irn).codes == []
    real, steps = SqlReconciliations.record, 0

    def dies(self: SqlReconciliations, held: HeldRun, step: Step, **members: Any) -> HeldRun | None:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise DeadError
        return real(self, held, step, **members)

    monkeypatch.setattr(SqlReconciliations, "record", dies)
    with pytest.raises(DeadError):
        next_day(stack)
    stack._draining = False
    monkeypatch.setattr(SqlReconciliations, "record", real)
    assert (latest(stack).checked, len(news(stack))) == (2, 1)
    before = stack.calls().count("get_irn")
    assert run_day(stack).phase == "documents"
    stack.clock.step(minutes=5)
    run = run_day(stack)
    assert (run.phase, run.checked, run.found) == ("done", 4, 2)
    assert stack.calls().count("get_irn") - before == 2
    assert types(stack) == ["irn.cancelled_elsewhere"] * 2


def test_a_run_leaves_the_thread_to_others_after_a_while(stack: Stack) -> None:
    """It rings for a successor, and goes on."""
    for number in range(3):
        registered(stack, f"A{number}")
    stack.clock.step(hours=14)
    stack.idle = True
    sweeping.sweep(holder="test", count=0, ports=stack.ports)
    policy = replace(stack.wiring.drain_policy, quantum_seconds=0)
    assert reconciling.drain(LANE, ports=stack.ports, policy=policy) == 1
    assert (latest(stack).checked, (LANE, False) in stack.bell.rung) == (1, True)
    stack.drain()
    assert latest(stack).phase == "done"


def test_a_run_ends_with_its_taxpayers_day(stack: Stack) -> None:
    """Tomorrow's looks at what it has not; what is older than the portal shows is counted, and no finding."""
    registered(stack)
    stack.clock.step(hours=14)
    stack.sandbox.configure(faults=[{"kind": "refuse", "probability": 1, "operations": ["get_irn"]}])
    run_day(stack)
    stack.sandbox.configure(faults=[])
    stack.clock.step(hours=24)
    assert run_day(stack).checked == 1
    former = stack.ports.reconciliations.list(
        environment=Environment.TEST, org_id=org_of(stack), gstin=SELLER, before=latest(stack).day, rows_max=1
    )
    assert [(each.phase, each.ended_at is not None) for each in former] == [("documents", True)]


def test_a_taxpayer_whose_errors_are_spent_is_left_alone(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The questions of a run cost errors too: those that made them wait until a day has left the count."""
    registered(stack)
    stopped: Callable[..., bool] = lambda *_, **__: True  # noqa: E731  one word
    monkeypatch.setattr("gateway.services.shield.stopped", stopped)
    run = next_day(stack)
    assert (run.phase, run.checked) == ("documents", 0)
    assert run.due_at is not None
    assert indian_date(run.due_at) == run.day + timedelta(days=1)


def test_a_day_to_come_is_refused(stack: Stack) -> None:
    """There is nothing to look at."""
    seller = stack.ports.directory.seller(environment=Environment.TEST, gstin=SELLER)
    assert seller is not None
    day = indian_date(stack.clock.now()) + timedelta(days=1)
    with pytest.raises(Invalid, match="to come"):
        reconciling.ask(seller=seller, day=day, actor="operator", ports=stack.ports)


def test_runs_are_read_with_what_they_found(stack: Stack) -> None:
    """The latest day first, by cursor; a stranger and the other GSTIN of the organisation have none."""
    irn = registered(stack)
    with stack.visitor() as visitor:
        assert visitor.cancel(irn).codes == []
    run = next_day(stack)
    asked(stack)
    stack.clock.step(hours=24)
    stack.sandbox.configure(faults=[{"kind": "refuse", "probability": 1, "operations": ["get_irn"]}])
    run_day(stack)
    first = stack.get("/reconciliation?limit=1").json()
    [waiting] = first["runs"]
    assert (waiting["standing"], waiting["phase"], waiting["findings"]) == ("waiting", "documents", [])
    assert "not reached" in waiting["waiting"]
    second = stack.get(f"/reconciliation?cursor={first['next']}").json()
    assert second["next"] is None
    [done] = second["runs"]
    assert (done["id"], done["standing"], done["checked"], done["found"]) == (run.id, "done", 1, 1)
    [finding] = done["findings"]
    assert (finding["kind"], finding["irn"], finding["differences"]) == ("cancelled_elsewhere", irn, [])
    assert stack.get("/reconciliation", client="stranger").json() == {"runs": [], "next": None}
    refused(stack.get("/reconciliation?cursor=bm8"), 400, "cursor-invalid")


def test_a_run_that_was_overtaken_says_so(stack: Stack) -> None:
    """It is not done, and never will be."""
    registered(stack)
    stack.sandbox.configure(faults=[{"kind": "refuse", "probability": 1, "operations": ["get_irn"]}])
    next_day(stack)
    stack.sandbox.configure(faults=[])
    next_day(stack, hours=24)
    standings = [each["standing"] for each in stack.get("/reconciliation").json()["runs"]]
    assert standings == ["done", "ended"]

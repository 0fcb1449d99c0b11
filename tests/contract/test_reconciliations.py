"""Runs of the reconciliation: opened once, leased to one, moved together with what they find."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from gateway.domain import reconciling
from gateway.domain.audit import Action
from gateway.domain.error_budget import Scope
from gateway.domain.operations import Environment, Kind
from gateway.domain.outcomes import Meaning, Registration
from gateway.domain.reconciling import Finding, FindingKind, Phase, ReconcileLane
from gateway.ports import LeaseLostError, NewOperation
from gateway.ports.reconciling import HeldRun, Run, Step
from gateway.storage import tables
from gateway.storage.reconciling import SqlReconciliations
from tests import support_events
from tests.contract.storage_kit import LEASE, Storage, at_once
from tests.support import GSTIN, ORG, OTHER_GSTIN, START, new_operation, record, registration, seller

TODAY = date(2026, 11, 20)
LANE = ReconcileLane(Environment.TEST, GSTIN)
HERE = {"environment": Environment.TEST, "org_id": ORG, "gstin": GSTIN}


@pytest.fixture
def runs(storage: Storage) -> SqlReconciliations:
    """Runs on the same database, and a taxpayer."""
    for gstin in (GSTIN, OTHER_GSTIN):
        told = record(f"aud_{gstin}", action=Action.GSTIN_ADDED, subject=gstin)
        storage.directory.put_seller(seller(gstin=gstin), record=told)
    return SqlReconciliations(storage.database, storage.ids)


def registered(storage: Storage, doc_no: str = "A/1", **members: Any) -> Registration:
    """A document of the ledger, acknowledged at START."""
    new = new_operation(doc_no)
    storage.accept(new)
    made = registration(new, **members)
    storage.settle(storage.begin(), Meaning.REGISTERED, result=made)
    return made


def cancellation(irn: str) -> NewOperation:
    """A cancellation of ours."""
    return new_operation("cancel", kind=Kind.IRN_CANCEL, subject=irn, irn=irn)


def opened(storage: Storage, runs: SqlReconciliations, day: date = TODAY) -> Run:
    """The run of a day, asked for."""
    at = storage.clock.now()
    return runs.ask(seller(), day=day, until=at, at=at, actor="operator")


def claim(storage: Storage, runs: SqlReconciliations) -> HeldRun | None:
    """Lease it, if it is due."""
    at = storage.clock.now()
    return runs.claim(LANE, worker="worker-1", at=at, lease_until=at + LEASE)


def held(storage: Storage, runs: SqlReconciliations) -> HeldRun:
    """A run under a lease."""
    opened(storage, runs)
    found = claim(storage, runs)
    assert found is not None
    return found


def step(*findings: Finding, **members: Any) -> Step:
    """A step that stays in its phase."""
    return Step(**{"phase": Phase.DOCUMENTS, "cursor": "x", "findings": findings, **members})


def found(kind: FindingKind, document: Registration, *differences: dict[str, Any]) -> Finding:
    """A finding about a document."""
    return reconciling.finding_of(kind, document, differences)


def told(storage: Storage) -> list[str]:
    """The events of findings, each as its schema has it."""
    bodies = [json.loads(row["body"]) for row in storage.rows(tables.events)]
    news = [each for each in bodies if each["type"] in set(reconciling.ANNOUNCED.values())]
    for each in news:
        support_events.check(each)
    return [each["type"] for each in news]


def the_document(storage: Storage) -> dict[str, Any]:
    """The one document of the ledger."""
    [row] = storage.rows(tables.documents)
    return row


def test_a_day_opens_once_for_those_who_have_documents_or_work(storage: Storage, runs: SqlReconciliations) -> None:
    """Also when two look at the same moment; a taxpayer with nothing has no run."""
    registered(storage)
    open_due = partial(runs.open_due, TODAY, at=storage.clock.now(), rows_max=10)
    assert sum(at_once([open_due] * 3)) == 1
    assert open_due() == 0
    [run] = storage.rows(tables.reconciliations)
    assert (run["gstin"], run["day"], run["phase"]) == (GSTIN, TODAY, "documents")
    assert run["until"] == START.replace(hour=20, minute=0) - timedelta(days=1)
    storage.accept(new_operation(gstin=OTHER_GSTIN))
    assert open_due() == 1


def test_old_documents_alone_open_nothing(storage: Storage, runs: SqlReconciliations) -> None:
    """A login a day for nothing is one too many."""
    registered(storage, ack_at=START - timedelta(days=8))
    assert runs.open_due(TODAY, at=START, rows_max=10) == 0


def test_a_new_day_ends_the_one_before(storage: Storage, runs: SqlReconciliations) -> None:
    """Where it stands; and whoever held it holds it no more."""
    registered(storage)
    before = held(storage, runs)
    assert runs.open_due(TODAY + timedelta(days=1), at=storage.clock.step(hours=14), rows_max=10) == 1
    with pytest.raises(LeaseLostError):
        runs.record(before, step(), at=storage.clock.now())
    latest, former = runs.list(**HERE, before=None, rows_max=5)
    assert (former.phase, former.due_at, former.ended_at) == (Phase.DOCUMENTS, None, storage.clock.now())
    assert (latest.day, latest.due_at) == (TODAY + timedelta(days=1), storage.clock.now())


def test_one_holds_a_run_until_its_lease_is_over(storage: Storage, runs: SqlReconciliations) -> None:
    """The next goes on at the same place, and the first can change nothing any more."""
    opened(storage, runs)
    [first] = [each for each in at_once([lambda: claim(storage, runs)] * 3) if each is not None]
    assert runs.due_lanes(at=storage.clock.now()) == []
    assert runs.record(first, step(cursor="here"), at=storage.clock.now()) is not None
    first = runs.renew(first, until=storage.clock.now() + 2 * LEASE)
    storage.clock.step(seconds=LEASE.total_seconds() + 1)
    assert claim(storage, runs) is None
    storage.clock.step(seconds=LEASE.total_seconds())
    assert runs.due_lanes(at=storage.clock.now()) == [LANE]
    second = claim(storage, runs)
    assert second is not None
    assert (second.run.phase, second.run.cursor) == (Phase.DOCUMENTS, "here")
    with pytest.raises(LeaseLostError):
        runs.record(first, step(), at=storage.clock.now())
    with pytest.raises(LeaseLostError):
        runs.renew(first, until=storage.clock.now())


def test_a_run_that_waits_is_nobodys_until_it_is_due(storage: Storage, runs: SqlReconciliations) -> None:
    """It says why."""
    due_at = storage.clock.now() + timedelta(minutes=5)
    assert runs.record(held(storage, runs), step(due_at=due_at, waiting="away", tries=2), at=START) is None
    [run] = runs.list(**HERE, before=None, rows_max=5)
    assert (run.waiting, run.tries, run.due_at) == ("away", 2, due_at)
    assert claim(storage, runs) is None
    storage.clock.step(minutes=5)
    again = claim(storage, runs)
    assert again is not None
    assert (again.run.waiting, again.run.tries) == (None, 2)


def test_a_run_that_has_ended_begins_anew_when_it_is_asked_for(storage: Storage, runs: SqlReconciliations) -> None:
    """One that is under way goes on where it is."""
    document = registered(storage)
    now = held(storage, runs)
    finding = found(FindingKind.CANCELLED_ELSEWHERE, document)
    assert runs.record(now, step(finding, cursor="here", checked=1), at=START) is not None
    assert opened(storage, runs).cursor == "here"
    assert runs.record(now, Step(phase=Phase.DONE, cursor=None), at=START) is None
    [run] = runs.list(**HERE, before=None, rows_max=5)
    assert (run.phase, run.ended_at, run.checked, run.found) == (Phase.DONE, START, 1, 1)
    anew = opened(storage, runs)
    assert (anew.id, anew.phase, anew.cursor, anew.checked, anew.found) == (run.id, Phase.DOCUMENTS, None, 0, 1)
    assert (anew.ended_at, anew.due_at) == (None, START)


def test_documents_come_oldest_first_each_once(storage: Storage, runs: SqlReconciliations) -> None:
    """Those of the last 48 hours, with the route on which they were made; two of one second by their IRN."""
    ages = {"old": 48, "a": 47, "b": 3, "c": 3, "late": -1}
    made = {name: registered(storage, name, ack_at=START - timedelta(hours=ago)) for name, ago in ages.items()}
    run, seen = opened(storage, runs), []
    while (listed := runs.next_document(run)) is not None:
        document, route = listed
        assert route == "sandbox"
        seen.append(document.registration.irn)
        run = replace(run, cursor=reconciling.document_cursor(document.registration))
    assert seen == [made["a"].irn, *sorted((made["b"].irn, made["c"].irn))]


def test_a_cancellation_elsewhere_changes_the_ledger_with_its_event(storage: Storage, runs: SqlReconciliations) -> None:
    """Once, with a record of who changed it."""
    document, now = registered(storage), held(storage, runs)
    finding = found(FindingKind.CANCELLED_ELSEWHERE, document)
    for _ in range(2):
        assert runs.record(now, step(finding), at=START) is not None
    assert the_document(storage)["status"] == "cancelled"
    assert told(storage) == ["irn.cancelled_elsewhere"]
    [row] = storage.rows(tables.audit)[-1:]
    assert (row["action"], row["actor"], row["subject"]) == ("document:reconcile", "reconciliation", document.irn)
    [kept] = runs.findings([now.run.id], rows_max=5)
    assert (kept["kind"], kept["irn"], kept["doc_no"]) == ("cancelled_elsewhere", document.irn, "A/1")


def test_a_cancellation_of_our_own_is_no_finding(storage: Storage, runs: SqlReconciliations) -> None:
    """While it is under way the portal may have it, and we have not been told."""
    document, now = registered(storage), held(storage, runs)
    storage.accept(cancellation(document.irn))
    finding = found(FindingKind.CANCELLED_ELSEWHERE, document)
    assert runs.record(now, step(finding), at=START) is not None
    assert (the_document(storage)["status"], told(storage)) == ("active", [])


def test_a_superseded_document_is_marked(storage: Storage, runs: SqlReconciliations) -> None:
    """Once; what the ledger does not have is another program's."""
    document, now = registered(storage), held(storage, runs)
    finding, other = found(FindingKind.SUPERSEDED, document), replace(document, irn="0" * 64)
    for _ in range(2):
        assert runs.record(now, step(finding, found(FindingKind.SUPERSEDED, other)), at=START) is not None
    assert the_document(storage)["superseded_at"] == START
    assert told(storage) == ["irn.superseded"]


def test_a_drift_is_told_once_and_another_anew(storage: Storage, runs: SqlReconciliations) -> None:
    """The ledger keeps what it has."""
    document, now = registered(storage), held(storage, runs)
    before = the_document(storage)
    one, two = ({"at": "/AckNo", "sent": "1", "registered": number} for number in "23")
    for difference in (one, one, two):
        assert runs.record(now, step(found(FindingKind.DRIFT, document, difference)), at=START) is not None
    assert told(storage) == ["irn.drift", "irn.drift"]
    assert the_document(storage) == before
    [run] = runs.list(**HERE, before=None, rows_max=5)
    assert run.found == 2


def test_what_is_found_is_lost_with_the_lease(storage: Storage, runs: SqlReconciliations) -> None:
    """Nothing of a step is kept whose run has another holder."""
    document, now = registered(storage), held(storage, runs)
    before = storage.everything()
    with pytest.raises(LeaseLostError):
        runs.record(replace(now, token="other"), step(found(FindingKind.SUPERSEDED, document)), at=START)
    assert storage.everything() == before


def test_numbers_that_we_hold_as_not_registered_are_listed(storage: Storage, runs: SqlReconciliations) -> None:
    """Refused lately, or open for an hour; not what is registered, on its way, long over, or taken anew."""
    storage.come_to(Meaning.REFUSED, new=new_operation("LONG"))
    storage.clock.step(hours=49)
    refused = storage.come_to(Meaning.REFUSED, new=new_operation("REFUSED"))
    storage.come_to(Meaning.REFUSED, new=new_operation("AGAIN"))
    storage.come_to(Meaning.REGISTERED, new=new_operation("AGAIN", payload=b'{"No":"AGAIN","x":1}'))
    lost = storage.come_to(Meaning.HELD, new=new_operation("HELD"))
    storage.clock.step(hours=1)
    storage.accept(new_operation("YOUNG"))
    run, seen = opened(storage, runs), []
    while (listed := runs.next_number(run)) is not None:
        seen.append((listed.operation.id, listed.route, listed.details[1]))
        run = replace(run, cursor=listed.operation.id)
    expected = [(refused.id, "sandbox", "REFUSED"), (lost.id, "sandbox", "HELD")]
    assert sorted(seen) == sorted(expected)


@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_number_that_moved_meanwhile_is_no_finding(
    storage: Storage, runs: SqlReconciliations, *, meanwhile: bool
) -> None:
    """An attempt of ours that began since it was listed may be what was found."""
    operation = storage.come_to(Meaning.HELD)
    storage.clock.step(hours=2)
    now = held(storage, runs)
    listed = runs.next_number(now.run)
    assert listed is not None
    if meanwhile:
        storage.begin()
    there = replace(registration(new_operation()), irn=operation.irn)
    finding = replace(found(FindingKind.DRIFT, there, {"at": ""}), operation_id=operation.id)
    assert runs.record(now, step(finding, of=listed.operation), at=storage.clock.now()) is not None
    assert told(storage) == ([] if meanwhile else ["irn.drift"])


def test_errors_of_the_portal_are_counted_with_the_step(storage: Storage, runs: SqlReconciliations) -> None:
    """By their cause."""
    assert runs.record(held(storage, runs), step(errors=3, route="sandbox"), at=START) is not None
    rows = [row for row in storage.rows(tables.portal_errors) if row["scope"] == Scope.GSTIN.value]
    assert {row["caused_by"]: row["errors"] for row in rows} == {"": 3, "reconciliation": 3}


def test_a_page_of_runs_is_the_takers_own(storage: Storage, runs: SqlReconciliations) -> None:
    """The latest day first, after the page before; nobody else's."""
    days = [TODAY - timedelta(days=ago) for ago in range(4)]
    for day in days:
        opened(storage, runs, day)
    assert [run.day for run in runs.list(**HERE, before=None, rows_max=3)] == days[:3]
    assert [run.day for run in runs.list(**HERE, before=days[2], rows_max=3)] == days[3:]
    assert runs.list(**HERE | {"org_id": "org_2"}, before=None, rows_max=3) == []
    assert runs.list(**HERE | {"gstin": OTHER_GSTIN}, before=None, rows_max=3) == []
    assert runs.list(**HERE | {"environment": Environment.LIVE}, before=None, rows_max=3) == []

"""The ledger against the portals: one question at a time, each answer written down with the place it was reached."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from gateway.domain import error_budget, reconciling, strict_json
from gateway.domain.calendar import indian_date
from gateway.domain.operations import Environment, Operation
from gateway.domain.outcomes import Meaning, Outcome, Rejections
from gateway.domain.reconciling import Finding, FindingKind, Phase, ReconcileLane
from gateway.errors import Invalid
from gateway.ports import LeaseLostError, Seller
from gateway.ports.reconciling import HeldRun, Run, Step
from gateway.services import routing, shield
from gateway.services.execution import DrainPolicy
from gateway.services.ports import Ports

log = logging.getLogger(__name__)

CAUSE: Final = "reconciliation"
"""What the portal's errors to these questions are put down to."""
_TOLD: Final = frozenset({Meaning.REGISTERED, Meaning.CONFLICT, Meaning.ABSENT})
"""The answers that say how something stands."""
_SENSELESS: Final = frozenset({Meaning.UNKNOWN, Meaning.UNVERIFIED})
"""Answers, where any came, that say nothing."""

FINDINGS_MAX: Final = 100
"""Of a run, as it is shown. Each of them is an event too."""

Ask = Callable[[Callable[[], None]], Outcome]
"""Asks the portal; it is given what keeps the lease."""


class Standing(StrEnum):
    """How a run stands."""

    OPEN = "open"
    WAITING = "waiting"
    """It goes on by itself; it says why, and when."""
    DONE = "done"
    ENDED = "ended"
    """The next day's run took its place before it was done."""


@dataclass(frozen=True, slots=True)
class Day:
    """A run, and what it was the first to find, FINDINGS_MAX at most."""

    run: Run
    findings: tuple[Mapping[str, Any], ...]

    @property
    def standing(self) -> Standing:
        """How it stands."""
        if self.run.ended_at is not None:
            return Standing.DONE if self.run.phase is Phase.DONE else Standing.ENDED
        return Standing.OPEN if self.run.waiting is None else Standing.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """The next thing to ask, by which route, the place that is reached with its answer, and what it is counted as."""

    route: str
    ask: Ask
    cursor: str
    found: Callable[[Outcome], tuple[Finding, ...]]
    checked: int = 0
    looked_up: int = 0
    of: Operation | None = None


def ask(*, seller: Seller, day: date, actor: str, ports: Ports) -> Run:
    """Open the run of a day, or have one that has ended begin anew. Raises Invalid for a day to come."""
    at = ports.clock.now()
    if day > indian_date(at):
        raise Invalid("day-to-come", f"{day} is still to come.", help="Give a day up to today's, as yyyy-mm-dd.")
    until = reconciling.until(day, at=at)
    return ports.reconciliations.ask(seller, day=day, until=until, at=at, actor=actor)


def days(
    environment: Environment, org_id: str, gstin: str, *, before: date | None = None, rows_max: int, ports: Ports
) -> list[Day]:
    """The runs of a taxpayer, the latest day first, with what each was the first to find."""
    runs = ports.reconciliations.list(
        environment=environment, org_id=org_id, gstin=gstin, before=before, rows_max=rows_max
    )
    with_news = [run.id for run in runs if run.found]
    found = ports.reconciliations.findings(with_news, rows_max=FINDINGS_MAX) if with_news else ()
    return [Day(run, tuple(each for each in found if each["run_id"] == run.id)) for run in runs]


def drain(
    lane: ReconcileLane, *, ports: Ports, policy: DrainPolicy, stopping: Callable[[], bool] = lambda: False
) -> int:
    """Go on with the taxpayer's run until it ends or waits, or there is no time, or it is told to stop; steps made."""
    ports.bell.answered(lane, direct=False)
    at = ports.clock.now()
    until = at + timedelta(seconds=policy.lease_seconds)
    held = ports.reconciliations.claim(lane, worker=policy.worker, at=at, lease_until=until)
    ends_at = ports.clock.monotonic() + policy.quantum_seconds
    steps = 0
    run_id = None if held is None else held.run.id
    try:
        while held is not None:
            held = _step(held, ports=ports, policy=policy)
            steps += 1
            if held is not None and (stopping() or ports.clock.monotonic() >= ends_at):
                _give_back(held, ports)
                ports.bell.ring(lane, direct=False)
                break
    except LeaseLostError:
        log.warning("lease of a reconciliation lost, another worker goes on", extra={"run": run_id})
    return steps


def _step(held: HeldRun, *, ports: Ports, policy: DrainPolicy) -> HeldRun | None:
    """Ask one question, or go on to the next phase. None when the run has ended, or waits."""
    run = held.run
    seller = ports.directory.seller(environment=run.environment, gstin=run.gstin)
    if seller is None:
        return ports.reconciliations.record(held, Step(phase=Phase.DONE, cursor=None), at=ports.clock.now())
    question = _QUESTIONS[run.phase](run, seller, ports)
    if question is None:
        step = Step(phase=run.phase.next, cursor=None)
        return ports.reconciliations.record(held, step, at=ports.clock.now())
    put_off = _put_off(seller, question.route, ports)
    if put_off is not None:
        waiting = replace(_here(run), due_at=put_off[0], waiting=put_off[1])
        return ports.reconciliations.record(held, waiting, at=ports.clock.now())
    keeper = _Keeper(held, ports, policy)
    outcome = _answer(question, keeper)
    routing.note_health(question.route, outcome, ports=ports)
    at = ports.clock.now()
    return ports.reconciliations.record(keeper.held, _reached(run, question, outcome, seller, at=at), at=at)


def _here(run: Run) -> Step:
    """The step that leaves a run where it is."""
    return Step(phase=run.phase, cursor=run.cursor, tries=run.tries)


def _give_back(held: HeldRun, ports: Ports) -> None:
    at = ports.clock.now()
    ports.reconciliations.record(held, replace(_here(held.run), due_at=at), at=at)


@dataclass(slots=True)
class _Keeper:
    """Called before every wire call: enough of the lease must be left for all of it, or it is renewed."""

    held: HeldRun
    ports: Ports
    policy: DrainPolicy

    def __call__(self) -> None:
        at = self.ports.clock.now()
        if (self.held.lease_until - at).total_seconds() < self.policy.lease_left_seconds_min:
            until = at + timedelta(seconds=self.policy.lease_seconds)
            self.held = self.ports.reconciliations.renew(self.held, until=until)


def _put_off(seller: Seller, route: str, ports: Ports) -> tuple[datetime, str] | None:
    """Until when nothing is asked, and why: the portal's patience with errors is nearly spent, or the route is down."""
    at = ports.clock.now()
    if shield.stopped(seller, caused_by=CAUSE, ports=ports) is not None:
        return error_budget.eases_at(at), "The portal has answered with nearly as many errors as it bears."
    wait = routing.wait_seconds(route, ports=ports)
    return (at + timedelta(seconds=wait), f"The route {route} is down.") if wait > 0 else None


def _answer(question: _Question, keeper: _Keeper) -> Outcome:
    """What came of it. What goes wrong on our side is an answer without sense, or the run would stay there for ever."""
    try:
        return question.ask(keeper)
    except LeaseLostError:
        raise
    except Exception as error:
        log.exception("question of a reconciliation failed", extra={"run": keeper.held.run.id})
        return Outcome(meaning=Meaning.UNKNOWN, message=f"The gateway failed over the answer: {type(error).__name__}.")


def _reached(run: Run, question: _Question, outcome: Outcome, seller: Seller, *, at: datetime) -> Step:
    """What an answer makes of the run. Only an answer that says how something stands can be a finding."""
    here = replace(_here(run), errors=outcome.errors_told, route=question.route)
    passed = replace(here, cursor=question.cursor, tries=0)
    if outcome.meaning in _TOLD:
        counted = replace(passed, checked=question.checked, looked_up=question.looked_up)
        return replace(counted, findings=question.found(outcome), of=question.of)
    senseless = outcome.meaning in _SENSELESS and not outcome.silent
    tries = run.tries + (1 if senseless else 0)
    other = outcome.meaning is Meaning.HELD and question.route != seller.route  # the run need not wait for its login
    if outcome.meaning is Meaning.UNREADABLE or other:
        return replace(passed, unread=1)
    if tries >= reconciling.TRIES_MAX:
        return replace(passed, unread=1, tries=-reconciling.TRIES_MORE)
    wait = timedelta(seconds=outcome.retry_after_seconds) if outcome.retry_after_seconds else reconciling.WAIT
    return replace(here, tries=tries, due_at=at + wait, waiting=outcome.message or "The portal does not answer.")


def _document(run: Run, seller: Seller, ports: Ports) -> _Question | None:
    listed = ports.reconciliations.next_document(run)
    if listed is None:
        return None
    held, made_by = listed[0].registration, listed[1]
    route = made_by or seller.route
    return _Question(
        route=route,
        ask=lambda keep: ports.rechecks.document(seller, route=route, held=held, keep_lease=keep),
        cursor=reconciling.document_cursor(held),
        found=lambda outcome: reconciling.of_document(held, outcome),
        checked=1,
    )


def _number(run: Run, seller: Seller, ports: Ports) -> _Question | None:
    listed = ports.reconciliations.next_number(run) if _may_look_up(run, seller, ports) else None
    if listed is None:
        return None
    operation, route = listed.operation, listed.route or seller.route
    sent = strict_json.read(listed.payload)
    return _Question(
        route=route,
        ask=lambda keep: ports.rechecks.number(seller, route=route, details=listed.details, sent=sent, keep_lease=keep),
        cursor=operation.id,
        found=lambda outcome: reconciling.of_number(outcome, operation_id=operation.id, in_doubt=operation.in_doubt),
        looked_up=1,
        of=operation,
    )


def _may_look_up(run: Run, seller: Seller, ports: Ports) -> bool:
    """Whether one more number is looked up: some always are, further ones while the portal bears many more errors."""
    spent = shield.spending(seller, ports=ports)
    return run.looked_up < reconciling.NUMBERS_MAX or all(
        error_budget.percent(each.scope, each.errors) < reconciling.SPARE_PERCENT for each in spent
    )


def _list(run: Run, seller: Seller, ports: Ports) -> _Question | None:
    """The next list of rejected IRNs: each route's, for each of the days before the run's."""
    days = [run.day - timedelta(days=ago) for ago in range(1, reconciling.REJECTED_DAYS + 1)]
    lists = {f"{route}|{day}": (route, day) for route in routing.routes_of(seller, ports=ports) for day in days}
    names = list(lists)
    after = names[names.index(run.cursor) + 1 :] if run.cursor in lists else names
    if not after:
        return None
    route, day = lists[after[0]]
    return _Question(
        route=route,
        ask=lambda keep: ports.rechecks.rejected(seller, route=route, day=day, keep_lease=keep),
        cursor=after[0],
        found=lambda outcome: _superseded(outcome, run, ports),
    )


def _superseded(outcome: Outcome, run: Run, ports: Ports) -> tuple[Finding, ...]:
    """The documents of the ledger that are on a list; it has those of other programs too."""
    irns = outcome.result.irns if isinstance(outcome.result, Rejections) else ()
    listed = (ports.ledger.by_irn(environment=run.environment, gstin=run.gstin, irn=irn) for irn in irns)
    return tuple(
        reconciling.finding_of(FindingKind.SUPERSEDED, each.registration) for each in listed if each is not None
    )


_QUESTIONS: Final[Mapping[Phase, Callable[[Run, Seller, Ports], _Question | None]]] = {
    Phase.DOCUMENTS: _document,
    Phase.NUMBERS: _number,
    Phase.REJECTED: _list,
}
"""What is asked in each phase; None when it is over."""

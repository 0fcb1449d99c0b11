"""Runs of the reconciliation, and what they find, each in the transaction that moves its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, exists, or_, select, update

from gateway.domain.audit import Action, Record
from gateway.domain.identifiers import AUDIT_PREFIX, FINDING_PREFIX, RECONCILIATION_PREFIX
from gateway.domain.operations import Environment, Kind, Operation
from gateway.domain.reconciling import (
    CURSOR_MARK,
    LOOKS_BACK,
    OPENS_AT,
    Finding,
    FindingKind,
    Phase,
    ReconcileLane,
    announcement,
)
from gateway.ports import Document, Ids, LeaseLostError, Seller
from gateway.ports.reconciling import FreeNumber, HeldRun, Run, Step
from gateway.storage import audit, blobs, error_budget, events, unregistered
from gateway.storage.database import Database
from gateway.storage.rows import read_document
from gateway.storage.tables import documents, gstins, operations, reconciliation_findings, reconciliations
from gateway.storage.upsert import insert_missing

RECENT: Final = timedelta(days=7)
"""A taxpayer without a document for so long, without open work and without numbers to look up has no run: each would
cost a login a day."""
ACTOR: Final = "reconciliation"
"""Who did what a run does, and what the portal's errors to it are put down to."""
_FREE: Final[dict[str, Any]] = {"lease_token": None, "lease_until": None, "lease_owner": None}
_NAMES: Final = tuple(each.name for each in fields(Run))


class SqlReconciliations:
    """Implements `ports.reconciling.Reconciliations`."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids

    def open_due(self, day: date, *, at: datetime, rows_max: int) -> int:
        """See `ports.reconciling.Reconciliations`."""
        opened = exists().where(_of(gstins.c), reconciliations.c.day == day)
        recent = exists().where(
            documents.c.environment == gstins.c.environment,
            documents.c.gstin == gstins.c.gstin,
            documents.c.ack_at > at - RECENT,
        )
        under_way = exists().where(
            operations.c.environment == gstins.c.environment,
            operations.c.gstin == gstins.c.gstin,
            operations.c.settled_at.is_(None),
        )
        failed = (unregistered.newest_end(status, gstins.c) > at - LOOKS_BACK for status in unregistered.ENDED)
        wanted = or_(recent, under_way, *failed)
        waiting = select(gstins.c.environment, gstins.c.org_id, gstins.c.gstin).where(~opened, wanted)
        with self._database.read() as connection:
            found = [dict(row) for row in connection.execute(waiting.limit(rows_max)).mappings()]
        until = min(datetime.combine(day, OPENS_AT), at)
        opening = [partial(self._open, who=who, day=day, until=until, at=at) for who in found]
        return sum(self._database.write(each) for each in opening)

    def ask(self, seller: Seller, *, day: date, until: datetime, at: datetime, actor: str) -> Run:
        """See `ports.reconciling.Reconciliations`."""
        who = {"environment": seller.environment.value, "org_id": seller.org_id, "gstin": seller.gstin}

        def work(connection: Connection) -> Run:
            insert_missing(connection, reconciliations, self._row(who, day, until, at))
            here = and_(_of(who), reconciliations.c.day == day)
            anew: dict[str, Any] = dict.fromkeys(("tries", "checked", "looked_up", "unread"), 0)
            anew |= {"phase": Phase.DOCUMENTS.value, "cursor": None, "until": until, "ended_at": None, "due_at": at}
            ended = and_(here, reconciliations.c.due_at.is_(None))
            connection.execute(update(reconciliations).where(ended).values(anew))
            connection.execute(update(reconciliations).where(here).values(due_at=at))
            run = _read(connection.execute(select(reconciliations).where(here)).mappings().one())
            facts = {"day": day.isoformat()}
            audit.append(connection, self._audited(run, Action.RECONCILIATION_ASKED, actor, run.id, facts, at=at))
            return run

        return self._database.write(work)

    def due_lanes(self, *, at: datetime) -> Sequence[ReconcileLane]:
        """See `ports.reconciling.Reconciliations`."""
        query = select(reconciliations.c.environment, reconciliations.c.gstin).where(_claimable(at)).distinct()
        with self._database.read() as connection:
            return [ReconcileLane(Environment(row.environment), row.gstin) for row in connection.execute(query)]

    def claim(self, lane: ReconcileLane, *, worker: str, at: datetime, lease_until: datetime) -> HeldRun | None:
        """See `ports.reconciling.Reconciliations`."""
        token = self._ids.new("")
        of_lane = and_(reconciliations.c.environment == lane.environment.value, reconciliations.c.gstin == lane.gstin)
        first = select(reconciliations.c.id).where(of_lane, _claimable(at)).order_by(reconciliations.c.day.desc())
        leased = {"lease_token": token, "lease_until": lease_until, "lease_owner": worker, "waiting": None}

        def work(connection: Connection) -> HeldRun | None:
            locked = first.limit(1).with_for_update(skip_locked=True)
            id = connection.execute(locked).scalar_one_or_none()
            if id is None:
                return None
            taken = update(reconciliations).where(reconciliations.c.id == id).values(leased)
            row = connection.execute(taken.returning(reconciliations)).mappings().one()
            return HeldRun(run=_read(row), token=token, lease_until=lease_until)

        return self._database.write(work)

    def renew(self, held: HeldRun, *, until: datetime) -> HeldRun:
        """See `ports.reconciling.Reconciliations`."""
        self._database.write(lambda connection: _held_by(connection, held, {"lease_until": until}))
        return replace(held, lease_until=until)

    def next_document(self, run: Run) -> tuple[Document, str | None] | None:
        """See `ports.reconciling.Reconciliations`."""
        of_seller = (documents.c.environment == run.environment.value, documents.c.gstin == run.gstin)
        window = (documents.c.ack_at > run.until - LOOKS_BACK, documents.c.ack_at <= run.until)
        query = (
            select(documents, operations.c.route.label("made_by"))
            .join_from(documents, operations, operations.c.id == documents.c.operation_id, isouter=True)
            .where(*of_seller, *window, *_after(run.cursor))
            .order_by(documents.c.ack_at, documents.c.irn)
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                return None
            return read_document(connection, row), row["made_by"]

    def next_number(self, run: Run) -> FreeNumber | None:
        """See `ports.reconciling.Reconciliations`."""
        with self._database.read() as connection:
            return unregistered.first(connection, run)

    def record(self, held: HeldRun, step: Step, *, at: datetime) -> HeldRun | None:
        """See `ports.reconciling.Reconciliations`."""
        return self._database.write(lambda connection: self._record(connection, held, step, at))

    def list(
        self, *, environment: Environment, org_id: str, gstin: str, before: date | None, rows_max: int
    ) -> Sequence[Run]:
        """See `ports.reconciling.Reconciliations`."""
        query = select(reconciliations).where(
            _of({"environment": environment.value, "gstin": gstin}), reconciliations.c.org_id == org_id
        )
        if before is not None:
            query = query.where(reconciliations.c.day < before)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(reconciliations.c.day.desc()).limit(rows_max)).mappings()
            return [_read(row) for row in rows]

    def findings(self, run_ids: Sequence[str], *, rows_max: int) -> Sequence[Mapping[str, Any]]:
        """See `ports.reconciling.Reconciliations`."""
        of_run = select(reconciliation_findings).order_by(reconciliation_findings.c.id).limit(rows_max)
        with self._database.read() as connection:
            return [
                {**row, "differences": blobs.fetch_differences(connection, row["differences"])}
                for id in run_ids
                for row in connection.execute(of_run.where(reconciliation_findings.c.run_id == id)).mappings()
            ]

    def _open(self, connection: Connection, *, who: dict[str, Any], day: date, until: datetime, at: datetime) -> bool:
        earlier = and_(_of(who), reconciliations.c.day < day, reconciliations.c.due_at.isnot(None))
        connection.execute(update(reconciliations).where(earlier).values(due_at=None, ended_at=at, **_FREE))
        return insert_missing(connection, reconciliations, self._row(who, day, until, at))

    def _row(self, who: dict[str, Any], day: date, until: datetime, at: datetime) -> dict[str, Any]:
        return {
            **who,
            "id": self._ids.new(RECONCILIATION_PREFIX),
            "day": day,
            "until": until,
            "phase": Phase.DOCUMENTS.value,
            **dict.fromkeys(("tries", "checked", "looked_up", "unread", "found"), 0),
            "opened_at": at,
            "due_at": at,
        }

    def _record(self, connection: Connection, held: HeldRun, step: Step, at: datetime) -> HeldRun | None:
        before = held.run
        ended = step.phase is Phase.DONE
        changed: dict[str, Any] = {
            "phase": step.phase.value,
            "cursor": step.cursor,
            "tries": step.tries,
            "checked": reconciliations.c.checked + step.checked,
            "looked_up": reconciliations.c.looked_up + step.looked_up,
            "unread": reconciliations.c.unread + step.unread,
            "waiting": step.waiting,
        }
        if ended:
            changed |= _FREE | {"due_at": None, "ended_at": at}
        elif step.due_at is not None:
            changed |= _FREE | {"due_at": step.due_at}
        run = _held_by(connection, held, changed)
        new = [each for each in step.findings if self._keep(connection, before, each, step.of, at)]
        if new:
            counted = {"found": reconciliations.c.found + len(new)}
            here = update(reconciliations).where(reconciliations.c.id == run.id)
            connection.execute(here.values(counted))
        told = error_budget.count(connection, before, route=step.route, caused_by=ACTOR, errors=step.errors, at=at)
        told += [_announced(run, each) for each in new]
        for each in told:
            events.announce(connection, each, ids=self._ids, at=at)
        given_back = ended or step.due_at is not None
        return None if given_back else replace(held, run=replace(run, found=run.found + len(new)))

    def _keep(self, connection: Connection, run: Run, finding: Finding, of: Operation | None, at: datetime) -> bool:
        """Write a finding down, with what it changes in the ledger. False: known already, or our own doing."""
        if of is not None and not unregistered.is_still(connection, of):
            return False
        if not _CHANGES[finding.kind](connection, run, finding, at):
            return False
        row = {name: getattr(finding, name) for name in _FOUND} | {
            "id": self._ids.new(FINDING_PREFIX),
            "run_id": run.id,
            "environment": run.environment.value,
            "gstin": run.gstin,
            "once": finding.key,
            "kind": finding.kind.value,
            "differences": blobs.keep_differences(connection, finding.differences, at=at),
            "found_at": at,
        }
        if not insert_missing(connection, reconciliation_findings, row):
            return False
        facts = {"finding": row["id"], "kind": finding.kind.value, "run": run.id}
        audit.append(connection, self._audited(run, Action.RECONCILED, ACTOR, finding.irn, facts, at=at))
        return True

    def _audited(
        self, run: Run, action: Action, actor: str, subject: str, facts: dict[str, Any], *, at: datetime
    ) -> Record:
        return Record(
            id=self._ids.new(AUDIT_PREFIX),
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            environment=run.environment,
            org_id=run.org_id,
            gstin=run.gstin,
            facts=facts,
        )


_FOUND: Final = ("irn", "doc_type", "doc_no", "doc_date", "operation_id")


def _after(cursor: str | None) -> tuple[ColumnElement[bool], ...]:
    if cursor is None:
        return ()
    written, _, irn = cursor.partition(CURSOR_MARK)
    ack_at = datetime.fromisoformat(written)
    same = and_(documents.c.ack_at == ack_at, documents.c.irn > irn)
    return (documents.c.ack_at >= ack_at, or_(documents.c.ack_at > ack_at, same))


def _of(who: Any) -> ColumnElement[bool]:
    """The runs of a taxpayer, given by a row's columns or by values."""
    return and_(reconciliations.c.environment == who["environment"], reconciliations.c.gstin == who["gstin"])


def _claimable(at: datetime) -> ColumnElement[bool]:
    """Due, and free: a lease that is over is nobody's."""
    free = or_(reconciliations.c.lease_until.is_(None), reconciliations.c.lease_until < at)
    return and_(reconciliations.c.due_at.isnot(None), reconciliations.c.due_at <= at, free)


def _held_by(connection: Connection, held: HeldRun, values: dict[str, Any]) -> Run:
    """Change a run if this lease still holds it. Raises LeaseLostError."""
    mine = and_(reconciliations.c.id == held.run.id, reconciliations.c.lease_token == held.token)
    changed = update(reconciliations).where(mine).values(values).returning(reconciliations)
    row = connection.execute(changed).mappings().one_or_none()
    if row is None:
        raise LeaseLostError(held.run.id)
    return _read(row)


def _cancelled(connection: Connection, run: Run, finding: Finding, at: datetime) -> bool:
    """The ledger learns of it, unless a cancellation of ours is under way: that one will tell of it itself."""
    own = exists().where(
        operations.c.environment == run.environment.value,
        operations.c.gstin == run.gstin,
        operations.c.kind == Kind.IRN_CANCEL.value,
        operations.c.subject == finding.irn,
        operations.c.settled_at.is_(None),
    )
    active = and_(_document(run, finding), documents.c.status == "active", ~own)
    changed = update(documents).where(active).values(status="cancelled", recorded_at=at)
    return connection.execute(changed).rowcount == 1


def _superseded(connection: Connection, run: Run, finding: Finding, at: datetime) -> bool:
    """Of documents of the ledger alone: the portal's list has those of other programs too."""
    new = and_(_document(run, finding), documents.c.superseded_at.is_(None))
    return connection.execute(update(documents).where(new).values(superseded_at=at)).rowcount == 1


def _differs(connection: Connection, run: Run, finding: Finding, at: datetime) -> bool:  # noqa: ARG001  one form for all
    """The ledger keeps what it has: somebody has to look."""
    return True


_CHANGES: Final = {
    FindingKind.CANCELLED_ELSEWHERE: _cancelled,
    FindingKind.SUPERSEDED: _superseded,
    FindingKind.DRIFT: _differs,
}
"""What a finding changes in the ledger; false when it is none."""


def _document(run: Run, finding: Finding) -> ColumnElement[bool]:
    return and_(
        documents.c.environment == run.environment.value,
        documents.c.irn == finding.irn,
        documents.c.gstin == run.gstin,
    )


def _announced(run: Run, finding: Finding) -> Any:
    return announcement(finding, environment=run.environment, org_id=run.org_id, gstin=run.gstin, run_id=run.id)


def _read(row: RowMapping) -> Run:
    members = {name: row[name] for name in _NAMES}
    return Run(**members | {"environment": Environment(row["environment"]), "phase": Phase(row["phase"])})

"""Operations as time moves them, or a person: leases that end, windows that close, lanes to ring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, or_, select, update

from gateway.domain import lifecycle
from gateway.domain.audit import Action, Record
from gateway.domain.identifiers import AUDIT_PREFIX
from gateway.domain.operations import Environment, HoldCause, Lane, Operation, Status
from gateway.domain.outcomes import Outcome
from gateway.domain.settlement import Event, Settlement
from gateway.errors import Absent
from gateway.ports import Ids
from gateway.storage import audit, blobs, effects, events, queries, waiting
from gateway.storage.database import Database
from gateway.storage.rows import fetch_operation, settle_row
from gateway.storage.tables import attempts, idempotency_keys, lanes, leaders, operations, portal_accounts, routes
from gateway.storage.upsert import insert_missing

_SWEEPER = "sweeper"
_FREE = {"direct_blocked_until": None, "bulk_blocked_until": None}
_BLOCKED = or_(lanes.c.direct_blocked_until > bindparam("at"), lanes.c.bulk_blocked_until > bindparam("at"))
_SELLERS = lanes.c.lane.startswith("irp:")
"""The lanes of taxpayers: those of receivers wait for other reasons than permits."""


class SqlUpkeep:
    """Implements `ports.Upkeep`."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids

    def close(self, id: str, event: Event, *, actor: str, at: datetime) -> Operation:
        """See `ports.Upkeep`. Raises ForbiddenTransitionError when the operation is past that."""
        return self._move(id, lambda operation: lifecycle.close(operation, event), Action.OPERATION_CLOSED, actor, at)

    def resume(self, id: str, *, actor: str, at: datetime) -> Operation:
        """See `ports.Upkeep`. Raises ForbiddenTransitionError unless it is parked."""
        return self._move(id, lambda operation: lifecycle.resume(operation, at=at), Action.OPERATION_RESUMED, actor, at)

    def judge(self, id: str, outcome: Outcome, *, note: str, actor: str, at: datetime) -> Operation:
        """See `ports.Upkeep`. Raises ForbiddenTransitionError unless it is parked."""

        def work(connection: Connection) -> Operation:
            operation = _locked(connection, id)
            settlement = lifecycle.judge(operation, outcome.meaning)
            settle_row(connection, operation, settlement, at=at)
            if outcome.result is not None:
                effects.apply(connection, operation, outcome.result, at=at)
            after = _locked(connection, id)
            evidence = None if outcome.evidence is None else blobs.keep(connection, outcome.evidence, at=at)
            record = self._audited(after, Action.OPERATION_JUDGED, actor, settlement, at=at)
            audit.append(connection, replace(record, facts={**record.facts, "note": note, "evidence": evidence}))
            waiting.wake(connection, operation, settlement.status, outcome.result, ids=self._ids, at=at)
            events.announce_transition(connection, operation, after, outcome, ids=self._ids, at=at)
            return after

        return self._database.write(work)

    def end_expired_leases(self, *, at: datetime, rows_max: int) -> int:
        """See `ports.Upkeep`. A row whose attempt had begun is in doubt; one that had not is as it was before."""
        over = select(operations.c.id).where(operations.c.lease_until < at)
        with self._database.read() as connection:
            ids = connection.execute(over.order_by(operations.c.lease_until).limit(rows_max)).scalars().all()
        for id in ids:
            self._database.write(partial(self._end_lease, id=id, at=at))
        return len(ids)

    def close_windows(self, *, at: datetime, rows_max: int) -> int:
        """See `ports.Upkeep`."""
        with self._database.read() as connection:
            ids = connection.execute(queries.CLOSED_WINDOWS, {"at": at, "rows_max": rows_max}).scalars().all()
        return sum(self._expire(id, at=at) for id in ids)

    def due_lanes(self, *, at: datetime) -> Sequence[tuple[Lane, bool]]:
        """See `ports.Upkeep`. One look into the index for each lane and class, however many rows wait there."""
        with self._database.read() as connection:
            return [
                (Lane.parse(lane), direct)
                for direct in (True, False)
                for lane in connection.execute(queries.DUE_LANES[direct], {"at": at}).scalars()
            ]

    def wake_held(
        self, *, environment: Environment, gstin: str | None, causes: Sequence[HoldCause], at: datetime
    ) -> int:
        """See `ports.Upkeep`."""
        held: list[ColumnElement[bool]] = [
            operations.c.environment == environment.value,
            operations.c.status == Status.HELD.value,
            operations.c.hold_cause.in_([cause.value for cause in causes]),
        ]
        if gstin is not None:
            held.append(operations.c.gstin == gstin)
        statement = update(operations).where(*held).values(due_at=at).returning(operations.c.lane)

        def work(connection: Connection) -> int:
            woken = connection.execute(statement).scalars().all()
            connection.execute(update(lanes).where(lanes.c.lane.in_(set(woken))).values(_FREE))
            return len(woken)

        return self._database.write(work)

    def free_lanes(self, *, changed_since: datetime, at: datetime) -> int:
        """See `ports.Upkeep`."""
        with self._database.read() as connection:
            changed = connection.execute(
                select(routes.c.name).where(routes.c.created_at >= changed_since).limit(1)
            ).first()
        if changed is None:
            return 0
        statement = update(lanes).where(_BLOCKED, _SELLERS).values(_FREE)
        return self._database.write(lambda connection: connection.execute(statement, {"at": at}).rowcount)

    def wake_relogged(self, *, at: datetime) -> int:
        """See `ports.Upkeep`."""
        changed = (
            exists()
            .where(portal_accounts.c.environment == operations.c.environment)
            .where(portal_accounts.c.gstin == operations.c.gstin)
            .where(portal_accounts.c.route == operations.c.route)
            .where(portal_accounts.c.refused_code.is_(None))
            .where(attempts.c.operation_id == operations.c.id)
            .where(attempts.c.number == operations.c.attempts)
            .where(portal_accounts.c.changed_at > attempts.c.began_at)
        )
        asleep = (
            operations.c.status == Status.HELD.value,
            operations.c.hold_cause == HoldCause.CREDENTIALS.value,
            operations.c.due_at.is_(None),
        )
        statement = update(operations).where(*asleep, changed).values(due_at=at)
        return self._database.write(lambda connection: connection.execute(statement).rowcount)

    def lead(self, role: str, *, holder: str, at: datetime, until: datetime) -> bool:
        """See `ports.Upkeep`."""

        def work(connection: Connection) -> bool:
            insert_missing(connection, leaders, {"role": role, "holder": holder, "until": at})
            mine_or_free = (leaders.c.holder == holder) | (leaders.c.until <= at)
            taken = update(leaders).where(leaders.c.role == role, mine_or_free).values(holder=holder, until=until)
            return connection.execute(taken).rowcount == 1

        return self._database.write(work)

    def reap(self, *, at: datetime, rows_max: int) -> int:
        """See `ports.Upkeep`."""
        ends = idempotency_keys.c.expires_at
        last = select(ends).where(ends <= at).order_by(ends).offset(rows_max - 1).limit(1)

        def work(connection: Connection) -> int:
            until = connection.execute(last).scalar_one_or_none() or at
            return connection.execute(delete(idempotency_keys).where(ends <= until)).rowcount

        return self._database.write(work)

    def _expire(self, id: str, *, at: datetime) -> bool:
        try:
            self.close(id, Event.WINDOW_CLOSED, actor=_SWEEPER, at=at)
        except lifecycle.ForbiddenTransitionError:  # a worker took it since it was listed
            return False
        return True

    def _move(
        self, id: str, decide: Callable[[Operation], Settlement], action: Action, actor: str, at: datetime
    ) -> Operation:
        def work(connection: Connection) -> Operation:
            operation = _locked(connection, id)
            settlement = decide(operation)
            settle_row(connection, operation, settlement, at=at)
            after = _locked(connection, id)
            audit.append(connection, self._audited(after, action, actor, settlement, at=at))
            waiting.wake(connection, operation, settlement.status, None, ids=self._ids, at=at)
            events.announce_transition(connection, operation, after, ids=self._ids, at=at)
            return after

        return self._database.write(work)

    def _end_lease(self, connection: Connection, id: str, at: datetime) -> None:
        still_over = (operations.c.id == id) & (operations.c.lease_until < at)
        over = select(operations.c.lease_owner).where(still_over).with_for_update()
        owner = connection.execute(over).scalar_one_or_none()
        if owner is None:
            return
        operation = _locked(connection, id)
        if operation.status is not Status.SUBMITTING:
            freed: dict[str, Any] = {"lease_token": None, "lease_until": None, "lease_owner": None}
            connection.execute(update(operations).where(operations.c.id == id).values(freed))
            return
        settlement = lifecycle.lease_ended(operation, at=at)
        settle_row(connection, operation, settlement, at=at)
        after = _locked(connection, id)
        audit.append(connection, self._audited(after, Action.LEASE_ENDED, str(owner), settlement, at=at))
        events.announce_transition(connection, operation, after, ids=self._ids, at=at)

    def _audited(
        self, operation: Operation, action: Action, actor: str, settlement: Settlement, *, at: datetime
    ) -> Record:
        return Record(
            id=self._ids.new(AUDIT_PREFIX),
            at=at,
            actor=actor,
            action=action,
            subject=operation.id,
            environment=operation.environment,
            org_id=operation.org_id,
            gstin=operation.gstin,
            version=operation.version,
            facts={"event": settlement.event, "status": settlement.status},
        )


def _locked(connection: Connection, id: str) -> Operation:
    operation = fetch_operation(connection, id, lock=True)
    if operation is None:
        raise Absent("operation-unknown", f"There is no operation {id}.", help="Check the id.")
    return operation

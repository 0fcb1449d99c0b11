"""Operations as workers move them: claim, begin, record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, update

from gateway.domain.audit import Action, Record
from gateway.domain.identifiers import ATTEMPT_PREFIX, AUDIT_PREFIX
from gateway.domain.lifecycle import advance
from gateway.domain.operations import Lane, Operation, Status
from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.settlement import Event, Settlement
from gateway.ports import Attempt, Claim, Ids, LeaseLostError
from gateway.storage import audit, blobs, effects, error_budget, events, queries, taxpayers, waiting
from gateway.storage.database import Database
from gateway.storage.rows import read_operation, release_number, settled_values
from gateway.storage.tables import lanes

_AFTER_A_REFUSAL: Final = frozenset(
    {Event.STILL_QUARANTINED, Event.QUARANTINE_OVER, Event.QUARANTINE_OUTLASTED},
)


Result = TypeVar("Result")


class SqlWork:
    """Implements `ports.Work`."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids

    def claim(
        self, lane: Lane, *, direct: bool, owner: str, at: datetime, lease_until: datetime, leases_max: int
    ) -> Claim | None:
        """See `ports.Work`."""
        token = self._ids.new("")

        def work(connection: Connection) -> Claim | None:
            if not _lane_has_room(connection, lane, direct=direct, at=at, leases_max=leases_max):
                return None
            leased = {"lease_token": token, "lease_until": lease_until, "lease_owner": owner, "at": at}
            due = _due(connection, lane, direct=direct, at=at)
            for place, id in enumerate(due, start=1):
                row = connection.execute(queries.LEASE, leased | {"held_id": id}).mappings().one_or_none()
                if row is not None:
                    return Claim(read_operation(row), token, lease_until, more=place < len(due))
            return None

        return self._database.write(work, urgent=direct)

    def renew(self, claim: Claim, *, until: datetime) -> Claim:
        """See `ports.Work`."""
        self._write(claim, lambda connection: _held_by(connection, claim, {"lease_until": until}))
        return replace(claim, lease_until=until)

    def release(self, claim: Claim, *, due_at: datetime, code: str | None = None, message: str | None = None) -> None:
        """See `ports.Work`."""
        values: dict[str, Any] = {"due_at": due_at, "lease_token": None, "lease_until": None, "lease_owner": None}
        values |= {} if code is None else {"portal_code": code, "portal_message": message}
        self._write(claim, lambda connection: _held_by(connection, claim, values))

    def block_lane(self, lane: Lane, *, direct: bool, until: datetime) -> None:
        """See `ports.Work`."""
        column = "direct_blocked_until" if direct else "bulk_blocked_until"
        statement = update(lanes).where(lanes.c.lane == str(lane)).values({column: until})
        self._database.write(lambda connection: connection.execute(statement), urgent=direct)

    def begin_attempt(self, claim: Claim, *, route: str, worker: str, at: datetime) -> Attempt:
        """See `ports.Work`."""
        return self._write(claim, lambda connection: self._begin(connection, claim, route, worker, at))

    def record(self, attempt: Attempt, settlement: Settlement, outcome: Outcome, *, at: datetime) -> Operation:
        """See `ports.Work`."""
        return self._write(attempt.claim, lambda connection: self._record(connection, attempt, settlement, outcome, at))

    def _write(self, claim: Claim, work: Callable[[Connection], Result]) -> Result:
        return self._database.write(work, urgent=claim.operation.direct)

    def _begin(self, connection: Connection, claim: Claim, route: str, worker: str, at: datetime) -> Attempt:
        before = claim.operation
        number = before.attempts + 1
        changed = {
            "status": advance(before, Event.ATTEMPT_BEGAN).value,
            "version": before.version + 1,
            "attempts": number,
            "route": route,
            "updated_at": at,
        }
        operation = _held_by(connection, claim, changed)
        attempt_id = self._ids.new(ATTEMPT_PREFIX)
        began = {
            "id": attempt_id,
            "operation_id": operation.id,
            "number": number,
            "route": route,
            "worker": worker,
            "in_doubt": operation.in_doubt,
            "began_at": at,
        }
        connection.execute(queries.INSERT_ATTEMPT, began)
        facts = {"attempt": attempt_id, "number": number, "route": route, "in_doubt": operation.in_doubt}
        audit.append(connection, self._audited(operation, Action.ATTEMPT_BEGAN, worker, facts, at=at))
        kept = operation.kept_answer_blob
        return Attempt(
            id=attempt_id,
            number=number,
            worker=worker,
            operation=operation,
            claim=claim,
            route=route,
            payload=blobs.fetch(connection, operation.payload_blob),
            kept_answer=blobs.fetch(connection, kept) if kept else None,
        )

    def _record(
        self, connection: Connection, attempt: Attempt, settlement: Settlement, outcome: Outcome, at: datetime
    ) -> Operation:
        before = attempt.operation
        evidence = blobs.keep(connection, outcome.evidence, at=at) if outcome.evidence is not None else None
        absent = outcome.meaning is Meaning.ABSENT
        refused = absent or settlement.event in _AFTER_A_REFUSAL  # what counts then is the refusal, not the look-up
        changed = settled_values(before, settlement, at=at) | {
            "portal_code": before.portal_code if refused else outcome.code,
            "portal_message": before.portal_message if refused else outcome.message,
            "lasting_refusal": before.lasting_refusal if refused else outcome.lasting,
            "kept_answer_blob": evidence if outcome.meaning is Meaning.UNVERIFIED else before.kept_answer_blob,
        }
        after = _held_by(connection, attempt.claim, changed)
        release_number(connection, before, settlement)
        _end_attempt(connection, attempt, outcome, evidence, at=at)
        taxpayers.keep(connection, outcome.taxpayers, environment=before.environment, org_id=before.org_id, at=at)
        signed = None
        if outcome.result is not None and settlement.status in (Status.SUCCEEDED, Status.CONFLICT):
            effects.apply(connection, before, outcome.result, at=at)
            signed = effects.signed_digest(outcome.result)
        errors = outcome.errors_told
        spent = error_budget.count(
            connection, before, route=attempt.route, caused_by=before.client_id, errors=errors, at=at
        )
        waiting.wake(connection, before, settlement.status, outcome.result, ids=self._ids, at=at)
        facts = {
            "attempt": attempt.id,
            "event": settlement.event,
            "status": settlement.status,
            "meaning": outcome.meaning,
            "code": outcome.code,
            "evidence": evidence,
            "found_by": outcome.found_by,
            "signed_document": signed,
        }
        audit.append(connection, self._audited(after, Action.ATTEMPT_SETTLED, attempt.worker, facts, at=at))
        events.announce_transition(connection, before, after, outcome, ids=self._ids, at=at)
        for announcement in spent:
            events.announce(connection, announcement, ids=self._ids, at=at)
        return after

    def _audited(
        self, operation: Operation, action: Action, actor: str, facts: dict[str, Any], *, at: datetime
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
            facts=facts,
        )


def _lane_has_room(connection: Connection, lane: Lane, *, direct: bool, at: datetime, leases_max: int) -> bool:
    named = {"lane": str(lane)}
    row = connection.execute(queries.LANE, named).mappings().one_or_none()
    if row is None:
        return False
    blocked_until = row["direct_blocked_until" if direct else "bulk_blocked_until"]
    if blocked_until is not None and blocked_until > at:
        return False
    return connection.execute(queries.LEASED[direct], named).scalar_one() < leases_max


def _due(connection: Connection, lane: Lane, *, direct: bool, at: datetime) -> Sequence[str]:
    """The ids of some due rows of a lane, the one to claim first. The price is bounded, however many rows wait there.

    The order is exact unless more than LONGEST_DUE_MAX rows are due and none of those NEAREST_MAX whose deadlines are
    nearest; then it is the order of those that have been due for longest.
    """
    named = {"lane": str(lane), "at": at}
    longest = connection.execute(queries.LONGEST_DUE[direct], named).all()
    if not longest or longest[0].found < queries.LONGEST_DUE_MAX:
        return [row.id for row in longest]
    return connection.execute(queries.NEAREST[direct], named).scalars().all() or [row.id for row in longest]


def _held_by(connection: Connection, claim: Claim, values: dict[str, Any]) -> Operation:
    """Change a row if it is still held by this claim's token, and return it. Raises LeaseLostError."""
    held = {"held_id": claim.operation.id, "held_token": claim.token}
    row = connection.execute(queries.HELD, values | held).mappings().one_or_none()
    if row is None:
        raise LeaseLostError(claim.operation.id)
    return read_operation(row)


def _end_attempt(
    connection: Connection, attempt: Attempt, outcome: Outcome, evidence: str | None, *, at: datetime
) -> None:
    ended = {
        "ended_id": attempt.id,
        "ended_at": at,
        "meaning": outcome.meaning.value,
        "certainty": outcome.certainty.value,
        "portal_code": outcome.code,
        "message": outcome.message,
        "evidence_blob": evidence,
    }
    connection.execute(queries.END_ATTEMPT, ended)

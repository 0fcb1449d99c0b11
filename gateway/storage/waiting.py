"""Operations that wait for another: what becomes of them when it is settled, in the transaction that settles it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, update

from gateway.domain import kinds, lifecycle
from gateway.domain.audit import Action, Record
from gateway.domain.identifiers import AUDIT_PREFIX
from gateway.domain.operations import TERMINAL, Operation, Status
from gateway.domain.outcomes import Registration, Result
from gateway.domain.settlement import Event
from gateway.ports import Ids
from gateway.storage import audit, events, queries
from gateway.storage.rows import fetch_operation, read_operation, settled_values
from gateway.storage.tables import operations
from gateway.storage.types import NO_DEADLINE

_ACTOR: Final = "dependency"


def wake(
    connection: Connection, awaited: Operation, status: Status, result: Result | None, *, ids: Ids, at: datetime
) -> None:
    """Let the operations that wait for `awaited` go on after its success, and end those that make no sense any more."""
    if status not in TERMINAL:
        return
    waiting = connection.execute(queries.WAITING_FOR, {"awaited": awaited.id}).mappings().all()
    for operation in map(read_operation, waiting):
        if status is Status.SUCCEEDED:
            _go_on(connection, operation, result, at=at)
        else:
            _end(connection, operation, awaited, status, ids=ids, at=at)


def _go_on(connection: Connection, operation: Operation, result: Result | None, *, at: datetime) -> None:
    values: dict[str, datetime] = {"due_at": at}
    if operation.deadline_at is None and isinstance(result, Registration):
        values["deadline_at"] = kinds.deadline(operation.kind, since=result.ack_at) or NO_DEADLINE
    connection.execute(update(operations).where(operations.c.id == operation.id).values(values))


def _end(
    connection: Connection, operation: Operation, awaited: Operation, status: Status, *, ids: Ids, at: datetime
) -> None:
    settlement = lifecycle.close(operation, Event.NEEDLESS)
    told = f"It waited for {awaited.id} ({awaited.kind}), which ended as {status}: nothing was sent."
    values = settled_values(operation, settlement, at=at) | {"portal_message": told}
    connection.execute(update(operations).where(operations.c.id == operation.id).values(values))
    record = Record(
        id=ids.new(AUDIT_PREFIX),
        at=at,
        actor=_ACTOR,
        action=Action.OPERATION_CLOSED,
        subject=operation.id,
        environment=operation.environment,
        org_id=operation.org_id,
        gstin=operation.gstin,
        version=operation.version + 1,
        facts={"event": settlement.event, "status": settlement.status, "waited_for": awaited.id},
    )
    audit.append(connection, record)
    after = fetch_operation(connection, operation.id)
    if after is not None:
        events.announce_transition(connection, operation, after, ids=ids, at=at)
    wake(connection, operation, settlement.status, None, ids=ids, at=at)

"""The statements of the hot path, built once. Building one anew costs several times what SQLite needs to run it.

A parameter that is compared with is named for what it is (`held_id`, `at`); columns that are set go by their own name.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    bindparam,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from gateway.domain.operations import CLAIMABLE, OPEN, Operation, Status
from gateway.storage.tables import attempts, idempotency_keys, identities, lanes, operations
from gateway.storage.tables.work import TIMED

operation_columns: Final = tuple(operations.c[field.name] for field in fields(Operation))

OPERATION: Final = select(*operation_columns).where(operations.c.id == bindparam("id"))
"""One operation."""

INSERT_OPERATION: Final = insert(operations).returning(*operation_columns)
"""A new operation, as it is then stored."""

INSERT_IDENTITY: Final = insert(identities)
"""A claim on a document's number."""

INSERT_KEY: Final = insert(idempotency_keys)
"""A client's own name for a request."""

FORGET_KEY: Final = delete(idempotency_keys).where(
    idempotency_keys.c.client_id == bindparam("client_id"),
    idempotency_keys.c.key == bindparam("key"),
    idempotency_keys.c.expires_at <= bindparam("at"),
)
"""The same name, if its life is over."""

BY_KEY: Final = select(idempotency_keys).where(
    idempotency_keys.c.client_id == bindparam("client_id"),
    idempotency_keys.c.key == bindparam("key"),
    idempotency_keys.c.expires_at > bindparam("at"),
)
"""What a client's name stands for, within its life."""

BY_IDENTITY: Final = (
    select(*operation_columns, identities.c.content_digest.label("registered_digest"))
    .join_from(identities, operations, identities.c.operation_id == operations.c.id)
    .where(
        identities.c.environment == bindparam("environment"),
        identities.c.gstin == bindparam("gstin"),
        identities.c.financial_year == bindparam("financial_year"),
        identities.c.doc_type == bindparam("doc_type"),
        identities.c.number_key == bindparam("number_key"),
    )
)
"""The operation that holds a document's number."""

OPEN_ON: Final = select(*operation_columns).where(
    operations.c.environment == bindparam("environment"),
    operations.c.gstin == bindparam("gstin"),
    operations.c.kind == bindparam("kind"),
    operations.c.subject == bindparam("subject"),
    operations.c.settled_at.is_(None),
)
"""The operation of a kind that is open on a subject. There is one at most."""

REFUSED_BEFORE: Final = (
    select(*operation_columns)
    .where(
        operations.c.environment == bindparam("environment"),
        operations.c.gstin == bindparam("gstin"),
        operations.c.kind == bindparam("kind"),
        operations.c.subject == bindparam("subject"),
        operations.c.content_digest == bindparam("content_digest"),
        operations.c.lasting_refusal,
        operations.c.settled_at >= bindparam("refused_since"),
    )
    .order_by(operations.c.id.desc())
    .limit(1)
)
"""The latest refusal of the very same request for what it says."""

WAITING_FOR: Final = (
    select(*operation_columns)
    .where(operations.c.waits_for == bindparam("awaited"), operations.c.settled_at.is_(None))
    .order_by(operations.c.id)
    .with_for_update()
)
"""The open operations that wait for another."""


_ELSEWHERE: Final = OPEN - {Status.QUEUED, Status.HELD}
CLOSED_WINDOWS: Final = (
    select(operations.c.id)
    .where(
        operations.c.deadline_at < bindparam("at"),
        operations.c.settled_at.is_(None),
        operations.c.status.not_in(sorted(_ELSEWHERE)),  # said so, it is no reason for PostgreSQL to look by status
        operations.c.doubtful_since.is_(None),
        operations.c.lease_until.is_(None),
    )
    .order_by(operations.c.deadline_at)
    .limit(bindparam("rows_max"))
)
"""Operations that nobody can do any more: their deadline passed before they were sent."""

LANE: Final = select(lanes).where(lanes.c.lane == bindparam("lane")).with_for_update()
"""A lane, locked: claims of one lane come one after the other."""


def _leased(*, direct: bool) -> Select[int]:
    return select(func.count()).where(
        operations.c.lane == bindparam("lane"),
        operations.c.direct == (true() if direct else false()),
        operations.c.lease_until.isnot(None),
    )


def _ahead(*, direct: bool) -> Select[int]:
    """Counted apart, so that the many are found within the index of claims, which has no status."""
    sooner = operations.c.deadline_at < bindparam("deadline_at")
    older = (operations.c.deadline_at == bindparam("deadline_at")) & (operations.c.created_at < bindparam("created_at"))
    in_lane = select(func.count()).where(
        operations.c.lane == bindparam("lane"),
        operations.c.direct == (true() if direct else false()),
        operations.c.due_at <= bindparam("by"),
        or_(sooner, older),
    )
    free = in_lane.where(operations.c.lease_until.is_(None))
    in_hand = in_lane.where(operations.c.lease_until.isnot(None), operations.c.status.in_(sorted(CLAIMABLE)))
    return select(free.scalar_subquery() + in_hand.scalar_subquery())


AHEAD: Final = {direct: _ahead(direct=direct) for direct in (True, False)}
"""How many rows of a lane come before one with that deadline and age, those included that wait in a thread's hands.

Of those that are due by an instant: what is put off beyond it is overtaken.
"""

LEASED: Final = {direct: _leased(direct=direct) for direct in (True, False)}
"""How many rows of a lane are leased, by whether they are direct calls."""


CANDIDATES_MAX: Final = 4
"""Rows that a claim tries one after the other: somebody else may have one of them locked."""
LONGEST_DUE_MAX: Final = 100
"""Rows of a lane that are put in order by sorting them."""
NEAREST_MAX: Final = 300
"""Rows of a lane that are looked at in order, due or not."""


def _claimable(table: Any, *, direct: bool) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.lane == bindparam("lane"),
        table.c.direct == (true() if direct else false()),
        *_takeable(table),
    )


def _takeable(table: Any) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.status.in_(sorted(CLAIMABLE)),
        table.c.lease_until.is_(None),
        table.c.due_at.isnot(None),
        or_(table.c.deadline_at > bindparam("at"), table.c.doubtful_since.isnot(None)),
    )


def _longest_due(*, direct: bool) -> Select[str, int]:
    due = (
        select(operations.c.id, operations.c.deadline_at, operations.c.created_at)
        .where(*_claimable(operations, direct=direct), operations.c.due_at <= bindparam("at"), TIMED)
        .order_by(operations.c.due_at)
        .limit(LONGEST_DUE_MAX)
        .subquery()
    )
    found = func.count().over().label("found")
    return select(due.c.id, found).order_by(due.c.deadline_at, due.c.created_at).limit(CANDIDATES_MAX)


LONGEST_DUE: Final = {direct: _longest_due(direct=direct) for direct in (True, False)}
"""What to claim of the rows of a lane that have been due for longest, the nearest legal deadline first, then by age.

`found` below LONGEST_DUE_MAX says that these were all that are due. No statement may ask for the due rows of a lane in
order of their deadlines: neither the index over due times nor the one over deadlines answers that at a bounded price.
"""


def _nearest(*, direct: bool) -> Select[str]:
    nearest = (
        select(operations.c.id, operations.c.due_at, operations.c.deadline_at, operations.c.created_at)
        .where(*_claimable(operations, direct=direct))
        .order_by(operations.c.deadline_at, operations.c.created_at)
        .limit(NEAREST_MAX)
        .subquery()
    )
    return (
        select(nearest.c.id)
        .where(nearest.c.due_at <= bindparam("at"))
        .order_by(nearest.c.deadline_at, nearest.c.created_at)
        .limit(CANDIDATES_MAX)
    )


NEAREST: Final = {direct: _nearest(direct=direct) for direct in (True, False)}
"""What to claim of the rows of a lane whose deadlines are nearest: exact where many are due."""


def _first_due(*, direct: bool) -> ScalarSelect[datetime]:
    """When the first due row of a lane was due, or null."""
    return (
        select(operations.c.due_at)
        .where(
            operations.c.lane == lanes.c.lane,
            operations.c.direct == (true() if direct else false()),
            operations.c.due_at <= bindparam("at"),
            TIMED,
            operations.c.lease_until.is_(None),
        )
        .order_by(operations.c.due_at)
        .limit(1)
        .scalar_subquery()
    )


def _free(*, direct: bool) -> ColumnElement[bool]:
    blocked_until = lanes.c.direct_blocked_until if direct else lanes.c.bulk_blocked_until
    return or_(blocked_until.is_(None), blocked_until <= bindparam("at"))


def _due_lanes(*, direct: bool) -> Select[str]:
    return select(lanes.c.lane).where(_free(direct=direct), _first_due(direct=direct).isnot(None))


def _ignored(*, direct: bool) -> Select[datetime]:
    leased = operations.alias()
    worked_on = select(leased.c.id).where(leased.c.lane == lanes.c.lane, leased.c.lease_until > bindparam("at"))
    return select(_first_due(direct=direct)).where(_free(direct=direct), ~worked_on.exists())


DUE_LANES: Final = {direct: _due_lanes(direct=direct) for direct in (True, False)}
"""The lanes that have due rows of a class and are not out of permits. Whatever is due may be claimed.

It asks for the first row of each lane, not whether there is one: of that, PostgreSQL makes a join over all due rows.
"""

IGNORED: Final = {direct: _ignored(direct=direct) for direct in (True, False)}
"""Since when each lane that nobody works on, and that has permits, has due rows of a class; null: it has none."""

_lone = operations.alias()
_lockable = (
    select(_lone.c.id)
    .where(_lone.c.id == bindparam("held_id"), *_takeable(_lone), _lone.c.due_at <= bindparam("at"))
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
LEASE: Final = update(operations).where(operations.c.id == _lockable).returning(*operation_columns)
"""Lease a row unless somebody else has it locked or has changed it since it was found, and return it."""

HELD: Final = (
    update(operations)
    .where(operations.c.id == bindparam("held_id"), operations.c.lease_token == bindparam("held_token"))
    .returning(*operation_columns)
)
"""Change a row if it is still held by this token, and return it. No row: it is not."""

INSERT_ATTEMPT: Final = insert(attempts)
"""A try at a portal."""

LATEST_TRIES_MAX: Final = 200
"""Tries that a portal's speed is told by: with 72 threads in three processes, what each of them did last and before."""
LATEST_TRIES: Final = (
    select(attempts.c.route, attempts.c.began_at, attempts.c.ended_at)
    .where(attempts.c.ended_at.isnot(None))
    .order_by(attempts.c.id.desc())
    .limit(LATEST_TRIES_MAX)
)
"""The newest tries that are over: ids are in the order of time."""

END_ATTEMPT: Final = update(attempts).where(attempts.c.id == bindparam("ended_id"))
"""What a try meant."""

"""Operations as clients make and read them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from gateway.domain.audit import Action, Record
from gateway.domain.identifiers import AUDIT_PREFIX
from gateway.domain.kinds import KINDS
from gateway.domain.operations import TERMINAL, Environment, Kind, Lane, Operation, Status
from gateway.ports import IdempotencyKey, Ids, NewOperation, Received, Reception
from gateway.storage import audit, blobs, queries
from gateway.storage.database import Database
from gateway.storage.rows import fetch_operation, read_operation
from gateway.storage.tables import attempts, lanes, operations
from gateway.storage.types import NO_DEADLINE
from gateway.storage.upsert import insert_missing

_IDENTITY = ("environment", "gstin", "financial_year", "doc_type", "number_key")
_SUBJECT = ("environment", "gstin", "kind", "subject")
_REMEMBERED = (Reception.ACCEPTED, Reception.SAME_DOCUMENT, Reception.REFUSED_BEFORE)
"""Meetings that a new key is remembered with."""
_RACES_MAX = 5
"""Tries to store or to read back when others store and release the same number at the same time."""


class SqlIntake:
    """Implements `ports.Intake`."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids

    def find_by_key(self, key: IdempotencyKey, *, at: datetime) -> Received | None:
        """See `ports.Intake`."""
        with self._database.read() as connection:
            return _met_by_key(connection, key, at=at)

    def find_by_identity(self, new: NewOperation) -> Received | None:
        """See `ports.Intake`."""
        with self._database.read() as connection:
            return _met(connection, new)

    def accept(
        self, new: NewOperation, key: IdempotencyKey | None, *, at: datetime, before: NewOperation | None = None
    ) -> Received:
        """See `ports.Intake`."""
        for tries in range(_RACES_MAX):
            look_first = tries > 0  # nearly always the document is new, and the constraints tell when it is not
            work = partial(self._accept, new=new, key=key, at=at, look_first=look_first, before=before)
            try:
                return self._database.write(work, urgent=new.direct)
            except IntegrityError:  # somebody else has the same key or number: read it back
                continue
        raise RuntimeError(f"{new.id}: its number was taken and released {_RACES_MAX} times while it was stored")

    def get(self, id: str) -> Operation | None:
        """See `ports.Intake`."""
        with self._database.read() as connection:
            return fetch_operation(connection, id)

    def latest_on(
        self, *, environment: Environment, gstin: str, kind: Kind, subject: str, statuses: Collection[Status]
    ) -> Operation | None:
        """See `ports.Intake`."""
        query = (
            select(*queries.operation_columns)
            .where(
                operations.c.environment == environment.value,
                operations.c.gstin == gstin,
                operations.c.kind == kind.value,
                operations.c.subject == subject,
                operations.c.status.in_([status.value for status in statuses]),
            )
            .order_by(operations.c.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else read_operation(row)

    def payload_of(self, id: str) -> bytes:
        """See `ports.Intake`."""
        with self._database.read() as connection:
            operation = fetch_operation(connection, id)
            if operation is None:
                raise LookupError(f"no operation {id}")
            return blobs.fetch(connection, operation.payload_blob)

    def attempts_of(self, id: str) -> Sequence[Mapping[str, Any]]:
        """See `ports.Intake`."""
        query = select(attempts).where(attempts.c.operation_id == id).order_by(attempts.c.number)
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def queued_ahead(self, operation: Operation, *, by: datetime) -> int:
        """See `ports.Intake`."""
        named = {
            "lane": str(operation.lane),
            "deadline_at": operation.deadline_at or NO_DEADLINE,
            "created_at": operation.created_at,
            "by": by,
        }
        with self._database.read() as connection:
            return connection.execute(queries.AHEAD[operation.direct], named).scalar_one()

    def _accept(
        self,
        connection: Connection,
        new: NewOperation,
        key: IdempotencyKey | None,
        *,
        at: datetime,
        look_first: bool,
        before: NewOperation | None,
    ) -> Received:
        met = _met_by_key(connection, key, at=at) if key and look_first else None
        met = met or (_met(connection, new) if look_first else _refused_before(connection, new))
        if met is None and before is not None:
            new = replace(new, waits_for=self._stored(connection, before, at=at).id)
        met = met or _ground_of(connection, new)
        if met is None:
            met = Received(Reception.ACCEPTED, _insert_operation(connection, new, at=at))
        if key is not None and met.reception in _REMEMBERED:
            _insert_key(connection, key, met.operation, at=at)
        if met.reception is Reception.ACCEPTED:
            audit.append(connection, self._accepted(met.operation, key, at=at))
        return met

    def _stored(self, connection: Connection, before: NewOperation, *, at: datetime) -> Operation:
        """A step that comes first: stored, unless one on its subject is open already."""
        row = connection.execute(queries.OPEN_ON, {name: getattr(before, name) for name in _SUBJECT}).mappings().first()
        if row is not None:
            return read_operation(row)
        stored = _insert_operation(connection, before, at=at)
        audit.append(connection, self._accepted(stored, None, at=at))
        return stored

    def _accepted(self, operation: Operation, key: IdempotencyKey | None, *, at: datetime) -> Record:
        return Record(
            id=self._ids.new(AUDIT_PREFIX),
            at=at,
            actor=operation.client_id,
            action=Action.OPERATION_ACCEPTED,
            subject=operation.id,
            environment=operation.environment,
            org_id=operation.org_id,
            gstin=operation.gstin,
            version=operation.version,
            facts={
                "kind": operation.kind,
                "subject": operation.subject,
                "irn": operation.irn,
                "waits_for": operation.waits_for,
                "content_digest": operation.content_digest,
                "request_id": operation.request_id,
                "idempotent": key is not None,
            },
        )


def _met_by_key(connection: Connection, key: IdempotencyKey, *, at: datetime) -> Received | None:
    named = {"client_id": key.client_id, "key": key.key, "at": at}
    row = connection.execute(queries.BY_KEY, named).mappings().one_or_none()
    if row is None:
        return None
    operation = fetch_operation(connection, row["operation_id"])
    if operation is None:
        raise RuntimeError(f"an idempotency key names {row['operation_id']}, which is not there")
    same = row["fingerprint"] == key.fingerprint
    return Received(Reception.SAME_KEY if same else Reception.KEY_REUSED, operation)


def _met(connection: Connection, new: NewOperation) -> Received | None:
    """What is in the way of a new operation: the holder of its number, or another one on its subject."""
    if KINDS[new.kind].claims_number:
        return _met_by_identity(connection, new) or _refused_before(connection, new)
    row = connection.execute(queries.OPEN_ON, {name: getattr(new, name) for name in _SUBJECT}).mappings().one_or_none()
    if row is None:
        return _refused_before(connection, new)
    same = row["content_digest"] == new.content_digest
    return Received(Reception.SAME_DOCUMENT if same else Reception.UNDER_WAY, read_operation(row))


def _refused_before(connection: Connection, new: NewOperation) -> Received | None:
    if new.refused_since is None:
        return None
    named = {name: getattr(new, name) for name in (*_SUBJECT, "content_digest", "refused_since")}
    row = connection.execute(queries.REFUSED_BEFORE, named).mappings().one_or_none()
    return None if row is None else Received(Reception.REFUSED_BEFORE, read_operation(row))


def _ground_of(connection: Connection, new: NewOperation) -> Received | None:
    """The operation that a new one would wait for, if it is settled already: nobody would wake the one that waits."""
    if new.waits_for is None:
        return None
    awaited = fetch_operation(connection, new.waits_for, lock=True)
    if awaited is None:
        raise RuntimeError(f"{new.id} would wait for {new.waits_for}, which is not there")
    return Received(Reception.GROUND_MOVED, awaited) if awaited.status in TERMINAL else None


def _met_by_identity(connection: Connection, new: NewOperation) -> Received | None:
    named = {name: getattr(new, name) for name in _IDENTITY}
    row = connection.execute(queries.BY_IDENTITY, named).mappings().one_or_none()
    if row is None:
        return None
    same = row["registered_digest"] == new.content_digest and row["status"] != Status.CONFLICT
    return Received(Reception.SAME_DOCUMENT if same else Reception.OTHER_DOCUMENT, read_operation(row))


def _insert_operation(connection: Connection, new: NewOperation, *, at: datetime) -> Operation:
    lane = str(Lane(new.environment, new.gstin))
    row = {
        "id": new.id,
        "environment": new.environment.value,
        "org_id": new.org_id,
        "gstin": new.gstin,
        "client_id": new.client_id,
        "kind": new.kind.value,
        "status": Status.QUEUED.value,
        "version": 1,
        "lane": lane,
        "direct": new.direct,
        "subject": new.subject,
        "waits_for": new.waits_for,
        "doc_type": new.doc_type,
        "doc_no": new.doc_no,
        "doc_date": new.doc_date,
        "irn": new.irn,
        "content_digest": new.content_digest,
        "request_blob": blobs.keep(connection, new.request, at=at),
        "payload_blob": blobs.keep(connection, new.payload, at=at),
        "request_id": new.request_id,
        "trace_id": new.trace_id,
        "due_at": at if new.waits_for is None else None,
        "deadline_at": new.deadline_at or NO_DEADLINE,
        "created_at": at,
        "updated_at": at,
    }
    stored = connection.execute(queries.INSERT_OPERATION, row).mappings().one()
    if KINDS[new.kind].claims_number:
        identity = {name: getattr(new, name) for name in _IDENTITY}
        claim = identity | {"operation_id": new.id, "content_digest": new.content_digest}
        connection.execute(queries.INSERT_IDENTITY, claim)
    insert_missing(connection, lanes, {"lane": lane})
    return read_operation(stored)


def _insert_key(connection: Connection, key: IdempotencyKey, operation: Operation, *, at: datetime) -> None:
    named = {"client_id": key.client_id, "key": key.key}
    connection.execute(queries.FORGET_KEY, named | {"at": at})
    row = {"fingerprint": key.fingerprint, "operation_id": operation.id, "expires_at": key.expires_at}
    connection.execute(queries.INSERT_KEY, named | row)

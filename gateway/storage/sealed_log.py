"""The sealed log as its readers see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, func, select

from gateway.domain.audit import Action, Record
from gateway.ports.evidence import Leaf, SealedRecord, SignedSeal, Wanted
from gateway.storage import blobs
from gateway.storage.database import Database
from gateway.storage.seals import read_seal
from gateway.storage.tables import audit, audit_keys, audit_leaves, audit_seals, portal_keys, routes

_SEALS_AT_ONCE: Final = 500
"""Seals that are fetched with one query, so that an export holds no more of them."""
_MEMBERS: Final = ("id", "at", "actor", "subject", "environment", "org_id", "gstin", "version", "facts")


class SqlSealedLog:
    """Implements `ports.SealedLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, wanted: Wanted, *, rows_max: int) -> Sequence[SealedRecord]:
        """See `ports.SealedLog`."""
        query = _joined().where(*_conditions(wanted)).order_by(audit_leaves.c.leaf_index).limit(rows_max)
        return self._records(query)

    def get(self, record_id: str, *, series: Sequence[str]) -> SealedRecord | None:
        """See `ports.SealedLog`."""
        query = _joined().where(audit_leaves.c.record_id == record_id, audit_leaves.c.series.in_(series))
        return next(iter(self._records(query)), None)

    def seal(self, number: int) -> SignedSeal:
        """See `ports.SealedLog`."""
        return next(self.seals_between(number, number))

    def leaves_of(self, number: int) -> Sequence[str]:
        """See `ports.SealedLog`."""
        query = select(audit_leaves.c.hash).where(_of(number)).order_by(audit_leaves.c.leaf_index)
        with self._database.read() as connection:
            return connection.execute(query).scalars().all()

    def records_of(self, number: int, *, series: Sequence[str]) -> Sequence[SealedRecord]:
        """See `ports.SealedLog`."""
        query = _joined().where(_of(number), audit_leaves.c.series.in_(series))
        return self._records(query.order_by(audit_leaves.c.leaf_index))

    def span(self, wanted: Wanted) -> tuple[int, int] | None:
        """See `ports.SealedLog`."""
        ends = select(func.min(audit_leaves.c.seal), func.max(audit_leaves.c.seal))
        query = ends.join(audit, audit.c.id == audit_leaves.c.record_id).where(*_conditions(wanted))
        with self._database.read() as connection:
            first, last = connection.execute(query).one()
        return None if first is None else (first, last)

    def seals_between(self, first: int, last: int) -> Iterator[SignedSeal]:
        """See `ports.SealedLog`."""
        for start in range(first, last + 1, _SEALS_AT_ONCE):
            numbers = audit_seals.c.number.between(start, min(last, start + _SEALS_AT_ONCE - 1))
            with self._database.read() as connection:
                query = select(audit_seals).where(numbers).order_by(audit_seals.c.number)
                rows = connection.execute(query).mappings().all()
            for row in rows:
                yield SignedSeal(seal=read_seal(row), signature=row["signature"])

    def keys(self) -> Mapping[str, str]:
        """See `ports.SealedLog`."""
        query = select(audit_keys.c.key_id, audit_keys.c.public_pem).order_by(audit_keys.c.created_at)
        with self._database.read() as connection:
            return {row.key_id: row.public_pem for row in connection.execute(query)}

    def portal_keys(self, environment: str) -> Sequence[Mapping[str, Any]]:
        """See `ports.SealedLog`."""
        query = (
            select(portal_keys.c.kid, portal_keys.c.pem)
            .join(routes, routes.c.name == portal_keys.c.route)
            .where(routes.c.environment == environment, portal_keys.c.purpose == "signing")
            .distinct()
            .order_by(portal_keys.c.kid, portal_keys.c.pem)
        )
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def body(self, digest: str) -> bytes | None:
        """See `ports.SealedLog`."""
        try:
            with self._database.read() as connection:
                return blobs.fetch(connection, digest)
        except LookupError:
            return None

    def _records(self, query: Select[Any]) -> list[SealedRecord]:
        with self._database.read() as connection:
            return [_sealed_record(row) for row in connection.execute(query).mappings()]


def _of(number: int) -> ColumnElement[bool]:
    """By leaf, which has an index, and not by seal, which has none."""
    first = select(audit_seals.c.first_leaf).where(audit_seals.c.number == number).scalar_subquery()
    size = select(audit_seals.c.size).where(audit_seals.c.number == number).scalar_subquery()
    return audit_leaves.c.leaf_index.between(first, first + size - 1)


def _joined() -> Select[Any]:
    return select(audit_leaves, audit).join_from(
        audit_leaves, audit, audit.c.id == audit_leaves.c.record_id, isouter=True
    )


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        audit_leaves.c.series.in_(wanted.series),
        audit_leaves.c.leaf_index > wanted.after,
    ]
    if wanted.since is not None:
        conditions.append(audit.c.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(audit.c.at < wanted.until)
    if wanted.action is not None:
        conditions.append(audit.c.action == wanted.action)
    if wanted.subject is not None:
        conditions.append(audit.c.subject == wanted.subject)
    return conditions


def _sealed_record(row: RowMapping) -> SealedRecord:
    leaf = Leaf(
        index=row["leaf_index"],
        record_id=row["record_id"],
        series=row["series"],
        ordinal=row["ordinal"],
        hash=row["hash"],
    )
    record = None
    if row["id"] is not None:
        members = {name: row[name] for name in _MEMBERS}
        record = Record(action=Action(row["action"]), **members)
    return SealedRecord(leaf=leaf, seal_number=row["seal"], record=record)

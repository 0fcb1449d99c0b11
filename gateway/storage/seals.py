"""Seals over audit records, written by one process at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select
from sqlalchemy.exc import IntegrityError

from gateway.domain import seals
from gateway.domain.audit import Record
from gateway.domain.seals import Seal
from gateway.ports.evidence import Leaf, SealKey, SignedSeal, Unsealed
from gateway.storage import audit as records
from gateway.storage.database import Database
from gateway.storage.tables import audit, audit_keys, audit_leaves, audit_seals, audit_series, audit_unsealed
from gateway.storage.upsert import insert_or_replace

_ARGUMENTS_MAX = 500
"""Of one statement: SQLite takes a thousand at least."""
_LOOKED_AT_FACTOR = 20
"""Records looked at for each that may be deleted: the first are the oldest, but not to the moment."""


class SqlSeals:
    """Implements `ports.Seals`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unsealed(self, *, rows_max: int) -> Sequence[Unsealed]:
        """See `ports.Seals`."""
        columns = (audit.c.position, audit.c.id, audit.c.digest, audit.c.environment, audit.c.org_id, audit.c.gstin)
        query = (
            select(*columns)
            .join_from(audit_unsealed, audit, audit.c.position == audit_unsealed.c.position)
            .order_by(audit_unsealed.c.position)
            .limit(rows_max)
        )
        with self._database.read() as connection:
            return [
                Unsealed(
                    position=row.position,
                    id=row.id,
                    digest=row.digest,
                    series=seals.series(environment=row.environment, org_id=row.org_id, gstin=row.gstin),
                )
                for row in connection.execute(query)
            ]

    def last(self) -> Seal | None:
        """See `ports.Seals`."""
        query = select(audit_seals).order_by(audit_seals.c.number.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else read_seal(row)

    def counts(self, series: Sequence[str]) -> Mapping[str, int]:
        """See `ports.Seals`."""
        found: dict[str, int] = {}
        with self._database.read() as connection:
            for some in _portions(series):
                query = select(audit_series.c.series, audit_series.c.records).where(audit_series.c.series.in_(some))
                found |= {row.series: row.records for row in connection.execute(query)}
        return found

    def keys(self) -> Sequence[SealKey]:
        """See `ports.Seals`."""
        query = select(audit_keys).order_by(audit_keys.c.created_at.desc(), audit_keys.c.key_id)
        with self._database.read() as connection:
            return [
                SealKey(key_id=row.key_id, private_sealed=row.private_sealed, public_pem=row.public_pem)
                for row in connection.execute(query)
            ]

    def add_key(self, key: SealKey, *, record: Record) -> None:
        """See `ports.Seals`."""
        row = {
            "key_id": key.key_id,
            "private_sealed": key.private_sealed,
            "public_pem": key.public_pem,
            "created_at": record.at,
        }

        def work(connection: Connection) -> None:
            connection.execute(insert(audit_keys), row)
            records.append(connection, record)

        self._database.write(work)

    def store(self, signed: SignedSeal, leaves: Sequence[Leaf], *, positions: Sequence[int]) -> bool:
        """See `ports.Seals`. Numbers of seals and leaves are keys, so that only one of two writers can succeed."""

        def work(connection: Connection) -> None:
            connection.execute(insert(audit_seals), _seal_row(signed))
            connection.execute(insert(audit_leaves), [_leaf_row(leaf, signed.seal.number) for leaf in leaves])
            for name, count in {leaf.series: leaf.ordinal for leaf in leaves}.items():
                insert_or_replace(connection, audit_series, {"series": name, "records": count}, keys=("series",))
            for some in _portions(positions):
                connection.execute(delete(audit_unsealed).where(audit_unsealed.c.position.in_(some)))

        try:
            self._database.write(work)
        except IntegrityError:
            return False
        return True

    def reap(self, *, before: datetime, rows_max: int) -> int:
        """See `ports.Seals`. Of the first records: to find that none is old enough must not take the whole log."""
        columns = (audit.c.position, audit.c.id, audit.c.at)
        first = select(*columns).order_by(audit.c.position).limit(rows_max * _LOOKED_AT_FACTOR).subquery()
        old = (
            select(first.c.position)
            .join(audit_leaves, audit_leaves.c.record_id == first.c.id)
            .where(first.c.at < before)
            .order_by(first.c.position)
            .limit(rows_max)
        )
        statement = delete(audit).where(audit.c.position.in_(old.scalar_subquery()))
        return self._database.write(lambda connection: connection.execute(statement).rowcount)


def read_seal(row: RowMapping) -> Seal:
    """A seal from its row."""
    return Seal(
        number=row["number"],
        first_leaf=row["first_leaf"],
        size=row["size"],
        root=row["root"],
        previous=row["previous"],
        at=row["at"],
        key_id=row["key_id"],
    )


def _seal_row(signed: SignedSeal) -> dict[str, Any]:
    seal = signed.seal
    return {
        "number": seal.number,
        "first_leaf": seal.first_leaf,
        "size": seal.size,
        "root": seal.root,
        "previous": seal.previous,
        "at": seal.at,
        "key_id": seal.key_id,
        "signature": signed.signature,
    }


def _leaf_row(leaf: Leaf, seal: int) -> dict[str, Any]:
    return {
        "leaf_index": leaf.index,
        "record_id": leaf.record_id,
        "series": leaf.series,
        "ordinal": leaf.ordinal,
        "hash": leaf.hash,
        "seal": seal,
    }


def _portions(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[start : start + _ARGUMENTS_MAX] for start in range(0, len(values), _ARGUMENTS_MAX)]

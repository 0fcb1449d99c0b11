"""The ledger of e-way bills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, or_, select, update

from gateway.domain.events import expiring
from gateway.domain.ewaybill import EXTEND_AROUND_END, Standing
from gateway.domain.operations import Environment
from gateway.ports import Ids
from gateway.ports.bills import HeldBill
from gateway.storage import blobs, events
from gateway.storage.database import Database
from gateway.storage.tables import eway_bill_steps, eway_bills
from gateway.storage.upsert import insert_or_replace

_NAMES: Final = tuple(each.name for each in fields(HeldBill) if each.name != "standing")


class SqlBills:
    """Implements `ports.bills.Bills`."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids

    def get(self, *, environment: Environment, gstin: str, number: str) -> HeldBill | None:
        """See `ports.bills.Bills`."""
        query = select(eway_bills).where(_bill(environment.value, number), eway_bills.c.gstin == gstin)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else _read(connection, row)

    def of_operation(self, operation_id: str) -> HeldBill | None:
        """See `ports.bills.Bills`."""
        query = select(eway_bills).where(eway_bills.c.operation_id == operation_id).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else _read(connection, row)

    def of_irn(self, *, environment: Environment, gstin: str, irn: str) -> HeldBill | None:
        """See `ports.bills.Bills`."""
        query = (
            select(eway_bills)
            .where(
                eway_bills.c.environment == environment.value,
                eway_bills.c.irn == irn,
                eway_bills.c.gstin == gstin,
            )
            .order_by(eway_bills.c.recorded_at.desc(), eway_bills.c.number.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else _read(connection, row)

    def list(
        self, *, environment: Environment, gstin: str, standing: Standing | None, before: str | None, rows_max: int
    ) -> Sequence[HeldBill]:
        """See `ports.bills.Bills`."""
        query = select(eway_bills).where(eway_bills.c.environment == environment.value, eway_bills.c.gstin == gstin)
        if standing is not None:
            query = query.where(eway_bills.c.status == standing.value)
        if before is not None:
            query = query.where(eway_bills.c.number < before)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(eway_bills.c.number.desc()).limit(rows_max)).mappings()
            return [_read(connection, row) for row in rows]

    def steps(self, *, environment: Environment, number: str) -> Sequence[Mapping[str, Any]]:
        """See `ports.bills.Bills`."""
        here = (eway_bill_steps.c.environment == environment.value) & (eway_bill_steps.c.number == number)
        query = select(eway_bill_steps).where(here).order_by(eway_bill_steps.c.id)
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def steps_of(self, operation_id: str) -> Sequence[Mapping[str, Any]]:
        """See `ports.bills.Bills`."""
        query = select(eway_bill_steps).where(eway_bill_steps.c.operation_id == operation_id)
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query.order_by(eway_bill_steps.c.number)).mappings()]

    def take_over(self, bill: HeldBill) -> None:
        """See `ports.bills.Bills`."""
        row = {name: getattr(bill, name) for name in _NAMES} | {
            "environment": bill.environment.value,
            "status": bill.standing.value,
        }

        def work(connection: Connection) -> None:
            kept = blobs.keep_differences(connection, bill.differences, at=bill.recorded_at)
            insert_or_replace(connection, eway_bills, row | {"differences": kept}, keys=("environment", "number"))

        self._database.write(work)

    def tell_of_ends(self, *, at: datetime, rows_max: int) -> int:
        """See `ports.bills.Bills`."""
        untold = or_(eway_bills.c.end_told.is_(None), eway_bills.c.end_told != eway_bills.c.valid_until)
        ending = (
            select(eway_bills)
            .where(
                eway_bills.c.status == Standing.ACTIVE.value,
                eway_bills.c.valid_until <= at + EXTEND_AROUND_END,
                eway_bills.c.valid_until > at - EXTEND_AROUND_END,
                untold,
            )
            .order_by(eway_bills.c.valid_until)
            .limit(rows_max)
        )
        with self._database.read() as connection:
            rows = connection.execute(ending).mappings().all()
        return sum(self._database.write(partial(self._tell, row=row, at=at)) for row in rows)

    def _tell(self, connection: Connection, *, row: RowMapping, at: datetime) -> bool:
        here = _bill(row["environment"], row["number"]) & (eway_bills.c.valid_until == row["valid_until"])
        told = connection.execute(update(eway_bills).where(here).values(end_told=row["valid_until"])).rowcount == 1
        if not told:  # extended meanwhile
            return False
        members = {name: row[name] for name in ("environment", "org_id", "gstin", "number", "valid_until")}
        return events.announce(connection, expiring(**members), ids=self._ids, at=at)


def _bill(environment: str, number: str) -> Any:
    return (eway_bills.c.environment == environment) & (eway_bills.c.number == number)


def _read(connection: Connection, row: RowMapping) -> HeldBill:
    members = {name: row[name] for name in _NAMES}
    return HeldBill(
        **members
        | {
            "environment": Environment(row["environment"]),
            "standing": Standing(row["status"]),
            "differences": blobs.fetch_differences(connection, row["differences"]),
        }
    )

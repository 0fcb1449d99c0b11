"""What steps change about e-way bills in the ledger, in the transaction that records them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, case, update

from gateway.domain.ewaybill import Standing
from gateway.domain.operations import Kind, Operation
from gateway.domain.outcomes import BillChange, EwayBill, Result
from gateway.storage import blobs
from gateway.storage.tables import eway_bill_steps, eway_bills
from gateway.storage.upsert import insert_or_replace

_STANDINGS: Final = {Kind.EWB_REJECT: Standing.REJECTED, Kind.EWB_CLOSE: Standing.CLOSED}
"""The steps after which a bill is not in force any more."""
_CHANGED: Final = ("valid_until", "computed_until", "vehicle_no", "transporter_id", "trip_sheet")


def made(connection: Connection, operation: Operation, result: EwayBill, at: datetime) -> None:
    """A bill that was made for a document without an IRN, or that stood in the way of one."""
    row: dict[str, Any] = {
        "environment": operation.environment.value,
        "number": result.number,
        "org_id": operation.org_id,
        "gstin": operation.gstin,
        "irn": None,
        "operation_id": operation.id,
        "doc_type": operation.doc_type,
        "doc_no": operation.doc_no,
        "doc_date": operation.doc_date,
        "status": (Standing.CANCELLED if result.cancelled else Standing.ACTIVE).value,
        "made_at": result.made_at,
        "valid_until": result.valid_until,
        "computed_until": result.computed_until,
        "differences": blobs.keep_differences(connection, result.differences, at=at),
        "remarks": result.remarks,
        "recorded_at": at,
    }
    insert_or_replace(connection, eway_bills, row, keys=("environment", "number"))


def changed(connection: Connection, operation: Operation, result: BillChange, at: datetime) -> None:
    """A step: the bill as it stands now, and the step beside the others. A trip sheet is a step of all its bills."""
    for number in result.bills or (operation.subject,):
        values: dict[str, Any] = {name: getattr(result, name) for name in _CHANGED}
        values = {name: value for name, value in values.items() if value is not None}
        if operation.kind in _STANDINGS:
            values["status"] = _STANDINGS[operation.kind].value
        if result.valid_until is not None:
            same_end = eway_bills.c.valid_until == result.valid_until
            computed = case((same_end, eway_bills.c.computed_until), else_=None)  # of another end, for another distance
            values["computed_until"] = result.computed_until or computed
        here = (eway_bills.c.environment == operation.environment.value) & (eway_bills.c.number == number)
        connection.execute(update(eway_bills).where(here).values(values | {"recorded_at": at}))
        write_step(connection, operation, result, number=number, at=at)


def write_step(connection: Connection, operation: Operation, result: Result, *, number: str, at: datetime) -> None:
    """Write a step down beside the others."""
    row = {
        "environment": operation.environment.value,
        "number": number,
        "operation_id": operation.id,
        "step": operation.kind.value.split(".", 1)[1],
        "at": getattr(result, "at", None),
        "movement_group": getattr(result, "group", None),
        "recorded_at": at,
        **{name: getattr(result, name, None) for name in _CHANGED},
    }
    connection.execute(eway_bill_steps.insert().values(row))


EFFECTS: Final[Mapping[Kind, Callable[[Connection, Operation, Any, datetime], None]]] = {
    Kind.EWB_STANDALONE: made,
    Kind.EWB_VEHICLE: changed,
    Kind.EWB_TRANSPORTER: changed,
    Kind.EWB_EXTEND: changed,
    Kind.EWB_CONSOLIDATE: changed,
    Kind.EWB_REJECT: changed,
    Kind.EWB_CLOSE: changed,
    Kind.EWB_MOVEMENT: changed,
    Kind.EWB_MOVEMENT_ADD: changed,
    Kind.EWB_MOVEMENT_CHANGE: changed,
}

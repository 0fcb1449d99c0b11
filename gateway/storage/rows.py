"""Rows of `operations` and `documents`, read into values, and the statements that more than one file needs."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, update

from gateway.domain.operations import RELEASES_NUMBER, TERMINAL, Environment, HoldCause, Kind, Operation, Status
from gateway.domain.outcomes import EwayBill, Registration
from gateway.domain.settlement import Settlement
from gateway.ports import Document
from gateway.storage import blobs, queries
from gateway.storage.tables import identities, operations
from gateway.storage.types import NO_DEADLINE

_COLUMNS: Final = tuple(field.name for field in fields(Operation))


def read_operation(row: RowMapping) -> Operation:
    """An operation from its row."""
    values = {name: row[name] for name in _COLUMNS}
    return Operation(
        **values
        | {
            "environment": Environment(values["environment"]),
            "kind": Kind(values["kind"]),
            "status": Status(values["status"]),
            "deadline_at": None if values["deadline_at"] == NO_DEADLINE else values["deadline_at"],
            "hold_cause": values["hold_cause"] and HoldCause(values["hold_cause"]),
        },
    )


def fetch_operation(connection: Connection, id: str, *, lock: bool = False) -> Operation | None:
    """One operation; `lock` keeps others from changing it until the transaction ends."""
    query = queries.OPERATION.with_for_update() if lock else queries.OPERATION
    row = connection.execute(query, {"id": id}).mappings().one_or_none()
    return None if row is None else read_operation(row)


def settled_values(operation: Operation, settlement: Settlement, *, at: datetime) -> dict[str, Any]:
    """The columns of an operation that a settlement changes; its lease ends with them."""
    return {
        "status": settlement.status.value,
        "version": operation.version + 1,
        "due_at": settlement.due_at,
        "doubtful_since": settlement.doubtful_since,
        "quarantined_since": settlement.quarantined_since,
        "quarantine_looks": settlement.quarantine_looks,
        "hold_cause": settlement.hold_cause and settlement.hold_cause.value,
        "run_alone": settlement.run_alone,
        "crashes_alone": settlement.crashes_alone,
        "settled_at": at if settlement.status in TERMINAL else None,
        "updated_at": at,
        "lease_token": None,
        "lease_until": None,
        "lease_owner": None,
    }


def settle_row(connection: Connection, operation: Operation, settlement: Settlement, *, at: datetime) -> None:
    """Move a row that is locked by this transaction, and release its number where the end allows another use."""
    values = settled_values(operation, settlement, at=at)
    connection.execute(update(operations).where(operations.c.id == operation.id).values(values))
    release_number(connection, operation, settlement)


def release_number(connection: Connection, operation: Operation, settlement: Settlement) -> None:
    """Give the document's number free after a rejection, a withdrawal or an expiry."""
    if settlement.status in RELEASES_NUMBER:
        connection.execute(delete(identities).where(identities.c.operation_id == operation.id))


def read_document(connection: Connection, row: RowMapping) -> Document:
    """A document of the ledger from its row, with its signed copy."""
    return Document(
        environment=Environment(row["environment"]),
        org_id=row["org_id"],
        gstin=row["gstin"],
        operation_id=row["operation_id"],
        doc_date=row["doc_date"],
        cancelled_at=row["cancelled_at"],
        superseded_at=row["superseded_at"],
        ours=row["ours"],
        status=row["status"],
        registration=Registration(
            irn=row["irn"],
            ack_no=row["ack_no"],
            ack_at=row["ack_at"],
            signed_invoice=blobs.fetch(connection, row["signed_invoice_blob"]).decode("ascii"),
            signed_qr=row["signed_qr"],
            key_id=row["key_id"],
            seller_gstin=row["gstin"],
            buyer_gstin=row["buyer_gstin"],
            doc_type=row["doc_type"],
            doc_no=row["doc_no"],
            doc_date=row["doc_date"],
            total=Decimal(row["total"]),
            cancelled=row["status"] == "cancelled",
            ewb=_read_ewb(row),
            differences=blobs.fetch_differences(connection, row["differences"]),
        ),
    )


def _read_ewb(row: RowMapping) -> EwayBill | None:
    if row["ewb_errors"] is None:  # a list, if only an empty one, wherever anything was said of an e-way bill
        return None
    return EwayBill(
        number=row["ewb_no"],
        made_at=row["ewb_made_at"],
        valid_until=row["ewb_valid_until"],
        errors=tuple((code, message) for code, message in row["ewb_errors"]),
        remarks=row["ewb_remarks"],
    )

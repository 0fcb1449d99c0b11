"""What the end of an operation changes in the ledger, by kind, in the transaction that records it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, update

from gateway.domain.identifiers import same_document_number
from gateway.domain.operations import Kind, Operation
from gateway.domain.outcomes import Cancellation, EwayBill, Registration, Result
from gateway.storage import bills, blobs
from gateway.storage.tables import documents, eway_bills, note_links
from gateway.storage.upsert import insert_missing, insert_or_replace

Effect = Callable[[Connection, Operation, Any, datetime], None]
"""Takes the operation as it was before its end, the result of its kind, and the present instant."""


def apply(connection: Connection, operation: Operation, result: Result, *, at: datetime) -> None:
    """Write what an operation's success, or a conflict, tells into the ledger."""
    EFFECTS[operation.kind](connection, operation, result, at)


def signed_digest(result: Result) -> str | None:
    """The SHA-256 of the signed document that a result brought: its record fixes that too. None when it has none."""
    signed = result.signed_invoice if isinstance(result, Registration) else None
    return None if signed is None else hashlib.sha256(signed.encode("ascii")).hexdigest()


def store_document(
    connection: Connection,
    registered: Registration,
    *,
    environment: str,
    org_id: str,
    gstin: str,
    operation_id: str | None,
    at: datetime,
) -> None:
    """Take a registered document into the ledger, or write it anew, with its e-way bill."""
    ewb = registered.ewb
    row = {
        "environment": environment,
        "irn": registered.irn,
        "org_id": org_id,
        "gstin": gstin,
        "operation_id": operation_id,
        "doc_type": registered.doc_type,
        "doc_no": registered.doc_no,
        "doc_date": registered.doc_date,
        "buyer_gstin": registered.buyer_gstin,
        "total": f"{registered.total:f}",
        "status": "cancelled" if registered.cancelled else "active",
        "superseded_at": at if registered.rejected else None,
        "ours": not registered.differences,
        "ack_no": registered.ack_no,
        "ack_at": registered.ack_at,
        "signed_invoice_blob": blobs.keep(connection, registered.signed_invoice.encode("ascii"), at=at),
        "signed_qr": registered.signed_qr,
        "key_id": registered.key_id,
        "differences": blobs.keep_differences(connection, registered.differences, at=at),
        "ewb_no": ewb and ewb.number,
        "ewb_made_at": ewb and ewb.made_at,
        "ewb_valid_until": ewb and ewb.valid_until,
        "ewb_errors": [list(each) for each in ewb.errors] if ewb else None,
        "ewb_remarks": ewb and ewb.remarks,
        "recorded_at": at,
    }
    insert_or_replace(connection, documents, row, keys=("environment", "irn"))
    if ewb is not None and ewb.number is not None:
        insert_missing(connection, eway_bills, _bill(ewb, row, at=at))  # what is known of it may be newer
    for number, original_date in registered.originals:
        link = {"number_key": same_document_number(number), "doc_date": original_date}
        link |= {"environment": environment, "note_irn": registered.irn, "gstin": gstin}
        insert_missing(connection, note_links, link)


def _registered(connection: Connection, operation: Operation, result: Registration, at: datetime) -> None:
    store_document(
        connection,
        result,
        environment=operation.environment.value,
        org_id=operation.org_id,
        gstin=operation.gstin,
        operation_id=operation.id,
        at=at,
    )


def _cancelled(connection: Connection, operation: Operation, result: Cancellation, at: datetime) -> None:
    here = (documents.c.environment == operation.environment.value) & (documents.c.irn == operation.subject)
    values = {"status": "cancelled", "cancelled_at": result.at, "recorded_at": at}
    connection.execute(update(documents).where(here).values(values))


def _bill_made(connection: Connection, operation: Operation, result: EwayBill, at: datetime) -> None:
    row = {
        "environment": operation.environment.value,
        "org_id": operation.org_id,
        "gstin": operation.gstin,
        "irn": operation.irn,
        "operation_id": operation.id,
    }
    insert_or_replace(connection, eway_bills, _bill(result, row, at=at), keys=("environment", "number"))
    here = (documents.c.environment == operation.environment.value) & (documents.c.irn == operation.irn)
    part: dict[str, Any] = {
        "ewb_no": result.number,
        "ewb_made_at": result.made_at,
        "ewb_valid_until": result.valid_until,
        "ewb_errors": [],
        "ewb_remarks": result.remarks,
    }
    connection.execute(update(documents).where(here).values(part))


def _bill_cancelled(connection: Connection, operation: Operation, result: Cancellation, at: datetime) -> None:
    here = (eway_bills.c.environment == operation.environment.value) & (eway_bills.c.number == operation.subject)
    values = {"status": "cancelled", "cancelled_at": result.at, "recorded_at": at}
    connection.execute(update(eway_bills).where(here).values(values))
    bills.write_step(connection, operation, result, number=operation.subject, at=at)


def _bill(bill: EwayBill, of: Mapping[str, Any], *, at: datetime) -> dict[str, Any]:
    """A bill's row. `of` names whose it is."""
    return {name: of[name] for name in ("environment", "org_id", "gstin", "irn", "operation_id")} | {
        "number": bill.number,
        "status": "cancelled" if bill.cancelled else "active",
        "made_at": bill.made_at,
        "valid_until": bill.valid_until,
        "computed_until": bill.computed_until,
        "remarks": bill.remarks,
        "recorded_at": at,
    }


EFFECTS: Final[Mapping[Kind, Effect]] = {
    Kind.IRN_GENERATE: _registered,
    Kind.IRN_CANCEL: _cancelled,
    Kind.EWB_GENERATE: _bill_made,
    Kind.EWB_CANCEL: _bill_cancelled,
    **bills.EFFECTS,
}

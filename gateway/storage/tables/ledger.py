"""What is true at the portal: the ledger."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Date, ForeignKey, Index, String, Table, Text

from gateway.storage.tables.base import metadata
from gateway.storage.types import Instant

documents = Table(
    "documents",
    metadata,
    Column("environment", String(4), primary_key=True),
    Column("irn", String(64), primary_key=True),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("operation_id", ForeignKey("operations.id"), nullable=False, index=True),
    Column("doc_type", String(3), nullable=False),
    Column("doc_no", String(16), nullable=False),
    Column("doc_date", Date, nullable=False),
    Column("buyer_gstin", String(15), nullable=False),
    Column("total", String(20), nullable=False),
    Column("status", String(10), nullable=False),  # 'active' or 'cancelled' at the portal
    Column("ours", Boolean, nullable=False),  # false: the content that somebody else registered under this number
    Column("ack_no", String(20), nullable=False),
    Column("ack_at", Instant, nullable=False),
    Column("signed_invoice_blob", String(64), nullable=False),
    Column("signed_qr", Text, nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("differences", JSON),
    Column("ewb_no", String(20)),
    Column("ewb_made_at", Instant),
    Column("ewb_valid_until", Instant),
    Column("ewb_errors", JSON),
    Column("ewb_remarks", Text),
    Column("recorded_at", Instant, nullable=False),
)
Index(
    "documents_details",
    documents.c.environment,
    documents.c.gstin,
    documents.c.doc_type,
    documents.c.doc_no,
    documents.c.doc_date,
)

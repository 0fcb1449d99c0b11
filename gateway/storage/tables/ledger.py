"""What is true at the portal: the ledger."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Date, ForeignKey, Index, String, Table, Text, text

from gateway.storage.tables.base import metadata
from gateway.storage.types import Instant

documents = Table(
    "documents",
    metadata,
    Column("environment", String(4), primary_key=True),
    Column("irn", String(64), primary_key=True),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("operation_id", ForeignKey("operations.id"), index=True),  # null: read back, and asked for by nobody here
    Column("doc_type", String(3), nullable=False),
    Column("doc_no", String(16), nullable=False),
    Column("doc_date", Date, nullable=False),
    Column("buyer_gstin", String(15), nullable=False),
    Column("total", String(20), nullable=False),
    Column("status", String(10), nullable=False),  # 'active' or 'cancelled' at the portal
    Column("cancelled_at", Instant),
    Column("superseded_at", Instant),  # when we learnt that another portal had the document first, and that one counts
    Column("ours", Boolean, nullable=False),  # false: the content that somebody else registered under this number
    Column("ack_no", String(20), nullable=False),
    Column("ack_at", Instant, nullable=False),
    Column("signed_invoice_blob", String(64), nullable=False),
    Column("signed_qr", Text, nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("differences", JSON),  # the digest of a sealed body, or an empty list: they repeat the document
    Column("ewb_no", String(20)),
    Column("ewb_made_at", Instant),
    Column("ewb_valid_until", Instant),
    Column("ewb_errors", JSON),
    Column("ewb_remarks", Text),
    Column("recorded_at", Instant, nullable=False),
    Column("closing_told_at", Instant),  # null: not told yet that the time to cancel it is nearly over
)
_untold = documents.c.closing_told_at.is_(None)
Index("documents_closing", documents.c.ack_at, sqlite_where=_untold, postgresql_where=_untold)
Index("documents_acknowledged", documents.c.environment, documents.c.gstin, documents.c.ack_at, documents.c.irn)
Index(
    "documents_details",
    documents.c.environment,
    documents.c.gstin,
    documents.c.doc_type,
    documents.c.doc_no,
    documents.c.doc_date,
)
_listed = (documents.c.environment, documents.c.gstin)
_newest = (documents.c.doc_date, documents.c.irn)
Index("documents_listed", *_listed, *_newest)
Index("documents_listed_buyer", *_listed, documents.c.buyer_gstin, *_newest)
NOT_ACTIVE = documents.c.status != text("'active'")
"""Of few documents: what a list of these is found by. A partial index needs its condition without a parameter."""
Index("documents_listed_status", *_listed, *_newest, sqlite_where=NOT_ACTIVE, postgresql_where=NOT_ACTIVE)

eway_bills = Table(
    "eway_bills",
    metadata,
    Column("environment", String(4), primary_key=True),
    Column("number", String(20), primary_key=True),
    Column("org_id", ForeignKey("organisations.id"), nullable=False),
    Column("gstin", String(15), nullable=False),
    Column("irn", String(64)),  # null: a bill without an e-invoice
    Column("operation_id", ForeignKey("operations.id"), index=True),
    Column("status", String(10), nullable=False),  # an `ewaybill.Standing`
    Column("made_at", Instant),
    Column("valid_until", Instant),  # null: part A alone, the goods do not move yet
    Column("remarks", Text),
    Column("cancelled_at", Instant),
    Column("computed_until", Instant),  # what the distance gives by law; null: it cannot be told
    Column("doc_type", String(3)),  # of a bill without an IRN
    Column("doc_no", String(16)),
    Column("doc_date", Date),
    Column("vehicle_no", String(20)),  # or the transport document, of the last step that named one
    Column("transporter_id", String(15)),
    Column("trip_sheet", String(20)),
    Column("differences", JSON),  # likewise
    Column("end_told", Instant),  # the end of validity of which receivers were told
    Column("recorded_at", Instant, nullable=False),
)
_in_force = eway_bills.c.status == "active"
Index("eway_bills_ends", eway_bills.c.valid_until, sqlite_where=_in_force, postgresql_where=_in_force)
Index("eway_bills_gstin", eway_bills.c.environment, eway_bills.c.gstin, eway_bills.c.number)
Index("eway_bills_irn", eway_bills.c.environment, eway_bills.c.irn)

note_links = Table(
    "note_links",
    metadata,
    Column("environment", String(4), primary_key=True),
    Column("note_irn", String(64), primary_key=True),
    Column("gstin", String(15), nullable=False),
    Column("number_key", String(16), primary_key=True),  # of the original, in upper case
    Column("doc_date", Date, primary_key=True),
)
Index("note_links_original", note_links.c.environment, note_links.c.gstin, note_links.c.number_key)

"""What happened to e-way bills after they were made."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table

from gateway.storage.tables.base import metadata
from gateway.storage.types import Instant

eway_bill_steps = Table(
    "eway_bill_steps",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("environment", String(4), nullable=False),
    Column("number", String(20), nullable=False),  # of the bill; it may be another's, of which we have no row
    Column("operation_id", ForeignKey("operations.id"), nullable=False),  # its request and its answers are evidence
    Column("step", String(20), nullable=False),  # the kind of operation, after the dot
    Column("at", Instant),  # by the portal's clock; null: it did not tell
    Column("valid_until", Instant),  # and what it changed; null: not that
    Column("computed_until", Instant),
    Column("vehicle_no", String(20)),
    Column("transporter_id", String(15)),
    Column("trip_sheet", String(20)),
    Column("movement_group", String(10)),
    Column("recorded_at", Instant, nullable=False),
)
Index("eway_bill_steps_bill", eway_bill_steps.c.environment, eway_bill_steps.c.number, eway_bill_steps.c.id)

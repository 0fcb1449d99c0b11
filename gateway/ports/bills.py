"""E-way bills as the ledger has them, with what was done to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from gateway.domain.ewaybill import Bill, Standing
from gateway.domain.operations import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBill:
    """One e-way bill. `computed_until` is what its distance gives by law, where that can be told."""

    environment: Environment
    org_id: str
    gstin: str
    number: str
    irn: str | None
    operation_id: str | None
    doc_type: str | None
    doc_no: str | None
    doc_date: date | None
    standing: Standing
    made_at: datetime | None
    valid_until: datetime | None
    computed_until: datetime | None
    vehicle_no: str | None
    transporter_id: str | None
    trip_sheet: str | None
    remarks: str | None
    differences: Sequence[Mapping[str, Any]]
    cancelled_at: datetime | None
    recorded_at: datetime

    def of_law(self) -> Bill | None:
        """The facts on which the law hangs; None while it is not known when it was made."""
        if self.made_at is None:
            return None
        return Bill(made_at=self.made_at, valid_until=self.valid_until, standing=self.standing)


class Bills(Protocol):
    """The ledger of e-way bills. Every method is one transaction."""

    def get(self, *, environment: Environment, gstin: str, number: str) -> HeldBill | None:
        """One bill of a taxpayer."""

    def of_operation(self, operation_id: str) -> HeldBill | None:
        """The bill that an operation ended in."""

    def of_irn(self, *, environment: Environment, gstin: str, irn: str) -> HeldBill | None:
        """The latest bill of an IRN."""

    def list(
        self, *, environment: Environment, gstin: str, standing: Standing | None, before: str | None, rows_max: int
    ) -> Sequence[HeldBill]:
        """Bills of a taxpayer by number, the highest first; only those below `before`."""

    def steps(self, *, environment: Environment, number: str) -> Sequence[Mapping[str, Any]]:
        """What was done to a bill, oldest first. Request and answers of the named operation are the evidence."""

    def steps_of(self, operation_id: str) -> Sequence[Mapping[str, Any]]:
        """What an operation did, bill by bill."""

    def take_over(self, bill: HeldBill) -> None:
        """Keep a bill that was read back, or what was read back of one that is known."""

    def tell_of_ends(self, *, at: datetime, rows_max: int) -> int:
        """Announce the bills that end within eight hours, each end once; how many."""

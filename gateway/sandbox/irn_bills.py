"""The e-invoice system's calls about e-way bills: made for an IRN that stands, and told of by it (API v1.03)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import shape
from gateway.domain import canonical, strict_json
from gateway.domain.calendar import indian_date, write_portal_time
from gateway.domain.identifiers import is_irn
from gateway.domain.invoice import read as read_invoice
from gateway.sandbox import ewaybills, rules
from gateway.sandbox.calls import Answer, Call, read_object
from gateway.sandbox.documents import without_nulls
from gateway.sandbox.eway_bills import ACTIVE, Bill, Bills, bill_of_irn
from gateway.sandbox.faults import Kind
from gateway.sandbox.ledger import EwayBill, Ledger, Registration
from gateway.sandbox.wire import Refusal

_PLACES = {"ExpShipDtls": "ShipDtls", "DispDtls": "DispDtls"}
"""Where a request puts the goods, and what of the document that stands for."""
_NAMES = {"Irn", *_PLACES}


@dataclass(slots=True, kw_only=True)
class IrnBills:
    """Makes bills for IRNs and tells of them."""

    ledger: Ledger
    bills: Bills

    def generate(self, call: Call) -> Answer:
        """A bill for an IRN. Raises Refusal 5002, 4003, 2143, 4000, 4002, or what keeps a bill from being made."""
        asked = without_nulls(read_object(call))
        faults = shape.check(asked, "einvoice/1.03#ewb")
        if faults:
            raise Refusal("5002", "; ".join(f"{fault.at or '/'}: {fault.message}" for fault in faults))
        registration = self._owned(asked["Irn"], call)
        if registration.cancelled_at is not None:
            raise Refusal("4000", "The status of the IRN is not active.")
        if self._active(registration) is not None:
            raise Refusal("4002", "An e-way bill is generated already for this IRN.")
        document = _with_transport(registration, asked)
        case = rules.case_of(document, read_invoice(document), caller=call.session.gstin, today=indian_date(call.at))
        refused = ewaybills.refusals(case)
        if call.is_struck_by(Kind.EWB_FAIL):
            refused = [("4013", "The distance is too high or too low for the two PIN codes.")]
        if refused:
            raise Refusal(*refused[0])
        ewb = self._make(registration, document, call)
        until = write_portal_time(ewb.valid_until) if ewb.valid_until else None
        members = {"EwbNo": ewb.number, "EwbDt": write_portal_time(ewb.made_at), "EwbValidTill": until}
        return Answer(canonical.write(members | {"Remarks": ewb.remarks}), irn=registration.irn)

    def get(self, call: Call) -> Answer:
        """The bill of an IRN, as it stands. Raises Refusal 2145, 4003, 2143 or 4005."""
        if not is_irn(call.argument):
            raise Refusal("2145", "The IRN is not valid.")
        registration = self._owned(call.argument, call)
        bill = self.bills.get(registration.ewb.number) if registration.ewb is not None else None
        if bill is None:
            raise Refusal("4005", "There are no details of an e-way bill.")
        members = {
            "EwbNo": bill.number,
            "Status": bill.status,
            "GenGstin": bill.gstin,
            "EwbDt": write_portal_time(bill.made_at),
            "EwbValidTill": write_portal_time(bill.valid_until) if bill.valid_until else None,
            "Alert": "",
        }
        return Answer(canonical.write(members), irn=registration.irn)

    def _make(self, registration: Registration, document: Mapping[str, Any], call: Call) -> EwayBill:
        km = ewaybills.distance_km(document)
        ewb = EwayBill(
            number=self.ledger.next_ewb_no(),
            made_at=call.at,
            valid_until=ewaybills.valid_until(document, at=call.at),
            remarks=f"Pin-Pin calc distance: {km}KM" if ewaybills.is_computed(document) else None,
        )
        self.ledger.give_ewb(registration, ewb)
        self.bills.keep(bill_of_irn(document, irn=registration.irn, ewb=ewb, km=km))
        return ewb

    def _active(self, registration: Registration) -> Bill | None:
        bill = self.bills.get(registration.ewb.number) if registration.ewb is not None else None
        return bill if bill is not None and bill.status == ACTIVE else None

    def _owned(self, irn: str, call: Call) -> Registration:
        registration = self.ledger.get(irn)
        if registration is None:
            raise Refusal("4003", "There is no data for this IRN.")
        if registration.gstin != call.session.gstin:
            raise Refusal("2143", "The IRN belongs to another GSTIN.")
        return registration


def _with_transport(registration: Registration, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The document as if it had asked for the bill itself."""
    document: dict[str, Any] = without_nulls(strict_json.read(registration.signed_text.encode()))
    places = {of: asked[name] for name, of in _PLACES.items() if name in asked}
    return document | places | {"EwbDtls": {name: value for name, value in asked.items() if name not in _NAMES}}

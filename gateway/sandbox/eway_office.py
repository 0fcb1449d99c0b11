"""The e-way bill system's actions, each by its published payload and codes.

What is not published is made up in the form of its neighbours: the answer to closing, and the code for a life of more
than 360 days.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from gateway.domain import canonical
from gateway.domain.identifiers import is_gstin
from gateway.sandbox import ewaybills, master
from gateway.sandbox.calls import Answer, Call
from gateway.sandbox.eway_bills import ACTIVE, CANCELLED, Bill, ends_at
from gateway.sandbox.eway_desk import Desk, asked_of, check_place, enter, is_oversized, refuse, refuse_if
from gateway.sandbox.eway_rules import Asked, broken, transport
from gateway.sandbox.eway_wire import write_time

CANCEL_HOURS: Final = 24
REJECT_HOURS: Final = 72
EXTEND_HOURS: Final = 8
LIFE_DAYS: Final = 360

_REASONS: Final = ("1", "2", "3", "4")
_EXTENSION_REASONS: Final = ("1", "2", "4", "5", "99")


class Office(Desk):
    """Makes bills and changes them."""

    def generate(self, call: Call) -> Answer:
        """A bill for a document."""
        asked, payload = asked_of(call)
        codes = broken(asked)
        if codes:
            refuse_if(codes)
        if self.bills.of_document(call.session.gstin, asked.text("docType"), asked.text("docNo")) is not None:
            refuse("604")
        km = int(asked.number("transDistance") or 0)
        km = km or ewaybills.computed_km(int(asked.number("fromPincode") or 0), int(asked.number("toPincode") or 0))
        bill = Bill(
            number=self.ledger.next_ewb_no(),
            gstin=call.session.gstin,
            part_a={**payload, "docType": asked.text("docType"), "docNo": asked.text("docNo")},
            made_at=call.at,
            valid_until=None,
            transporter_id=asked.text("transporterId"),
            distance_km=km,
        )
        if asked.text("vehicleNo") or asked.text("transDocNo"):
            enter(bill, asked, at=call.at)
        self.bills.keep(bill)
        return Answer(canonical.write(bill.brief()))

    def vehicle(self, call: Call) -> Answer:
        """Part B: how the goods go on."""
        asked, _ = asked_of(call)
        bill = self.held(asked, call, gone="312", stranger="636")
        if bill.is_over(call.at):
            refuse("311")
        if bill.groups:
            refuse("412")
        check_place(asked)
        if asked.text("reasonCode") not in _REASONS:
            refuse("307")
        enter(bill, asked, at=call.at)
        self.bills.keep(bill)
        return Answer(canonical.write({"vehUpdDate": write_time(call.at), "validUpto": bill.brief()["validUpto"]}))

    def cancel(self, call: Call) -> Answer:
        """The end of a bill that was made for nothing."""
        asked, _ = asked_of(call)
        bill = self.known(asked)
        if bill.gstin != call.session.gstin or bill.status != ACTIVE:
            refuse("312")
        if call.at - bill.made_at > timedelta(hours=CANCEL_HOURS):
            refuse("315")
        if asked.text("cancelRsnCode") not in _REASONS:
            refuse("307")
        bill.status = CANCELLED
        self.bills.keep(bill)
        return Answer(canonical.write({"ewayBillNo": bill.number, "cancelDate": write_time(call.at)}))

    def reject(self, call: Call) -> Answer:
        """The other party does not know of the goods."""
        asked, _ = asked_of(call)
        bill = self.known(asked, missing="344")
        if bill.gstin == call.session.gstin:
            refuse("341")
        if bill.other_party != call.session.gstin:
            refuse("342")
        if bill.status != ACTIVE or bill.rejected:
            refuse("343")
        if not bill.vehicles:
            refuse("348")
        if bill.is_over(call.at):
            refuse("345")
        if call.at - bill.made_at > timedelta(hours=REJECT_HOURS):
            refuse("346")
        bill.rejected = True
        self.bills.keep(bill)
        return Answer(canonical.write({"ewayBillNo": str(bill.number), "ewbRejectedDate": write_time(call.at)}))

    def extend(self, call: Call) -> Answer:
        """A longer validity for the way that is left."""
        asked, _ = asked_of(call)
        bill = self.held(asked, call, gone="379", stranger="384")
        if bill.valid_until is None:
            refuse("381")
        if abs(call.at - bill.valid_until) > timedelta(hours=EXTEND_HOURS):
            refuse("382")
        left = int(asked.number("remainingDistance") or 0)
        _check_extension(asked, left=left, whole=bill.distance_km)
        until = ends_at(call.at, km=left, oversized=is_oversized(bill, asked))
        if until.date() > (bill.made_at + timedelta(days=LIFE_DAYS)).date():
            refuse("382")
        enter(bill, asked, at=call.at)
        bill.valid_until = until
        bill.extended_times += 1
        self.bills.keep(bill)
        answer = {"ewayBillNo": bill.number, "updatedDate": write_time(call.at), "validUpto": write_time(until)}
        return Answer(canonical.write(answer))

    def transporter(self, call: Call) -> Answer:
        """Another transporter."""
        asked, _ = asked_of(call)
        bill = self.held(asked, call, gone="280", stranger="339")
        if bill.is_over(call.at):
            refuse("281")
        if any(each["userGSTINTransin"] not in (bill.gstin, call.session.gstin) for each in bill.vehicles):
            refuse("338")
        if not is_gstin(asked.text("transporterId")):
            refuse("222")
        found = master.find(asked.text("transporterId"))
        if found is not None and found.blocked:
            refuse("719")
        bill.transporter_id = asked.text("transporterId")
        self.bills.keep(bill)
        answer = {
            "ewayBillNo": bill.number,
            "transporterId": bill.transporter_id,
            "transUpdateDate": write_time(call.at),
        }
        return Answer(canonical.write(answer))

    def consolidate(self, call: Call) -> Answer:
        """One trip sheet for bills that travel together."""
        asked, _ = asked_of(call)
        check_place(asked)
        refuse_if(transport(asked))
        entries = asked.listed("tripSheetEwbBills")
        if not entries:
            refuse("396")
        found = [self.held(each, call, gone="391", stranger="650") for each in entries]
        if any(bill.is_over(call.at) for bill in found):
            refuse("818")
        if any(bill.groups for bill in found):
            refuse("648")
        number = self.bills.sheet([bill.number for bill in found])
        for bill in found:
            enter(bill, asked, at=call.at, sheet=number)
            self.bills.keep(bill)
        return Answer(canonical.write({"cEwbNo": number, "cEwbDate": write_time(call.at)}))

    def close(self, call: Call) -> Answer:
        """The end of the way, said by hand. The status of the bill shows nothing of it, as announced in 2026."""
        asked, _ = asked_of(call)
        bill = self.held(asked, call, gone="280", stranger="312")
        if asked.day("closureDate") is None:
            refuse("601")
        if bill.closed_on is not None:
            refuse("280")
        bill.closed_on = asked.text("closureDate")
        self.bills.keep(bill)
        return Answer(canonical.write({"ewayBillNo": bill.number, "closureDate": bill.closed_on}))


def _check_extension(asked: Asked, *, left: int, whole: int) -> None:
    if left <= 0:
        refuse("389")
    if left > whole:
        refuse("390")
    check_place(asked)
    if asked.text("extnRsnCode") not in _EXTENSION_REASONS:
        refuse("307")
    if asked.text("consignmentStatus") not in ("M", "T"):
        refuse("711")
    if asked.text("consignmentStatus") == "M" and asked.text("transitType"):
        refuse("712")
    if asked.text("consignmentStatus") == "M" and any(asked.text(f"addressLine{line}") for line in (1, 2, 3)):
        refuse("713")

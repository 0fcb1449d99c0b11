"""The e-way bill system's questions. The answer to a document that has no bill is not published, and is 418 here."""

from __future__ import annotations

from gateway.domain import canonical
from gateway.domain.calendar import read_portal_date
from gateway.sandbox import master
from gateway.sandbox.calls import Answer, Call
from gateway.sandbox.eway_desk import Desk, queried, refuse


class Questions(Desk):
    """Tells of bills and changes nothing."""

    def get(self, call: Call) -> Answer:
        """A bill in full, for whoever has to do with it."""
        bill = self.known(queried(call))
        if call.session.gstin not in (bill.gstin, bill.other_party, bill.transporter_id):
            refuse("301")
        return Answer(canonical.write(bill.in_full()))

    def get_by_document(self, call: Call) -> Answer:
        """A bill by the document that it was made for."""
        asked = queried(call)
        bill = self.bills.of_document(
            call.session.gstin, asked.text("docType"), asked.text("docNo"), cancelled_too=True
        )
        if bill is None:
            refuse("418")
        return Answer(canonical.write(bill.brief()))

    def list_of_day(self, call: Call) -> Answer:
        """What was made on a day."""
        asked = queried(call)
        try:
            day = read_portal_date(asked.text("date"))
        except ValueError:
            refuse("601")
        found = self.bills.made_on(day, gstin=call.session.gstin)
        if not found:
            refuse("418")
        return Answer(
            canonical.write([{**bill.brief(), "ewbNo": bill.number, "status": bill.status} for bill in found])
        )

    def trip_sheet(self, call: Call) -> Answer:
        """A trip sheet by its number."""
        asked = queried(call)
        number = int(asked.number("tripSheetNo") or 0)
        found = self.bills.of_sheet(number)
        if found is None:
            refuse("387")
        listed = [{"ewbNo": each} for each in found]
        return Answer(canonical.write({"tripSheetNo": number, "tripSheetEwbBills": listed}))

    def taxpayer(self, call: Call) -> Answer:
        """What the system knows of a GSTIN."""
        found = master.find(str(call.request.query.get("gstin", call.request.query.get("GSTIN", ""))))
        if found is None:
            refuse("326")
        known = found.as_json()
        answer = {
            "gstin": found.gstin,
            "tradeName": known["TradeName"],
            "legalName": known["LegalName"],
            "address1": known["AddrSt"],
            "address2": known["AddrLoc"],
            "stateCode": known["StateCode"],
            "pinCode": known["AddrPncd"],
            "txpType": known["TxpType"],
            "status": known["Status"],
            "blockStatus": known["BlkStatus"],
        }
        return Answer(canonical.write(answer))

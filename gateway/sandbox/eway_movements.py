"""Goods of one e-way bill that go on by several vehicles: groups, and the vehicles of each."""

from __future__ import annotations

from typing import Any

from gateway.domain import canonical
from gateway.sandbox.calls import Answer, Call
from gateway.sandbox.eway_bills import Bill
from gateway.sandbox.eway_desk import Desk, asked_of, check_place, refuse, refuse_if
from gateway.sandbox.eway_rules import Asked, transport
from gateway.sandbox.eway_wire import write_time


class Movements(Desk):
    """Begins movements and changes them."""

    def begin(self, call: Call) -> Answer:
        """Goods that go on by several vehicles."""
        asked, _ = asked_of(call)
        bill = self.held(asked, call, gone="653", stranger="646")
        if bill.is_over(call.at):
            refuse("311")
        check_place(asked)
        quantity = asked.number("totalQuantity")
        if quantity is None or quantity <= 0:
            refuse("402")
        goods = Asked.of(bill.part_a, gstin=bill.gstin, today=asked.today).items
        units = {item.text("qtyUnit").upper() for item in goods}
        if asked.text("unitCode").upper() not in units:
            refuse("399")
        group = {"groupNo": len(bill.groups) + 1, "quantity": str(quantity), "vehicles": []}
        bill.groups.append(group)
        self.bills.keep(bill)
        answer = {"ewbNo": bill.number, "groupNo": group["groupNo"], "createdDate": write_time(call.at)}
        return Answer(canonical.write(answer))

    def add(self, call: Call) -> Answer:
        """Another vehicle of a movement."""
        asked, _ = asked_of(call)
        bill = self.held(asked, call, gone="653", stranger="646")
        group = _group(bill, asked)
        refuse_if([code for code in transport(asked) if code not in ("226", "621", "622")])
        loaded = sum(int(each["quantity"]) for each in group["vehicles"]) + int(asked.number("quantity") or 0)
        if loaded > int(str(group["quantity"]).split(".")[0]):
            refuse("400")
        group["vehicles"].append({"vehicleNo": asked.text("vehicleNo"), "quantity": int(asked.number("quantity") or 0)})
        self.bills.keep(bill)
        answer = {"ewbNo": bill.number, "groupNo": group["groupNo"], "vehAddedDate": write_time(call.at)}
        return Answer(canonical.write(answer))

    def change(self, call: Call) -> Answer:
        """Another vehicle in the place of one of a movement."""
        asked, _ = asked_of(call)
        bill = self.held(asked, call, gone="653", stranger="646")
        group = _group(bill, asked)
        old = [each for each in group["vehicles"] if each["vehicleNo"] == asked.text("oldVehicleNo")]
        if not old:
            refuse("405")
        old[0]["vehicleNo"] = asked.text("newVehicleNo")
        self.bills.keep(bill)
        answer = {"ewbNo": bill.number, "groupNo": group["groupNo"], "vehUpdDate": write_time(call.at)}
        return Answer(canonical.write(answer))


def _group(bill: Bill, asked: Asked) -> dict[str, Any]:
    number = int(asked.number("groupNo") or 0)
    if number == 0:
        refuse("406")
    found = [group for group in bill.groups if group["groupNo"] == number]
    if not found:
        refuse("411")
    return found[0]

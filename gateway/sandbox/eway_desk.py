"""What every call of the e-way bill system needs: what was asked, the bill that it is about, and how to say no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NoReturn

from gateway.domain.calendar import indian_date
from gateway.sandbox.calls import Call
from gateway.sandbox.eway_bills import ACTIVE, Bill, Bills, ends_at
from gateway.sandbox.eway_rules import Asked, transport
from gateway.sandbox.eway_wire import payload_of, write_time
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.wire import Refusal

_SHIP: Final = "4"


@dataclass(slots=True, kw_only=True)
class Desk:
    """Serves one call at a time. Everything raises Refusal with the published codes."""

    bills: Bills
    ledger: Ledger

    def known(self, asked: Asked, *, missing: str = "301") -> Bill:
        """The bill that is named."""
        number = asked.number("ewbNo")
        bill = self.bills.get(int(number)) if number is not None else None
        if bill is None:
            refuse(missing)
        return bill

    def held(self, asked: Asked, call: Call, *, gone: str, stranger: str) -> Bill:
        """A bill in force, which the caller made or carries."""
        bill = self.known(asked)
        if bill.status != ACTIVE:
            refuse(gone)
        if call.session.gstin not in (bill.gstin, bill.transporter_id):
            refuse(stranger)
        return bill


def asked_of(call: Call) -> tuple[Asked, dict[str, Any]]:
    """What an action is asked with: for the rules, and as it came."""
    payload = payload_of(call.request.body, call.session.sek)
    return Asked.of(payload, gstin=call.session.gstin, today=indian_date(call.at)), payload


def queried(call: Call) -> Asked:
    """What a question is asked with."""
    return Asked.of(call.request.query, gstin=call.session.gstin, today=indian_date(call.at))


def refuse(code: str) -> NoReturn:
    """Raise Refusal. The system says nothing but codes."""
    raise Refusal(code, "")


def refuse_if(codes: Sequence[str]) -> None:
    """Raise Refusal with these codes, if there are any."""
    if codes:
        raise Refusal(codes[0], "", more=[(code, "") for code in codes[1:]])


def check_place(asked: Asked) -> None:
    """Refuse a place from which goods cannot go on."""
    if not asked.text("fromPlace"):
        refuse("305")
    if asked.state("fromState") == 0:
        refuse("306")


def is_oversized(bill: Bill, asked: Asked) -> bool:
    """Whether the short distance per day holds."""
    kind = asked.text("vehicleType") or str(bill.part_a.get("vehicleType", ""))
    return kind == "O" or asked.text("transMode") == _SHIP


def enter(bill: Bill, asked: Asked, *, at: datetime, sheet: int = 0) -> None:
    """Enter a vehicle; with the first one, validity begins. Raises Refusal for what names none."""
    refuse_if(transport(asked))
    if not bill.vehicles:
        bill.valid_until = ends_at(at, km=bill.distance_km, oversized=is_oversized(bill, asked))
    place = asked.text("fromPlace")
    entry = {
        "updMode": "API",
        "vehicleNo": asked.text("vehicleNo"),
        "fromPlace": place,
        "fromState": asked.state("fromState") or asked.state("fromStateCode"),
        "tripshtNo": sheet,
        "userGSTINTransin": asked.gstin,
        "enteredDate": write_time(at),
        "transMode": asked.text("transMode"),
        "transDocNo": asked.text("transDocNo"),
        "transDocDate": asked.text("transDocDate") or None,
        "groupNo": "0",
    }
    bill.vehicles.append(entry)

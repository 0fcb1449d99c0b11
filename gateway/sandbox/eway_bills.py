"""The e-way bills and trip sheets that the portal knows, and the journal from which a restarted sandbox knows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from gateway.domain import canonical, strict_json
from gateway.domain.calendar import IST
from gateway.domain.identifiers import UNREGISTERED
from gateway.sandbox import ewaybills
from gateway.sandbox.eway_wire import write_time
from gateway.sandbox.ledger import EwayBill

ACTIVE: Final = "ACT"
CANCELLED: Final = "CNL"

_TRIP_SHEETS: Final = 3_210_000_000
"""Trip sheet numbers have 10 digits."""


@dataclass(slots=True, kw_only=True)
class Bill:
    """One e-way bill. `part_a` is what was asked for; `vehicles` has what was entered since, oldest first.

    `made` counts how often a bill was made for the same document. Anything but 1 is a defect of the sandbox.
    """

    number: int
    gstin: str
    part_a: dict[str, Any]
    made_at: datetime
    valid_until: datetime | None
    transporter_id: str
    distance_km: int
    vehicles: list[dict[str, Any]] = field(default_factory=list)
    status: str = ACTIVE
    rejected: bool = False
    closed_on: str | None = None
    extended_times: int = 0
    groups: list[dict[str, Any]] = field(default_factory=list)
    irn: str | None = None
    made: int = 1

    @property
    def document(self) -> tuple[str, str, str]:
        """What it is known by beside its number: who made it, type and number of the document."""
        return self.gstin, str(self.part_a["docType"]), str(self.part_a["docNo"]).upper()

    @property
    def other_party(self) -> str:
        """The GSTIN at the other end."""
        name = "toGstin" if self.part_a.get("supplyType") != "I" else "fromGstin"
        return str(self.part_a.get(name, ""))

    def is_over(self, at: datetime) -> bool:
        """Whether its validity has ended."""
        return self.valid_until is not None and at > self.valid_until

    def brief(self) -> dict[str, Any]:
        """The answer of generation, and of asking by document."""
        until = write_time(self.valid_until) if self.valid_until else None
        return {
            "ewayBillNo": self.number,
            "ewayBillDate": write_time(self.made_at),
            "validUpto": until,
            "alert": "",
        }

    def in_full(self) -> dict[str, Any]:
        """The answer of GetEwayBill."""
        brief = self.brief()
        return {
            "ewbNo": self.number,
            "ewayBillDate": brief["ewayBillDate"],
            "genMode": "API",
            "userGstin": self.gstin,
            **{name: value for name, value in self.part_a.items() if name not in _OF_PART_B},
            "transporterId": self.transporter_id,
            "transporterName": str(self.part_a.get("transporterName", "")),
            "status": self.status,
            "actualDist": self.distance_km,
            "noValidDays": self._days(),
            "validUpto": brief["validUpto"] or "",
            "extendedTimes": self.extended_times,
            "rejectStatus": "Y" if self.rejected else "N",
            "vehicleType": str(self.part_a.get("vehicleType", "R")),
            "VehiclListDetails": list(reversed(self.vehicles)),
        }

    def as_json(self) -> dict[str, Any]:
        """One line of `GET /_ewaybills`."""
        return {
            "number": self.number,
            "gstin": self.gstin,
            "doc_type": self.part_a["docType"],
            "doc_no": self.part_a["docNo"],
            "irn": self.irn,
            "status": self.status,
            "rejected": self.rejected,
            "closed": self.closed_on is not None,
            "made_at": self.made_at.isoformat(),
            "valid_until": self.valid_until.isoformat() if self.valid_until else None,
            "transporter_id": self.transporter_id,
            "vehicles": [each["vehicleNo"] for each in self.vehicles],
            "extended_times": self.extended_times,
            "trip_sheets": sorted({each["tripshtNo"] for each in self.vehicles} - {0}),
            "made": self.made,
        }

    def _days(self) -> int:
        if self.valid_until is None:
            return 0
        return (self.valid_until.astimezone(IST).date() - self.made_at.astimezone(IST).date()).days


_OF_PART_B: Final = frozenset(
    {"transMode", "transDistance", "transDocNo", "transDocDate", "vehicleNo", "vehicleType", "mainHsnCode"}
)


def ends_at(start: datetime, *, km: int, oversized: bool) -> datetime:
    """The last minute of validity, by the law's figures as this sandbox has them."""
    per_day = ewaybills.KM_PER_DAY_OVERSIZED if oversized else ewaybills.KM_PER_DAY
    last = start.astimezone(IST).date() + timedelta(days=max(1, -(-km // per_day)))
    return datetime.combine(last, time(23, 59), tzinfo=IST)


def bill_of_irn(document: Mapping[str, Any], *, irn: str, ewb: EwayBill, km: int) -> Bill:
    """The bill that the e-invoice system made for a document: the same in this system, where it is changed."""
    seller, buyer, asked = document["SellerDtls"], document["BuyerDtls"], document.get("EwbDtls", {})
    sent_from, sent_to = document.get("DispDtls") or seller, document.get("ShipDtls") or buyer
    part_a = {
        "supplyType": "O",
        "subSupplyType": "3" if buyer["Gstin"] == UNREGISTERED else "1",
        "docType": document["DocDtls"]["Typ"],
        "docNo": document["DocDtls"]["No"],
        "docDate": document["DocDtls"]["Dt"],
        "fromGstin": seller["Gstin"],
        "fromTrdName": seller["LglNm"],
        "fromPlace": sent_from["Loc"],
        "fromPincode": sent_from["Pin"],
        "fromStateCode": seller["Stcd"],
        "actFromStateCode": sent_from["Stcd"],
        "toGstin": buyer["Gstin"],
        "toTrdName": buyer["LglNm"],
        "toPlace": sent_to["Loc"],
        "toPincode": sent_to.get("Pin", 0),
        "toStateCode": buyer["Stcd"],
        "actToStateCode": sent_to["Stcd"],
        "transactionType": 1 + ("ShipDtls" in document) + 2 * ("DispDtls" in document),
        "totInvValue": document["ValDtls"]["TotInvVal"],
        "vehicleType": asked.get("VehType", "R"),
        "itemList": [
            {"productName": each.get("PrdDesc", ""), "hsnCode": each["HsnCd"], "qtyUnit": each.get("Unit", "OTH")}
            for each in document["ItemList"]
        ],
    }
    bill = Bill(
        number=ewb.number,
        gstin=seller["Gstin"],
        part_a=part_a,
        made_at=ewb.made_at,
        valid_until=ewb.valid_until,
        transporter_id=asked.get("TransId", ""),
        distance_km=km,
        irn=irn,
    )
    if ewb.valid_until is not None:
        bill.vehicles.append(_first_vehicle(asked, part_a, gstin=bill.gstin, at=ewb.made_at))
    return bill


def _first_vehicle(asked: Mapping[str, Any], part_a: Mapping[str, Any], *, gstin: str, at: datetime) -> dict[str, Any]:
    return {
        "updMode": "API",
        "vehicleNo": asked.get("VehNo", ""),
        "fromPlace": part_a["fromPlace"],
        "fromState": int(part_a["fromStateCode"]),
        "tripshtNo": 0,
        "userGSTINTransin": gstin,
        "enteredDate": write_time(at),
        "transMode": asked.get("TransMode", ""),
        "transDocNo": asked.get("TransDocNo", ""),
        "transDocDate": asked.get("TransDocDt"),
        "groupNo": "0",
    }


@dataclass(slots=True)
class Bills:
    """All of them by number. With a journal file, each change is appended to it: the latest state of a bill counts."""

    journal: Path | None = None
    _by_number: dict[int, Bill] = field(default_factory=dict)
    _sheets: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.journal is not None and self.journal.exists():
            for line in self.journal.read_bytes().splitlines():
                self._replay(line)

    def __iter__(self) -> Iterator[Bill]:
        return iter(self._by_number.values())

    def get(self, number: int) -> Bill | None:
        """The bill of a number."""
        return self._by_number.get(number)

    def of_document(self, gstin: str, doc_type: str, doc_no: str, *, cancelled_too: bool = False) -> Bill | None:
        """The latest bill that this taxpayer made for a document, and has not cancelled unless that is no matter."""
        wanted = (gstin, doc_type, doc_no.upper())
        found = [each for each in self if each.document == wanted and (cancelled_too or each.status == ACTIVE)]
        return found[-1] if found else None

    def made_on(self, day: date, *, gstin: str) -> list[Bill]:
        """What a taxpayer made on a day of India."""
        return [each for each in self if each.gstin == gstin and each.made_at.astimezone(IST).date() == day]

    def keep(self, bill: Bill) -> None:
        """Add a bill, or note that it changed."""
        if bill.number not in self._by_number:
            same = self.of_document(*bill.document)
            bill.made = 1 if same is None else same.made + 1
        self._by_number[bill.number] = bill
        self._append({"bill": _written(bill)})

    def sheet(self, numbers: list[int]) -> int:
        """A new trip sheet with these bills; its number."""
        number = _TRIP_SHEETS + len(self._sheets) + 1
        self._sheets[number] = numbers
        self._append({"sheet": {"number": number, "bills": numbers}})
        return number

    def of_sheet(self, number: int) -> list[int] | None:
        """The bills of a trip sheet."""
        return self._sheets.get(number)

    def clear(self) -> None:
        """Forget all, in the journal too. Numbers are not given again: the ledger counts them."""
        self._by_number.clear()
        if self.journal is not None:
            self.journal.write_bytes(b"")

    def _append(self, entry: dict[str, Any]) -> None:
        if self.journal is not None:
            with self.journal.open("ab") as target:
                target.write(canonical.written(entry) + b"\n")

    def _replay(self, line: bytes) -> None:
        try:
            entry = strict_json.read(line)
        except strict_json.JsonFault:  # the last line of a process that was killed while it wrote
            return
        if "sheet" in entry:
            self._sheets[entry["sheet"]["number"]] = entry["sheet"]["bills"]
        else:
            bill = _read(entry["bill"])
            self._by_number[bill.number] = bill


def _written(bill: Bill) -> dict[str, Any]:
    until = bill.valid_until.isoformat() if bill.valid_until else None
    return asdict(bill) | {"made_at": bill.made_at.isoformat(), "valid_until": until}


def _read(entry: dict[str, Any]) -> Bill:
    until = entry["valid_until"]
    times = {
        "made_at": datetime.fromisoformat(entry["made_at"]),
        "valid_until": datetime.fromisoformat(until) if until else None,
    }
    known = {each.name for each in fields(Bill)}
    return Bill(**{name: value for name, value in (entry | times).items() if name in known})

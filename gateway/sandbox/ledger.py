"""What is registered at the portal, and the journal from which a restarted sandbox remembers it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from gateway.domain import canonical, strict_json
from gateway.domain.calendar import IST, financial_year, write_portal_date, write_portal_time

ACTIVE: Final = "ACT"
CANCELLED: Final = "CNL"
REJECTED: Final = "REJ"
"""Registered at another portal first: the central registry counts that one."""

_ACK_PREFIX: Final = "11"
_ACK_SERIES: Final = 10_000_000_000
"""An acknowledgement number has 15 digits: two of the portal, two of the year, and a serial number of eleven."""

_EWB_SERIES: Final = 180_000_000_000
"""E-way bill numbers have 12 digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EwayBill:
    """An e-way bill that was made with a registration. Part A alone has no validity yet (`valid_until` is None)."""

    number: int
    made_at: datetime
    valid_until: datetime | None
    remarks: str | None = None


@dataclass(slots=True, kw_only=True)
class Registration:
    """One registered document. `signed_text` and `qr_text` are signed anew on every read: RS256 gives the same bytes.

    `registrations` counts how often this identity was registered. Anything but 1 is a defect of the sandbox.
    """

    irn: str
    gstin: str
    doc_type: str
    doc_no: str
    doc_date: date
    buyer_gstin: str
    total: Decimal
    ack_no: int
    ack_at: datetime
    content_digest: str
    signed_text: str
    qr_text: str
    kid: str
    ewb: EwayBill | None = None
    cancelled_at: datetime | None = None
    rejected_at: datetime | None = None
    registrations: int = 1

    @property
    def status(self) -> str:
        """ACT, CNL or REJ."""
        if self.rejected_at is not None:
            return REJECTED
        return ACTIVE if self.cancelled_at is None else CANCELLED

    def as_json(self) -> dict[str, Any]:
        """One line of `GET /_ledger`."""
        return {
            "irn": self.irn,
            "gstin": self.gstin,
            "doc_type": self.doc_type,
            "doc_no": self.doc_no,
            "doc_date": write_portal_date(self.doc_date),
            "financial_year": financial_year(self.doc_date),
            "buyer_gstin": self.buyer_gstin,
            "total": self.total,
            "status": self.status,
            "ack_no": self.ack_no,
            "ack_date": write_portal_time(self.ack_at),
            "ewb_no": self.ewb.number if self.ewb else None,
            "content_digest": self.content_digest,
            "registrations": self.registrations,
        }


@dataclass(slots=True)
class Ledger:
    """All registrations by IRN. With a journal file, each change is appended to it and read back at the start."""

    journal: Path | None = None
    _by_irn: dict[str, Registration] = field(default_factory=dict)
    _acknowledged: int = 0
    _ewbs: int = 0

    def __post_init__(self) -> None:
        if self.journal is not None and self.journal.exists():
            written = self.journal.read_bytes()
            self._replay(written.splitlines())
            if written and not written.endswith(b"\n"):  # a line that a killed process left unfinished
                self.journal.write_bytes(written[: written.rfind(b"\n") + 1])

    def __iter__(self) -> Iterator[Registration]:
        return iter(self._by_irn.values())

    def get(self, irn: str) -> Registration | None:
        """The registration of an IRN."""
        return self._by_irn.get(irn)

    def next_ack_no(self, at: datetime) -> int:
        """A new acknowledgement number. Never given twice, not even after a clearing."""
        self._acknowledged += 1
        return int(f"{_ACK_PREFIX}{at.astimezone(IST):%y}{_ACK_SERIES + self._acknowledged}")

    def next_ewb_no(self) -> int:
        """A new e-way bill number."""
        self._ewbs += 1
        return _EWB_SERIES + self._ewbs

    def note_ewb_no(self, number: int) -> None:
        """Never give this number again: a bill of another journal has it."""
        self._ewbs = max(self._ewbs, number - _EWB_SERIES)

    def add(self, registration: Registration) -> None:
        """Register a document."""
        known = self._by_irn.get(registration.irn)
        if known is not None:
            registration.registrations = known.registrations + 1
        self._by_irn[registration.irn] = registration
        self._append("registered", _journal_members(registration))

    def give_ewb(self, registration: Registration, ewb: EwayBill) -> None:
        """An e-way bill for a registration that stands."""
        registration.ewb = ewb
        self._append("ewb", {"irn": registration.irn, "ewb": _ewb_members(ewb)})

    def cancel(self, registration: Registration, *, at: datetime) -> None:
        """Mark a registration as cancelled."""
        registration.cancelled_at = at
        self._append("cancelled", {"irn": registration.irn, "at": at.isoformat()})

    def reject(self, irns: Iterable[str], *, at: datetime) -> None:
        """Mark registrations as some that count no more, because another portal had the documents first."""
        for irn in irns:
            registration = self._by_irn.get(irn)
            if registration is not None:
                registration.rejected_at = at
                self._append("rejected", {"irn": irn, "at": at.isoformat()})

    def clear(self) -> None:
        """Forget everything that is registered, in the journal too."""
        self._by_irn.clear()
        if self.journal is not None:
            self.journal.write_bytes(b"")

    def lines(self) -> bytes:
        """Every registration as a JSON line."""
        return json_lines(registration.as_json() for registration in self)

    def _append(self, what: str, members: dict[str, Any]) -> None:
        if self.journal is not None:
            with self.journal.open("ab") as target:
                target.write(json_lines([{"what": what, **members}]))

    def _replay(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            try:
                entry = strict_json.read(line)
            except strict_json.JsonFault:  # the last line of a process that was killed while it wrote
                continue
            if entry["what"] == "cancelled":
                self._by_irn[entry["irn"]].cancelled_at = datetime.fromisoformat(entry["at"])
            elif entry["what"] == "rejected":
                self._by_irn[entry["irn"]].rejected_at = datetime.fromisoformat(entry["at"])
            elif entry["what"] == "ewb":
                registration = self._by_irn[entry["irn"]]
                registration.ewb = _ewb_from_journal(entry["ewb"])
                self._remember(registration)
            else:
                self._remember(_from_journal(entry))

    def _remember(self, registration: Registration) -> None:
        self._by_irn[registration.irn] = registration
        self._acknowledged = max(self._acknowledged, registration.ack_no % _ACK_SERIES)
        if registration.ewb is not None:
            self._ewbs = max(self._ewbs, registration.ewb.number - _EWB_SERIES)


def json_lines(rows: Iterable[Any]) -> bytes:
    """Rows as JSON lines, numbers as they were written."""
    return "".join(f"{canonical.write(row)}\n" for row in rows).encode()


def rounded_to_the_minute(at: datetime) -> datetime:
    """To the nearest minute, half a minute up: 15:08:39 is 15:09:00 in recorded answers."""
    return (at + timedelta(seconds=30)).replace(second=0, microsecond=0)


def _journal_members(registration: Registration) -> dict[str, Any]:
    ewb = registration.ewb
    return {
        "irn": registration.irn,
        "gstin": registration.gstin,
        "doc_type": registration.doc_type,
        "doc_no": registration.doc_no,
        "doc_date": registration.doc_date.isoformat(),
        "buyer_gstin": registration.buyer_gstin,
        "total": registration.total,
        "ack_no": registration.ack_no,
        "ack_at": registration.ack_at.isoformat(),
        "content_digest": registration.content_digest,
        "signed_text": registration.signed_text,
        "qr_text": registration.qr_text,
        "kid": registration.kid,
        "registrations": registration.registrations,
        "ewb": None if ewb is None else _ewb_members(ewb),
    }


def _ewb_members(ewb: EwayBill) -> dict[str, Any]:
    return {
        "number": ewb.number,
        "made_at": ewb.made_at.isoformat(),
        "valid_until": ewb.valid_until.isoformat() if ewb.valid_until else None,
        "remarks": ewb.remarks,
    }


def _from_journal(entry: dict[str, Any]) -> Registration:
    members = {name: value for name, value in entry.items() if name != "what"}
    return Registration(
        **members
        | {
            "doc_date": date.fromisoformat(entry["doc_date"]),
            "ack_at": datetime.fromisoformat(entry["ack_at"]),
            "total": Decimal(entry["total"]),
            "ewb": _ewb_from_journal(entry["ewb"]),
        }
    )


def _ewb_from_journal(entry: dict[str, Any] | None) -> EwayBill | None:
    if entry is None:
        return None
    valid_until = datetime.fromisoformat(entry["valid_until"]) if entry["valid_until"] else None
    return EwayBill(
        number=entry["number"],
        made_at=datetime.fromisoformat(entry["made_at"]),
        valid_until=valid_until,
        remarks=entry["remarks"],
    )

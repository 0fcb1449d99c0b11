"""A document as rules look at it: each part read once, and what has not the right form left out.

The schema speaks to form. Here a member of a wrong type, or out of its bounds, is taken for unknown, so that rules
about it say nothing, and nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, Protocol, TypeAlias

from gateway.domain.calendar import read_portal_date
from gateway.domain.identifiers import UNREGISTERED, is_gstin
from gateway.domain.rules.context import Context

Amount: TypeAlias = int | Decimal

LINES_MAX: Final = 1_000
"""Lines of one document (NIC, error 2173)."""
PRECEDING_MAX: Final = 100
"""Preceding documents that are looked at. A note that mends more at once is not known; each costs a look-up."""
AMOUNT_MAX: Final = Decimal("99999999999999.99")
"""The largest amount of any member (INV-01)."""
ABROAD: Final = 96
"""The state code that stands for other countries."""
EXPORTS: Final = frozenset({"EXPWP", "EXPWOP"})
SEZ_SUPPLIES: Final = frozenset({"SEZWP", "SEZWOP"})
NOTES: Final = frozenset({"CRN", "DBN"})

_EMPTY: Final[Mapping[str, Any]] = {}
_STATE: Final = re.compile(r"[0-9]{1,2}", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{2}/[0-9]{2}/[0-9]{4}", re.ASCII)
_HSN: Final = re.compile(r"(?:[0-9]{2}){2,4}", re.ASCII)
_TAXES: Final = ("IgstAmt", "CgstAmt", "SgstAmt", "CesAmt", "CesNonAdvlAmt", "StateCesAmt", "StateCesNonAdvlAmt")
_OPTIONAL: Final = ("Discount", *_TAXES, "OthChrg", "CesRt", "StateCesRt")
_REQUIRED: Final = ("TotAmt", "AssAmt", "GstRt", "TotItemVal")


class Subject(Protocol):
    """What a rule is asked about. `at` is its place."""

    @property
    def at(self) -> str:
        """JSON Pointer to it; empty for the whole document."""


def amount(value: Any) -> Amount | None:
    """A number that can be an amount, a rate or a quantity; None for anything else. Signs are the schema's matter."""
    kind = type(value)
    return value if (kind is Decimal or kind is int) and 0 <= value <= AMOUNT_MAX else None


def text(value: Any) -> str | None:
    """A text, or None."""
    return value if isinstance(value, str) else None


def part(value: Any) -> Mapping[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else _EMPTY


def entries(value: Any, *, most: int) -> Sequence[Any]:
    """The first of an array's entries, or none."""
    return value[:most] if isinstance(value, list) else ()


def day(value: Any) -> date | None:
    """A date from dd/MM/yyyy; None when it is no such text or no day of the calendar."""
    if not isinstance(value, str):
        return None
    try:
        return read_portal_date(value)
    except ValueError:
        return None


def state(value: Any) -> int | None:
    """A state code as a number: `7` and `07` are one state."""
    return int(value) if isinstance(value, str) and _STATE.fullmatch(value) else None


def is_written_as_date(value: Any) -> bool:
    """Whether a text has the form dd/MM/yyyy, be there such a day or not."""
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Party:
    """A party, or a place of goods. `gstin` is None unless it has the form of one or is URP."""

    name: str
    raw: Mapping[str, Any]
    gstin: str | None
    state: int | None
    pin: int | None

    @property
    def at(self) -> str:
        """JSON Pointer to it."""
        return f"/{self.name}"

    @property
    def present(self) -> bool:
        """Whether the document has this part at all."""
        return bool(self.raw)

    @property
    def registered(self) -> bool:
        """Whether it has a GSTIN."""
        return self.gstin not in (None, UNREGISTERED)

    @property
    def gstin_state(self) -> int | None:
        """The state in which its GSTIN was given."""
        return int(self.gstin[:2]) if self.gstin and self.registered else None


def _party(document: Mapping[str, Any], name: str) -> Party:
    raw = part(document.get(name))
    gstin, pin = raw.get("Gstin"), raw.get("Pin")
    return Party(
        name=name,
        raw=raw,
        gstin=gstin if isinstance(gstin, str) and (gstin == UNREGISTERED or is_gstin(gstin)) else None,
        state=state(raw.get("Stcd")),
        pin=pin if type(pin) is int and 100_000 <= pin <= 999_999 else None,  # noqa: PLR2004  six digits
    )


class Line:
    """One line. `sound` says whether all of its amounts are known; missing ones that may be missing are nought."""

    __slots__ = (
        "cess",
        "cess_fixed",
        "cess_rate",
        "cgst",
        "discount",
        "gross",
        "hsn",
        "igst",
        "index",
        "number",
        "other",
        "rate",
        "raw",
        "service",
        "sgst",
        "sound",
        "state_cess",
        "state_cess_fixed",
        "state_cess_rate",
        "taxable",
        "total",
    )

    def __init__(self, index: int, raw: Mapping[str, Any]) -> None:
        get = raw.get
        self.index = index
        self.raw = raw
        optional = [amount(get(name, 0)) for name in _OPTIONAL]
        required = [amount(get(name)) for name in _REQUIRED]
        self.sound = None not in optional and None not in required
        (
            self.discount,
            self.igst,
            self.cgst,
            self.sgst,
            self.cess,
            self.cess_fixed,
            self.state_cess,
            self.state_cess_fixed,
            self.other,
            self.cess_rate,
            self.state_cess_rate,
        ) = (value or 0 for value in optional)
        self.gross, self.taxable, self.rate, self.total = (value or 0 for value in required)
        hsn = get("HsnCd")
        self.hsn = hsn if isinstance(hsn, str) and _HSN.fullmatch(hsn) else None
        self.service = get("IsServc")
        number = get("SlNo")
        self.number = int(number) if isinstance(number, str) and number.isascii() and number.isdigit() else None

    @property
    def at(self) -> str:
        """JSON Pointer to it."""
        return f"/ItemList/{self.index}"

    @property
    def tax(self) -> Amount:
        """GST of the line: IGST, CGST and SGST."""
        return self.igst + self.cgst + self.sgst

    @property
    def cesses(self) -> Amount:
        """Cess and state cess of the line, by value and by quantity."""
        return self.cess + self.cess_fixed + self.state_cess + self.state_cess_fixed


@dataclass(frozen=True, slots=True)
class Dated:
    """A member that holds a date, anywhere in the document but its own date."""

    at: str
    value: Any


@dataclass(frozen=True, slots=True)
class Preceding:
    """A document that this one refers to."""

    index: int
    number: str | None
    on: date | None

    @property
    def at(self) -> str:
        """JSON Pointer to it."""
        return f"/RefDtls/PrecDocDtls/{self.index}"


@dataclass(frozen=True)
class Case:
    """One document under check, with all that a rule may look at."""

    document: Mapping[str, Any]
    context: Context
    at: str = ""

    @cached_property
    def transaction(self) -> Mapping[str, Any]:
        """TranDtls."""
        return part(self.document.get("TranDtls"))

    @cached_property
    def details(self) -> Mapping[str, Any]:
        """DocDtls."""
        return part(self.document.get("DocDtls"))

    @cached_property
    def supply(self) -> str | None:
        """TranDtls.SupTyp."""
        return text(self.transaction.get("SupTyp"))

    @cached_property
    def doc_type(self) -> str | None:
        """DocDtls.Typ."""
        return text(self.details.get("Typ"))

    @cached_property
    def doc_date(self) -> date | None:
        """DocDtls.Dt."""
        return day(self.details.get("Dt"))

    @cached_property
    def seller(self) -> Party:
        """SellerDtls."""
        return _party(self.document, "SellerDtls")

    @cached_property
    def buyer(self) -> Party:
        """BuyerDtls."""
        return _party(self.document, "BuyerDtls")

    @cached_property
    def dispatch(self) -> Party:
        """DispDtls."""
        return _party(self.document, "DispDtls")

    @cached_property
    def ship(self) -> Party:
        """ShipDtls."""
        return _party(self.document, "ShipDtls")

    @cached_property
    def parties(self) -> tuple[Party, ...]:
        """Those that the document has."""
        return tuple(party for party in (self.seller, self.buyer, self.dispatch, self.ship) if party.present)

    @cached_property
    def place_of_supply(self) -> int | None:
        """BuyerDtls.Pos as a number."""
        return state(self.buyer.raw.get("Pos"))

    @cached_property
    def totals(self) -> Mapping[str, Any]:
        """ValDtls."""
        return part(self.document.get("ValDtls"))

    @cached_property
    def line_count(self) -> int | None:
        """How many lines there are; None when there is no list of them."""
        lines = self.document.get("ItemList")
        return len(lines) if isinstance(lines, list) else None

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The lines; none when there are more than the portal takes, for then nothing is said of each."""
        if self.line_count is None or self.line_count > LINES_MAX:
            return ()
        listed = enumerate(self.document["ItemList"])
        return tuple(Line(index, line) for index, line in listed if isinstance(line, dict))

    @cached_property
    def preceding(self) -> tuple[Preceding, ...]:
        """RefDtls.PrecDocDtls."""
        listed = entries(part(self.document.get("RefDtls")).get("PrecDocDtls"), most=PRECEDING_MAX)
        return tuple(
            Preceding(index, text(part(entry).get("InvNo")), day(part(entry).get("InvDt")))
            for index, entry in enumerate(listed)
        )

    @cached_property
    def dates(self) -> tuple[Dated, ...]:
        """All members that hold a date, but the document's own."""
        return tuple(_dates(self.document, self.lines))


_REFERENCES_MAX: Final = 100
"""Orders and contracts whose dates are looked at."""
_LONE_DATES: Final = (
    ("RefDtls/DocPerdDtls", "InvStDt"),
    ("RefDtls/DocPerdDtls", "InvEndDt"),
    ("ExpDtls", "ShipBDt"),
    ("EwbDtls", "TransDocDt"),
)
_LISTED_DATES: Final = (("PrecDocDtls", "InvDt"), ("ContrDtls", "RecAdvDt"), ("ContrDtls", "PORefDt"))


def _dates(document: Mapping[str, Any], lines: Sequence[Line]) -> Iterator[Dated]:
    for path, name in _LONE_DATES:
        around: Any = document
        for step in path.split("/"):
            around = part(around).get(step)
        yield Dated(f"/{path}/{name}", part(around).get(name))
    references = part(document.get("RefDtls"))
    for listed, name in _LISTED_DATES:
        for index, entry in enumerate(entries(references.get(listed), most=_REFERENCES_MAX)):
            yield Dated(f"/RefDtls/{listed}/{index}/{name}", part(entry).get(name))
    for line in lines:
        if "BchDtls" in line.raw:
            for name in ("ExpDt", "WrDt"):
                yield Dated(f"{line.at}/BchDtls/{name}", part(line.raw["BchDtls"]).get(name))

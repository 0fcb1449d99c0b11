"""A document as rules look at it: each part read once, and what has not the right form left out.

The schema speaks to form. Here a member of a wrong type, or out of its bounds, is taken for unknown, so that rules
about it say nothing, and nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, Protocol

from gateway.domain.identifiers import UNREGISTERED, is_gstin
from gateway.domain.rules.context import Context
from gateway.domain.rules.line import Line, is_service
from gateway.domain.rules.mending import SUMS, Mended, added, document_total, mend
from gateway.domain.rules.reading import day, entries, part, state, text
from gateway.domain.rules.taxation import Taxation

LINES_MAX: Final = 1_000
"""Lines of one document (NIC, error 2173)."""
PRECEDING_MAX: Final = 100
"""Preceding documents that are looked at. A note that mends more at once is not known; each costs a look-up."""
ABROAD: Final = 96
"""The state code that stands for other countries."""
EXPORTS: Final = frozenset({"EXPWP", "EXPWOP"})
SEZ_SUPPLIES: Final = frozenset({"SEZWP", "SEZWOP"})
HOME_SUPPLIES: Final = frozenset({"B2B", "DEXP"})
NOTES: Final = frozenset({"CRN", "DBN"})
RETAIL_PRICE_FROM: Final = date(2026, 2, 1)
"""Tobacco and pan masala are taxed on their printed price (notifications 19 and 20/2025-CT)."""

_UNTAXED: Final = frozenset({"EXPWOP", "SEZWOP"})
_TAX_APART: Final = frozenset({"EXPWP", "EXPWOP", "SEZWOP"})
_YES: Final = "Y"
_TRANSPORT: Final = frozenset({"TransMode", "VehNo", "TransDocNo", "TransId"})
"""Without any of these the portal makes no e-way bill (NIC, error 4019)."""


class Subject(Protocol):
    """What a rule is asked about. `at` is its place."""

    @property
    def at(self) -> str:
        """JSON Pointer to it; empty for the whole document."""


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
    def gstin_state(self) -> int | None:
        """The state in which its GSTIN was given; None without a GSTIN."""
        return int(self.gstin[:2]) if self.gstin not in (None, UNREGISTERED) else None


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


@dataclass(frozen=True, eq=False)
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
    def export(self) -> Mapping[str, Any]:
        """ExpDtls."""
        return part(self.document.get("ExpDtls"))

    @cached_property
    def asks_for_ewb(self) -> bool:
        """Whether an e-way bill is asked for."""
        return isinstance(self.document.get("EwbDtls"), dict)

    @cached_property
    def services_only(self) -> bool:
        """Whether all lines are services, as far as their codes say."""
        return bool(self.lines) and all(line.hsn is not None and is_service(line.hsn) for line in self.lines)

    @cached_property
    def ewb(self) -> Mapping[str, Any] | None:
        """EwbDtls of a document that can have an e-way bill; None when none is asked for, or none can be made."""
        if not self.asks_for_ewb or self.doc_type in NOTES or self.services_only:
            return None
        return part(self.document.get("EwbDtls"))

    @cached_property
    def names_transport(self) -> bool:
        """Whether an e-way bill is asked for in earnest: many programs send a bare distance with every document."""
        return not _TRANSPORT.isdisjoint(part(self.document.get("EwbDtls")))

    @cached_property
    def carriage(self) -> Mapping[str, Any]:
        """EwbDtls of a document that can have an e-way bill and says how its goods are carried; else empty."""
        return self.ewb if self.ewb is not None and self.names_transport else part(None)

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
    def law_of(self) -> date:
        """The day whose law holds for the document: its own, or that of checking while it has none."""
        return self.doc_date or self.context.on

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
    def seller_state(self) -> int | None:
        """The seller's state, by its GSTIN: where Stcd differs, it is Stcd that is wrong."""
        return self.seller.gstin_state or self.seller.state

    @cached_property
    def igst_on_intra(self) -> bool:
        """Whether IGST is said to be due within one state."""
        return self.transaction.get("IgstOnIntra") == _YES

    @cached_property
    def reverse_charge(self) -> bool:
        """Whether the buyer owes the tax."""
        return self.transaction.get("RegRev") == _YES

    @cached_property
    def taxation(self) -> Taxation:
        """How the document is taxed."""
        return Taxation(
            intra=self._intra(),
            by_rate=self.doc_type == "INV",
            untaxed=self.supply in _UNTAXED,
            tax_apart=self.reverse_charge or self.supply in _TAX_APART,
            by_retail_price=self.law_of >= RETAIL_PRICE_FROM,
        )

    def _intra(self) -> bool | None:
        if self.supply in EXPORTS or self.supply in SEZ_SUPPLIES:
            return False
        if self.supply not in HOME_SUPPLIES or self.place_of_supply is None or self.seller_state is None:
            return None
        if self.igst_on_intra or self.context.seller_in_sez:
            return False
        return self.place_of_supply == self.seller_state

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
    def repeated(self) -> Mapping[int, int]:
        """The lines whose serial number an earlier line has, by index, each with a number that is free."""
        seen: set[int] = set()
        again = [line for line in self.lines if line.number is not None and _was_there(line.number, seen)]
        first_free = max(seen, default=0) + 1
        return {line.index: free for free, line in enumerate(again, start=first_free)}

    @cached_property
    def summed(self) -> bool:
        """Whether all amounts of all lines are known, so that they can be added up."""
        return bool(self.lines) and len(self.lines) == self.line_count and all(line.sound for line in self.lines)

    @cached_property
    def sums(self) -> Mapping[str, Decimal]:
        """What the members of ValDtls should be, from the lines; empty when some amount is unknown."""
        return {name: added(map(of, self.lines)) for name, of in SUMS.items()} if self.summed else {}

    @cached_property
    def total(self) -> Decimal | None:
        """What ValDtls.TotInvVal should be; None when some amount is unknown."""
        return document_total(self.lines, self.totals) if self.summed else None

    @cached_property
    def mended(self) -> Mended:
        """What would have to change for the amounts to agree."""
        return mend(self.lines, self.totals, self.taxation)

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


def _was_there(number: int, seen: set[int]) -> bool:
    if number in seen:
        return True
    seen.add(number)
    return False


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

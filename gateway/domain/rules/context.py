"""What a check is told besides the document, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeAlias

from gateway.domain.faults import Fault
from gateway.domain.identifiers import same_document_number
from gateway.domain.rules.lists import NO_LISTS, CodeLists


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What the own ledger knows of a document that a note refers to. `total` is its value in rupees."""

    cancelled: bool
    total: Decimal


EarlierKey: TypeAlias = tuple[str, date]
"""A document of the same seller: its number in capitals, and its date."""

NOTHING_EARLIER: Final[Mapping[EarlierKey, Earlier]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a check is told besides the document. It reads no clock and asks nobody.

    `on` is the day in India on which the document is checked, now or to come. `lists` are the code lists; without them
    nothing is said of codes. `route_enforces_check_digit`: the portal's own sandbox has GSTINs whose last character
    does not fit. `reporting_days`: within how many days, the document's own included, this seller has to report;
    None when its turnover sets no limit. `earlier`: what the ledger knows of preceding documents, those missing being
    unknown; None when it was not asked. `allow`: codes of rules of which the caller says that the document is meant
    so. `size_bytes`: of the document as it is sent. `doc_types`: those that belong where it was sent, None for all.
    `seller_in_sez`: the seller is a developer of a special economic zone, all of whose supplies carry IGST.
    """

    on: date
    lists: CodeLists = NO_LISTS
    route_enforces_check_digit: bool = True
    reporting_days: int | None = None
    earlier: Mapping[EarlierKey, Earlier] | None = None
    allow: frozenset[str] = field(default_factory=frozenset)
    size_bytes: int | None = None
    doc_types: frozenset[str] | None = None
    seller_in_sez: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a document. `errors` keep it from being sent; `warnings` do not."""

    errors: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def earlier_key(number: str, on: date) -> EarlierKey | None:
    """By which a preceding document is looked up; None when the number can be no document's."""
    return (same_document_number(number), on) if number.isascii() else None

"""Code lists with dates: which code means something on which day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One code of a list: what it stands for, and from when to when, both days included."""

    name: str
    valid_from: date | None = None
    valid_to: date | None = None

    def holds(self, on: date) -> bool:
        """Whether the code means something on that day."""
        return (self.valid_from or on) <= on <= (self.valid_to or on)


@dataclass(frozen=True, slots=True)
class CodeList:
    """The codes of one kind. An empty list knows nothing and objects to nothing."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def objects(self, code: str, *, on: date) -> bool:
        """Whether the code is not in the list, or not on that day."""
        entry = self.entries.get(code)
        return bool(self.entries) if entry is None else not entry.holds(on)


@dataclass(frozen=True, slots=True)
class RateList:
    """The GST rates in percent. An empty list objects to nothing."""

    entries: Mapping[Decimal, Entry] = field(default_factory=dict)

    def objects(self, rate: int | Decimal, *, on: date) -> bool:
        """Whether the rate is not in the list, or not on that day. 18, 18.0 and 18.000 are one rate."""
        entry = self.entries.get(rate)  # type: ignore[arg-type]  # an int equals its Decimal, and hashes the same
        return bool(self.entries) if entry is None else not entry.holds(on)


@dataclass(frozen=True, slots=True)
class PinCodes:
    """By the first three digits of a PIN code, the states in which such codes lie. States border within a prefix."""

    states: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def of(self, pin: int) -> frozenset[int] | None:
        """The states of a PIN code, none when there is no such code; None when nothing is known of any."""
        return self.states.get(pin // 1000, frozenset()) if self.states else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLists:
    """All lists that rules look codes up in. `aliases` maps units that are often written to those of the list."""

    states: CodeList = field(default_factory=CodeList)
    units: CodeList = field(default_factory=CodeList)
    unit_aliases: Mapping[str, str] = field(default_factory=dict)
    ports: CodeList = field(default_factory=CodeList)
    countries: CodeList = field(default_factory=CodeList)
    currencies: CodeList = field(default_factory=CodeList)
    rates: RateList = field(default_factory=RateList)
    pins: PinCodes = field(default_factory=PinCodes)


NO_LISTS: Final = CodeLists()
"""For a check that has no lists at hand."""

"""The portal's rules for an e-way bill that is made without an IRN, in the order in which it looks.

The portal takes numbers as text and the other way round, so every rule reads what was sent through `text` and `number`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from gateway.domain.calendar import read_portal_date
from gateway.domain.identifiers import UNREGISTERED, is_gstin
from gateway.sandbox import master

DOCUMENT_DAYS_MAX: Final = 180
DISTANCE_KM_MAX: Final = 4000
GRACE_RUPEES: Final = Decimal(2)
"""By so much the parts of the total may be more than it is."""

_FIRST_DAY: Final = date(2017, 7, 1)
_OTHER_COUNTRY: Final = 99
_STATES: Final = frozenset({*range(1, 39), 96, 97, 99})
_OUTWARD: Final = frozenset({"1", "3", "4", "5", "8", "9", "10", "11", "12"})
_INWARD: Final = frozenset({"1", "2", "5", "6", "7", "8", "9", "12"})
_DOCUMENT_NUMBER: Final = re.compile(r"[A-Za-z0-9/-]{1,16}", re.ASCII)
_VEHICLE: Final = re.compile(r"[A-Za-z0-9]{4,15}", re.ASCII)
_UNIT: Final = re.compile(r"[A-Za-z]{3,8}", re.ASCII)
_HSN_DIGITS: Final = range(4, 9)
_PIN: Final = range(100_000, 1_000_000)
_VALUES: Final = {
    "totalValue": "627",
    "totInvValue": "628",
    "igstValue": "629",
    "cgstValue": "630",
    "sgstValue": "631",
    "cessValue": "632",
    "cessNonAdvolValue": "633",
}
"""What a value below nothing is answered with."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was sent, by whom, on what day. Members are known by their names in lower case."""

    members: Mapping[str, Any]
    gstin: str
    today: date

    @classmethod
    def of(cls, payload: Mapping[str, Any], *, gstin: str, today: date) -> Asked:
        """A payload, whose names may be in any case."""
        return cls({name.lower(): value for name, value in payload.items()}, gstin, today)

    def text(self, name: str) -> str:
        """A member as text; nothing when it is not there."""
        value = self.members.get(name.lower())
        return "" if value is None or isinstance(value, dict | list) else str(value).strip()

    def number(self, name: str) -> Decimal | None:
        """A member as a number; None when it is none."""
        try:
            found = Decimal(self.text(name))
        except InvalidOperation:
            return None
        return found if found.is_finite() else None

    def state(self, name: str) -> int:
        """A state code, 0 when it is none."""
        value = self.number(name)
        return int(value) if value is not None and value == int(value) and int(value) in _STATES else 0

    def day(self, name: str) -> date | None:
        """A date, None when it is none."""
        try:
            return read_portal_date(self.text(name))
        except ValueError:
            return None

    @property
    def items(self) -> list[Asked]:
        """The goods."""
        return self.listed("itemList")

    def listed(self, name: str) -> list[Asked]:
        """A list of objects."""
        found = self.members.get(name.lower())
        entries = found if isinstance(found, list) else []
        return [Asked.of(each, gstin=self.gstin, today=self.today) for each in entries if isinstance(each, dict)]

    @property
    def within_a_state(self) -> bool:
        """Whether the tax is that of one state."""
        return self.state("fromStateCode") == self.state("toStateCode")


class Rule(NamedTuple):
    """One row: the portal's code, and what breaks it."""

    code: str
    broken: Callable[[Asked], bool]


def broken(asked: Asked) -> list[str]:
    """The codes of the rules that are broken, the first of each group; none when the bill can be made."""
    return [rule.code for rule in RULES if rule.broken(asked)] + [
        code for name, code in _VALUES.items() if (asked.number(name) or 0) < 0
    ]


def transport(asked: Asked) -> list[str]:
    """The same for what says how the goods go on, with a new vehicle."""
    return [rule.code for rule in TRANSPORT if rule.broken(asked)]


def _party(name: str) -> Callable[[Asked], bool]:
    return lambda asked: asked.text(name) != UNREGISTERED and not is_gstin(asked.text(name))


def _other_party(name: str) -> Callable[[Asked], bool]:
    return lambda asked: asked.text(name) not in ("", UNREGISTERED) and not is_gstin(asked.text(name))


def _pin(name: str) -> Callable[[Asked], bool]:
    return lambda asked: int(asked.number(name) or 0) not in _PIN


def _state(name: str) -> Callable[[Asked], bool]:
    return lambda asked: asked.state(name) == 0


def _blocked(name: str) -> Callable[[Asked], bool]:
    def is_blocked(asked: Asked) -> bool:
        found = master.find(asked.text(name)) if is_gstin(asked.text(name)) else None
        return found is not None and found.blocked

    return is_blocked


def _of_type(*types: str) -> Callable[[Asked], bool]:
    return lambda asked: asked.text("transactionType") in types


def _without(kinds: Callable[[Asked], bool], name: str) -> Callable[[Asked], bool]:
    return lambda asked: bool(asked.text(name)) and not kinds(asked)


def _sub_type(asked: Asked) -> bool:
    allowed = _OUTWARD if asked.text("supplyType") == "O" else _INWARD
    return asked.text("subSupplyType") in _OUTWARD | _INWARD and asked.text("subSupplyType") not in allowed


def _document_day(asked: Asked) -> bool:
    day = asked.day("docDate")
    return day is None or not asked.today - timedelta(days=DOCUMENT_DAYS_MAX) <= day <= asked.today


def _too_little(asked: Asked) -> bool:
    parts = ("totalValue", "cgstValue", "sgstValue", "igstValue", "cessValue", "cessNonAdvolValue", "otherValue")
    total = asked.number("totInvValue")
    return total is not None and sum(asked.number(name) or Decimal(0) for name in parts) > total + GRACE_RUPEES


def _any_item(wrong: Callable[[Asked], bool]) -> Callable[[Asked], bool]:
    return lambda asked: any(wrong(item) for item in asked.items)


def _hsn(item: Asked) -> bool:
    code = item.text("hsnCode").split(".")[0]
    return not code.isdigit() or len(code) not in _HSN_DIGITS or int(code) == 0


def _unit(item: Asked) -> bool:
    return bool(item.text("qtyUnit")) and not _UNIT.fullmatch(item.text("qtyUnit"))


def _rates(*names: str) -> Callable[[Asked], bool]:
    return lambda asked: any((item.number(name) or 0) > 0 for item in asked.items for name in names)


def _distance(asked: Asked) -> bool:
    km = asked.number("transDistance")
    return km is None or km < 0 or km != int(km)


def _ship_to_is_bill_to(asked: Asked) -> bool:
    return asked.text("shipToGSTIN") not in ("", UNREGISTERED) and asked.text("shipToGSTIN") == asked.text("toGstin")


def _dispatch_is_bill_from(asked: Asked) -> bool:
    dispatch = asked.text("dispatchFromGSTIN")
    return dispatch not in ("", UNREGISTERED) and dispatch == asked.text("fromGstin")


def _named(asked: Asked) -> bool:
    return bool(asked.text("vehicleNo") or asked.text("transDocNo"))


def _dispatched_elsewhere(asked: Asked) -> bool:
    here = (asked.state("actFromStateCode"), _OTHER_COUNTRY)
    return _of_type("1", "2")(asked) and asked.state("fromStateCode") not in here


def _shipped_elsewhere(asked: Asked) -> bool:
    here = (asked.state("actToStateCode"), _OTHER_COUNTRY)
    return _of_type("1", "3")(asked) and asked.state("toStateCode") not in here


def _mode(*modes: str) -> Callable[[Asked], bool]:
    return lambda asked: asked.text("transMode") in modes


def _too_early(asked: Asked) -> bool:
    sent, document = asked.day("transDocDate"), asked.day("docDate")
    return sent is not None and document is not None and sent < document


TRANSPORT: Final = (
    Rule("220", lambda asked: asked.text("transMode") not in ("", "0", "1", "2", "3", "4", "5")),
    Rule("225", lambda asked: bool(asked.text("vehicleNo")) and not _VEHICLE.fullmatch(asked.text("vehicleNo"))),
    Rule("361", lambda asked: asked.text("vehicleType") not in ("", "R", "O")),
    Rule("621", lambda asked: bool(asked.text("vehicleNo")) and asked.text("transMode") in ("", "0")),
    Rule("622", lambda asked: bool(asked.text("transDocNo")) and asked.text("transMode") in ("", "0")),
    Rule("226", lambda asked: _mode("1")(asked) and not _named(asked)),
    Rule("394", lambda asked: _mode("2", "3", "4")(asked) and not _named(asked)),
    Rule("385", lambda asked: _mode("2", "3")(asked) and asked.day("transDocDate") is None),
    Rule("224", lambda asked: bool(asked.text("transDocDate")) and asked.day("transDocDate") is None),
    Rule("634", lambda asked: asked.text("vehicleType") == "O" and _mode("2", "3")(asked)),
)

RULES: Final = (
    Rule("201", lambda asked: asked.text("supplyType") not in ("O", "I")),
    Rule("202", lambda asked: asked.text("subSupplyType") not in _OUTWARD | _INWARD),
    Rule("203", _sub_type),
    Rule("377", lambda asked: asked.text("subSupplyType") == "8" and not asked.text("subSupplyDesc")),
    Rule("204", lambda asked: asked.text("docType") not in ("INV", "BIL", "BOE", "CHL", "CNT", "OTH")),
    Rule("206", lambda asked: not _DOCUMENT_NUMBER.fullmatch(asked.text("docNo"))),
    Rule("207", _document_day),
    Rule("819", lambda asked: (asked.day("docDate") or asked.today) < _FIRST_DAY),
    Rule("358", lambda asked: asked.text("userGstin") not in ("", asked.gstin)),
    Rule("359", lambda asked: asked.text("supplyType") == "O" and asked.text("fromGstin") != asked.gstin),
    Rule("360", lambda asked: asked.text("supplyType") == "I" and asked.text("toGstin") != asked.gstin),
    Rule("208", _party("fromGstin")),
    Rule("212", _party("toGstin")),
    Rule("210", _pin("fromPincode")),
    Rule("214", _pin("toPincode")),
    Rule("211", _state("fromStateCode")),
    Rule("215", _state("toStateCode")),
    Rule("371", _state("actFromStateCode")),
    Rule("372", _state("actToStateCode")),
    Rule("614", lambda asked: not asked.text("transactionType")),
    Rule("612", lambda asked: asked.text("transactionType") not in ("", "1", "2", "3", "4")),
    Rule("610", _other_party("dispatchFromGSTIN")),
    Rule("609", _other_party("shipToGSTIN")),
    Rule("615", _without(_of_type("3", "4"), "dispatchFromGSTIN")),
    Rule("616", _without(_of_type("2", "4"), "shipToGSTIN")),
    Rule("617", _dispatch_is_bill_from),
    Rule("618", _ship_to_is_bill_to),
    Rule("643", _dispatched_elsewhere),
    Rule("644", _shipped_elsewhere),
    Rule("640", lambda asked: asked.number("totInvValue") is None),
    Rule("620", _too_little),
    Rule("233", lambda asked: not asked.items),
    Rule("216", _any_item(_hsn)),
    Rule("234", _any_item(lambda item: item.number("taxableAmount") is None)),
    Rule("217", _any_item(_unit)),
    Rule("251", _any_item(lambda item: (item.number("cgstRate") or 0) != (item.number("sgstRate") or 0))),
    Rule("623", lambda asked: asked.within_a_state and _rates("igstRate")(asked)),
    Rule("624", lambda asked: not asked.within_a_state and _rates("cgstRate", "sgstRate")(asked)),
    Rule("221", _distance),
    Rule("702", lambda asked: (asked.number("transDistance") or 0) > DISTANCE_KM_MAX),
    Rule("222", _other_party("transporterId")),
    *TRANSPORT,
    Rule("619", lambda asked: not _named(asked) and not asked.text("transporterId")),
    Rule("362", _too_early),
    Rule("715", _blocked("fromGstin")),
    Rule("716", _blocked("toGstin")),
    Rule("717", _blocked("transporterId")),
)

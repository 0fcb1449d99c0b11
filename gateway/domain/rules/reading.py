"""Members of a document, read so that nothing raises: what has not the right form is None, or empty."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from gateway.domain.calendar import read_portal_date

NOUGHT: Final = Decimal(0)
AMOUNT_MAX: Final = Decimal("99999999999999.99")
"""The largest amount of any member (INV-01)."""

_EMPTY: Final[Mapping[str, Any]] = {}
_STATE: Final = re.compile(r"[0-9]{1,2}", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{2}/[0-9]{2}/[0-9]{4}", re.ASCII)


def amount(value: Any) -> Decimal | None:
    """A number that can be an amount, a rate or a quantity; None for anything else, a negative number among it."""
    if type(value) is int:
        value = Decimal(value)
    return value if type(value) is Decimal and NOUGHT <= value <= AMOUNT_MAX else None


def signed_amount(value: Any) -> Decimal | None:
    """An amount that may be below nought."""
    if type(value) is int:
        value = Decimal(value)
    return value if type(value) is Decimal and -AMOUNT_MAX <= value <= AMOUNT_MAX else None


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


def is_written_as_date(value: Any) -> bool:
    """Whether a text has the form dd/MM/yyyy, be there such a day or not."""
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def state(value: Any) -> int | None:
    """A state code as a number: `7` and `07` are one state."""
    return int(value) if isinstance(value, str) and _STATE.fullmatch(value) else None


def written(value: Decimal) -> str:
    """An amount as a message shows it: no exponent, and two decimals or none where no more are needed."""
    whole, _, decimals = f"{value:f}".partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole}.{decimals.ljust(2, '0')}" if decimals else whole

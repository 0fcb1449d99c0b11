"""Pages of a list: how many rows, from where, and what the next page is asked with."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Self, TypeVar

from fastapi import Request
from fastapi.responses import Response

from gateway.api import presenting
from gateway.domain.identifiers import is_irn
from gateway.errors import Invalid
from gateway.ports import Listed

ROWS: Final = 50
"""Of a page, unless it is asked for otherwise."""
ROWS_MAX: Final = 200
"""Of a page. A longer one takes long to read for both sides."""
_CURSOR_CHARACTERS_MAX: Final = 300
_LIMIT_DIGITS_MAX: Final = 4

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page:
    """What a caller asks for. `mark` is where the page before ended, taken out of its cursor."""

    rows_max: int
    mark: tuple[str, ...]

    @classmethod
    def of(cls, request: Request) -> Self:
        """What stands in the query. Raises Invalid."""
        asked = request.query_params
        return cls(_rows(asked.get("limit", "")), _opened(asked.get("cursor", "")))

    def answer(
        self, name: str, rows: Sequence[Row], show: Callable[[Row], Any], *, mark: Callable[[Row], Sequence[str]]
    ) -> Response:
        """A page under its name, and the cursor of the next one. `rows` has one more than fit, if there are more."""
        here = rows[: self.rows_max]
        following = _sealed(mark(here[-1])) if len(rows) > len(here) else None
        return presenting.respond({name: [show(row) for row in here], "next": following})


def document_mark(row: Listed) -> tuple[str, str]:
    """Where a document stands in its list."""
    return (row.doc_date.isoformat(), row.irn)


def document_after(page: Page) -> tuple[date, str] | None:
    """The document after which the page begins. Raises Invalid."""
    if not page.mark:
        return None
    try:
        day, irn = page.mark
        if is_irn(irn):
            return date.fromisoformat(day), irn
    except ValueError:
        pass
    raise _unknown_cursor()


def day_after(page: Page) -> date | None:
    """The day after which the page begins. Raises Invalid."""
    if not page.mark:
        return None
    try:
        [day] = page.mark
        return date.fromisoformat(day)
    except ValueError:
        raise _unknown_cursor() from None


def operation_after(page: Page, is_id: Callable[[str], object]) -> str | None:
    """The operation after which the page begins. Raises Invalid."""
    if not page.mark:
        return None
    if len(page.mark) != 1 or not is_id(page.mark[0]):
        raise _unknown_cursor()
    return page.mark[0]


def _rows(text: str) -> int:
    if not text:
        return ROWS
    known = text.isascii() and text.isdigit() and len(text) <= _LIMIT_DIGITS_MAX
    if not known or not 1 <= int(text) <= ROWS_MAX:
        raise Invalid("limit-invalid", f"limit is 1 to {ROWS_MAX} rows.", help=f"Leave it out for {ROWS}.")
    return int(text)


def _sealed(mark: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(mark)).encode()).decode().rstrip("=")


def _opened(cursor: str) -> tuple[str, ...]:
    if not cursor:
        return ()
    try:
        if len(cursor) > _CURSOR_CHARACTERS_MAX:
            raise _unknown_cursor()
        mark = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise _unknown_cursor() from None
    if not isinstance(mark, list) or not mark or not all(isinstance(each, str) for each in mark):
        raise _unknown_cursor()
    return tuple(mark)


def _unknown_cursor() -> Invalid:
    return Invalid(
        "cursor-invalid", "That is no cursor of this list.", help="Take `next` from the page before, unchanged."
    )

"""Values that change rarely and are needed for every call: kept for a moment, so that a change still counts at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

KEPT_SECONDS: Final = 1.0
"""A changed limit or route is noticed by every process within this."""

KEPT_MAX: Final = 10_000
"""Values of one kind that are kept; then it starts anew."""

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Values by name. Without a clock nothing is kept. Threads may share it: at worst two look the same thing up."""

    def __init__(self, monotonic: Callable[[], float] | None) -> None:
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, Value]] = {}

    def get(self, name: str, look_up: Callable[[], Value]) -> Value:
        """The value of that name, looked up unless it was within the last moment.

        What was known stands while the database does not answer: a call that is under way does not end for it.
        """
        if self._monotonic is None:
            return look_up()
        now = self._monotonic()
        known = self._known.get(name)
        if known is None or now - known[0] >= KEPT_SECONDS:
            try:
                known = (now, look_up())
            except SQLAlchemyError:
                if known is None:
                    raise
                known = (now, known[1])
            if len(self._known) >= KEPT_MAX:
                self._known.clear()
            self._known[name] = known
        return known[1]

    def forget(self) -> None:
        """Something was changed by ourselves: look everything up anew."""
        self._known.clear()

"""Column types that mean the same on every engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, DateTime, Dialect, Integer
from sqlalchemy.types import TypeDecorator

NO_DEADLINE: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""Stands in `deadline_at` for "none", so that the nearest deadline is found by an index alone."""


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant; SQLite, which has no zones, keeps it as UTC text that sorts.

    A naive time is refused with ValueError: nobody can know what it means.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the driver."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        """From the driver."""
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


Serial = BigInteger().with_variant(Integer, "sqlite")
"""A number that counts up by itself: SQLite does so for INTEGER alone."""

"""What was sent, to be looked at again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from gateway.domain.operations import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A registered document as it was sent."""

    operation_id: str
    gstin: str
    doc_no: str
    doc_date: date
    payload: bytes


class Archive(Protocol):
    """The registered documents of all sellers."""

    def of_period(self, *, environment: Environment, since: date, until: date) -> Iterator[Stored]:
        """Those dated within a period, both days included, by date; read in pages, so that any number can be."""

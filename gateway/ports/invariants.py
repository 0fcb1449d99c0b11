"""Whether what always holds still does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from gateway.domain.invariants import Name

EXAMPLES_MAX: Final = 10
"""Of one invariant: more tell a person nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What breaks an invariant, by id, and how."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How one invariant stands: how often it is broken, with some examples."""

    name: Name
    violations: int
    examples: Sequence[Broken]


class Invariants(Protocol):
    """Questions that change nothing."""

    def check(self, *, newest: int | None, at: datetime) -> Sequence[Found]:
        """Look at everything, or at so many of the newest rows of each kind, while others write. One row for each."""

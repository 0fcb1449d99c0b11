"""By how much an amount may differ from what is computed, as policies with a name.

Each trades off the same two harms. Too strict, and a document is refused here that the portal would have taken. Too
lax, and a call is spent on a refusal. The first is worse, so nothing here is stricter than what the portal was seen
to take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor
from typing import Final

RUPEE: Final = Decimal(1)
PAISA: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """A policy: `accepts(given, exact)` says whether an amount stands for what is computed."""

    name: str
    sentence: str
    source: str
    accepts: Callable[[Decimal, Decimal], bool]


def _a_rupee_beyond_the_whole(given: Decimal, exact: Decimal) -> bool:
    return abs(given - exact) <= RUPEE or floor(exact) - RUPEE <= given <= ceil(exact) + RUPEE


def _to_the_paisa(given: Decimal, exact: Decimal) -> bool:
    return abs(given - exact) < PAISA


RUPEE_BEYOND_THE_WHOLE: Final = Tolerance(
    name="a rupee beyond the whole",
    sentence="From one rupee below the whole rupees of the computed value to one above the next whole rupees.",
    source="NIC's worked examples: 2345.04 takes 2344 to 2347, 10241.00 takes 10240 to 10242",
    accepts=_a_rupee_beyond_the_whole,
)
"""What the portal takes for a computed amount."""

TO_THE_PAISA: Final = Tolerance(
    name="to the paisa",
    sentence="Less than one paisa.",
    source="of the gateway's own: what people expect of a printed document",
    accepts=_to_the_paisa,
)
"""Below this, nobody needs to be told of a difference."""

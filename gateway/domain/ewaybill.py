"""The law of an e-way bill's life: how long it is valid, and what may be done to it when.

Sources: CGST Rules, rule 138 (validity by distance, cancelling, rejecting, extending), and the limits of 01-01-2025 (a
document of at most 180 days, 360 days in all with extensions). The portal's own answer is what counts; what is computed
here is compared with it, and lets a request fail early that the portal would refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.calendar import IST, indian_date

KM_PER_DAY: Final = 200
"""A day of validity for each, or a part of it (rule 138(10), since 01-01-2021)."""
KM_PER_DAY_OVERSIZED: Final = 20
"""The same for over-dimensional cargo, and where one leg goes by ship."""
DISTANCE_KM_MAX: Final = 4000
"""Further than any two places in India lie apart by road; the portal takes no more."""
DOCUMENT_AGE_MAX: Final = timedelta(days=180)
LIFE_MAX: Final = timedelta(days=360)
"""From the day on which it was made to the last day of its last extension."""
CANCEL_WITHIN: Final = timedelta(hours=24)
REJECT_WITHIN: Final = timedelta(hours=72)
EXTEND_AROUND_END: Final = timedelta(hours=8)
"""Before and after the end of validity."""

_LAST_MINUTE: Final = time(23, 59)
_OVERSIZED: Final = "O"
_SHIP: Final = "4"


class Standing(StrEnum):
    """How an e-way bill stands at the portal. That it is over is no standing: its validity tells."""

    ACTIVE = "active"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    CLOSED = "closed"
    """Closed by hand after delivery, which the portal itself does not show."""


class Step(StrEnum):
    """What can be done to an e-way bill that is there."""

    CANCEL = "cancel"
    REJECT = "reject"
    VEHICLE = "vehicle"
    TRANSPORTER = "transporter"
    EXTEND = "extend"
    CONSOLIDATE = "consolidate"
    CLOSE = "close"
    MULTI_VEHICLE = "multi_vehicle"


class Hindrance(StrEnum):
    """Why a step cannot be taken, now or ever. `PORTAL_CODES` has what the portal would say."""

    NOT_ACTIVE = "ewb-not-active"
    OVER = "ewb-validity-over"
    WINDOW_CLOSED = "ewb-window-closed"
    TOO_EARLY = "ewb-too-early"
    NO_VEHICLE = "ewb-without-vehicle"
    TOO_LONG = "ewb-life-too-long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The facts on which the law hangs. `valid_until` is None while no vehicle is entered (Part A alone)."""

    made_at: datetime
    valid_until: datetime | None
    standing: Standing = Standing.ACTIVE


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that cannot be taken: why, and until or from when it could be (None: never)."""

    hindrance: Hindrance
    at: datetime | None = None


PORTAL_CODES: Final[Mapping[tuple[Step, Hindrance], str]] = {
    (Step.CANCEL, Hindrance.NOT_ACTIVE): "312",
    (Step.CANCEL, Hindrance.WINDOW_CLOSED): "315",
    (Step.REJECT, Hindrance.NOT_ACTIVE): "343",
    (Step.REJECT, Hindrance.WINDOW_CLOSED): "346",
    (Step.REJECT, Hindrance.OVER): "345",
    (Step.REJECT, Hindrance.NO_VEHICLE): "348",
    (Step.VEHICLE, Hindrance.NOT_ACTIVE): "312",
    (Step.VEHICLE, Hindrance.OVER): "311",
    (Step.TRANSPORTER, Hindrance.NOT_ACTIVE): "280",
    (Step.TRANSPORTER, Hindrance.OVER): "281",
    (Step.EXTEND, Hindrance.NOT_ACTIVE): "380",
    (Step.EXTEND, Hindrance.NO_VEHICLE): "381",
    (Step.EXTEND, Hindrance.TOO_EARLY): "382",
    (Step.EXTEND, Hindrance.WINDOW_CLOSED): "382",
    (Step.CONSOLIDATE, Hindrance.NOT_ACTIVE): "391",
    (Step.CONSOLIDATE, Hindrance.OVER): "818",
    (Step.MULTI_VEHICLE, Hindrance.NOT_ACTIVE): "653",
    (Step.MULTI_VEHICLE, Hindrance.OVER): "311",
}
"""What the portal answers to a step that comes against the law, where it has a code for it."""

_NEEDS_VALIDITY: Final = frozenset({Step.VEHICLE, Step.TRANSPORTER, Step.CONSOLIDATE, Step.REJECT, Step.MULTI_VEHICLE})
_NEEDS_VEHICLE: Final = frozenset({Step.REJECT, Step.EXTEND})
_WITHIN: Final[Mapping[Step, timedelta]] = {Step.CANCEL: CANCEL_WITHIN, Step.REJECT: REJECT_WITHIN}


def is_oversized(*, vehicle_type: str | None, mode: str | None) -> bool:
    """Whether the short distance per day holds: over-dimensional cargo (vehicle type O), or a leg by ship (mode 4)."""
    return vehicle_type == _OVERSIZED or mode == _SHIP


def days_of_validity(distance_km: int, *, oversized: bool) -> int:
    """A day for each 200 km or part of it, for each 20 km where `oversized`; at least one."""
    per_day = KM_PER_DAY_OVERSIZED if oversized else KM_PER_DAY
    return max(1, -(-distance_km // per_day))


def valid_until(start: datetime, *, distance_km: int, oversized: bool) -> datetime:
    """The last minute of validity: 23:59 IST of the day of `start` plus the days that the distance gives.

    `start` is when the first vehicle was entered, or when validity was extended (then `distance_km` is what is left).
    A day ends at the midnight after the day on which it began, so whatever is made at 00:01 has nearly 48 hours.
    """
    last = indian_date(start) + timedelta(days=days_of_validity(distance_km, oversized=oversized))
    return datetime.combine(last, _LAST_MINUTE, tzinfo=IST)


def extension_window(ends_at: datetime) -> tuple[datetime, datetime]:
    """When validity may be extended: from 8 hours before its end to 8 hours after."""
    return ends_at - EXTEND_AROUND_END, ends_at + EXTEND_AROUND_END


def deadline(step: Step, bill: Bill) -> datetime | None:
    """The last instant for a step; None where the law names none."""
    if step in _WITHIN:
        return bill.made_at + _WITHIN[step]
    if step is Step.EXTEND and bill.valid_until is not None:
        return extension_window(bill.valid_until)[1]
    return bill.valid_until if step in _NEEDS_VALIDITY else None


def refusal(step: Step, bill: Bill, *, at: datetime, extended_until: datetime | None = None) -> Refusal | None:
    """Why `step` cannot be taken at this instant, or None. `extended_until` is the end that an extension would give."""
    if bill.standing is not Standing.ACTIVE:
        return Refusal(Hindrance.NOT_ACTIVE)
    if step in _NEEDS_VEHICLE and bill.valid_until is None:
        return Refusal(Hindrance.NO_VEHICLE)
    if step in _WITHIN and at > bill.made_at + _WITHIN[step]:
        return Refusal(Hindrance.WINDOW_CLOSED, bill.made_at + _WITHIN[step])
    if step in _NEEDS_VALIDITY and bill.valid_until is not None and at > bill.valid_until:
        return Refusal(Hindrance.OVER, bill.valid_until)
    if step is Step.EXTEND and bill.valid_until is not None:
        return _no_extension(bill.made_at, bill.valid_until, at=at, until=extended_until)
    return None


def document_is_too_old(document_date: date, *, on: date) -> bool:
    """Whether no e-way bill is made for a document of that date any more: after 180 days (since 01-01-2025)."""
    return on - document_date > DOCUMENT_AGE_MAX


def _no_extension(made_at: datetime, ends_at: datetime, *, at: datetime, until: datetime | None) -> Refusal | None:
    opens_at, closes_at = extension_window(ends_at)
    if at < opens_at:
        return Refusal(Hindrance.TOO_EARLY, opens_at)
    if at > closes_at:
        return Refusal(Hindrance.WINDOW_CLOSED, closes_at)
    last_day = indian_date(made_at) + LIFE_MAX
    if until is not None and indian_date(until) > last_day:
        return Refusal(Hindrance.TOO_LONG, datetime.combine(last_day, _LAST_MINUTE, tzinfo=IST))
    return None

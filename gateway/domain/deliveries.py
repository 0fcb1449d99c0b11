"""Deliveries: an event to one endpoint. When it is tried again, and when that ends. Schedules are data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Every attempt of its schedule failed. Somebody is told, and may have it sent again."""
    CANCELLED = "cancelled"
    """Its endpoint was changed, disabled or deleted before it arrived."""


class Verdict(StrEnum):
    """What a receiver's answer, or its silence, means for a delivery."""

    DELIVERED = "delivered"
    """2xx."""
    FAILED = "failed"
    """Everything that is nothing else: 3xx, 4xx, 5xx, no answer, no connection, no name."""
    GONE = "gone"
    """410: the endpoint wants nothing any more."""
    SLOW_DOWN = "slow down"
    """429, 502 or 504: the endpoint is overloaded, not wrong."""
    REFUSED_ADDRESS = "refused address"
    """The URL leads where the gateway does not go. Nothing was sent."""


class DisabledCause(StrEnum):
    """Why an endpoint gets nothing."""

    OWNER = "owner"
    GONE = "gone"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Policy:
    """How long to wait after the first, second, third … failure in a row, in seconds. After the last there is none."""

    waits: Sequence[int]


POLICIES: Final[Mapping[str, Policy]] = {
    "default": Policy(waits=(60, 300, 1800, 3600, 21_600)),
    "patient": Policy(waits=(5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)),
    "brisk": Policy(waits=(1, 2, 3, 5, 8)),
}
"""By name. `default` is over after seven and a half hours, `patient` after three days, as Standard Webhooks advises;
`brisk` is for the test environment, where a developer should see a recovery and not wait for it."""
TEST_POLICIES: Final = frozenset({"brisk"})
"""Not for the live environment: a receiver that is down for a deployment would miss everything."""

JITTER_PERCENT_MAX: Final = 20
"""Added to a wait, so that what failed together is not tried again together."""
CHANCES: Final = 1_000_000
"""Jitter is drawn from 0 to this."""
RETRY_AFTER_FACTOR_MAX: Final = 2
"""An endpoint may ask for up to so many times the wait that is due."""
SLOWED_MAX: Final = timedelta(seconds=60)
"""Longest pause of everything for an endpoint that says it is too much; then it is asked again, once."""
FAILING_MAX: Final = timedelta(days=5)
"""An endpoint that failed for so long, without one success, is disabled (Standard Webhooks: several days)."""
LOSSES_MAX: Final = 3
"""Attempts in a row that ended with their process before one counts as a failure: a worker's death is not the
receiver's fault, but what kills a worker each time must end too."""


PROMPT_MS_MAX: Final = 1_000
"""A receiver that takes longer works before it answers, or stands still: it is to hold up only others like it."""


@dataclass(frozen=True, slots=True)
class EndpointLane:
    """The queue of one endpoint, as that stands: those that took their last message promptly have threads of their own.

    All others are on trial: endpoints that fail, that are slow, and new ones. They hold up nobody but each other.
    """

    endpoint_id: str
    prompt: bool = False

    def __str__(self) -> str:
        return self.row if self.prompt else f"webhook-trial:{self.endpoint_id}"

    @property
    def row(self) -> str:
        """Its row in SQL, which is the same whatever its standing."""
        return f"webhook:{self.endpoint_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One row of `deliveries`. `failures` and `losses` count since its schedule began, `attempts` all there were."""

    id: str
    webhook_id: str
    event_id: str
    status: DeliveryStatus
    attempts: int
    failures: int
    losses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a row becomes. `slowed_until`: nothing else is sent to the endpoint before."""

    status: DeliveryStatus
    due_at: datetime | None
    failures: int
    losses: int
    slowed_until: datetime | None = None


def settle(
    delivery: Delivery, verdict: Verdict, *, policy: Policy, chance: int, at: datetime, retry_after_seconds: int | None
) -> Progress:
    """What an attempt's verdict makes of a delivery. `chance` is drawn evenly from 0 to CHANCES."""
    if verdict is Verdict.DELIVERED:
        return Progress(status=DeliveryStatus.DELIVERED, due_at=None, failures=0, losses=0)
    if verdict is Verdict.GONE:
        return Progress(status=DeliveryStatus.CANCELLED, due_at=None, failures=delivery.failures + 1, losses=0)
    failures = delivery.failures + 1
    wait = waits(policy, failures=failures, chance=chance, retry_after_seconds=retry_after_seconds)
    slowed = verdict is Verdict.SLOW_DOWN
    if wait is None:
        status, until = DeliveryStatus.DEAD, at + SLOWED_MAX
        return Progress(status=status, due_at=None, failures=failures, losses=0, slowed_until=until if slowed else None)
    return Progress(
        status=DeliveryStatus.PENDING,
        due_at=at + wait,
        failures=failures,
        losses=0,
        slowed_until=at + min(wait, SLOWED_MAX) if slowed else None,
    )


def lost(delivery: Delivery, *, policy: Policy, chance: int, at: datetime) -> Progress:
    """What becomes of a delivery whose process died during an attempt: it is sent again at once, up to a point."""
    if delivery.losses + 1 < LOSSES_MAX:
        return Progress(
            status=DeliveryStatus.PENDING, due_at=at, failures=delivery.failures, losses=delivery.losses + 1
        )
    return settle(delivery, Verdict.FAILED, policy=policy, chance=chance, at=at, retry_after_seconds=None)


def waits(policy: Policy, *, failures: int, chance: int, retry_after_seconds: int | None = None) -> timedelta | None:
    """How long to wait after so many failures in a row: the policy's, a little longer by chance; None after the last.

    What the endpoint asks for counts up to twice the policy's.
    """
    if failures > len(policy.waits):
        return None
    seconds = policy.waits[failures - 1]
    jitter = timedelta(microseconds=seconds * 10_000 * JITTER_PERCENT_MAX * chance // CHANCES)
    asked = min(retry_after_seconds or 0, RETRY_AFTER_FACTOR_MAX * seconds)
    return max(timedelta(seconds=seconds) + jitter, timedelta(seconds=asked))


def is_prompt(verdict: Verdict, *, duration_ms: int) -> bool:
    """Whether a receiver took a message without keeping its sender waiting."""
    return verdict is Verdict.DELIVERED and duration_ms <= PROMPT_MS_MAX


def has_failed_too_long(failing_since: datetime | None, *, at: datetime) -> bool:
    """Whether an endpoint is to be disabled."""
    return failing_since is not None and at - failing_since >= FAILING_MAX

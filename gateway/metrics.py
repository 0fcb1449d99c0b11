"""What Prometheus may ask: every measure, once, with its labels. No label names a client, a taxpayer or a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.domain.deliveries import EndpointLane
from gateway.domain.operations import Operation
from gateway.domain.outcomes import Outcome
from gateway.domain.settlement import Settlement
from gateway.ports import Attempt, Claim, Clock, Deliveries, DeliveryAttempt, Limiter, Sent, Work
from gateway.ports.calls import Caller

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
CALL_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
ATTEMPT_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
WAIT_SECONDS: Final = (0.01, 0.1, 0.5, 1, 2, 5, 15, 60, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measure: its kind, its labels, which process gives it, and what it tells."""

    name: str
    kind: type[Counter | Gauge | Histogram]
    labels: tuple[str, ...]
    process: str
    help: str
    buckets: Sequence[float] = ()


MEASURES: Final = (
    Measure(
        name="mohar_http_requests",
        kind=Histogram,
        labels=("method", "route", "status"),
        process="api",
        help="Requests that were answered, and the seconds that each took.",
        buckets=CALL_SECONDS,
    ),
    Measure(
        name="mohar_attempts",
        kind=Histogram,
        labels=("route", "meaning"),
        process="worker",
        help="Tries at a portal by what they meant, and the seconds that each took.",
        buckets=ATTEMPT_SECONDS,
    ),
    Measure(
        name="mohar_permit_waits",
        kind=Histogram,
        labels=("direct",),
        process="worker",
        help="Asks for a permit of the shared limit that found none, and the seconds to wait for one.",
        buckets=WAIT_SECONDS,
    ),
    Measure(
        name="mohar_delivery_attempts",
        kind=Histogram,
        labels=("verdict", "status"),
        process="worker",
        help="Tries at receivers of webhooks by what was answered and what the delivery became by it, and the seconds "
        "that each took.",
        buckets=ATTEMPT_SECONDS,
    ),
    Measure(
        name="mohar_operations_unsettled",
        kind=Gauge,
        labels=("kind", "status"),
        process="api",
        help="Operations that are not settled.",
    ),
    Measure(
        name="mohar_oldest_doubt_seconds",
        kind=Gauge,
        labels=(),
        process="api",
        help="Age of the oldest doubt about what a portal did; 0 without any. Alarm at an hour.",
    ),
    Measure(
        name="mohar_oldest_due_seconds",
        kind=Gauge,
        labels=(),
        process="api",
        help="Since when the oldest row is due that nobody works on; 0 without any.",
    ),
    Measure(
        name="mohar_deliveries",
        kind=Gauge,
        labels=("status",),
        process="api",
        help="Deliveries that are pending, and those of 90 days that are dead. Alarm when the dead grow.",
    ),
    Measure(
        name="mohar_oldest_due_delivery_seconds",
        kind=Gauge,
        labels=("receivers",),
        process="api",
        help="Since when the oldest delivery is due that nobody works on; 0 without any. For `prompt` receivers it is "
        "the gateway's lag, alarm at a minute; all others, on `trial`, keep their own waiting.",
    ),
    Measure(
        name="mohar_webhooks",
        kind=Gauge,
        labels=("standing",),
        process="api",
        help="Webhooks: enabled, failing (enabled, but the last attempt failed), disabled_owner, disabled_gone "
        "(answered 410), disabled_failing (failed for five days).",
    ),
    Measure(
        name="mohar_audit_unsealed",
        kind=Gauge,
        labels=(),
        process="api",
        help="Audit records under no seal yet.",
    ),
    Measure(
        name="mohar_audit_seal_lag_seconds",
        kind=Gauge,
        labels=(),
        process="api",
        help="Age of the oldest audit record under no seal; 0 without any. Alarm at a minute.",
    ),
    Measure(
        name="mohar_invariant_violations",
        kind=Gauge,
        labels=("invariant",),
        process="sweeper",
        help="What breaks an invariant among the newest thousand rows of each kind, looked at every 300 sweeps by the "
        "leader alone. Alarm above 0, then run `mohar invariants`, which looks at everything.",
    ),
    Measure(
        name="mohar_sweep_found",
        kind=Counter,
        labels=("what",),
        process="sweeper",
        help="What sweeps found: leases, expired, rung, reaped, sealed.",
    ),
)


class Metrics:
    """The measures of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._made = {measure.name: _made(measure, self._registry) for measure in MEASURES}

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add one observation to a histogram."""
        self._of(name, labels).observe(value)

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Add to a counter."""
        self._of(name, labels).inc(by)

    def put(self, name: str, values: Mapping[tuple[str, ...], float]) -> None:
        """Set a gauge for all its labels anew: what is not named is gone."""
        gauge = self._made[name]
        if not gauge._labelnames:  # noqa: SLF001  the library has no word for it
            gauge.set(values.get((), 0))
            return
        gauge.clear()
        for labels, value in values.items():
            gauge.labels(*labels).set(value)

    def text(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self._registry)

    @property
    def registry(self) -> CollectorRegistry:
        """For a server of its own."""
        return self._registry

    def _of(self, name: str, labels: Mapping[str, str]) -> Any:
        made = self._made[name]
        return made.labels(**labels) if labels else made


def _made(measure: Measure, registry: CollectorRegistry) -> Any:
    more: dict[str, Any] = {"buckets": measure.buckets} if measure.buckets else {}
    name = f"{measure.name}_seconds" if measure.kind is Histogram else measure.name
    return measure.kind(name, measure.help, measure.labels, registry=registry, **more)


def table() -> str:
    """The measures, in Markdown."""
    lines = ["| measure | kind | labels | process | what it tells |", "|---|---|---|---|---|"]
    for measure in MEASURES:
        kind = measure.kind.__name__.lower()
        name = {"histogram": f"{measure.name}_seconds", "counter": f"{measure.name}_total"}.get(kind, measure.name)
        labels = ", ".join(f"`{label}`" for label in measure.labels)
        lines.append(f"| `{name}` | {kind} | {labels} | {measure.process} | {measure.help} |")
    return "\n".join(lines) + "\n"


class MeteredWork:
    """`ports.Work`, with the tries measured."""

    def __init__(self, work: Work, *, metrics: Metrics, clock: Clock) -> None:
        self._work = work
        self._metrics = metrics
        self._clock = clock
        self._began: dict[str, float] = {}

    def begin_attempt(self, claim: Claim, *, route: str, worker: str, at: datetime) -> Attempt:
        """See `ports.Work`."""
        attempt = self._work.begin_attempt(claim, route=route, worker=worker, at=at)
        self._began[attempt.id] = self._clock.monotonic()
        return attempt

    def record(self, attempt: Attempt, settlement: Settlement, outcome: Outcome, *, at: datetime) -> Operation:
        """See `ports.Work`."""
        began = self._began.pop(attempt.id, None)
        operation = self._work.record(attempt, settlement, outcome, at=at)
        if began is not None:
            seconds = self._clock.monotonic() - began
            self._metrics.observe("mohar_attempts", seconds, route=attempt.route, meaning=outcome.meaning.value)
        return operation

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)


class MeteredDeliveries:
    """`ports.Deliveries`, with the tries measured."""

    def __init__(self, deliveries: Deliveries, *, metrics: Metrics) -> None:
        self._deliveries = deliveries
        self._metrics = metrics

    def take(self, lane: EndpointLane, *, after: Sent | None = None, **named: Any) -> DeliveryAttempt | None:
        """See `ports.Deliveries`."""
        taken = self._deliveries.take(lane, after=after, **named)
        if after is not None:
            self._observe(after)
        return taken

    def record(self, sent: Sent) -> bool:
        """See `ports.Deliveries`."""
        held = self._deliveries.record(sent)
        self._observe(sent)
        return held

    def _observe(self, sent: Sent) -> None:
        labels = {"verdict": sent.answer.verdict.value, "status": sent.progress.status.value}
        self._metrics.observe("mohar_delivery_attempts", sent.answer.duration_ms / 1000, **labels)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deliveries, name)


class MeteredLimiter:
    """`ports.Limiter`, with the waits measured."""

    def __init__(self, limiter: Limiter, *, metrics: Metrics) -> None:
        self._limiter = limiter
        self._metrics = metrics

    def take(self, buckets: Mapping[str, Any], caller: Caller) -> float:
        """See `ports.Limiter`."""
        wait = self._limiter.take(buckets, caller)
        if wait > 0:
            self._metrics.observe("mohar_permit_waits", wait, direct=str(caller.direct).lower())
        return wait

    def __getattr__(self, name: str) -> Any:
        return getattr(self._limiter, name)

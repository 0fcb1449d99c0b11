"""What Prometheus is told of webhooks: the tables as they stand, and the tries as they were made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.deliveries import DeliveryStatus, EndpointLane, Verdict
from gateway.metrics import MeteredDeliveries, Metrics
from gateway.ports import Selection
from gateway.storage.gauges import SqlGauges
from tests.contract.delivery_kit import HOOK, LEASE, Receivers
from tests.contract.storage_kit import Storage

ONLY = ("irn.generated",)


@pytest.fixture
def receivers(storage: Storage) -> Receivers:
    """A client with one endpoint."""
    made = Receivers(storage)
    made.add(types=ONLY)
    return made


def read(receivers: Receivers, measure: str) -> dict[tuple[str, ...], float]:
    """A gauge, now."""
    storage = receivers.storage
    return dict(SqlGauges(storage.database).read(at=storage.clock.now())[measure])


def test_pending_and_dead_are_counted(receivers: Receivers) -> None:
    """Each by itself; what was delivered, or died and was sent again, is in neither."""
    receivers.hear()
    receivers.happen()
    receivers.exhaust()
    receivers.happen()
    assert read(receivers, "mohar_deliveries") == {("pending",): 1, ("dead",): 1}
    dead = Selection(statuses=(DeliveryStatus.DEAD,), rows_max=10)
    receivers.storage.endpoints.replay(HOOK, dead, record=receivers.record())
    assert read(receivers, "mohar_deliveries") == {("pending",): 2, ("dead",): 0}


def test_the_lag_of_prompt_receivers_is_told_apart(receivers: Receivers) -> None:
    """Of each side the oldest that nobody works on; an endpoint that asked for a pause has no lag."""
    assert read(receivers, "mohar_oldest_due_delivery_seconds") == {("prompt",): 0, ("trial",): 0}
    receivers.add("whk_new", types=ONLY)
    receivers.hear()
    receivers.storage.clock.step(seconds=7)
    receivers.happen()
    receivers.storage.clock.step(seconds=5)
    assert read(receivers, "mohar_oldest_due_delivery_seconds") == {("prompt",): 5, ("trial",): 12}
    receivers.taken()
    assert read(receivers, "mohar_oldest_due_delivery_seconds") == {("prompt",): 0, ("trial",): 12}
    receivers.settle(receivers.taken("whk_new"), Verdict.SLOW_DOWN)
    assert read(receivers, "mohar_oldest_due_delivery_seconds") == {("prompt",): 0, ("trial",): 0}


def test_endpoints_are_counted_by_their_standing(receivers: Receivers) -> None:
    """Enabled, failing, or disabled and by whom; deleted ones are not."""
    for name in ("whk_off", "whk_gone", "whk_failing", "whk_deleted"):
        receivers.add(name, types=ONLY)
    receivers.happen()
    receivers.settle(receivers.taken("whk_gone"), Verdict.GONE)
    receivers.settle(receivers.taken("whk_failing"), Verdict.FAILED)
    receivers.storage.endpoints.disable("whk_off", record=receivers.record())
    receivers.storage.endpoints.remove("whk_deleted", record=receivers.record())
    assert read(receivers, "mohar_webhooks") == {
        ("enabled",): 1,
        ("failing",): 1,
        ("disabled_gone",): 1,
        ("disabled_owner",): 1,
    }


def test_every_try_is_measured_once(receivers: Receivers) -> None:
    """By what was answered and what the delivery became, whether it is recorded alone or with the next one's taking."""
    metrics, storage = Metrics(), receivers.storage
    metered: Any = MeteredDeliveries(storage.deliveries, metrics=metrics)
    receivers.happen("A/1")
    receivers.happen("A/2")
    at = storage.clock.now()
    named = {"worker": "worker-1", "at": at, "lease_until": at + LEASE, "leases_max": 1}
    first = metered.take(EndpointLane(HOOK), **named)
    second = metered.take(EndpointLane(HOOK), **named, after=receivers.sent(first, Verdict.DELIVERED, duration_ms=1500))
    metered.record(receivers.sent(second, Verdict.FAILED, duration_ms=250))
    text = metrics.text().decode()
    assert 'mohar_delivery_attempts_seconds_sum{status="delivered",verdict="delivered"} 1.5' in text
    assert 'mohar_delivery_attempts_seconds_sum{status="pending",verdict="failed"} 0.25' in text
    assert text.count("mohar_delivery_attempts_seconds_count{") == 2
    assert metered.end_expired_leases(at=at + timedelta(minutes=1), rows_max=9) == 0

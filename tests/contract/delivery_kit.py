"""Endpoints and deliveries on one database, and the steps that many tests take with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.domain import deliveries as schedule
from gateway.domain.audit import Action
from gateway.domain.deliveries import POLICIES, EndpointLane, Progress, Verdict
from gateway.domain.operations import Environment, Operation
from gateway.domain.outcomes import Meaning
from gateway.ports import DeliveryAttempt, Endpoint, Sent
from gateway.storage import tables
from tests.contract.storage_kit import Storage
from tests.support import CLIENT, GSTIN, ORG, client, grant, new_operation, record, registration
from tests.support_hooks import answer

HOOK: Final = "whk_" + "1" * 26
SECRET: Final = "whsec_" + "QUJD" * 10
LEASE: Final = timedelta(seconds=45)


def endpoint(id: str = HOOK, **members: Any) -> Endpoint:
    """An endpoint that wants everything of the seller."""
    filled: dict[str, Any] = {
        "id": id,
        "environment": Environment.TEST,
        "org_id": ORG,
        "client_id": CLIENT,
        "name": "erp",
        "url": "https://erp.example/hooks",
        "types": (),
        "gstins": (GSTIN,),
        "policy": "default",
        "headers": {},
        "disabled_cause": None,
        "failing_since": None,
        "created_at": datetime(2026, 11, 20, 6, 30).astimezone(),
        "updated_at": datetime(2026, 11, 20, 6, 30).astimezone(),
    }
    return Endpoint(**filled | members)


class Receivers:
    """A client with endpoints, and what is sent to them."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        storage.directory.add_client(
            client(), [grant(GSTIN, "webhooks", "read")], record=record("aud_cli", action=Action.CLIENT_ADDED)
        )
        self._count = 0

    def add(self, id: str = HOOK, **members: Any) -> Endpoint:
        """A new endpoint."""
        made = endpoint(id, **members)
        self.storage.endpoints.add(made, secret=SECRET, endpoints_max=20, record=self.record(Action.WEBHOOK_ADDED))
        return made

    def record(self, action: Action = Action.WEBHOOK_CHANGED) -> Any:
        """An audit record of the client's doing, now."""
        self._count += 1
        return record(f"aud_hook{self._count}", action=action, subject=HOOK, at=self.storage.clock.now())

    def happen(self, doc_no: str | None = None, meaning: Meaning = Meaning.REGISTERED) -> Operation:
        """An operation comes to an end, and its event is written."""
        self._count += 1
        new = new_operation(doc_no or f"H/{self._count}")
        self.storage.accept(new)
        facts = {"result": registration(new)} if meaning is Meaning.REGISTERED else {}
        return self.storage.settle(self.storage.begin(), meaning, **facts)

    def take(self, id: str = HOOK, *, leases_max: int = 2, after: Sent | None = None) -> DeliveryAttempt | None:
        """Lease the next delivery, if there is one."""
        at = self.storage.clock.now()
        return self.storage.deliveries.take(
            EndpointLane(id), worker="worker-1", at=at, lease_until=at + LEASE, leases_max=leases_max, after=after
        )

    def taken(self, id: str = HOOK) -> DeliveryAttempt:
        """Lease the next delivery, which is there."""
        attempt = self.take(id)
        assert attempt is not None
        return attempt

    def hear(self, *ids: str) -> None:
        """Each of the endpoints takes a message promptly."""
        self.happen()
        for id in ids or (HOOK,):
            self.settle(self.taken(id), Verdict.DELIVERED)

    def settle(self, attempt: DeliveryAttempt, verdict: Verdict, **members: Any) -> bool:
        """Record what came of an attempt."""
        return self.storage.deliveries.record(self.sent(attempt, verdict, **members))

    def sent(self, attempt: DeliveryAttempt, verdict: Verdict, **members: Any) -> Sent:
        """An attempt that is over, now."""
        progress = self.progress(attempt, verdict)
        return Sent(attempt=attempt, answer=answer(verdict, **members), progress=progress, at=self.storage.clock.now())

    def progress(self, attempt: DeliveryAttempt, verdict: Verdict) -> Progress:
        """What the schedule makes of it, without jitter."""
        return schedule.settle(
            attempt.delivery,
            verdict,
            policy=POLICIES[attempt.policy],
            chance=0,
            at=self.storage.clock.now(),
            retry_after_seconds=None,
        )

    def wait_until_due(self) -> None:
        """Let the time pass until the next delivery to HOOK is due."""
        due = min(row["due_at"] for row in self.rows() if row["webhook_id"] == HOOK and row["due_at"] is not None)
        self.storage.clock.sleep(max(0.0, (due - self.storage.clock.now()).total_seconds()))

    def exhaust(self) -> None:
        """Fail until nothing is due to HOOK any more."""
        while any(row["due_at"] is not None for row in self.rows() if row["webhook_id"] == HOOK):
            self.wait_until_due()
            self.settle(self.taken(), Verdict.FAILED)

    def rows(self) -> list[dict[str, Any]]:
        """The deliveries there are, in the order of their events."""
        return sorted(self.storage.rows(tables.deliveries), key=lambda row: (row["position"], row["webhook_id"]))

    def attempts(self) -> list[dict[str, Any]]:
        """Every attempt on record."""
        return sorted(self.storage.rows(tables.delivery_attempts), key=lambda row: (row["delivery_id"], row["number"]))

    def types(self) -> list[str]:
        """The types of all events, in their order."""
        rows: list[Mapping[str, Any]] = self.storage.rows(tables.events)
        return [row["type"] for row in sorted(rows, key=lambda row: row["position"])]

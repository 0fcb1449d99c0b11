"""Deliveries as workers and time move them: take, record, bring back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, func, or_, select, update

from gateway import correlation
from gateway.domain import deliveries as schedule
from gateway.domain.audit import Action, Record
from gateway.domain.deliveries import (
    CHANCES,
    POLICIES,
    Delivery,
    DeliveryStatus,
    DisabledCause,
    EndpointLane,
    Progress,
    Verdict,
)
from gateway.domain.events import RETENTION, Announcement, EventType
from gateway.domain.identifiers import AUDIT_PREFIX, DELIVERY_ATTEMPT_PREFIX
from gateway.domain.operations import Environment, Operation
from gateway.ports import DeliveryAttempt, Dispatch, Ids, Sent, Vault
from gateway.storage import audit, endpoint_rows, events
from gateway.storage.database import Database
from gateway.storage.delivery_queries import (
    DUE,
    END_ATTEMPT,
    HELD,
    INSERT_ATTEMPT,
    LEASE,
    LOCK_WEBHOOK,
    QUIET,
    WAITING,
    WEBHOOK,
)
from gateway.storage.recent import Recent
from gateway.storage.tables import deliveries, delivery_attempts, lanes, operations, webhooks
from gateway.storage.tables import events as events_table

log = logging.getLogger(__name__)

_LOST: Final = "lost"
"""Stands for the error of an attempt whose process died."""
_ACTOR: Final = "deliveries"


class SqlDeliveries:
    """Implements `ports.Deliveries`."""

    def __init__(
        self, database: Database, vault: Vault, ids: Ids, *, monotonic: Callable[[], float] | None = None
    ) -> None:
        self._database = database
        self._vault = vault
        self._ids = ids
        self._secrets: Recent[tuple[str, ...]] = Recent(monotonic)

    def take(
        self,
        lane: EndpointLane,
        *,
        worker: str,
        at: datetime,
        lease_until: datetime,
        leases_max: int,
        after: Sent | None = None,
    ) -> DeliveryAttempt | None:
        """See `ports.Deliveries`."""
        leased = {"lease_token": self._ids.new(""), "lease_until": lease_until, "lease_owner": worker}

        def work(connection: Connection) -> DeliveryAttempt | None:
            if after is not None:
                self._record(connection, after)
            return self._take(connection, lane, leased, at, leases_max)

        return self._database.write(work)

    def record(self, sent: Sent) -> bool:
        """See `ports.Deliveries`."""
        return self._database.write(lambda connection: self._record(connection, sent))

    def end_expired_leases(self, *, at: datetime, rows_max: int) -> int:
        """See `ports.Deliveries`."""
        over = select(deliveries.c.id).where(deliveries.c.lease_until < at)
        with self._database.read() as connection:
            ids = connection.execute(over.order_by(deliveries.c.lease_until).limit(rows_max)).scalars().all()
        for id in ids:
            self._database.write(partial(self._end_lease, id=id, at=at))
        return len(ids)

    def due_lanes(self, *, at: datetime) -> Sequence[EndpointLane]:
        """See `ports.Deliveries`. One look into the index for each endpoint, however many rows wait there."""
        first = (
            select(deliveries.c.id)
            .where(deliveries.c.webhook_id == webhooks.c.id, deliveries.c.due_at <= at, WAITING)
            .order_by(deliveries.c.due_at)
            .limit(1)
            .scalar_subquery()
        )
        free = or_(lanes.c.bulk_blocked_until.is_(None), lanes.c.bulk_blocked_until <= at)
        query = (
            select(webhooks.c.id.label("webhook_id"), webhooks.c.prompt_since)
            .join(lanes, lanes.c.lane == "webhook:" + webhooks.c.id)
            .where(free, first.isnot(None))
        )
        with self._database.read() as connection:
            return [_lane(row) for row in connection.execute(query).mappings()]

    def lanes_of(self, operation: Operation) -> Sequence[EndpointLane]:
        """See `ports.Deliveries`."""
        query = (
            select(deliveries.c.webhook_id, webhooks.c.prompt_since)
            .join(webhooks, webhooks.c.id == deliveries.c.webhook_id)
            .join(events_table, events_table.c.id == deliveries.c.event_id)
            .where(events_table.c.operation_id == operation.id, events_table.c.version == operation.version)
        )
        with self._database.read() as connection:
            return [_lane(row) for row in connection.execute(query).mappings()]

    def tidy(self, *, at: datetime, rows_max: int) -> int:
        """See `ports.Deliveries`. What an endpoint was still owed when it ended is found within a minute."""
        ended = select(webhooks.c.id).where(
            or_(webhooks.c.disabled_cause.isnot(None), webhooks.c.deleted_at.isnot(None))
        )
        stranded = deliveries.c.webhook_id.in_(ended) & WAITING
        past = select(events_table.c.id).where(events_table.c.at < at - RETENTION)
        some = past.order_by(events_table.c.at).limit(rows_max)

        def work(connection: Connection) -> int:
            cancelled = connection.execute(
                update(deliveries).where(stranded).values(QUIET | {"settled_at": at})
            ).rowcount
            old = connection.execute(some).scalars().all()
            sent = select(deliveries.c.id).where(deliveries.c.event_id.in_(old))
            connection.execute(delete(delivery_attempts).where(delivery_attempts.c.delivery_id.in_(sent)))
            connection.execute(delete(deliveries).where(deliveries.c.event_id.in_(old)))
            connection.execute(delete(events_table).where(events_table.c.id.in_(old)))
            return cancelled + len(old)

        return self._database.write(work)

    def _take(
        self, connection: Connection, lane: EndpointLane, leased: dict[str, Any], at: datetime, leases_max: int
    ) -> DeliveryAttempt | None:
        here = {"webhook": lane.endpoint_id, "at": at}
        webhook = connection.execute(WEBHOOK, here | {"lane": lane.row}).mappings().first()
        if webhook is None:
            return None
        prompt = webhook["prompt_since"] is not None
        if lane.prompt and not prompt:
            return None
        room = leases_max if prompt else 1
        due = connection.execute(DUE, here | {"leases_max": room}).mappings().all()
        if not due:
            return None
        row = due[0]
        number = row["attempts"] + 1
        connection.execute(LEASE, leased | {"attempts": number, "held_id": row["id"]})
        began = {
            "id": self._ids.new(DELIVERY_ATTEMPT_PREFIX),
            "delivery_id": row["id"],
            "number": number,
            "worker": leased["lease_owner"],
            "url": webhook["url"],
            "began_at": at,
        }
        connection.execute(INSERT_ATTEMPT, began)
        return DeliveryAttempt(
            id=began["id"],
            number=number,
            delivery=_read(row, attempts=number),
            token=leased["lease_token"],
            lease_until=leased["lease_until"],
            policy=webhook["policy"],
            dispatch=self._dispatch(connection, webhook, row, at=at),
            request_id=row["request_id"] or "",
            trace_id=row["trace_id"] or "",
            prompt=prompt,
            more=len(due) > 1,
        )

    def _dispatch(self, connection: Connection, webhook: RowMapping, row: RowMapping, *, at: datetime) -> Dispatch:
        """What the wire needs to send a row to its endpoint as that is now.

        Its secrets may be a moment old, but not older than its last change: whoever has been given a new secret can
        verify whatever is taken from then on.
        """
        changed = f"{webhook['id']} {webhook['updated_at']}"
        return Dispatch(
            url=webhook["url"],
            environment=Environment(webhook["environment"]),
            headers=endpoint_rows.headers(webhook, vault=self._vault),
            secrets=self._secrets.get(
                changed, lambda: endpoint_rows.secrets(connection, webhook["id"], vault=self._vault, at=at)
            ),
            message_id=row["event_id"],
            body=row["body"].encode(),
        )

    def _record(self, connection: Connection, sent: Sent) -> bool:
        attempt, answer, progress, at = sent.attempt, sent.answer, sent.progress, sent.at
        prompt = schedule.is_prompt(answer.verdict, duration_ms=answer.duration_ms)
        if not (prompt and attempt.prompt):
            connection.execute(LOCK_WEBHOOK, {"webhook": attempt.delivery.webhook_id})
        ended = {
            "ended_at": at,
            "verdict": answer.verdict.value,
            "status": answer.status,
            "error": answer.error,
            "excerpt": answer.excerpt,
            "duration_ms": answer.duration_ms,
        }
        connection.execute(END_ATTEMPT, ended | {"ended_id": attempt.id})
        held = {"held_id": attempt.delivery.id, "held_token": attempt.token}
        changed = _settled(progress, at=at) | {"last_status": answer.status, "last_error": answer.error}
        row = connection.execute(HELD, held | changed).mappings().first()
        if row is None:  # its lease ended, or it was cancelled meanwhile
            extra = {"delivery": attempt.delivery.id}
            with correlation.about(attempt.request_id, trace=attempt.trace_id):
                log.warning("delivery is no longer ours, its receiver may get it again", extra=extra)
            return False
        if answer.verdict is not Verdict.DELIVERED:
            self._failed(connection, row, gone=answer.verdict is Verdict.GONE, at=at)
        elif not (prompt and attempt.prompt):
            since = func.coalesce(webhooks.c.prompt_since, at) if prompt else None
            well = {"failing_since": None, "prompt_since": since}
            connection.execute(update(webhooks).where(webhooks.c.id == row["webhook_id"]).values(well))
        if progress.slowed_until is not None:
            lane = lanes.c.lane == EndpointLane(row["webhook_id"]).row
            connection.execute(update(lanes).where(lane).values(bulk_blocked_until=progress.slowed_until))
        return True

    def _end_lease(self, connection: Connection, id: str, at: datetime) -> None:
        whose = select(deliveries.c.webhook_id).where(deliveries.c.id == id)
        webhook = connection.execute(LOCK_WEBHOOK, {"webhook": connection.execute(whose).scalar_one()}).one()
        over = (deliveries.c.id == id) & (deliveries.c.lease_until < at)
        row = connection.execute(select(deliveries).where(over).with_for_update()).mappings().first()
        if row is None:
            return
        chance = int(self._ids.fraction() * CHANCES)
        progress = schedule.lost(_read(row), policy=POLICIES[webhook.policy], chance=chance, at=at)
        changed = _settled(progress, at=at) | {"last_status": None, "last_error": _LOST}
        after = connection.execute(
            update(deliveries).where(deliveries.c.id == id).values(changed).returning(deliveries)
        ).mappings()
        lost = (delivery_attempts.c.delivery_id == id) & (delivery_attempts.c.number == row["attempts"])
        connection.execute(update(delivery_attempts).where(lost).values(ended_at=at, error=_LOST))
        if progress.failures > row["failures"]:
            self._failed(connection, after.one(), gone=False, at=at)

    def _failed(self, connection: Connection, row: RowMapping, *, gone: bool, at: datetime) -> None:
        """What a failed try means for its endpoint."""
        here = webhooks.c.id == row["webhook_id"]
        since = func.coalesce(webhooks.c.failing_since, at)
        failing = update(webhooks).where(here).values(failing_since=since, prompt_since=None).returning(webhooks)
        webhook = connection.execute(failing).mappings().one()
        event = connection.execute(select(events_table).where(events_table.c.id == row["event_id"])).mappings().one()
        if row["status"] == DeliveryStatus.DEAD.value:
            caused_by = select(operations.c.request_id).where(operations.c.id == event["operation_id"])
            facts = {
                "webhook": row["webhook_id"],
                "event": row["event_id"],
                "attempts": row["attempts"],
                "request_id": connection.execute(caused_by).scalar_one_or_none(),
            }
            self._audit(connection, Action.DELIVERY_EXHAUSTED, row["id"], webhook, facts, at=at)
            if not event["type"].startswith("webhook."):  # or two dead endpoints would tell each other for ever
                told = _told(EventType.WEBHOOK_EXHAUSTED, webhook, event, _exhausted(row, event))
                events.announce(connection, told, ids=self._ids, at=at)
        too_long = schedule.has_failed_too_long(webhook["failing_since"], at=at)
        if (gone or too_long) and webhook["disabled_cause"] is None:
            cause = DisabledCause.GONE if gone else DisabledCause.FAILING
            cancelled = endpoint_rows.disable(connection, webhook["id"], cause, at=at)
            facts = {"cause": cause.value, "cancelled": cancelled}
            self._audit(connection, Action.WEBHOOK_DISABLED, webhook["id"], webhook, facts, at=at)
            told = _told(EventType.WEBHOOK_DISABLED, webhook, event, {"cause": cause.value, "cancelled": cancelled})
            events.announce(connection, told, ids=self._ids, at=at)

    def _audit(
        self,
        connection: Connection,
        action: Action,
        subject: str,
        webhook: RowMapping,
        facts: dict[str, Any],
        *,
        at: datetime,
    ) -> None:
        record = Record(
            id=self._ids.new(AUDIT_PREFIX),
            at=at,
            actor=_ACTOR,
            action=action,
            subject=subject,
            environment=webhook["environment"],
            org_id=webhook["org_id"],
            facts=facts,
        )
        audit.append(connection, record)


def _lane(row: RowMapping) -> EndpointLane:
    return EndpointLane(row["webhook_id"], prompt=row["prompt_since"] is not None)


def _read(row: RowMapping, *, attempts: int | None = None) -> Delivery:
    return Delivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        event_id=row["event_id"],
        status=DeliveryStatus(row["status"]),
        attempts=row["attempts"] if attempts is None else attempts,
        failures=row["failures"],
        losses=row["losses"],
    )


def _settled(progress: Progress, *, at: datetime) -> dict[str, Any]:
    """The columns that an end of an attempt changes; its lease ends with them."""
    return {
        "status": progress.status.value,
        "due_at": progress.due_at,
        "failures": progress.failures,
        "losses": progress.losses,
        "settled_at": None if progress.status is DeliveryStatus.PENDING else at,
        "lease_token": None,
        "lease_until": None,
        "lease_owner": None,
    }


def _exhausted(row: RowMapping, event: RowMapping) -> dict[str, Any]:
    return {
        "delivery": {
            "id": row["id"],
            "attempts": row["attempts"],
            "last_status": row["last_status"],
            "last_error": row["last_error"],
        },
        "event": {"id": event["id"], "type": event["type"], "subject": event["subject"]},
    }


def _told(told: EventType, webhook: RowMapping, event: RowMapping, data: dict[str, Any]) -> Announcement:
    about = {
        "webhook": {"id": webhook["id"], "name": webhook["name"], "url": webhook["url"]},
        "links": {"webhook": f"/webhooks/{webhook['id']}", "deliveries": f"/webhooks/{webhook['id']}/deliveries"},
    }
    return Announcement(
        type=told,
        environment=webhook["environment"],
        org_id=webhook["org_id"],
        gstin=event["gstin"],
        subject=webhook["id"],
        data=about | data,
    )

"""Endpoints as their clients manage them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from gateway.domain.audit import Record
from gateway.domain.deliveries import DeliveryStatus, DisabledCause, EndpointLane
from gateway.domain.identifiers import WEBHOOK_KEY_PREFIX
from gateway.domain.operations import Environment
from gateway.errors import Clash
from gateway.ports import Endpoint, Ids, Selection, Vault
from gateway.storage import audit, endpoint_rows, replays
from gateway.storage.database import Database
from gateway.storage.tables import (
    clients,
    deliveries,
    delivery_attempts,
    events,
    lanes,
    operations,
    webhook_secrets,
    webhook_sellers,
    webhooks,
)
from gateway.storage.upsert import insert_missing


class SqlEndpoints:
    """Implements `ports.Endpoints`."""

    def __init__(self, database: Database, vault: Vault, ids: Ids) -> None:
        self._database = database
        self._vault = vault
        self._ids = ids

    def add(self, endpoint: Endpoint, *, secret: str, endpoints_max: int, record: Record) -> None:
        """See `ports.Endpoints`."""

        def work(connection: Connection) -> None:
            owner = select(clients.c.id).where(clients.c.id == endpoint.client_id)
            connection.execute(owner.with_for_update())  # two at once must not both be the last that fits
            mine = select(func.count()).where(
                webhooks.c.client_id == endpoint.client_id, webhooks.c.deleted_at.is_(None)
            )
            if connection.execute(mine).scalar_one() >= endpoints_max:
                raise Clash(
                    "webhooks-too-many",
                    f"This client has {endpoints_max} webhooks, which is the limit.",
                    help="Delete one that is not needed, or filter by type and GSTIN behind one of them.",
                )
            row = self._row(endpoint) | {"id": endpoint.id, "created_at": record.at}
            connection.execute(insert(webhooks).values(row))
            _put_sellers(connection, endpoint)
            self._put_secret(connection, endpoint.id, secret, at=record.at)
            insert_missing(connection, lanes, {"lane": EndpointLane(endpoint.id).row})
            audit.append(connection, record)

        self._database.write(work)

    def get(self, id: str) -> Endpoint | None:
        """See `ports.Endpoints`."""
        found = self._read_all(webhooks.c.id == id)
        return found[0] if found else None

    def of_client(self, client_id: str) -> Sequence[Endpoint]:
        """See `ports.Endpoints`."""
        return self._read_all(webhooks.c.client_id == client_id)

    def change(self, endpoint: Endpoint, *, record: Record) -> int:
        """See `ports.Endpoints`."""

        def work(connection: Connection) -> int:
            here = webhooks.c.id == endpoint.id
            old = connection.execute(select(webhooks.c.url).where(here).with_for_update()).scalar_one()
            moved = old != endpoint.url
            unknown = {"prompt_since": None} if moved else {}
            connection.execute(update(webhooks).where(here).values(self._row(endpoint) | unknown))
            connection.execute(delete(webhook_sellers).where(webhook_sellers.c.webhook_id == endpoint.id))
            _put_sellers(connection, endpoint)
            cancelled = endpoint_rows.cancel_pending(connection, endpoint.id, at=record.at) if moved else 0
            audit.append(connection, record)
            return cancelled

        return self._database.write(work)

    def disable(self, id: str, *, record: Record) -> int:
        """See `ports.Endpoints`."""

        def work(connection: Connection) -> int:
            cancelled = endpoint_rows.disable(connection, id, DisabledCause.OWNER, at=record.at)
            audit.append(connection, record)
            return cancelled

        return self._database.write(work)

    def enable(self, id: str, *, record: Record) -> None:
        """See `ports.Endpoints`."""
        values = {"disabled_cause": None, "failing_since": None, "prompt_since": None, "updated_at": record.at}
        self._change(webhooks, webhooks.c.id == id, values, record)

    def remove(self, id: str, *, record: Record) -> int:
        """See `ports.Endpoints`."""

        def work(connection: Connection) -> int:
            values = {"deleted_at": record.at, "headers_sealed": None}
            connection.execute(update(webhooks).where(webhooks.c.id == id).values(values))
            connection.execute(delete(webhook_secrets).where(webhook_secrets.c.webhook_id == id))
            connection.execute(delete(webhook_sellers).where(webhook_sellers.c.webhook_id == id))
            cancelled = endpoint_rows.cancel_pending(connection, id, at=record.at)
            audit.append(connection, record)
            return cancelled

        return self._database.write(work)

    def rotate(self, id: str, *, secret: str, old_until: datetime, record: Record) -> None:
        """See `ports.Endpoints`. A secret that was replaced before keeps its own, earlier end."""

        def work(connection: Connection) -> None:
            newest = (webhook_secrets.c.webhook_id == id) & webhook_secrets.c.expires_at.is_(None)
            past = (webhook_secrets.c.webhook_id == id) & (webhook_secrets.c.expires_at <= record.at)
            connection.execute(delete(webhook_secrets).where(past))
            connection.execute(update(webhook_secrets).where(newest).values(expires_at=old_until))
            self._put_secret(connection, id, secret, at=record.at)
            connection.execute(update(webhooks).where(webhooks.c.id == id).values(updated_at=record.at))
            audit.append(connection, record)

        self._database.write(work)

    def secrets(self, id: str, *, at: datetime) -> tuple[str, ...]:
        """See `ports.Endpoints`."""
        with self._database.read() as connection:
            return endpoint_rows.secrets(connection, id, vault=self._vault, at=at)

    def deliveries(
        self, id: str, *, status: DeliveryStatus | None, before: int | None, rows_max: int
    ) -> Sequence[Mapping[str, Any]]:
        """See `ports.Endpoints`."""
        query = (
            select(deliveries, events.c.type, events.c.at.label("event_at"), operations.c.request_id)
            .join(events, events.c.id == deliveries.c.event_id)
            .outerjoin(operations, operations.c.id == events.c.operation_id)
            .where(deliveries.c.webhook_id == id)
            .order_by(deliveries.c.position.desc())
            .limit(rows_max)
        )
        if status is not None:
            query = query.where(deliveries.c.status == status.value)
        if before is not None:
            query = query.where(deliveries.c.position < before)
        with self._database.read() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
            tries = select(delivery_attempts).where(delivery_attempts.c.delivery_id.in_([row["id"] for row in rows]))
            history: dict[str, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
            for attempt in connection.execute(tries.order_by(delivery_attempts.c.number)).mappings():
                history[attempt["delivery_id"]].append(dict(attempt))
        return [row | {"history": history[row["id"]]} for row in rows]

    def replay(self, id: str, selection: Selection, *, record: Record) -> int:
        """See `ports.Endpoints`."""

        def work(connection: Connection) -> int:
            count = replays.replay(connection, id, selection, ids=self._ids, at=record.at)
            audit.append(connection, record)
            return count

        return self._database.write(work)

    def _row(self, endpoint: Endpoint) -> dict[str, Any]:
        context = endpoint_rows.headers_context(endpoint.id)
        headers = json.dumps(dict(endpoint.headers)).encode()
        return {
            "environment": endpoint.environment.value,
            "org_id": endpoint.org_id,
            "client_id": endpoint.client_id,
            "name": endpoint.name,
            "url": endpoint.url,
            "types": list(endpoint.types),
            "policy": endpoint.policy,
            "headers_sealed": self._vault.seal(headers, context=context) if endpoint.headers else None,
            "updated_at": endpoint.updated_at,
        }

    def _put_secret(self, connection: Connection, webhook_id: str, secret: str, *, at: datetime) -> None:
        id = self._ids.new(WEBHOOK_KEY_PREFIX)
        sealed = self._vault.seal(secret.encode(), context=endpoint_rows.secret_context(id))
        row = {"id": id, "webhook_id": webhook_id, "secret_sealed": sealed, "created_at": at}
        connection.execute(insert(webhook_secrets).values(row))

    def _read_all(self, *conditions: Any) -> list[Endpoint]:
        query = select(webhooks).where(*conditions, webhooks.c.deleted_at.is_(None)).order_by(webhooks.c.created_at)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
            sold = select(webhook_sellers).where(webhook_sellers.c.webhook_id.in_([row["id"] for row in rows]))
            sellers: dict[str, list[str]] = {row["id"]: [] for row in rows}
            for webhook_id, gstin in connection.execute(sold.order_by(webhook_sellers.c.gstin)):
                sellers[webhook_id].append(gstin)
        return [self._endpoint(row, sellers[row["id"]]) for row in rows]

    def _endpoint(self, row: RowMapping, gstins: Sequence[str]) -> Endpoint:
        cause = row["disabled_cause"]
        return Endpoint(
            id=row["id"],
            environment=Environment(row["environment"]),
            org_id=row["org_id"],
            client_id=row["client_id"],
            name=row["name"],
            url=row["url"],
            types=tuple(row["types"]),
            gstins=tuple(gstins),
            policy=row["policy"],
            headers=endpoint_rows.headers(row, vault=self._vault),
            disabled_cause=cause and DisabledCause(cause),
            failing_since=row["failing_since"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )

    def _change(self, table: Any, where: Any, values: dict[str, Any], record: Record) -> None:
        def work(connection: Connection) -> None:
            connection.execute(update(table).where(where).values(values))
            audit.append(connection, record)

        self._database.write(work)


def _put_sellers(connection: Connection, endpoint: Endpoint) -> None:
    rows = [{"webhook_id": endpoint.id, "gstin": gstin} for gstin in endpoint.gstins]
    connection.execute(insert(webhook_sellers), rows)

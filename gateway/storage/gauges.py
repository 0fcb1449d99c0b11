"""How the tables stand, for measures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, case, func, or_, select

from gateway.domain.deliveries import DeliveryStatus
from gateway.storage.database import Database
from gateway.storage.delivery_queries import DEAD, PENDING, WAITING
from gateway.storage.survey import SqlSurvey
from gateway.storage.tables import audit, audit_unsealed, deliveries, lanes, operations, webhooks

Values = Mapping[tuple[str, ...], float]


class SqlGauges:
    """Reads them all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, *, at: datetime) -> Mapping[str, Values]:
        """Values by measure and by its labels."""
        due = SqlSurvey(self._database).oldest_ignored(at=at)
        with self._database.read() as connection:
            return {
                "mohar_operations_unsettled": _unsettled(connection),
                "mohar_oldest_doubt_seconds": {(): _age(_oldest_doubt(connection), at)},
                "mohar_oldest_due_seconds": {(): _age(due, at)},
                "mohar_deliveries": _deliveries(connection),
                "mohar_oldest_due_delivery_seconds": _delivery_lags(connection, at),
                "mohar_webhooks": _webhooks(connection),
                **_unsealed(connection, at),
            }


def _unsettled(connection: Connection) -> Values:
    query = (
        select(operations.c.kind, operations.c.status, func.count())
        .where(operations.c.settled_at.is_(None))
        .group_by(operations.c.kind, operations.c.status)
    )
    return {(kind, status): count for kind, status, count in connection.execute(query)}


def _oldest_doubt(connection: Connection) -> datetime | None:
    """The first of an index over nothing else; what is settled is in doubt no more."""
    since = operations.c.doubtful_since
    return connection.execute(select(since).where(since.isnot(None)).order_by(since).limit(1)).scalar_one_or_none()


def _deliveries(connection: Connection) -> Values:
    """Both are counted within an index of nothing else; what was delivered is most of the table."""
    counted = {DeliveryStatus.PENDING: PENDING, DeliveryStatus.DEAD: DEAD}
    return {
        (status.value,): connection.execute(select(func.count()).where(deliveries.c.status == word)).scalar_one()
        for status, word in counted.items()
    }


def _delivery_lags(connection: Connection, at: datetime) -> Values:
    """One look into the index for each endpoint. Those that asked for a pause are left alone meanwhile."""
    first_due = (
        select(func.min(deliveries.c.due_at))
        .where(deliveries.c.webhook_id == webhooks.c.id, deliveries.c.due_at <= at, WAITING)
        .scalar_subquery()
    )
    query = (
        select(webhooks.c.prompt_since.isnot(None), first_due)
        .join(lanes, lanes.c.lane == "webhook:" + webhooks.c.id)
        .where(or_(lanes.c.bulk_blocked_until.is_(None), lanes.c.bulk_blocked_until <= at))
    )
    lags: dict[tuple[str, ...], float] = {("prompt",): 0.0, ("trial",): 0.0}
    for prompt, since in connection.execute(query):
        of = ("prompt" if prompt else "trial",)
        lags[of] = max(lags[of], _age(since, at))
    return lags


def _webhooks(connection: Connection) -> Values:
    standing = case(
        (webhooks.c.disabled_cause.isnot(None), "disabled_" + webhooks.c.disabled_cause),
        (webhooks.c.failing_since.isnot(None), "failing"),
        else_="enabled",
    )
    query = select(standing, func.count()).where(webhooks.c.deleted_at.is_(None)).group_by(standing)
    return {(word,): count for word, count in connection.execute(query)}


def _unsealed(connection: Connection, at: datetime) -> Mapping[str, Values]:
    """The oldest is the one of the lowest position: records are written within moments of each other."""
    oldest = (
        select(audit.c.at)
        .join(audit_unsealed, audit_unsealed.c.position == audit.c.position)
        .order_by(audit_unsealed.c.position)
        .limit(1)
    )
    count = connection.execute(select(func.count()).select_from(audit_unsealed)).scalar_one()
    return {
        "mohar_audit_unsealed": {(): count},
        "mohar_audit_seal_lag_seconds": {(): _age(connection.execute(oldest).scalar_one_or_none(), at)},
    }


def _age(since: datetime | None, at: datetime) -> float:
    return 0.0 if since is None else max(0.0, (at - since).total_seconds())

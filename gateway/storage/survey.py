"""Questions of an operator about everything at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import and_, func, literal_column, or_, select

from gateway.domain.deliveries import DisabledCause
from gateway.domain.operations import TERMINAL, Environment, Status
from gateway.ports import Leader, Seller, SellerLogin, TroubledEndpoint, Unsettled
from gateway.storage import queries
from gateway.storage.database import Database
from gateway.storage.tables import deliveries, gstins, leaders, operations, portal_accounts, webhooks

_SQLITE_NOW: Final = func.strftime("%Y-%m-%d %H:%M:%f", "now")


class SqlSurvey:
    """Implements `ports.Survey`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> datetime:
        """See `ports.Survey`."""
        query = select(_SQLITE_NOW if self._database.is_sqlite else func.clock_timestamp())
        with self._database.read() as connection:
            told = connection.execute(query).scalar_one()
        if isinstance(told, datetime):
            return told.astimezone(UTC)
        return datetime.fromisoformat(str(told)).replace(tzinfo=UTC)

    def logins(self) -> Sequence[SellerLogin]:
        """See `ports.Survey`."""
        own = and_(
            portal_accounts.c.environment == gstins.c.environment,
            portal_accounts.c.gstin == gstins.c.gstin,
            portal_accounts.c.route == gstins.c.route,
        )
        query = (
            select(gstins, portal_accounts.c.id.label("account_id"), portal_accounts.c.refused_code)
            .select_from(gstins.outerjoin(portal_accounts, own))
            .order_by(gstins.c.gstin, gstins.c.environment)
        )
        with self._database.read() as connection:
            return [
                SellerLogin(
                    seller=Seller(
                        environment=Environment(row["environment"]),
                        gstin=row["gstin"],
                        org_id=row["org_id"],
                        route=row["route"],
                        reporting_days=row["reporting_days"],
                    ),
                    present=row["account_id"] is not None,
                    refused_code=row["refused_code"],
                )
                for row in connection.execute(query).mappings()
            ]

    def leader(self, role: str) -> Leader | None:
        """See `ports.Survey`."""
        query = select(leaders.c.holder, leaders.c.until).where(leaders.c.role == role)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Leader(holder=row.holder, until=row.until)

    def unsettled(self) -> Sequence[Unsettled]:
        """See `ports.Survey`."""
        since = func.min(func.coalesce(operations.c.doubtful_since, operations.c.created_at))
        query = (
            select(operations.c.status, func.count(), since)
            .where(operations.c.status.not_in([status.value for status in TERMINAL]))
            .group_by(operations.c.status)
            .order_by(operations.c.status)
        )
        with self._database.read() as connection:
            return [
                Unsettled(status=Status(status), count=count, oldest=oldest)
                for status, count, oldest in connection.execute(query)
            ]

    def oldest_ignored(self, *, at: datetime) -> datetime | None:
        """See `ports.Survey`."""
        with self._database.read() as connection:
            found = [connection.execute(query, {"at": at}).scalars().all() for query in queries.IGNORED.values()]
        return min((since for lanes in found for since in lanes if since is not None), default=None)

    def troubled_endpoints(self) -> Sequence[TroubledEndpoint]:
        """See `ports.Survey`."""
        dead = func.count(deliveries.c.id)
        own = (deliveries.c.webhook_id == webhooks.c.id) & (deliveries.c.status == literal_column("'dead'"))
        told_off = webhooks.c.disabled_cause.in_([DisabledCause.GONE.value, DisabledCause.FAILING.value])
        query = (
            select(
                webhooks.c.id,
                webhooks.c.client_id,
                webhooks.c.disabled_cause,
                webhooks.c.failing_since,
                dead.label("dead"),
            )
            .select_from(webhooks.outerjoin(deliveries, own))
            .where(webhooks.c.deleted_at.is_(None))
            .group_by(webhooks.c.id, webhooks.c.client_id, webhooks.c.disabled_cause, webhooks.c.failing_since)
            .having(or_(told_off, webhooks.c.failing_since.isnot(None), dead > 0))
            .order_by(webhooks.c.id)
        )
        with self._database.read() as connection:
            return [
                TroubledEndpoint(
                    id=row["id"],
                    client_id=row["client_id"],
                    disabled_cause=row["disabled_cause"] and DisabledCause(row["disabled_cause"]),
                    failing_since=row["failing_since"],
                    dead=row["dead"],
                )
                for row in connection.execute(query).mappings()
            ]

"""What portals told of taxpayers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from gateway.domain import canonical, strict_json
from gateway.domain.operations import Environment
from gateway.ports.taxpayers import HeldTaxpayer
from gateway.storage.database import Database
from gateway.storage.tables import taxpayers
from gateway.storage.upsert import insert_or_replace


class SqlTaxpayers:
    """Implements `ports.taxpayers.Taxpayers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, gstin: str, *, environment: Environment, org_id: str) -> HeldTaxpayer | None:
        """See `Taxpayers`."""
        with self._database.read() as connection:
            query = select(taxpayers).where(_named(gstin, environment, org_id))
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        return HeldTaxpayer(answer=strict_json.read(row["answer"].encode()), fetched_at=row["fetched_at"])

    def keep(self, gstin: str, held: HeldTaxpayer, *, environment: Environment, org_id: str) -> None:
        """See `Taxpayers`."""
        answers = {gstin: held.answer}
        self._database.write(
            lambda connection: keep(connection, answers, environment=environment, org_id=org_id, at=held.fetched_at)
        )

    def forget(self, gstin: str, *, environment: Environment, org_id: str) -> None:
        """See `Taxpayers`."""
        statement = delete(taxpayers).where(_named(gstin, environment, org_id))
        self._database.write(lambda connection: connection.execute(statement))

    def reap(self, *, before: datetime) -> int:
        """See `Taxpayers`."""
        statement = delete(taxpayers).where(taxpayers.c.fetched_at < before)
        return self._database.write(lambda connection: connection.execute(statement).rowcount)


def keep(
    connection: Connection,
    answers: Mapping[str, Mapping[str, Any]],
    *,
    environment: Environment,
    org_id: str,
    at: datetime,
) -> None:
    """Keep what was told at an instant, by GSTIN; in one order always, so that two who do so never wait in a ring."""
    for gstin in sorted(answers):
        row = {
            "environment": environment.value,
            "org_id": org_id,
            "gstin": gstin,
            "answer": canonical.write(answers[gstin]),
            "fetched_at": at,
        }
        insert_or_replace(connection, taxpayers, row, keys=("environment", "org_id", "gstin"))


def _named(gstin: str, environment: Environment, org_id: str) -> Any:
    return (
        (taxpayers.c.environment == environment.value) & (taxpayers.c.org_id == org_id) & (taxpayers.c.gstin == gstin)
    )

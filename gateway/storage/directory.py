"""Organisations, sellers, clients and what they may."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.domain.audit import Record
from gateway.domain.operations import Environment
from gateway.errors import Clash
from gateway.ports import Client, Grant, Seller
from gateway.storage import audit
from gateway.storage.database import Database
from gateway.storage.recent import Recent
from gateway.storage.tables import clients, grants, gstins, organisations, token_keys


class SqlDirectory:
    """Implements `ports.Directory`."""

    def __init__(self, database: Database, monotonic: Callable[[], float] | None = None) -> None:
        self._database = database
        self._recent: Recent[Seller | None] = Recent(monotonic)

    def add_organisation(self, *, id: str, name: str, record: Record) -> None:
        """See `ports.Directory`."""

        def work(connection: Connection) -> None:
            connection.execute(insert(organisations).values(id=id, name=name, created_at=record.at))
            audit.append(connection, record)

        self._database.write(work)

    def organisations(self) -> Sequence[Mapping[str, Any]]:
        """See `ports.Directory`."""
        with self._database.read() as connection:
            rows = connection.execute(select(organisations).order_by(organisations.c.created_at)).mappings()
            return [dict(row) for row in rows]

    def put_seller(self, seller: Seller, *, record: Record) -> None:
        """See `ports.Directory`."""

        def work(connection: Connection) -> None:
            mine = (gstins.c.environment == seller.environment.value) & (gstins.c.gstin == seller.gstin)
            owner = connection.execute(select(gstins.c.org_id).where(mine)).scalar_one_or_none()
            changed = {
                "route": seller.route,
                "other_routes": list(seller.other_routes) or None,
                "reporting_days": seller.reporting_days,
            }
            if owner is None:
                key = {"environment": seller.environment.value, "gstin": seller.gstin, "org_id": seller.org_id}
                connection.execute(insert(gstins).values(key | changed | {"created_at": record.at}))
            elif owner == seller.org_id:
                connection.execute(update(gstins).where(mine).values(changed))
            else:
                raise Clash(
                    "gstin-taken",
                    "This GSTIN belongs to another organisation.",
                    help="Check the GSTIN, or have the other organisation give it up.",
                )
            audit.append(connection, record)

        try:
            self._database.write(work)
        except IntegrityError:  # another organisation added it a moment earlier: now it is found to have it
            self._database.write(work)
        self._recent.forget()

    def seller(self, *, environment: Environment, gstin: str) -> Seller | None:
        """See `ports.Directory`. What it gives may be a second old."""
        return self._recent.get(f"{environment}:{gstin}", lambda: self._fetch_seller(environment, gstin))

    def _fetch_seller(self, environment: Environment, gstin: str) -> Seller | None:
        query = select(gstins).where(gstins.c.environment == environment.value, gstins.c.gstin == gstin)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else _read_seller(row)

    def sellers(self) -> Sequence[Seller]:
        """See `ports.Directory`."""
        with self._database.read() as connection:
            return [_read_seller(row) for row in connection.execute(select(gstins)).mappings()]

    def add_client(self, client: Client, grants_of: Sequence[Grant], *, record: Record) -> None:
        """See `ports.Directory`."""

        def work(connection: Connection) -> None:
            connection.execute(insert(clients).values(_client_row(client) | {"created_at": record.at}))
            rows = [
                {
                    "client_id": grant.client_id,
                    "gstin": grant.gstin,
                    "scopes": " ".join(sorted(grant.scopes)),
                    "created_at": record.at,
                }
                for grant in grants_of
            ]
            if rows:
                connection.execute(insert(grants), rows)
            audit.append(connection, record)

        self._database.write(work)

    def client(self, id: str) -> Client | None:
        """See `ports.Directory`."""
        with self._database.read() as connection:
            row = connection.execute(select(clients).where(clients.c.id == id)).mappings().one_or_none()
        return None if row is None else read_client(row)

    def grants(self, client_id: str) -> Sequence[Grant]:
        """See `ports.Directory`."""
        query = select(grants).where(grants.c.client_id == client_id, grants.c.revoked_at.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(grants.c.gstin)).mappings()
            return [read_grant(row) for row in rows]

    def token_keys(self, *, at: datetime | None = None) -> Sequence[tuple[str, bytes, str]]:
        """See `ports.Directory`."""
        query = select(token_keys).order_by(token_keys.c.retired_at.isnot(None), token_keys.c.created_at.desc())
        if at is not None:
            query = query.where(token_keys.c.retired_at.is_(None) | (token_keys.c.retired_at > at))
        with self._database.read() as connection:
            rows = connection.execute(query).mappings()
            return [(row["kid"], row["private_sealed"], row["public_pem"]) for row in rows]

    def add_token_key(self, *, kid: str, private_sealed: bytes, public_pem: str, at: datetime) -> None:
        """See `ports.Directory`."""
        row = {"kid": kid, "private_sealed": private_sealed, "public_pem": public_pem, "created_at": at}
        self._database.write(lambda connection: connection.execute(insert(token_keys).values(row)))


def read_client(row: Any) -> Client:
    """A client from its row."""
    return Client(
        id=row["id"],
        environment=Environment(row["environment"]),
        org_id=row["org_id"],
        name=row["name"],
        secret_digest=row["secret_digest"],
        former_secret_digest=row["former_secret_digest"],
        former_secret_until=row["former_secret_until"],
        respond_async=row["respond_async"],
        revoked=row["revoked_at"] is not None,
    )


def read_grant(row: Any) -> Grant:
    """A grant from its row."""
    return Grant(client_id=row["client_id"], gstin=row["gstin"], scopes=frozenset(row["scopes"].split()))


def _read_seller(row: Any) -> Seller:
    return Seller(
        environment=Environment(row["environment"]),
        gstin=row["gstin"],
        org_id=row["org_id"],
        route=row["route"],
        reporting_days=row["reporting_days"],
        other_routes=tuple(row["other_routes"] or ()),
    )


def _client_row(client: Client) -> dict[str, Any]:
    return {
        "id": client.id,
        "environment": client.environment.value,
        "org_id": client.org_id,
        "name": client.name,
        "secret_digest": client.secret_digest,
        "respond_async": client.respond_async,
    }

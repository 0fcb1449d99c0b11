"""What programs prove themselves with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from gateway.domain.audit import Record
from gateway.domain.operations import Environment
from gateway.errors import Clash
from gateway.ports import ApiKey, Client, Grant, PublicKey, Standing
from gateway.storage import audit
from gateway.storage.database import Database
from gateway.storage.directory import read_client
from gateway.storage.tables import (
    api_keys,
    client_assertions,
    client_keys,
    clients,
    grants,
    revoked_tokens,
    token_keys,
)
from gateway.storage.upsert import insert_missing, insert_or_replace

PUBLIC_KEYS_MAX: Final = 5
"""Live public keys of one client: one for each place that signs, and one more while one of them is replaced."""


class SqlKeyring:
    """Implements `ports.Keyring`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standing(self, client_id: str, *, gstin: str, token_id: str) -> Standing | None:
        """See `ports.Keyring`. One statement, because every request asks."""
        with self._database.read() as connection:
            named = {"client": client_id, "gstin": gstin, "token": token_id}
            row = connection.execute(_STANDING, named).mappings().one_or_none()
        if row is None:
            return None
        grant = None
        if row["scopes"] is not None:
            grant = Grant(client_id=client_id, gstin=gstin, scopes=frozenset(row["scopes"].split()))
        return Standing(read_client(row), grant, token_revoked=row["token_id"] is not None)

    def clients_of(self, org_id: str, *, environment: Environment | None = None) -> Sequence[Client]:
        """See `ports.Keyring`."""
        query = select(clients).where(clients.c.org_id == org_id).order_by(clients.c.created_at, clients.c.id)
        if environment is not None:
            query = query.where(clients.c.environment == environment.value)
        with self._database.read() as connection:
            return [read_client(row) for row in connection.execute(query).mappings()]

    def replace_secret(self, client_id: str, *, digest: bytes, former_until: datetime, record: Record) -> None:
        """See `ports.Keyring`."""

        def work(connection: Connection) -> None:
            query = select(clients.c.secret_digest, clients.c.former_secret_until).where(clients.c.id == client_id)
            present, until = connection.execute(query.with_for_update()).one()
            if until is not None and until > record.at:
                raise Clash(
                    "two-secrets-live",
                    f"Two secrets of this client are good until {until.isoformat(timespec='seconds')}.",
                    help="Change all programs over, end the older one, then make another.",
                )
            changed = {
                "secret_digest": digest,
                "former_secret_digest": present,
                "former_secret_until": former_until,
            }
            connection.execute(update(clients).where(clients.c.id == client_id).values(changed))
            audit.append(connection, record)

        self._database.write(work)

    def forget_former_secret(self, client_id: str, *, record: Record) -> None:
        """See `ports.Keyring`."""
        changed = {"former_secret_digest": None, "former_secret_until": None}
        self._change(update(clients).where(clients.c.id == client_id).values(changed), record)

    def revoke_client(self, client_id: str, *, record: Record) -> None:
        """See `ports.Keyring`."""
        self._change(update(clients).where(clients.c.id == client_id).values(revoked_at=record.at), record)

    def put_grant(self, grant: Grant, *, record: Record) -> None:
        """See `ports.Keyring`."""
        row = {
            "client_id": grant.client_id,
            "gstin": grant.gstin,
            "scopes": " ".join(sorted(grant.scopes)),
            "created_at": record.at,
            "revoked_at": None,
        }

        def work(connection: Connection) -> None:
            insert_or_replace(connection, grants, row, keys=("client_id", "gstin"))
            audit.append(connection, record)

        self._database.write(work)

    def withdraw_grant(self, client_id: str, gstin: str, *, record: Record) -> bool:
        """See `ports.Keyring`."""
        live = (grants.c.client_id == client_id) & (grants.c.gstin == gstin) & grants.c.revoked_at.is_(None)
        return self._change(update(grants).where(live).values(revoked_at=record.at), record)

    def put_public_key(self, key: PublicKey, *, record: Record) -> None:
        """See `ports.Keyring`."""

        def work(connection: Connection) -> None:
            _one_at_a_time(connection, key.client_id)
            mine = select(client_keys.c.kid, client_keys.c.revoked_at).where(client_keys.c.client_id == key.client_id)
            known = connection.execute(mine).all()
            if any(kid == key.kid for kid, _ in known) or sum(end is None for _, end in known) >= PUBLIC_KEYS_MAX:
                raise Clash(
                    "public-key-refused",
                    f"The key id was used before, or {PUBLIC_KEYS_MAX} keys of this client are live.",
                    help="Give the key a new id; revoke a key that is no longer used.",
                )
            row = {"client_id": key.client_id, "kid": key.kid, "algorithm": key.algorithm, "public_pem": key.pem}
            connection.execute(insert(client_keys).values(row | {"created_at": record.at}))
            audit.append(connection, record)

        self._database.write(work)

    def revoke_public_key(self, client_id: str, kid: str, *, record: Record) -> bool:
        """See `ports.Keyring`."""
        live = (client_keys.c.client_id == client_id) & (client_keys.c.kid == kid) & client_keys.c.revoked_at.is_(None)
        return self._change(update(client_keys).where(live).values(revoked_at=record.at), record)

    def public_keys(self, client_id: str) -> Sequence[PublicKey]:
        """See `ports.Keyring`."""
        live = (client_keys.c.client_id == client_id) & client_keys.c.revoked_at.is_(None)
        with self._database.read() as connection:
            rows = connection.execute(select(client_keys).where(live).order_by(client_keys.c.created_at)).mappings()
            return [
                PublicKey(client_id=row["client_id"], kid=row["kid"], algorithm=row["algorithm"], pem=row["public_pem"])
                for row in rows
            ]

    def use_assertion(self, client_id: str, *, jti: str, expires_at: datetime) -> bool:
        """See `ports.Keyring`."""
        row = {"client_id": client_id, "jti": hashlib.sha256(jti.encode()).hexdigest(), "expires_at": expires_at}

        return self._database.write(lambda connection: insert_missing(connection, client_assertions, row))

    def add_api_key(self, key: ApiKey, *, live_max: int, record: Record) -> None:
        """See `ports.Keyring`."""
        alike = (
            (api_keys.c.client_id == key.client_id)
            & (api_keys.c.gstin == key.gstin)
            & (api_keys.c.read_only == key.read_only)
            & api_keys.c.revoked_at.is_(None)
        )

        def work(connection: Connection) -> None:
            _one_at_a_time(connection, key.client_id)
            if connection.execute(select(func.count()).select_from(api_keys).where(alike)).scalar_one() >= live_max:
                raise Clash(
                    "api-keys-live",
                    f"{live_max} keys of this kind are live for this client and GSTIN.",
                    help="Change all programs over to the newer one and revoke the older, then make another.",
                )
            connection.execute(insert(api_keys).values(_api_key_row(key)))
            audit.append(connection, record)

        self._database.write(work)

    def api_key(self, digest: bytes) -> ApiKey | None:
        """See `ports.Keyring`."""
        with self._database.read() as connection:
            row = connection.execute(_API_KEY, {"given": digest}).mappings().one_or_none()
        return None if row is None else _read_api_key(row)

    def api_keys_of(self, org_id: str, *, environment: Environment | None = None) -> Sequence[ApiKey]:
        """See `ports.Keyring`."""
        query = select(api_keys).where(api_keys.c.org_id == org_id).order_by(api_keys.c.created_at, api_keys.c.id)
        if environment is not None:
            query = query.where(api_keys.c.environment == environment.value)
        with self._database.read() as connection:
            return [_read_api_key(row) for row in connection.execute(query).mappings()]

    def revoke_api_key(self, id: str, *, org_id: str, record: Record) -> bool:
        """See `ports.Keyring`."""
        live = (api_keys.c.id == id) & (api_keys.c.org_id == org_id) & api_keys.c.revoked_at.is_(None)
        return self._change(update(api_keys).where(live).values(revoked_at=record.at), record)

    def note_use(self, id: str, *, at: datetime) -> None:
        """See `ports.Keyring`."""
        statement = update(api_keys).where(api_keys.c.id == id).values(last_used_at=at)
        self._database.write(lambda connection: connection.execute(statement))

    def revoke_token(self, token_id: str, *, expires_at: datetime, record: Record) -> None:
        """See `ports.Keyring`."""

        def work(connection: Connection) -> None:
            insert_missing(connection, revoked_tokens, {"token_id": token_id, "expires_at": expires_at})
            audit.append(connection, record)

        self._database.write(work)

    def replace_token_key(
        self, *, kid: str, private_sealed: bytes, public_pem: str, others_until: datetime, record: Record
    ) -> None:
        """See `ports.Keyring`."""
        row = {"kid": kid, "private_sealed": private_sealed, "public_pem": public_pem, "created_at": record.at}
        later = token_keys.c.retired_at.is_(None) | (token_keys.c.retired_at > others_until)

        def work(connection: Connection) -> None:
            connection.execute(update(token_keys).where(later).values(retired_at=others_until))
            connection.execute(insert(token_keys).values(row))
            audit.append(connection, record)

        self._database.write(work)

    def reap(self, *, at: datetime) -> int:
        """See `ports.Keyring`."""

        def work(connection: Connection) -> int:
            spent = (delete(table).where(table.c.expires_at < at) for table in (client_assertions, revoked_tokens))
            return sum(connection.execute(statement).rowcount for statement in spent)

        return self._database.write(work)

    def _change(self, statement: Any, record: Record) -> bool:
        """Change a row, with its record, if there is one to change."""

        def work(connection: Connection) -> bool:
            changed = bool(connection.execute(statement).rowcount)
            if changed:
                audit.append(connection, record)
            return changed

        return self._database.write(work)


_STANDING: Final = (
    select(clients, grants.c.scopes, revoked_tokens.c.token_id)
    .select_from(
        clients.outerjoin(
            grants,
            (grants.c.client_id == clients.c.id)
            & (grants.c.gstin == bindparam("gstin"))
            & grants.c.revoked_at.is_(None),
        ).outerjoin(revoked_tokens, revoked_tokens.c.token_id == bindparam("token"))
    )
    .where(clients.c.id == bindparam("client"))
)
_API_KEY: Final = select(api_keys).where(api_keys.c.digest == bindparam("given"))


def _one_at_a_time(connection: Connection, client_id: str) -> None:
    """Let nobody else count this client's keys until the transaction ends."""
    connection.execute(select(clients.c.id).where(clients.c.id == client_id).with_for_update())


def _api_key_row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "environment": key.environment.value,
        "org_id": key.org_id,
        "client_id": key.client_id,
        "gstin": key.gstin,
        "name": key.name,
        "read_only": key.read_only,
        "digest": key.digest,
        "hint": key.hint,
        "scopes": " ".join(sorted(key.scopes)),
        "created_at": key.created_at,
    }


def _read_api_key(row: Any) -> ApiKey:
    return ApiKey(
        id=row["id"],
        environment=Environment(row["environment"]),
        org_id=row["org_id"],
        client_id=row["client_id"],
        gstin=row["gstin"],
        name=row["name"],
        read_only=row["read_only"],
        digest=row["digest"],
        hint=row["hint"],
        scopes=frozenset(row["scopes"].split()),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )

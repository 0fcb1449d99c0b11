"""Everything that is sealed under a master key, and how it comes under a new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Column, Connection, Table, select, update

from gateway.ports import Vault
from gateway.storage.database import Database
from gateway.storage.tables import (
    audit_keys,
    body_keys,
    portal_accounts,
    portal_sessions,
    routes,
    token_keys,
    webhook_secrets,
    webhooks,
)

ROWS_MAX: Final = 200
"""Rows that are sealed anew in one transaction: so few that no other writer waits for long."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values. `context` is what each is bound to, in terms of its row's primary key."""

    table: Table
    column: Column[Any]
    context: str


SEALED: Final = (
    SealedColumn(routes, routes.c.client_secret_sealed, "routes|client_secret|{name}"),
    SealedColumn(routes, routes.c.headers_sealed, "routes|headers|{name}"),
    SealedColumn(portal_accounts, portal_accounts.c.credentials_sealed, "portal_accounts|credentials|{id}"),
    SealedColumn(portal_sessions, portal_sessions.c.session_sealed, "portal_sessions|session|{account_id}|{system}"),
    SealedColumn(token_keys, token_keys.c.private_sealed, "token_keys|private|{kid}"),
    SealedColumn(body_keys, body_keys.c.key_sealed, "body_keys|key|{key_id}"),
    SealedColumn(audit_keys, audit_keys.c.private_sealed, "audit_keys|private|{key_id}"),
    SealedColumn(webhooks, webhooks.c.headers_sealed, "webhooks|headers|{id}"),
    SealedColumn(webhook_secrets, webhook_secrets.c.secret_sealed, "webhook_secrets|secret|{id}"),
)


class SqlSealed:
    """Implements `ports.Sealed`."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def under(self) -> Mapping[str, int]:
        """See `ports.Sealed`."""
        counts: Counter[str] = Counter()
        with self._database.read() as connection:
            for each in SEALED:
                values = connection.execute(select(each.column).where(each.column.isnot(None))).scalars()
                counts.update(self._vault.key_of(value) for value in values)
        return dict(counts)

    def seal_anew(self) -> int:
        """See `ports.Sealed`. A value that somebody else changes meanwhile is theirs, and under the newest key too."""
        return sum(self._column(each) for each in SEALED)

    def _column(self, sealed: SealedColumn) -> int:
        keys = list(sealed.table.primary_key)
        with self._database.read() as connection:
            rows = connection.execute(select(*keys, sealed.column).where(sealed.column.isnot(None))).mappings().all()
        newest = self._vault.newest()
        old = [row for row in rows if self._vault.key_of(row[sealed.column.name]) != newest]
        for first in range(0, len(old), ROWS_MAX):
            self._database.write(partial(self._write, sealed=sealed, rows=old[first : first + ROWS_MAX]))
        return len(old)

    def _write(self, connection: Connection, *, sealed: SealedColumn, rows: list[Any]) -> None:
        for row in rows:
            before = row[sealed.column.name]
            context = sealed.context.format(**row)
            after = self._vault.seal(self._vault.open(before, context=context), context=context)
            mine = [key == row[key.name] for key in sealed.table.primary_key]
            statement = update(sealed.table).where(*mine, sealed.column == before)
            connection.execute(statement.values({sealed.column.name: after}))

"""Routes, their keys, and the logins of taxpayers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, insert, or_, select, update

from gateway.domain import error_budget
from gateway.domain.audit import Record
from gateway.domain.error_budget import LOGIN_WINDOW
from gateway.domain.events import Announcement, EventType, shortened
from gateway.domain.operations import Environment
from gateway.domain.token_bucket import Limit
from gateway.errors import Misconfigured
from gateway.ports import Ids, LoginPause, PortalAccount, Route, Session, Vault
from gateway.storage import audit, events
from gateway.storage.database import Database
from gateway.storage.recent import Recent
from gateway.storage.tables import portal_accounts, portal_keys, portal_logins, portal_sessions, routes
from gateway.storage.upsert import insert_missing, insert_or_replace


class SqlRoutebook:
    """Implements `ports.Routebook`."""

    def __init__(
        self, database: Database, vault: Vault, ids: Ids, monotonic: Callable[[], float] | None = None
    ) -> None:
        self._database = database
        self._vault = vault
        self._ids = ids
        self._recent: Recent[Route] = Recent(monotonic)

    def put_route(self, route: Route, *, record: Record) -> None:
        """See `ports.Routebook`."""
        sealed = self._vault.seal(route.client_secret.encode(), context=_route_context(route.name))
        row = {
            "name": route.name,
            "environment": route.environment.value,
            "base_url": route.base_url,
            "gsp_account": route.gsp_account,
            "client_id": route.client_id,
            "client_secret_sealed": sealed,
            "enforce_check_digit": route.enforce_check_digit,
            "pace": route.pace,
            "limits": {name: asdict(limit) for name, limit in route.limits.items()},
            "relogin_seconds_min": route.relogin_seconds_min,
            "ewb_base_url": route.ewb_base_url,
            "portal": route.portal,
            "headers_sealed": self._sealed_headers(route),
            "created_at": record.at,
        }
        self._put(routes, row, keys=("name",), record=record)
        self._recent.forget()

    def route(self, name: str) -> Route:
        """See `ports.Routebook`. What it gives may be a second old."""
        return self._recent.get(name, lambda: self._fetch_route(name))

    def _fetch_route(self, name: str) -> Route:
        with self._database.read() as connection:
            row = connection.execute(select(routes).where(routes.c.name == name)).mappings().one_or_none()
        if row is None:
            raise Misconfigured(
                "route-unknown", f"There is no route '{name}'.", help="Add it with `mohar route add`, or name another."
            )
        return self._read_route(row)

    def routes(self) -> Sequence[Route]:
        """See `ports.Routebook`."""
        with self._database.read() as connection:
            return [self._read_route(row) for row in connection.execute(select(routes)).mappings()]

    def add_portal_key(self, *, route: str, purpose: str, kid: str, pem: str, record: Record) -> None:
        """See `ports.Routebook`."""
        row = {"route": route, "purpose": purpose, "kid": kid, "pem": pem, "added_at": record.at}
        self._put(portal_keys, row, keys=("route", "purpose", "kid"), record=record)

    def portal_keys(self, *, route: str, purpose: str) -> Mapping[str, str]:
        """See `ports.Routebook`."""
        query = select(portal_keys).where(portal_keys.c.route == route, portal_keys.c.purpose == purpose)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(portal_keys.c.added_at)).mappings()
            return {row["kid"]: row["pem"] for row in rows}

    def put_account(self, account: PortalAccount, *, org_id: str, record: Record) -> None:
        """See `ports.Routebook`."""
        credentials = json.dumps({"user_name": account.user_name, "password": account.password})
        row = {
            "id": account.id,
            "environment": account.environment.value,
            "org_id": org_id,
            "gstin": account.gstin,
            "route": account.route,
            "credentials_sealed": self._vault.seal(credentials.encode(), context=_account_context(account.id)),
            "refused_code": None,
            "changed_at": record.at,
        }
        self._put(portal_accounts, row, keys=("id",), record=record)

    def account(self, *, environment: Environment, gstin: str, route: str) -> PortalAccount | None:
        """See `ports.Routebook`."""
        query = select(portal_accounts).where(
            portal_accounts.c.environment == environment.value,
            portal_accounts.c.gstin == gstin,
            portal_accounts.c.route == route,
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        credentials = json.loads(self._vault.open(row["credentials_sealed"], context=_account_context(row["id"])))
        return PortalAccount(
            id=row["id"],
            environment=environment,
            gstin=gstin,
            route=route,
            user_name=credentials["user_name"],
            password=credentials["password"],
            refused_code=row["refused_code"],
            changed_at=row["changed_at"],
        )

    def refuse_account(self, account_id: str, *, code: str, record: Record, tried: datetime | None = None) -> None:
        """See `ports.Routebook`."""

        def work(connection: Connection) -> None:
            mine = portal_accounts.c.id == account_id
            if tried is not None:
                mine &= portal_accounts.c.changed_at == tried
            login = connection.execute(select(portal_accounts).where(mine).with_for_update()).mappings().one_or_none()
            connection.execute(update(portal_accounts).where(mine).values(refused_code=code))
            audit.append(connection, record)
            if login is not None and login["refused_code"] is None:
                events.announce(connection, _login_refused(login, code), ids=self._ids, at=record.at)

        self._database.write(work)

    def session(self, account_id: str, *, system: str) -> Session | None:
        """See `ports.Routebook`."""
        with self._database.read() as connection:
            row = (
                connection.execute(select(portal_sessions).where(_session(account_id, system))).mappings().one_or_none()
            )
        if row is None or row["session_sealed"] is None:
            return None
        opened = json.loads(self._vault.open(row["session_sealed"], context=_session_context(account_id, system)))
        return Session(
            account_id=account_id,
            generation=row["generation"],
            token=opened["token"],
            session_key=bytes.fromhex(opened["session_key"]),
            expires_at=row["expires_at"],
            renewed_at=row["renewed_at"],
        )

    def lease_session(
        self, account_id: str, *, system: str, generation: int, at: datetime, until: datetime
    ) -> str | None:
        """See `ports.Routebook`."""
        token = self._ids.new("")
        free = or_(portal_sessions.c.lease_until.is_(None), portal_sessions.c.lease_until < at)
        same = portal_sessions.c.generation == generation

        def work(connection: Connection) -> bool:
            first = {"account_id": account_id, "system": system, "generation": 0}
            insert_missing(connection, portal_sessions, first)
            leased = update(portal_sessions).where(_session(account_id, system), free, same)
            return connection.execute(leased.values(lease_token=token, lease_until=until)).rowcount == 1

        return token if self._database.write(work) else None

    def store_session(self, session: Session, *, system: str, token: str, record: Record) -> bool:
        """See `ports.Routebook`."""
        plain = json.dumps({"token": session.token, "session_key": session.session_key.hex()})
        values = {
            "generation": session.generation,
            "session_sealed": self._vault.seal(plain.encode(), context=_session_context(session.account_id, system)),
            "expires_at": session.expires_at,
            "renewed_at": session.renewed_at,
            "lease_token": None,
            "lease_until": None,
        }

        def work(connection: Connection) -> bool:
            mine = _session(session.account_id, system) & (portal_sessions.c.lease_token == token)
            stored = connection.execute(update(portal_sessions).where(mine).values(values)).rowcount == 1
            if stored:
                audit.append(connection, record)
            return stored

        return self._database.write(work)

    def login_pause(
        self, account_id: str, *, system: str, changed_at: datetime | None, at: datetime
    ) -> LoginPause | None:
        """See `ports.Routebook`."""
        query = select(portal_sessions).where(
            _session(account_id, system),
            portal_sessions.c.paused_until > at,
            portal_sessions.c.paused_for == changed_at,
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
            free_at = error_budget.next_login_at(_logins(connection, account_id), at=at)
        if row is not None:
            return LoginPause(until=row["paused_until"], code=row["paused_code"], message=row["paused_message"])
        return None if free_at is None else LoginPause(until=free_at)

    def begin_login(self, account_id: str, *, system: str, token: str, at: datetime) -> bool:
        """See `ports.Routebook`."""
        mine = select(portal_sessions.c.account_id).where(
            portal_sessions.c.account_id == account_id, portal_sessions.c.lease_token == token
        )
        all_routes = _of_its_taxpayer(account_id)
        past = portal_logins.c.account_id.in_(all_routes) & (portal_logins.c.at <= at - LOGIN_WINDOW)

        def work(connection: Connection) -> bool:
            connection.execute(all_routes.order_by(portal_accounts.c.id).with_for_update(of=portal_accounts))
            if connection.execute(mine.where(portal_sessions.c.system == system)).one_or_none() is None:
                return False
            if error_budget.next_login_at(_logins(connection, account_id), at=at) is not None:
                return False
            connection.execute(delete(portal_logins).where(past))
            connection.execute(insert(portal_logins), {"account_id": account_id, "at": at})
            return True

        return self._database.write(work)

    def logins(self, account_id: str) -> Sequence[datetime]:
        """See `ports.Routebook`."""
        with self._database.read() as connection:
            return _logins(connection, account_id)

    def pause_logins(self, account_id: str, *, system: str, changed_at: datetime | None, pause: LoginPause) -> None:
        """See `ports.Routebook`."""
        values = {
            "paused_until": pause.until,
            "paused_for": changed_at,
            "paused_code": pause.code,
            "paused_message": pause.message,
        }
        statement = update(portal_sessions).where(_session(account_id, system)).values(values)
        self._database.write(lambda connection: connection.execute(statement))

    def release_session(self, account_id: str, *, system: str, token: str) -> None:
        """See `ports.Routebook`."""
        mine = _session(account_id, system) & (portal_sessions.c.lease_token == token)
        statement = update(portal_sessions).where(mine).values(lease_token=None, lease_until=None)
        self._database.write(lambda connection: connection.execute(statement))

    def _sealed_headers(self, route: Route) -> bytes | None:
        if not route.headers:
            return None
        return self._vault.seal(json.dumps(dict(route.headers)).encode(), context=_headers_context(route.name))

    def _opened_headers(self, row: RowMapping) -> dict[str, str]:
        if row["headers_sealed"] is None:
            return {}
        opened: dict[str, str] = json.loads(
            self._vault.open(row["headers_sealed"], context=_headers_context(row["name"]))
        )
        return opened

    def _read_route(self, row: RowMapping) -> Route:
        return Route(
            name=row["name"],
            environment=Environment(row["environment"]),
            base_url=row["base_url"],
            gsp_account=row["gsp_account"],
            client_id=row["client_id"],
            client_secret=self._vault.open(row["client_secret_sealed"], context=_route_context(row["name"])).decode(),
            enforce_check_digit=row["enforce_check_digit"],
            pace=row["pace"],
            limits={name: Limit(**limit) for name, limit in row["limits"].items()},
            relogin_seconds_min=row["relogin_seconds_min"],
            ewb_base_url=row["ewb_base_url"],
            portal=row["portal"],
            headers=self._opened_headers(row),
        )

    def _put(self, table: Any, row: dict[str, Any], *, keys: tuple[str, ...], record: Record) -> None:
        def work(connection: Connection) -> None:
            insert_or_replace(connection, table, row, keys=keys)
            audit.append(connection, record)

        self._database.write(work)


def _login_refused(login: RowMapping, code: str) -> Announcement:
    return Announcement(
        type=EventType.CREDENTIAL_INVALID,
        environment=login["environment"],
        org_id=login["org_id"],
        gstin=login["gstin"],
        subject=login["id"],
        data={"account_id": login["id"], "route": login["route"], "portal_code": shortened(code)},
    )


def _logins(connection: Connection, account_id: str) -> Sequence[datetime]:
    mine = portal_logins.c.account_id.in_(_of_its_taxpayer(account_id))
    return connection.execute(select(portal_logins.c.at).where(mine).order_by(portal_logins.c.at)).scalars().all()


def _of_its_taxpayer(account_id: str) -> Select[tuple[str]]:
    """The account and its taxpayer's on other routes: the portals share users, so that their logins count together."""
    own = portal_accounts.alias()
    same = (own.c.environment == portal_accounts.c.environment) & (own.c.gstin == portal_accounts.c.gstin)
    return select(portal_accounts.c.id).join(own, same).where(own.c.id == account_id)


def _session(account_id: str, system: str) -> Any:
    return (portal_sessions.c.account_id == account_id) & (portal_sessions.c.system == system)


def _route_context(name: str) -> str:
    return f"routes|client_secret|{name}"


def _headers_context(name: str) -> str:
    return f"routes|headers|{name}"


def _account_context(account_id: str) -> str:
    return f"portal_accounts|credentials|{account_id}"


def _session_context(account_id: str, system: str) -> str:
    return f"portal_sessions|session|{account_id}|{system}"

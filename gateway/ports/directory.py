"""Who may call, and the way to a portal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from gateway.domain.audit import Record
from gateway.domain.operations import Environment, Lane
from gateway.domain.token_bucket import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program with OAuth credentials."""

    id: str
    environment: Environment
    org_id: str
    name: str
    secret_digest: bytes = field(repr=False)
    respond_async: bool
    revoked: bool
    former_secret_digest: bytes | None = field(default=None, repr=False)
    former_secret_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """That a client may speak for a GSTIN."""

    client_id: str
    gstin: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """A taxpayer whom the gateway serves."""

    environment: Environment
    gstin: str
    org_id: str
    route: str
    reporting_days: int | None
    other_routes: tuple[str, ...] = ()
    """Where to go when the preferred route is down, in this order."""

    @property
    def lane(self) -> Lane:
        """Where its operations wait."""
        return Lane(self.environment, self.gstin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One way to a portal. `limits` are per taxpayer (`gstin`) and for the whole GSP account (`account`).

    `ewb_base_url` is that of the portal's e-way bill system; empty: it is below `base_url`, as at the portals' sandbox.
    `portal` is the name of the portal it leads to, as sister portals know each other (NIC1, NIC2); empty: it has none.
    `headers` are what a GSP wants besides what the portal does.
    """

    name: str
    environment: Environment
    base_url: str
    gsp_account: str
    client_id: str
    client_secret: str = field(repr=False)
    enforce_check_digit: bool
    pace: str
    limits: Mapping[str, Limit]
    relogin_seconds_min: int
    ewb_base_url: str = ""
    portal: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalAccount:
    """A taxpayer's login at a portal."""

    id: str
    environment: Environment
    gstin: str
    route: str
    user_name: str = field(repr=False)
    password: str = field(repr=False)
    refused_code: str | None
    changed_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A login's yield. `generation` counts the logins of an account, so that one is not thrown away twice."""

    account_id: str
    generation: int
    token: str = field(repr=False)
    session_key: bytes = field(repr=False)
    expires_at: datetime
    renewed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPause:
    """That an account may not log in before an instant; with the portal's own words where it refused the login."""

    until: datetime
    code: str | None = None
    message: str | None = None


class Directory(Protocol):
    """Organisations, sellers, clients and what they may."""

    def add_organisation(self, *, id: str, name: str, record: Record) -> None:
        """A new organisation."""

    def organisations(self) -> Sequence[Mapping[str, Any]]:
        """All of them, oldest first."""

    def put_seller(self, seller: Seller, *, record: Record) -> None:
        """A taxpayer, new or changed. Raises Clash when another organisation has it."""

    def seller(self, *, environment: Environment, gstin: str) -> Seller | None:
        """One taxpayer."""

    def sellers(self) -> Sequence[Seller]:
        """All of them."""

    def add_client(self, client: Client, grants: Sequence[Grant], *, record: Record) -> None:
        """A new client, with what it may."""

    def client(self, id: str) -> Client | None:
        """One client, revoked or not."""

    def grants(self, client_id: str) -> Sequence[Grant]:
        """What it may now: withdrawn grants are not in it."""

    def token_keys(self, *, at: datetime | None = None) -> Sequence[tuple[str, bytes, str]]:
        """Keys that sign access tokens, newest first: key id, sealed private key, public key (PEM).

        With a time, those alone that are not retired by then.
        """

    def add_token_key(self, *, kid: str, private_sealed: bytes, public_pem: str, at: datetime) -> None:
        """A new signing key."""


class Routebook(Protocol):
    """Routes, their keys, and the logins of taxpayers. What is secret is sealed before it reaches a table."""

    def put_route(self, route: Route, *, record: Record) -> None:
        """A route, new or changed."""

    def route(self, name: str) -> Route:
        """One route. Raises Misconfigured when there is none of that name."""

    def routes(self) -> Sequence[Route]:
        """All of them."""

    def add_portal_key(self, *, route: str, purpose: str, kid: str, pem: str, record: Record) -> None:
        """A portal's public key: `login` or `signing`."""

    def portal_keys(self, *, route: str, purpose: str) -> Mapping[str, str]:
        """Key id to PEM; the newest comes last."""

    def put_account(self, account: PortalAccount, *, org_id: str, record: Record) -> None:
        """A taxpayer's login, new or replaced; a refusal that stood against the old one is forgotten."""

    def account(self, *, environment: Environment, gstin: str, route: str) -> PortalAccount | None:
        """A taxpayer's login on a route."""

    def refuse_account(self, account_id: str, *, code: str, record: Record, tried: datetime | None = None) -> None:
        """The portal does not take this login: no further tries until it is changed.

        `tried` is when the login that was refused had been entered: one that was entered since is not touched.
        """

    def session(self, account_id: str, *, system: str) -> Session | None:
        """The session that all workers share."""

    def lease_session(
        self, account_id: str, *, system: str, generation: int, at: datetime, until: datetime
    ) -> str | None:
        """The right to log in, to one caller at a time, if `generation` is still the latest; a token, or None."""

    def store_session(self, session: Session, *, system: str, token: str, record: Record) -> bool:
        """Put a new session in the place of the old one; false when the right to do so has ended."""

    def login_pause(
        self, account_id: str, *, system: str, changed_at: datetime | None, at: datetime
    ) -> LoginPause | None:
        """Why an account with credentials that were entered then may not log in now; None: it may."""

    def begin_login(self, account_id: str, *, system: str, token: str, at: datetime) -> bool:
        """Note that a login goes out now. False when it must not: too many lately, or the right to do so has ended.

        Those of the taxpayer on all of its routes count together.
        """

    def logins(self, account_id: str) -> Sequence[datetime]:
        """The latest attempts of the account's taxpayer to log in, on any route to any system, oldest first.

        Those that no longer count may be among them.
        """

    def pause_logins(self, account_id: str, *, system: str, changed_at: datetime | None, pause: LoginPause) -> None:
        """Keep all processes from logging in with these credentials for a while."""

    def release_session(self, account_id: str, *, system: str, token: str) -> None:
        """Give the right to log in back without having done so."""

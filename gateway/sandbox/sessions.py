"""Who may call: accounts that are enrolled at their first login, and the sessions that logins open."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.identifiers import is_gstin
from gateway.sandbox.wire import Refusal, Request

TOKEN_MINUTES: Final = 60
"""Life of a token, as in the portal's sandbox. Production gives 360."""

REFRESH_MINUTES: Final = 10
"""The last minutes of a token's life in which ForceRefreshAccessToken gives a new one."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a GSTIN presented at its first login, and has to present ever after."""

    client_id: str
    client_secret: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Session:
    """A token with its session key (SEK)."""

    gstin: str
    client_id: str
    user: str
    token: str
    sek: bytes
    expires_at: datetime


@dataclass(slots=True)
class Gate:
    """The accounts and the sessions, one of each for a GSTIN. `seed` makes tokens and keys repeatable."""

    seed: int
    _accounts: dict[str, Account] = field(default_factory=dict)
    _secrets: dict[str, str] = field(default_factory=dict)
    _sessions: dict[str, Session] = field(default_factory=dict)
    _opened: int = 0

    def log_in(self, gstin: str, presented: Account, *, force: bool, token_minutes: int, at: datetime) -> Session:
        """The session of a GSTIN: the one it has while that is valid, else a new one. Raises Refusal.

        A forced refresh replaces the token in the last ten minutes of its life; the old one dies then.
        """
        self._admit(gstin, presented)
        session = self._sessions.get(gstin)
        last_minutes = session is not None and session.expires_at - at <= timedelta(minutes=REFRESH_MINUTES)
        if session is None or session.expires_at <= at or (force and last_minutes):
            session = self._open(gstin, presented, expires_at=at + timedelta(minutes=token_minutes), at=at)
            self._sessions[gstin] = session
        return session

    def authenticate(self, request: Request, *, at: datetime) -> Session:
        """The session that a call belongs to. Raises Refusal 1004, 1006, 1010, 1011, 1012 or 1005."""
        gstin = read_credentials(request)
        if not request.header("user-name"):
            raise Refusal("1006", "The user name is missing.")
        session = self._sessions.get(gstin)
        named = (request.header("auth-token"), request.header("user-name"), request.header("client-id"))
        if session is None or session.expires_at <= at or named != (session.token, session.user, session.client_id):
            raise Refusal("1005", "The token is not valid, or does not belong to this GSTIN and user.")
        if self._secrets[session.client_id] != request.header("client-secret"):
            raise Refusal("1010", "The client id or the client secret is wrong.")
        return session

    def change_password(self, gstin: str, password: str) -> None:
        """What a taxpayer presents from its next login on. Whoever never logged in has none to change."""
        if gstin in self._accounts:
            self._accounts[gstin] = replace(self._accounts[gstin], password=password)

    def session(self, gstin: str) -> Session | None:
        """The session that a GSTIN has, valid or not."""
        return self._sessions.get(gstin)

    def knows(self, client_id: str, client_secret: str) -> bool:
        """Whether this is the secret of that client."""
        return self._secrets.get(client_id) == client_secret

    def drop_session(self, gstin: str) -> None:
        """Forget the token of a GSTIN before its time."""
        self._sessions.pop(gstin, None)

    def clear_sessions(self) -> None:
        """Forget every token. Accounts stay."""
        self._sessions.clear()

    def _admit(self, gstin: str, presented: Account) -> None:
        """Enrol whoever comes first; refuse whoever differs from it later."""
        secret = self._secrets.setdefault(presented.client_id, presented.client_secret)
        if secret != presented.client_secret:
            raise Refusal("1010", "The client id or the client secret is wrong.")
        known = self._accounts.setdefault(gstin, presented)
        if known.user != presented.user:
            raise Refusal("1017", "The user id is not known.")
        if known.client_id != presented.client_id:
            raise Refusal("1018", "The user id is not mapped to this client id.")
        if known.password != presented.password:
            raise Refusal("1019", "The password is wrong.")

    def _open(self, gstin: str, presented: Account, *, expires_at: datetime, at: datetime) -> Session:
        """A token and a key from the seed, the instant and a running number: repeatable, and new in every session."""
        self._opened += 1
        source = f"{self.seed}:{gstin}:{presented.user}:{at.isoformat()}:{self._opened}".encode()
        token = base64.b64encode(hashlib.sha256(b"token:" + source).digest()[:18]).decode()
        return Session(
            gstin=gstin,
            client_id=presented.client_id,
            user=presented.user,
            token=token.replace("/", "x").replace("+", "y"),
            sek=hashlib.sha256(b"sek:" + source).digest(),
            expires_at=expires_at,
        )


def read_credentials(request: Request) -> str:
    """The GSTIN of a call that names its client. Raises Refusal 1011, 1012 or 1004, and 3030 for what is no GSTIN."""
    if not request.header("client-id"):
        raise Refusal("1011", "The client id is missing.")
    if not request.header("client-secret"):
        raise Refusal("1012", "The client secret is missing.")
    gstin = request.header("gstin")
    if not gstin:
        raise Refusal("1004", "The GSTIN is missing.")
    if not is_gstin(gstin):
        raise Refusal("3030", "The GSTIN in the header is not valid.")
    return gstin

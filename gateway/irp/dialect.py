"""How a system of a portal is spoken: what the e-invoice system and the e-way bill system have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from gateway.irp.endpoints import Endpoint
from gateway.irp.envelope import Answer, Success
from gateway.ports import PortalAccount, Route, Session

JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Login:
    """What a login yields."""

    token: str = field(repr=False)
    session_key: bytes = field(repr=False)
    expires_at: datetime


class Dialect(Protocol):
    """One system's login, envelope and headers. What crosses the wire is the same in both: keys, ciphers, permits."""

    authenticate: Endpoint
    login_key_purposes: tuple[str, ...]
    """Under which of its purposes the key is kept to which logins are sealed; the first that is there is taken."""

    def login(self, account: PortalAccount, *, app_key: bytes, public_key_pem: bytes, force: bool) -> bytes:
        """The body of a login. Raises Misconfigured."""

    def logged_in(self, answer: Success, app_key: bytes, *, at: datetime) -> Login:
        """What a login asked for at `at` yields. Raises KeyError, TypeError or ValueError when that is no token."""

    def headers(self, route: Route, account: PortalAccount, session: Session | None) -> dict[str, str]:
        """The headers of a call of an account, in its session if it has one."""

    def sealed(self, endpoint: Endpoint, payload: bytes, session: Session) -> bytes:
        """The body of a call."""

    def read(self, status: int, body: bytes) -> Answer:
        """What an answer says. Never raises."""

    def opened(self, answer: Success, session: Session) -> bytes | None:
        """What a success says, decrypted; None when there is nothing in it. Raises CannotDecrypt."""

"""The e-invoice system's way of speaking: authentication v1.04, payloads and answers under the session key."""

from __future__ import annotations

from datetime import datetime

from gateway.domain.calendar import read_portal_time
from gateway.irp import crypto, endpoints, envelope
from gateway.irp.dialect import Login
from gateway.irp.endpoints import Endpoint
from gateway.ports import PortalAccount, Route, Session


class EInvoice:
    """Implements `dialect.Dialect`."""

    authenticate = endpoints.AUTHENTICATE
    login_key_purposes: tuple[str, ...] = ("login",)

    def login(self, account: PortalAccount, *, app_key: bytes, public_key_pem: bytes, force: bool) -> bytes:
        """See `Dialect`."""
        data = crypto.login_data(
            user_name=account.user_name,
            password=account.password,
            app_key=app_key,
            public_key_pem=public_key_pem,
            force_refresh=force,
        )
        return b'{"Data":"%s"}' % data.encode("ascii")

    def logged_in(self, answer: envelope.Success, app_key: bytes, *, at: datetime) -> Login:  # noqa: ARG002  told here
        """See `Dialect`. The portal says itself until when the token is good."""
        data = answer.data if isinstance(answer.data, dict) else {}
        return Login(
            token=str(data["AuthToken"]),
            session_key=crypto.unwrap_sek(str(data["Sek"]), app_key),
            expires_at=read_portal_time(str(data["TokenExpiry"])),
        )

    def headers(self, route: Route, account: PortalAccount, session: Session | None) -> dict[str, str]:
        """See `Dialect`."""
        return endpoints.headers(route, account, session)

    def sealed(self, endpoint: Endpoint, payload: bytes, session: Session) -> bytes:  # noqa: ARG002  the path says it
        """See `Dialect`."""
        return b'{"Data":"%s"}' % crypto.encrypt(payload, session.session_key).encode("ascii")

    def read(self, status: int, body: bytes) -> envelope.Answer:
        """See `Dialect`."""
        return envelope.read(status, body)

    def opened(self, answer: envelope.Success, session: Session) -> bytes | None:
        """See `Dialect`."""
        return crypto.decrypt(answer.data, session.session_key) if isinstance(answer.data, str) else None

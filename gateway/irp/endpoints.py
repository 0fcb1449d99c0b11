"""The portal's published paths and headers (NIC e-invoice API v1.03, authentication v1.04)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from gateway.ports import PortalAccount, Route, Session


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A call. `path` may hold `{key}`, which is percent-encoded."""

    method: str
    path: str


AUTHENTICATE: Final = Endpoint("POST", "/eivital/v1.04/auth")
GENERATE_IRN: Final = Endpoint("POST", "/eicore/v1.03/Invoice")
GET_IRN: Final = Endpoint("GET", "/eicore/v1.03/Invoice/irn/{key}")
GET_IRN_BY_DOCUMENT: Final = Endpoint("GET", "/eicore/v1.03/Invoice/irnbydocdetails")
GET_GSTIN: Final = Endpoint("GET", "/eivital/v1.04/Master/gstin/{key}")
_PLAIN: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""Uncompressed: an answer's size is then what was read of it."""
HEARTBEAT: Final = Endpoint("GET", "/eivital/v1.04/heartbeat/ping")


def url(route: Route, endpoint: Endpoint, *, key: str = "") -> str:
    """The address of a call on a route."""
    return route.base_url.rstrip("/") + endpoint.path.replace("{key}", quote(key, safe=""))


def headers(route: Route, account: PortalAccount | None = None, session: Session | None = None) -> dict[str, str]:
    """The headers of a call: of the client on all, of the taxpayer and its session where there are any."""
    names = {"client_id": route.client_id, "client_secret": route.client_secret, **_PLAIN}
    if account is not None:
        names["Gstin"] = account.gstin
    if account is not None and session is not None:
        names |= {"user_name": account.user_name, "AuthToken": session.token}
    return names

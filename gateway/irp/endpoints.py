"""The portals' published paths (NIC e-invoice API v1.03, authentication v1.04; e-way bill API v1.03)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from gateway.ports import PortalAccount, Route, Session

EINVOICE: Final = "einvoice"
EWAYBILL: Final = "ewaybill"
"""The systems of a portal, by the names under which their sessions are kept. Each has its own login."""
LOGIN: Final = "login"
LOOK_UP: Final = "look_up"
SEND: Final = "send"
"""The classes of calls. A route may have a limit for each, per taxpayer; the logins of both systems are one class."""
CLASSES: Final = (LOGIN, LOOK_UP, SEND)
SIGN_OF_LIFE: Final = "sign_of_life"
"""Calls to learn whether a portal answers, or what time it is. They have no limit of their own."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A call. `path` may hold `{key}`, which is percent-encoded.

    `system` is where it goes, and so how it is spoken; `action` names it there where one path serves many.
    """

    method: str
    path: str
    system: str = EINVOICE
    action: str = ""

    @property
    def limited_as(self) -> str:
        """The class of calls that it belongs to, for limits of a class."""
        if self.path.endswith("/auth"):
            return LOGIN
        return LOOK_UP if self.method == "GET" else SEND


AUTHENTICATE: Final = Endpoint("POST", "/eivital/v1.04/auth")
GENERATE_IRN: Final = Endpoint("POST", "/eicore/v1.03/Invoice")
CANCEL_IRN: Final = Endpoint("POST", "/eicore/v1.03/Invoice/Cancel")
EWB_GENERATE_BY_IRN: Final = Endpoint("POST", "/eiewb/v1.03/ewaybill")
EWB_GET_BY_IRN: Final = Endpoint("GET", "/eiewb/v1.03/ewaybill/irn/{key}")
GET_IRN: Final = Endpoint("GET", "/eicore/v1.03/Invoice/irn/{key}")
GET_IRN_BY_DOCUMENT: Final = Endpoint("GET", "/eicore/v1.03/Invoice/irnbydocdetails")
REJECTED_IRNS: Final = Endpoint("GET", "/eicore/v1.03/Invoice/rejectedirns")
SYNC_GSTIN: Final = Endpoint("GET", "/eivital/v1.04/Master/syncgstin/{key}")
GET_GSTIN: Final = Endpoint("GET", "/eivital/v1.04/Master/gstin/{key}")
PLAIN: Final[Mapping[str, str]] = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""Uncompressed: an answer's size is then what was read of it."""
HEARTBEAT: Final = Endpoint("GET", "/eivital/v1.04/heartbeat/ping")

_EWAYBILL_FOLDER: Final = "/ewaybillapi"
"""Where a host that serves both systems, as the portals' sandbox does, has that of the e-way bills."""
EWB_AUTHENTICATE: Final = Endpoint("POST", "/v1.03/auth", EWAYBILL, "ACCESSTOKEN")
EWB_GET: Final = Endpoint("GET", "/v1.03/ewayapi/GetEwayBill", EWAYBILL)
EWB_GET_BY_DOCUMENT: Final = Endpoint("GET", "/v1.03/ewayapi/GetEwayBillGeneratedByConsigner", EWAYBILL)
"""Asked with docType and docNo; the document's date is not asked for."""
TELLS_TIME: Final[Mapping[str, Endpoint]] = {EINVOICE: HEARTBEAT, EWAYBILL: Endpoint("GET", "/", EWAYBILL)}
"""What a system's host is asked for nothing but the `Date` of its answer. The e-way bill system has no sign of life; a
page that is not there is dated as well."""


def _action(name: str) -> Endpoint:
    return Endpoint("POST", "/v1.03/ewayapi", EWAYBILL, name)


EWB_GENERATE: Final = _action("GENEWAYBILL")
EWB_VEHICLE: Final = _action("VEHEWB")
EWB_CANCEL: Final = _action("CANEWB")
EWB_REJECT: Final = _action("REJEWB")
EWB_EXTEND: Final = _action("EXTENDVALIDITY")
EWB_TRANSPORTER: Final = _action("UPDATETRANSPORTER")
EWB_CONSOLIDATE: Final = _action("GENCEWB")
EWB_MULTI_BEGIN: Final = _action("MULTIVEHMOVINT")
EWB_MULTI_ADD: Final = _action("MULTIVEHADD")
EWB_MULTI_CHANGE: Final = _action("MULTIVEHUPD")
EWB_CLOSE: Final = _action("CLSEWB")
"""Of August 2026. Two published samples call it so, a third CLOSEEWB."""


def url(route: Route, endpoint: Endpoint, *, key: str = "") -> str:
    """The address of a call on a route."""
    base = route.base_url.rstrip("/")
    if endpoint.system == EWAYBILL:
        base = (route.ewb_base_url or base + _EWAYBILL_FOLDER).rstrip("/")
    return base + endpoint.path.replace("{key}", quote(key, safe=""))


def headers(route: Route, account: PortalAccount | None = None, session: Session | None = None) -> dict[str, str]:
    """The headers of a call: of the client on all, of the taxpayer and its session where there are any."""
    names = {**route.headers, "client_id": route.client_id, "client_secret": route.client_secret, **PLAIN}
    if account is not None:
        names["Gstin"] = account.gstin
    if account is not None and session is not None:
        names |= {"user_name": account.user_name, "AuthToken": session.token}
    return names

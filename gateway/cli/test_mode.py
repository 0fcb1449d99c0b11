"""The set-up of test mode: the route to the sandbox portal, a seller, and a client for it."""

from __future__ import annotations

from typing import Final

import httpx

from gateway.domain.operations import Environment
from gateway.domain.token_bucket import Limit
from gateway.errors import Unavailable
from gateway.ports import Route, Seller
from gateway.sandbox.master import ACTIVE_SELLER
from gateway.services import access
from gateway.services.ports import Ports

ROUTE: Final = "sandbox"
ORGANISATION: Final = "Test organisation"
LIMITS: Final = {
    "gstin": Limit(calls=6000, seconds=60, burst=100),
    "account": Limit(calls=30_000, seconds=60, burst=500),
}
"""Generous: a developer tries the gateway, not the limit. Set others with `mohar route add`."""
RELOGIN_SECONDS_MIN: Final = 2
_KEY_SECONDS_MAX: Final = 30.0


def put_route(sandbox_url: str, *, ports: Ports) -> Route:
    """Point the route `sandbox` at a sandbox portal and install the keys that it publishes."""
    route = Route(
        name=ROUTE,
        environment=Environment.TEST,
        base_url=sandbox_url,
        gsp_account="sandbox",
        client_id="mohar",
        client_secret="sandbox",  # noqa: S106  the sandbox takes any, and remembers the first
        enforce_check_digit=False,
        pace="brisk",
        limits=LIMITS,
        relogin_seconds_min=RELOGIN_SECONDS_MIN,
    )
    access.put_route(route, ports=ports)
    install_keys(route, ports=ports)
    return route


def install_keys(route: Route, *, ports: Ports) -> None:
    """Take the login key and the signing certificates from the sandbox's own page. Raises Unavailable."""
    try:
        answer = httpx.get(f"{route.base_url}/_keys", timeout=_KEY_SECONDS_MAX, trust_env=False)
        keys = answer.raise_for_status().json()
    except httpx.HTTPError as error:
        raise Unavailable(
            "sandbox-away",
            f"The sandbox at {route.base_url} does not answer.",
            help="Start it with `mohar sandbox`.",
            retry_after=1,
        ) from error
    access.add_portal_key(route=route, purpose="login", kid="login", pem=keys["login_public_key"], ports=ports)
    for key in keys["signing"]:
        access.add_portal_key(route=route, purpose="signing", kid=key["kid"], pem=key["certificate"], ports=ports)


def add_seller(gstin: str = ACTIVE_SELLER.gstin, *, ports: Ports) -> str:
    """A test seller and a client for it: the client's id and secret are returned as `id:secret`."""
    org_id = access.ensure_organisation(ORGANISATION, ports=ports)
    seller = Seller(environment=Environment.TEST, gstin=gstin, org_id=org_id, route=ROUTE, reporting_days=None)
    access.put_seller(seller, user_name=f"{gstin}-api", password=f"{gstin}-api", ports=ports)
    client_id, secret = access.add_client(
        environment=Environment.TEST, gstins=[gstin], name="test client", respond_async=False, ports=ports
    )
    return f"{client_id}:{secret}"

"""Set-up: organisations, sellers with their portal logins, clients, routes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway.domain.audit import Action, Record
from gateway.domain.identifiers import (
    ACCOUNT_PREFIX,
    AUDIT_PREFIX,
    CLIENT_PREFIX,
    ORGANISATION_PREFIX,
    gstin_check_digit_holds,
    is_gstin,
)
from gateway.domain.operations import Environment, HoldCause
from gateway.errors import Absent, Invalid
from gateway.ports import Client, Grant, PortalAccount, Route, Seller
from gateway.services.ports import Ports
from gateway.services.principal import ALL_SCOPES, Scope

OPERATOR: Final = "operator"
_GSP_ACCOUNT: Final = re.compile(r"[^{}\x00-\x1f]{1,80}")
"""As wide as its column. It stands between braces in its keys in Redis, as their hash tag: so it is not empty."""
_HELD_FOR_CREDENTIALS: Final = (HoldCause.CREDENTIALS, HoldCause.ACCOUNT)


def ensure_organisation(name: str, *, ports: Ports) -> str:
    """The id of the organisation of that name, made if there is none."""
    for organisation in ports.directory.organisations():
        if organisation["name"] == name:
            return str(organisation["id"])
    org_id = ports.ids.new(ORGANISATION_PREFIX)
    record = audit_record(Action.ORGANISATION_ADDED, org_id, ports, org_id=org_id)
    ports.directory.add_organisation(id=org_id, name=name, record=record)
    return org_id


def put_route(route: Route, *, ports: Ports) -> None:
    """Add or change a route; what was held for want of it is tried again. Raises Invalid.

    Its limits become those of all routes of its GSP account, which share its buckets. Who waits by the old ones asks
    again.
    """
    if _GSP_ACCOUNT.fullmatch(route.gsp_account) is None:
        raise Invalid(
            "gsp-account-malformed",
            f"{route.gsp_account!r} cannot name a GSP account.",
            help="Give it 1 to 80 characters without braces.",
        )
    began = ports.clock.now()
    others = [each for each in ports.routebook.routes() if each.name != route.name]
    sisters = [each for each in others if each.gsp_account == route.gsp_account and each.limits != route.limits]
    for changed in (route, *(replace(each, limits=route.limits) for each in sisters)):
        facts = {"base_url": changed.base_url, "gsp_account": changed.gsp_account}
        record = audit_record(Action.ROUTE_CHANGED, changed.name, ports, environment=changed.environment, facts=facts)
        ports.routebook.put_route(changed, record=record)
    _wake(route.environment, None, (HoldCause.ACCOUNT,), ports)
    ports.upkeep.free_lanes(changed_since=began, at=began)


def add_portal_key(*, route: Route, purpose: str, kid: str, pem: str, ports: Ports) -> None:
    """Install a portal's public key (`login` or `signing`); what was held for want of it is read again."""
    facts = {"purpose": purpose, "kid": kid}
    record = audit_record(Action.PORTAL_KEY_ADDED, route.name, ports, environment=route.environment, facts=facts)
    ports.routebook.add_portal_key(route=route.name, purpose=purpose, kid=kid, pem=pem, record=record)
    _wake(route.environment, None, (HoldCause.SIGNING_KEY_UNKNOWN, HoldCause.ACCOUNT), ports)


def put_seller(seller: Seller, *, user_name: str, password: str, ports: Ports, actor: str = OPERATOR) -> None:
    """Set a taxpayer up with its portal login, or change it. Raises Invalid, or Clash when another has the GSTIN.

    The login is good for all of its routes: NIC's portals share them. One that has another is entered for that route.
    """
    route = ports.routebook.route(seller.route)
    if not is_gstin(seller.gstin) or (route.enforce_check_digit and not gstin_check_digit_holds(seller.gstin)):
        raise Invalid("gstin-invalid", f"{seller.gstin} is no GSTIN.", help="Check it against the certificate.")
    for name in (seller.route, *seller.other_routes):
        _refuse_foreign(ports.routebook.route(name), seller)
    facts = {
        "route": seller.route,
        "other_routes": list(seller.other_routes),
        "reporting_days": seller.reporting_days,
    }
    ports.directory.put_seller(seller, record=_seller_record(Action.GSTIN_ADDED, seller, ports, facts, actor=actor))
    for name in (seller.route, *seller.other_routes):
        put_login(seller, name, user_name=user_name, password=password, ports=ports, actor=actor)
    _wake(seller.environment, seller.gstin, _HELD_FOR_CREDENTIALS, ports)


def put_login(
    seller: Seller, route: str, *, user_name: str, password: str, ports: Ports, actor: str = OPERATOR
) -> None:
    """A taxpayer's login on one route, new or replaced."""
    known = ports.routebook.account(environment=seller.environment, gstin=seller.gstin, route=route)
    account = PortalAccount(
        id=known.id if known is not None else ports.ids.new(ACCOUNT_PREFIX),
        environment=seller.environment,
        gstin=seller.gstin,
        route=route,
        user_name=user_name,
        password=password,
        refused_code=None,
    )
    record = _seller_record(Action.CREDENTIALS_CHANGED, seller, ports, {"route": route}, actor=actor)
    ports.routebook.put_account(account, org_id=seller.org_id, record=record)


def _refuse_foreign(route: Route, seller: Seller) -> None:
    if route.environment is not seller.environment:
        raise Invalid(
            "route-of-other-environment",
            f"The route {route.name} belongs to the {route.environment} environment.",
            help="Test GSTINs use the sandbox route, live ones never do.",
        )


def add_client(
    *,
    environment: Environment,
    gstins: Sequence[str],
    name: str,
    respond_async: bool,
    ports: Ports,
    scopes: frozenset[Scope] = ALL_SCOPES,
    org_id: str | None = None,
    actor: str = OPERATOR,
) -> tuple[str, str]:
    """A new client for GSTINs of one organisation: its id, and its secret, which is never shown again.

    With `org_id`, other organisations' GSTINs are not found. Raises Absent, or Invalid for GSTINs of two.
    """
    sellers = [ports.directory.seller(environment=environment, gstin=gstin) for gstin in gstins]
    missing = [
        gstin
        for gstin, seller in zip(gstins, sellers, strict=True)
        if seller is None or org_id not in (None, seller.org_id)
    ]
    if missing or not sellers:
        raise Absent(
            "gstin-unknown",
            f"Not set up in the {environment} environment: {', '.join(missing) or 'no GSTIN named'}.",
            help="Add it with `mohar gstin add` first.",
        )
    organisations = {seller.org_id for seller in sellers if seller is not None}
    if len(organisations) > 1:
        raise Invalid("gstins-of-two", "These GSTINs belong to two organisations.", help="Make a client for each.")
    secret = ports.secrets.new()
    client = Client(
        id=ports.ids.new(CLIENT_PREFIX),
        environment=environment,
        org_id=organisations.pop(),
        name=name,
        secret_digest=ports.secrets.digest(secret),
        respond_async=respond_async,
        revoked=False,
    )
    grants = [Grant(client_id=client.id, gstin=gstin, scopes=frozenset(scopes)) for gstin in gstins]
    record = audit_record(
        Action.CLIENT_ADDED,
        client.id,
        ports,
        environment=environment,
        org_id=client.org_id,
        facts={"gstins": list(gstins), "name": name, "scopes": sorted(scopes)},
        actor=actor,
    )
    ports.directory.add_client(client, grants, record=record)
    return client.id, secret


def _wake(environment: Environment, gstin: str | None, causes: Sequence[HoldCause], ports: Ports) -> None:
    ports.upkeep.wake_held(environment=environment, gstin=gstin, causes=causes, at=ports.clock.now())


def _seller_record(action: Action, seller: Seller, ports: Ports, facts: Mapping[str, Any], *, actor: str) -> Record:
    return audit_record(
        action,
        seller.gstin,
        ports,
        environment=seller.environment,
        org_id=seller.org_id,
        gstin=seller.gstin,
        facts=facts,
        actor=actor,
    )


def audit_record(
    action: Action,
    subject: str,
    ports: Ports,
    *,
    environment: Environment | None = None,
    org_id: str | None = None,
    gstin: str | None = None,
    facts: Mapping[str, Any] | None = None,
    actor: str = OPERATOR,
) -> Record:
    """A record of something that was set up or changed, now."""
    return Record(
        id=ports.ids.new(AUDIT_PREFIX),
        at=ports.clock.now(),
        actor=actor,
        action=action,
        subject=subject,
        environment=environment,
        org_id=org_id,
        gstin=gstin,
        facts=facts or {},
    )

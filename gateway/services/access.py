"""Who may call: organisations, sellers, clients, tokens; and the set-up of routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
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
from gateway.errors import Absent, Forbidden, Invalid, Unauthorised
from gateway.ports import Claims, Client, Grant, PortalAccount, Route, Seller
from gateway.services.ports import Ports
from gateway.services.principal import ALL_SCOPES, Principal

OPERATOR: Final = "operator"
TOKEN_SECONDS: Final = 900
"""Life of an access token: short, because a stolen one is good until then."""
_HELD_FOR_CREDENTIALS: Final = (HoldCause.CREDENTIALS, HoldCause.ACCOUNT)


def ensure_organisation(name: str, *, ports: Ports) -> str:
    """The id of the organisation of that name, made if there is none."""
    for organisation in ports.directory.organisations():
        if organisation["name"] == name:
            return str(organisation["id"])
    org_id = ports.ids.new(ORGANISATION_PREFIX)
    record = _record(Action.ORGANISATION_ADDED, org_id, ports, org_id=org_id)
    ports.directory.add_organisation(id=org_id, name=name, record=record)
    return org_id


def put_route(route: Route, *, ports: Ports) -> None:
    """Add or change a route; what was held for want of it is tried again."""
    facts = {"base_url": route.base_url, "gsp_account": route.gsp_account}
    record = _record(Action.ROUTE_CHANGED, route.name, ports, environment=route.environment, facts=facts)
    ports.routebook.put_route(route, record=record)
    _wake(route.environment, None, (HoldCause.ACCOUNT,), ports)


def add_portal_key(*, route: Route, purpose: str, kid: str, pem: str, ports: Ports) -> None:
    """Install a portal's public key (`login` or `signing`); what was held for want of it is read again."""
    facts = {"purpose": purpose, "kid": kid}
    record = _record(Action.PORTAL_KEY_ADDED, route.name, ports, environment=route.environment, facts=facts)
    ports.routebook.add_portal_key(route=route.name, purpose=purpose, kid=kid, pem=pem, record=record)
    _wake(route.environment, None, (HoldCause.SIGNING_KEY_UNKNOWN, HoldCause.ACCOUNT), ports)


def put_seller(seller: Seller, *, user_name: str, password: str, ports: Ports) -> None:
    """Set a taxpayer up with its portal login, or change it. Raises Invalid, or Clash when another has the GSTIN."""
    route = ports.routebook.route(seller.route)
    if not is_gstin(seller.gstin) or (route.enforce_check_digit and not gstin_check_digit_holds(seller.gstin)):
        raise Invalid("gstin-invalid", f"{seller.gstin} is no GSTIN.", help="Check it against the certificate.")
    if route.environment is not seller.environment:
        raise Invalid(
            "route-of-other-environment",
            f"The route {route.name} belongs to the {route.environment} environment.",
            help="Test GSTINs use the sandbox route, live ones never do.",
        )
    facts = {"route": seller.route, "reporting_days": seller.reporting_days}
    ports.directory.put_seller(seller, record=_seller_record(Action.GSTIN_ADDED, seller, ports, facts))
    known = ports.routebook.account(environment=seller.environment, gstin=seller.gstin, route=seller.route)
    account = PortalAccount(
        id=known.id if known is not None else ports.ids.new(ACCOUNT_PREFIX),
        environment=seller.environment,
        gstin=seller.gstin,
        route=seller.route,
        user_name=user_name,
        password=password,
        refused_code=None,
    )
    record = _seller_record(Action.CREDENTIALS_CHANGED, seller, ports, {"route": seller.route})
    ports.routebook.put_account(account, org_id=seller.org_id, record=record)
    _wake(seller.environment, seller.gstin, _HELD_FOR_CREDENTIALS, ports)


def add_client(
    *,
    environment: Environment,
    gstins: Sequence[str],
    name: str,
    respond_async: bool,
    ports: Ports,
) -> tuple[str, str]:
    """A new client for GSTINs of one organisation: its id, and its secret, which is never shown again."""
    sellers = [ports.directory.seller(environment=environment, gstin=gstin) for gstin in gstins]
    missing = [gstin for gstin, seller in zip(gstins, sellers, strict=True) if seller is None]
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
    grants = [Grant(client_id=client.id, gstin=gstin, scopes=frozenset(ALL_SCOPES)) for gstin in gstins]
    record = _record(
        Action.CLIENT_ADDED,
        client.id,
        ports,
        environment=environment,
        org_id=client.org_id,
        facts={"gstins": list(gstins), "name": name},
    )
    ports.directory.add_client(client, grants, record=record)
    return client.id, secret


def issue_token(
    *,
    client_id: str,
    client_secret: str,
    gstin: str | None,
    scope: str | None,
    ports: Ports,
) -> tuple[str, Claims]:
    """An access token bound to one GSTIN. Raises Unauthorised for a bad client, Invalid for a bad GSTIN or scope."""
    client = ports.directory.client(client_id)
    digest = client.secret_digest if client is not None and not client.revoked else None
    if not ports.secrets.matches(client_secret, digest) or client is None:
        raise Unauthorised(
            "invalid_client", "The client id or its secret is wrong.", help="Check both; a lost secret is replaced."
        )
    grant = _grant(ports.directory.grants(client.id), gstin)
    at = ports.clock.now()
    claims = Claims(
        client_id=client.id,
        gstin=grant.gstin,
        environment=client.environment,
        scopes=_scopes(scope, grant),
        token_id=ports.ids.new(""),
        expires_at=(at + timedelta(seconds=TOKEN_SECONDS)).replace(microsecond=0),
    )
    return ports.tokens.issue(claims, at=at), claims


def principal(token: str, *, ports: Ports) -> Principal:
    """The caller behind a token, if its client and its grant are live. Raises Unauthorised or Forbidden."""
    claims = ports.tokens.check(token, at=ports.clock.now())
    client = ports.directory.client(claims.client_id)
    if client is None or client.revoked:
        raise Unauthorised("client-revoked", "The client of this token is revoked.", help="Ask for a new client.")
    grant = next((grant for grant in ports.directory.grants(client.id) if grant.gstin == claims.gstin), None)
    if grant is None:
        raise Forbidden(
            "gstin-not-granted",
            "This client may no longer speak for the GSTIN of its token.",
            help="Have the GSTIN granted again, or use another.",
        )
    return Principal(
        client_id=client.id,
        org_id=client.org_id,
        environment=client.environment,
        gstin=claims.gstin,
        scopes=claims.scopes & grant.scopes,
        respond_async=client.respond_async,
    )


def _grant(grants: Sequence[Grant], gstin: str | None) -> Grant:
    if gstin is None and len(grants) == 1:
        return grants[0]
    named = [grant for grant in grants if grant.gstin == gstin]
    if named:
        return named[0]
    raise Invalid(
        "invalid_request" if gstin is None else "invalid_target",
        "Several GSTINs are granted to this client." if gstin is None else "This client may not speak for that GSTIN.",
        help="Name one of its GSTINs in the form field `gstin`.",
    )


def _scopes(wanted: str | None, grant: Grant) -> frozenset[str]:
    scopes = grant.scopes if not wanted else frozenset(wanted.split())
    if not scopes <= grant.scopes:
        raise Invalid(
            "invalid_scope",
            "More was asked for than this client is granted.",
            help=f"Ask for some of: {' '.join(sorted(grant.scopes))}.",
        )
    return scopes


def _wake(environment: Environment, gstin: str | None, causes: Sequence[HoldCause], ports: Ports) -> None:
    ports.upkeep.wake_held(environment=environment, gstin=gstin, causes=causes, at=ports.clock.now())


def _seller_record(action: Action, seller: Seller, ports: Ports, facts: Mapping[str, Any]) -> Record:
    return _record(
        action,
        seller.gstin,
        ports,
        environment=seller.environment,
        org_id=seller.org_id,
        gstin=seller.gstin,
        facts=facts,
    )


def _record(
    action: Action,
    subject: str,
    ports: Ports,
    *,
    environment: Environment | None = None,
    org_id: str | None = None,
    gstin: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Record:
    return Record(
        id=ports.ids.new(AUDIT_PREFIX),
        at=ports.clock.now(),
        actor=OPERATOR,
        action=action,
        subject=subject,
        environment=environment,
        org_id=org_id,
        gstin=gstin,
        facts=facts or {},
    )

"""`mohar route`: the ways to a portal, their limits, and the portal's public keys."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.cli.local import opened
from gateway.cli.output import JsonOption, console, print_json, table
from gateway.domain.operations import Environment
from gateway.domain.retries import PACES
from gateway.domain.token_bucket import Limit
from gateway.errors import Clash, Invalid, Misconfigured
from gateway.irp import endpoints
from gateway.irp.signing_keys import SigningKeys
from gateway.ports import Route
from gateway.services import access
from gateway.services.ports import Ports

GSTIN_CALLS_PER_MINUTE: Final = 60
"""The only figure that a GSP has published; the portals publish none (reference: NIC's pages, 2026)."""
ACCOUNT_CALLS_PER_MINUTE: Final = 600
"""A cautious start for a whole GSP account; the contract with the GSP has the true figure."""
MINUTE_SECONDS: Final = 60
BURST_SHARE: Final = 10
"""A tenth of a minute's calls may come at once."""
RELOGIN_SECONDS_MIN: Final = 60
"""Two gateways of one taxpayer throw each other out; they then do so once a minute and not without end."""
_KEY_DIGITS: Final = 16
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"

Pace = StrEnum("Pace", {name: name for name in PACES})  # type: ignore[misc]  # members from the table of paces
DEFAULT_PACE: Final = Pace("standard")


class Purpose(StrEnum):
    """What a portal's public key is for: sealing logins to it, or checking what it signed.

    Without a key of its own the e-way bill system is logged in to with the key for all logins.
    """

    LOGIN = "login"
    EWB_LOGIN = "ewb-login"
    SIGNING = "signing"


_LOGINS: Final = (Purpose.LOGIN, Purpose.EWB_LOGIN)


class BucketName(StrEnum):
    """What a limit is for."""

    ACCOUNT = "account"
    GSTIN = "gstin"
    LOGIN = endpoints.LOGIN
    LOOK_UP = endpoints.LOOK_UP
    SEND = endpoints.SEND


@dataclass(frozen=True, slots=True)
class Key:
    """A portal's public key, checked."""

    purpose: Purpose
    kid: str
    pem: str


route_app = typer.Typer(help="The ways to a portal.", no_args_is_help=True)


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(route_app, name="route")


@route_app.command("add")
def add_route(
    name: Annotated[str, typer.Argument(help="What the route is called here.")],
    *,
    environment: Annotated[Environment, typer.Option(help="`live` for invoices that count.")],
    base_url: Annotated[str, typer.Option(help="Where the portal's paths begin.")],
    ewb_base_url: Annotated[
        str, typer.Option(help="Where those of its e-way bill system begin, before /v1.03; default: below base-url.")
    ] = "",
    client_id: Annotated[str, typer.Option(help="The GSP's client id at the portal.")],
    gsp_account: Annotated[str, typer.Option(help="Routes of one account share one limit.")],
    client_secret_file: Annotated[
        Path | None, typer.Option(help="File with the client secret alone; otherwise it is asked for.", exists=True)
    ] = None,
    portal: Annotated[
        str, typer.Option(help="The portal's name among its sisters, NIC1 or NIC2: what one made the other then finds.")
    ] = "",
    header: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE that a GSP wants on every call; repeat for more. Sealed.")
    ] = None,
    gstin_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Calls a minute for one GSTIN; unless said the account's, or 60.")
    ] = None,
    account_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Calls a minute for all; unless said the account's, or 600.")
    ] = None,
    pace: Annotated[Pace, typer.Option(help="How soon it is tried again.")] = DEFAULT_PACE,
    login_key: Annotated[Path | None, typer.Option(help="The portal's public key for logins.", exists=True)] = None,
    signing_key: Annotated[
        list[Path] | None, typer.Option(help="A certificate by which it signs; repeat for more.", exists=True)
    ] = None,
    no_check_digit: Annotated[
        bool, typer.Option("--no-check-digit", help="Take GSTINs whose check digit is wrong, as a sandbox has them.")
    ] = False,
) -> None:
    """Add a way to a portal, or change one. A live route is refused without the portal's keys."""
    keys = _read_keys(login_key, signing_key or [])
    _refuse_plain(environment, base_url)
    _refuse_plain(environment, ewb_base_url or base_url)
    with opened() as wiring:
        ports = wiring.ports
        _refuse_unusable(name, environment, keys, ports)
        route = Route(
            name=name,
            environment=environment,
            base_url=base_url.rstrip("/"),
            gsp_account=gsp_account,
            client_id=client_id,
            client_secret=_secret(client_secret_file),
            enforce_check_digit=not no_check_digit,
            pace=pace.value,
            limits=_limits(gsp_account, ports, gstin=gstin_per_minute, account=account_per_minute),
            relogin_seconds_min=RELOGIN_SECONDS_MIN,
            ewb_base_url=ewb_base_url.rstrip("/"),
            portal=portal,
            headers=_headers(header or []),
        )
        access.put_route(route, ports=ports)
        _add_keys(route, keys, ports)
    console.print(f"The route {name} ({environment}) leads to {route.base_url}.", markup=False)


def _headers(given: list[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    if not all(name and equals and name.isascii() and value.isprintable() for name, equals, value in pairs):
        raise Misconfigured(
            "header-unreadable", "A header is NAME=VALUE.", help="Write it as --header 'x-gsp-key=…', once for each."
        )
    return {name: value for name, _, value in pairs}


@route_app.command("limit")
def set_limit(
    name: Annotated[str, typer.Argument(help="The route.")],
    bucket: Annotated[BucketName, typer.Argument(help="For all its account, for each GSTIN, or a class of its calls.")],
    calls: Annotated[int, typer.Argument(min=1, help="So many calls …")],
    *,
    seconds: Annotated[int, typer.Option(min=1, help="… in so many seconds.")] = MINUTE_SECONDS,
    burst: Annotated[int | None, typer.Option(min=1, help="How many at once; a tenth of them, unless said.")] = None,
) -> None:
    """Change a limit of a route's GSP account, while everything runs: within a second all processes go by it."""
    limit = Limit(calls=calls, seconds=seconds, burst=burst or max(1, calls // BURST_SHARE))
    with opened() as wiring:
        route = wiring.ports.routebook.route(name)
        access.put_route(replace(route, limits={**route.limits, bucket.value: limit}), ports=wiring.ports)
    console.print(f"The route {name}: {calls} calls in {seconds} s for {bucket}, {limit.burst} at once.", markup=False)


@route_app.command("key")
def add_key(
    name: Annotated[str, typer.Argument(help="The route.")],
    file: Annotated[Path, typer.Argument(help="PEM of a certificate or of a public key.", exists=True)],
    purpose: Annotated[Purpose, typer.Option(help="What the key is for.")],
    kid: Annotated[str | None, typer.Option(help="Key id; a certificate says its own.")] = None,
) -> None:
    """Install a portal's public key. What was held for want of it goes on by itself."""
    key = _read_key(file, purpose, kid=kid)
    with opened() as wiring:
        _add_keys(wiring.ports.routebook.route(name), [key], wiring.ports)
    console.print(f"The route {name} has the {purpose} key {key.kid}.", markup=False)


@route_app.command("list")
def list_routes(*, as_json: JsonOption = False) -> None:
    """The routes, with their limits and keys."""
    with opened() as wiring:
        found = [_route_json(route, wiring.ports) for route in wiring.ports.routebook.routes()]
    if as_json:
        print_json(found)
        return
    if not found:
        console.print("There is no route yet: `mohar route add` adds one.")
        return
    rows = [
        (
            each["name"],
            each["environment"],
            each["base_url"],
            f"{each['gsp_account']}: {', '.join(f'{calls}/min {kind}' for kind, calls in each['per_minute'].items())}",
            f"{len(each['login_keys'])} login, {len(each['signing_keys'])} signing",
        )
        for each in found
    ]
    console.print(table(("route", "environment", "leads to", "account and limits", "keys"), rows))


def _read_keys(login: Path | None, signing: Sequence[Path]) -> list[Key]:
    keys = [_read_key(file, Purpose.SIGNING) for file in signing]
    return [*keys, _read_key(login, Purpose.LOGIN)] if login is not None else keys


def _read_key(file: Path, purpose: Purpose, *, kid: str | None = None) -> Key:
    """A key file. Raises Misconfigured when it is not what a portal publishes."""
    pem = file.read_bytes()
    if purpose in _LOGINS:
        pem = _public_pem(pem)
        kid = kid or f"login-{hashlib.sha256(pem).hexdigest()[:_KEY_DIGITS]}"
    name = SigningKeys(monotonic=lambda: 0.0).add(pem, kid=kid)
    return Key(purpose, name, pem.decode("ascii"))


def _public_pem(pem: bytes) -> bytes:
    """A certificate's public key; a bare one as it is."""
    if _CERTIFICATE not in pem:
        return pem
    key = x509.load_pem_x509_certificate(pem).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _refuse_plain(environment: Environment, base_url: str) -> None:
    scheme, host = urlsplit(base_url).scheme, urlsplit(base_url).hostname
    if host is None or scheme not in ("http", "https"):
        raise Invalid("url-malformed", f"{base_url} is no address.", help="Write it with https:// in front.")
    if environment is Environment.LIVE and scheme != "https":
        raise Invalid("url-not-https", "A live route has to be https.", help="Write it with https:// in front.")


def _refuse_unusable(name: str, environment: Environment, keys: Sequence[Key], ports: Ports) -> None:
    """Refuse to move a route between the environments, and a live one that could not log in or verify."""
    known = next((route for route in ports.routebook.routes() if route.name == name), None)
    if known is not None and known.environment is not environment:
        raise Clash(
            "route-of-other-environment",
            f"The route {name} belongs to the {known.environment} environment.",
            help="Give the new route another name: test and live never mix.",
        )
    there = {key.purpose for key in keys}
    there |= {purpose for purpose in Purpose if ports.routebook.portal_keys(route=name, purpose=purpose.value)}
    missing = [purpose for purpose in (Purpose.LOGIN, Purpose.SIGNING) if purpose not in there]
    if environment is Environment.LIVE and missing:
        raise Misconfigured(
            "route-keys-missing",
            f"A live route needs the portal's keys; missing: {', '.join(missing)}.",
            help="Download the API public key and the signing certificate from the portal, and name the files with "
            "--login-key and --signing-key.",
        )


def _secret(file: Path | None) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    return str(typer.prompt("Client secret", hide_input=True))


def _limits(gsp_account: str, ports: Ports, **said: int | None) -> dict[str, Limit]:
    """The limits that were said, else those of the account, else cautious ones."""
    cautious = {"gstin": _limit(GSTIN_CALLS_PER_MINUTE), "account": _limit(ACCOUNT_CALLS_PER_MINUTE)}
    known = next((route.limits for route in ports.routebook.routes() if route.gsp_account == gsp_account), cautious)
    return {**known, **{kind: _limit(calls) for kind, calls in said.items() if calls is not None}}


def _limit(calls_per_minute: int) -> Limit:
    return Limit(calls=calls_per_minute, seconds=MINUTE_SECONDS, burst=max(1, calls_per_minute // BURST_SHARE))


def _add_keys(route: Route, keys: Sequence[Key], ports: Ports) -> None:
    for key in keys:
        access.add_portal_key(route=route, purpose=key.purpose.value, kid=key.kid, pem=key.pem, ports=ports)


def _route_json(route: Route, ports: Ports) -> dict[str, Any]:
    return {
        "name": route.name,
        "environment": route.environment.value,
        "base_url": route.base_url,
        "ewb_base_url": route.ewb_base_url or None,
        "gsp_account": route.gsp_account,
        "per_minute": {
            kind: limit.calls * MINUTE_SECONDS // limit.seconds for kind, limit in sorted(route.limits.items())
        },
        "pace": route.pace,
        "check_digit": route.enforce_check_digit,
        "login_keys": [
            kid for purpose in _LOGINS for kid in ports.routebook.portal_keys(route=route.name, purpose=purpose.value)
        ],
        "signing_keys": list(ports.routebook.portal_keys(route=route.name, purpose=Purpose.SIGNING.value)),
    }

"""`mohar gstin`: taxpayers with their portal logins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from gateway.cli.local import opened
from gateway.cli.output import JsonOption, console, print_json, table
from gateway.domain.operations import Environment
from gateway.errors import Invalid, Misconfigured
from gateway.ports import Seller, SellerLogin
from gateway.services import access
from gateway.services.ports import Ports

FIRST_ORGANISATION: Final = "main"
"""Name of the organisation that the first taxpayer belongs to, where none is named."""

EnvironmentOption = Annotated[Environment, typer.Option(help="`live` for invoices that count.")]

gstin_app = typer.Typer(help="Taxpayers and their logins at the portal.", no_args_is_help=True)


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(gstin_app, name="gstin")


@gstin_app.command("add")
def add_gstin(
    gstin: Annotated[str, typer.Argument(help="The taxpayer's GSTIN.")],
    *,
    environment: EnvironmentOption = Environment.TEST,
    route: Annotated[str | None, typer.Option(help="The way to the portal; needed where there are several.")] = None,
    other_route: Annotated[
        list[str] | None, typer.Option(help="Where to go when that is down; repeat for more, in their order.")
    ] = None,
    organisation: Annotated[str | None, typer.Option(help="Whose taxpayer it is; made if it is new.")] = None,
    user: Annotated[str | None, typer.Option(help="API user name at the portal; asked for if not given.")] = None,
    credentials_file: Annotated[
        Path | None,
        typer.Option(help='JSON file {"user_name", "password"}; otherwise they are asked for.', exists=True),
    ] = None,
    reporting_days: Annotated[
        int | None, typer.Option(min=0, help="Days in which the law wants documents reported; 0: no limit.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Set up a taxpayer with its portal login, or change either. What waited for the login goes on by itself.

    The password is read without echo, or from a file, and sealed. What is not named again stays as it was.
    """
    gstin = gstin.strip().upper()
    with opened() as wiring:
        ports = wiring.ports
        known = ports.directory.seller(environment=environment, gstin=gstin)
        days = reporting_days if reporting_days is not None or known is None else known.reporting_days
        seller = Seller(
            environment=environment,
            gstin=gstin,
            org_id=_organisation(organisation, known, ports),
            route=route or (known.route if known is not None else _only_route(environment, ports)),
            reporting_days=days or None,
            other_routes=tuple(other_route or (known.other_routes if known is not None else ())),
        )
        user_name, password = _login(user, credentials_file)
        access.put_seller(seller, user_name=user_name, password=password, ports=ports)
    if as_json:
        print_json(_seller_json(seller))
        return
    limit = f"{seller.reporting_days} days to report" if seller.reporting_days else "no reporting limit"
    console.print(f"{gstin} is set up ({environment}, route {escape(seller.route)}, {limit}); its login is sealed.")


@gstin_app.command("list")
def list_gstins(*, as_json: JsonOption = False) -> None:
    """The taxpayers, their routes, and whether the portal takes their logins."""
    with opened() as wiring:
        logins = wiring.survey.logins()
    if as_json:
        print_json([_seller_json(login.seller) | {"login": _standing(login)} for login in logins])
        return
    if not logins:
        console.print("There is no taxpayer yet: `mohar gstin add` adds one.")
        return
    rows = [
        (each.seller.gstin, each.seller.environment.value, each.seller.route, _days(each.seller), _standing(each))
        for each in logins
    ]
    console.print(table(("GSTIN", "environment", "route", "to report", "login"), rows))


def _login(user: str | None, file: Path | None) -> tuple[str, str]:
    """The portal login, from the file or from whoever types."""
    if file is None:
        user_name = user or typer.prompt("API user name at the portal")
        return user_name, typer.prompt("Password", hide_input=True)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return user or str(content["user_name"]), str(content["password"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misconfigured(
            "credentials-unreadable",
            f'{file} is no JSON object with "user_name" and "password".',
            help="Write both into the file, readable by you alone, and remove it afterwards.",
        ) from error


def _organisation(name: str | None, known: Seller | None, ports: Ports) -> str:
    """The organisation's id: the one that is named, the taxpayer's own, or the only one."""
    if name is not None:
        return access.ensure_organisation(name, ports=ports)
    if known is not None:
        return known.org_id
    there = ports.directory.organisations()
    if len(there) > 1:
        raise Invalid(
            "organisation-missing",
            f"There are {len(there)} organisations: {', '.join(str(each['name']) for each in there)}.",
            help="Name one with --organisation.",
        )
    return str(there[0]["id"]) if there else access.ensure_organisation(FIRST_ORGANISATION, ports=ports)


def _only_route(environment: Environment, ports: Ports) -> str:
    names = [route.name for route in ports.routebook.routes() if route.environment is environment]
    if len(names) == 1:
        return names[0]
    if not names:
        raise Misconfigured(
            "route-missing",
            f"There is no route in the {environment} environment.",
            help="Add one with `mohar route add`.",
        )
    raise Invalid(
        "route-not-named",
        f"There are {len(names)} routes in the {environment} environment: {', '.join(names)}.",
        help="Name one with --route.",
    )


def _standing(login: SellerLogin) -> str:
    if login.refused_code is not None:
        return f"refused ({login.refused_code})"
    return "present" if login.present else "missing"


def _days(seller: Seller) -> str:
    return f"{seller.reporting_days} days" if seller.reporting_days else "no limit"


def _seller_json(seller: Seller) -> dict[str, Any]:
    return {
        "gstin": seller.gstin,
        "environment": seller.environment.value,
        "route": seller.route,
        "organisation": seller.org_id,
        "reporting_days": seller.reporting_days,
    }

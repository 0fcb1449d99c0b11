"""`mohar client`: the programs that may call, their secrets, public keys and grants."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.local import opened
from gateway.cli.output import JsonOption, console, print_json, table
from gateway.cli.setup import EnvironmentOption
from gateway.domain.calendar import write_instant
from gateway.domain.operations import Environment
from gateway.errors import Misconfigured
from gateway.services import access, administration
from gateway.services.administration import OVERLAP_DEFAULT, OVERLAP_MAX, Manager
from gateway.services.principal import ALL_SCOPES, Scope

OPERATOR: Final = Manager()
ClientArgument = Annotated[str, typer.Argument(help="The client's id, `cli_…`.")]
GstinOption = Annotated[str, typer.Option(help="The GSTIN.")]
ScopesOption = Annotated[
    list[Scope] | None, typer.Option("--scope", help="What it may; repeat for more. All but `admin` if left out.")
]

client_app = typer.Typer(help="Programs that may call the API.", no_args_is_help=True)


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(client_app, name="client")


@client_app.command("add")
def add_client(
    gstin: Annotated[list[str], typer.Option(help="A GSTIN that it may speak for; repeat for more.")],
    name: Annotated[str, typer.Option(help="What the program is, for people.")] = "client",
    environment: EnvironmentOption = Environment.TEST,
    *,
    respond_async: Annotated[
        bool, typer.Option("--respond-async", help="Its calls are queued unless they ask to wait.")
    ] = False,
    scope: ScopesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make credentials for a program. The secret is shown this once and kept as a keyed hash."""
    gstins = [each.strip().upper() for each in gstin]
    with opened() as wiring:
        client_id, secret = access.add_client(
            environment=environment,
            gstins=gstins,
            name=name,
            respond_async=respond_async,
            scopes=frozenset(scope) if scope else ALL_SCOPES,
            ports=wiring.ports,
        )
        base_url = wiring.settings.token_issuer
    if as_json:
        made = {"client_id": client_id, "client_secret": secret, "gstins": gstins, "environment": environment.value}
        print_json(made | {"base_url": base_url})
        return
    console.print(f"client_id      {client_id}")
    console.print(f"client_secret  {secret}", markup=False)
    console.print(f"It may speak for {', '.join(gstins)} ({environment}). Keep the secret: it is not shown again.")


@client_app.command("list")
def list_clients(*, as_json: JsonOption = False) -> None:
    """The clients, what each may, and whether it is revoked."""
    with opened() as wiring:
        ports = wiring.ports
        found = [
            (client, grants)
            for organisation in ports.directory.organisations()
            for client, grants in administration.clients(OPERATOR, str(organisation["id"]), ports=ports)
        ]
    if as_json:
        print_json(
            [
                {
                    "client_id": client.id,
                    "name": client.name,
                    "environment": client.environment.value,
                    "revoked": client.revoked,
                    "grants": {grant.gstin: sorted(grant.scopes) for grant in grants},
                }
                for client, grants in found
            ]
        )
        return
    rows = [
        (
            client.id,
            client.name,
            client.environment.value,
            "revoked" if client.revoked else ", ".join(grant.gstin for grant in grants) or "nothing",
        )
        for client, grants in found
    ]
    console.print(table(("client", "name", "environment", "may speak for"), rows))


@client_app.command("secret")
def new_secret(
    client_id: ClientArgument,
    *,
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=OVERLAP_MAX.days * 24, help="Hours for which the secret before stays good.")
    ] = OVERLAP_DEFAULT.days * 24,
    as_json: JsonOption = False,
) -> None:
    """Give a client another secret. It is shown this once; the one before stays good for the overlap."""
    with opened() as wiring:
        overlap = timedelta(hours=overlap_hours)
        secret, until = administration.new_secret(OPERATOR, client_id, ports=wiring.ports, overlap=overlap)
    if as_json:
        print_json({"client_id": client_id, "client_secret": secret, "former_secret_until": write_instant(until)})
        return
    console.print(f"client_secret  {secret}", markup=False)
    console.print(f"The one before is good until {write_instant(until)}. Keep the new one: it is not shown again.")


@client_app.command("end-secret")
def end_secret(client_id: ClientArgument) -> None:
    """End the secret before the present one at once."""
    with opened() as wiring:
        administration.end_former_secret(OPERATOR, client_id, ports=wiring.ports)
    console.print("Only the present secret is good.")


@client_app.command("grant")
def grant(
    client_id: ClientArgument,
    gstin: GstinOption,
    *,
    scope: ScopesOption = None,
) -> None:
    """Let a client speak for a GSTIN of its organisation, with these scopes and no others."""
    scopes = frozenset(scope) if scope else ALL_SCOPES
    with opened() as wiring:
        administration.put_grant(OPERATOR, client_id, gstin.strip().upper(), scopes, ports=wiring.ports)
    console.print(f"It may: {', '.join(sorted(scopes))}.")


@client_app.command("withdraw")
def withdraw(client_id: ClientArgument, gstin: GstinOption) -> None:
    """Take a GSTIN from a client: its tokens for it stop at once."""
    with opened() as wiring:
        administration.withdraw_grant(OPERATOR, client_id, gstin.strip().upper(), ports=wiring.ports)
    console.print("Withdrawn.")


@client_app.command("revoke")
def revoke(client_id: ClientArgument) -> None:
    """End a client: its secrets, keys and tokens stop at once."""
    with opened() as wiring:
        administration.revoke_client(OPERATOR, client_id, ports=wiring.ports)
    console.print("Revoked.")


@client_app.command("public-key")
def public_key(
    client_id: ClientArgument,
    file: Annotated[Path, typer.Argument(help="PEM file of the public key.", exists=True, dir_okay=False)],
    *,
    kid: Annotated[str, typer.Option(help="The key's id, as it stands in the header of the client's assertions.")],
) -> None:
    """Let a client prove itself by assertions that it signs (private_key_jwt): Ed25519, EC P-256 or RSA."""
    try:
        pem = file.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise Misconfigured(
            "public-key-unreadable", f"{file} is no PEM file.", help="Name the file of the public key."
        ) from error
    with opened() as wiring:
        algorithm = administration.add_public_key(OPERATOR, client_id, kid=kid, pem=pem, ports=wiring.ports)
    console.print(f"Added; its assertions are signed with {algorithm}.")


@client_app.command("revoke-public-key")
def revoke_public_key(client_id: ClientArgument, *, kid: Annotated[str, typer.Option(help="The key's id.")]) -> None:
    """End one of a client's own keys at once."""
    with opened() as wiring:
        administration.revoke_public_key(OPERATOR, client_id, kid=kid, ports=wiring.ports)
    console.print("Revoked.")

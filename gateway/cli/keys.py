"""`mohar org`, `mohar key` and `mohar keys`: organisations, API keys, and the gateway's own keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

import typer

from gateway.auth import vault
from gateway.cli.local import opened
from gateway.cli.output import JsonOption, console, print_json, table
from gateway.domain.calendar import write_instant
from gateway.ports import ApiKey
from gateway.services import access, administration
from gateway.services.administration import TOKEN_KEY_OVERLAP, Manager

OPERATOR: Final = Manager()
KeyArgument = Annotated[str, typer.Argument(help="The key's id, `key_…`.")]

org_app = typer.Typer(help="Organisations: whose the taxpayers and programs are.", no_args_is_help=True)
key_app = typer.Typer(help="API keys, for programs without OAuth.", no_args_is_help=True)
keys_app = typer.Typer(help="The gateway's own keys.", no_args_is_help=True)


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(org_app, name="org")
    app.add_typer(key_app, name="key")
    app.add_typer(keys_app, name="keys")


@org_app.command("add")
def add_organisation(name: Annotated[str, typer.Argument(help="Its name.")], *, as_json: JsonOption = False) -> None:
    """Add an organisation; the one that is there if there is one of that name."""
    with opened() as wiring:
        org_id = access.ensure_organisation(name, ports=wiring.ports)
    if as_json:
        print_json({"id": org_id, "name": name})
        return
    console.print(f"{org_id}  {name}", markup=False)


@org_app.command("list")
def list_organisations(*, as_json: JsonOption = False) -> None:
    """The organisations, oldest first."""
    with opened() as wiring:
        found = [(str(each["id"]), str(each["name"])) for each in wiring.ports.directory.organisations()]
    if as_json:
        print_json([{"id": id, "name": name} for id, name in found])
        return
    console.print(table(("organisation", "name"), found))


@key_app.command("add")
def add_key(
    client_id: Annotated[str, typer.Option("--client", help="The client that it stands for.")],
    gstin: Annotated[str, typer.Option(help="The GSTIN that it speaks for.")],
    *,
    name: Annotated[str, typer.Option(help="What uses it, for people.")] = "key",
    read_only: Annotated[bool, typer.Option("--read-only", help="It reads and does nothing else.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an API key. It is shown this once and kept as a keyed hash."""
    with opened() as wiring:
        key, text = administration.add_api_key(
            OPERATOR, client_id, gstin=gstin.strip().upper(), name=name, read_only=read_only, ports=wiring.ports
        )
    _show(key, text, as_json=as_json)


@key_app.command("rotate")
def rotate_key(id: KeyArgument, *, as_json: JsonOption = False) -> None:
    """Make the key that replaces another. Both are good until the older one is revoked."""
    with opened() as wiring:
        key, text = administration.rotate_api_key(OPERATOR, id, ports=wiring.ports)
    _show(key, text, as_json=as_json)


@key_app.command("revoke")
def revoke_key(id: KeyArgument) -> None:
    """End an API key at once."""
    with opened() as wiring:
        administration.revoke_api_key(OPERATOR, id, ports=wiring.ports)
    console.print("Revoked.")


@key_app.command("list")
def list_keys(*, as_json: JsonOption = False) -> None:
    """The API keys: what each is known by, for whom it stands, and when it was last used."""
    with opened() as wiring:
        found = administration.api_keys(OPERATOR, ports=wiring.ports)
    if as_json:
        print_json([_key_json(key) for key in found])
        return
    rows = [(key.id, key.hint, key.gstin, key.name, _standing(key)) for key in found]
    console.print(table(("key", "looks like", "GSTIN", "name", "used"), rows))


@keys_app.command("list")
def list_master_keys(*, as_json: JsonOption = False) -> None:
    """The master keys, and how many values are sealed under each."""
    with opened() as wiring:
        path = wiring.settings.master_keys
        known = list(vault.read_master_keys(path))
        sealing = wiring.ports.vault.newest()
        counts = wiring.sealed.under()
    rows = [(id, str(counts.get(id, 0)), "seals" if id == sealing else "opens") for id in {**dict.fromkeys(known)}]
    if as_json:
        print_json([{"id": id, "values": int(count), "role": role} for id, count, role in rows])
        return
    console.print(table(("master key", "sealed values", "role"), rows))


@keys_app.command("prepare")
def prepare_master_key() -> None:
    """Add a master key that opens and does not seal yet: for several machines with a copy of the file each."""
    with opened() as wiring:
        key_id = vault.prepare_master_key(wiring.settings.master_keys)
    console.print(f"{key_id} is on standby. Bring the file to every machine, then: mohar keys rotate --key {key_id}")


@keys_app.command("rotate")
def rotate_master_key(
    *,
    key: Annotated[str | None, typer.Option(help="A key that was prepared; without it one is made.")] = None,
) -> None:
    """Seal with a new master key from now on, and seal everything anew. Running processes follow by themselves.

    The keys from before stay in the file: the first of them is what client secrets are hashed with.
    """
    with opened() as wiring:
        path = wiring.settings.master_keys
        key_id = key or vault.prepare_master_key(path)
        vault.promote_master_key(path, key_id)
        ports = wiring.ports
        administration.note_master_key(OPERATOR, key_id, ports=ports)
        count = wiring.sealed.seal_anew()
        left = sum(number for id, number in wiring.sealed.under().items() if id != key_id)
    console.print(f"{key_id} seals from now on; {count} values are sealed anew, {left} are left under older keys.")


@keys_app.command("rotate-token-key")
def rotate_token_key(
    *,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The key leaked: its tokens are good no longer, callers get new ones.")
    ] = False,
) -> None:
    """Sign access tokens with a new key. Tokens of the one before stay good for their life, a quarter of an hour."""
    with opened() as wiring:
        overlap = timedelta(0) if at_once else TOKEN_KEY_OVERLAP
        kid = administration.rotate_token_key(OPERATOR, ports=wiring.ports, overlap=overlap)
    console.print(f"{kid} signs access tokens from now on.")


def _show(key: ApiKey, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_key_json(key) | {"key": text})
        return
    console.print(f"id   {key.id}")
    console.print(f"key  {text}", markup=False)
    console.print(f"It may {', '.join(sorted(key.scopes))} for {key.gstin}. Keep it: it is not shown again.")


def _key_json(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "client_id": key.client_id,
        "gstin": key.gstin,
        "name": key.name,
        "hint": key.hint,
        "scopes": sorted(key.scopes),
        "revoked": key.revoked_at is not None,
    }


def _standing(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return write_instant(key.last_used_at) if key.last_used_at is not None else "never"

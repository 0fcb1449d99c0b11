"""`mohar verify`: whether a portal signed a file. Needs no portal, and with --key no database either."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from gateway.api.verifying import examined
from gateway.cli.output import EXIT_DONE, EXIT_FAILED, JsonOption, console, errors, print_json, table
from gateway.domain import strict_json
from gateway.domain.operations import Environment
from gateway.irp import verification
from gateway.irp.signing_keys import SigningKeys
from gateway.ports.verifying import Verified

STANDARD_INPUT: Final = "-"
EXIT_WRONGLY_CALLED: Final = 2
_TOKEN_MEMBERS: Final = ("signed_invoice", "SignedInvoice", "signed_qr", "SignedQRCode")
"""Where answers of the gateway and of the portal have tokens; the invoice says more than the code."""


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(
    file: Annotated[str, typer.Argument(help="A signed invoice, a QR code's text, or an answer; - reads input.")],
    *,
    key: Annotated[Path | None, typer.Option(help="The portal's certificate (PEM), instead of installed keys.")] = None,
    environment: Annotated[Environment, typer.Option(help="Whose installed keys.")] = Environment.LIVE,
    as_json: JsonOption = False,
) -> None:
    """Whether a portal signed a file, and what it says. Nobody is asked.

    Exit codes: 0 it is signed by a portal; 1 it is not, or by an unknown key; 2 wrongly called.
    """
    token = _token(_text(file))
    if key is not None:
        keys = SigningKeys(monotonic=time.monotonic)
        keys.add(_pem(key))
        verified = verification.examine(token, keys)
    else:
        verified = _by_installed_keys(token, environment)
    if as_json:
        print_json(examined(verified))
    else:
        _show(verified)
    raise typer.Exit(EXIT_DONE if verified.flaw is None else EXIT_FAILED)


def _by_installed_keys(token: str, environment: Environment) -> Verified:
    from gateway.cli import local  # noqa: PLC0415  with --key nothing of a database is needed

    with local.opened() as wiring:
        return wiring.verifier.examine(token, environment=environment)


def _text(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
        return raw.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrongly_called(f"{name} cannot be read as text ({type(error).__name__}).") from None


def _pem(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _wrongly_called(f"{file}: {error.strerror or 'cannot be read'}.") from None


def _wrongly_called(message: str) -> typer.Exit:
    errors.print(escape(message))
    return typer.Exit(EXIT_WRONGLY_CALLED)


def _token(text: str) -> str:
    """The token in a file: the file itself, or a member of the answer that it is."""
    try:
        content = strict_json.read(text.encode())
    except strict_json.JsonFault:
        return text
    members = content if isinstance(content, dict) else {}
    found = next((members[name] for name in _TOKEN_MEMBERS if isinstance(members.get(name), str)), None)
    return found if found is not None else text


def _show(verified: Verified) -> None:
    told = examined(verified)
    if verified.flaw is not None:
        console.print(f"[red]not valid[/] ({verified.flaw}): {escape(verified.told or '')}", soft_wrap=True)
        return
    console.print(f"[green]valid[/]: signed by {escape(verified.issuer or 'a portal')}, key {verified.key_id}")
    console.print(table(("", ""), [(name, str(value)) for name, value in told["document"].items()]))

"""`mohar irn submit` and `mohar operation show`: a running gateway from the command line, as any client calls it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from gateway.cli import paper, remote
from gateway.cli.output import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_MISCONFIGURED,
    EXIT_TRY_LATER,
    EXIT_UNDER_WAY,
    JsonOption,
    console,
    errors,
    fault_table,
    print_json,
    table,
)
from gateway.cli.remote import Answer, Gateway, OutcomeUnknownError
from gateway.domain.operations import TERMINAL, Status

WAIT_SECONDS_MAX: Final = 600
STANDARD_INPUT: Final = "-"
_LATER: Final = frozenset({429, 503})
_UNAUTHORISED: Final = 401
_ACCEPTED: Final = 202
_LABEL_COLUMNS: Final = 14
_INDENT: Final = (0, 0, 0, 2)

CredentialsOption = Annotated[
    Path | None,
    typer.Option(help="JSON file of `mohar up --credentials`; otherwise MOHAR_BASE_URL, MOHAR_CLIENT_ID, …_SECRET."),
]

irn_app = typer.Typer(help="Register documents with a running gateway.", no_args_is_help=True)
operation_app = typer.Typer(help="Follow what was asked of a running gateway.", no_args_is_help=True)


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(irn_app, name="irn")
    app.add_typer(operation_app, name="operation")


@irn_app.callback()
def irn() -> None:
    """Register documents with a running gateway."""


@operation_app.callback()
def operation() -> None:
    """Follow what was asked of a running gateway."""


@irn_app.command()
def submit(
    file: Annotated[str, typer.Argument(help="An INV-01 document; - reads standard input.")],
    wait: Annotated[int | None, typer.Option(min=0, max=WAIT_SECONDS_MAX, help="Seconds to wait for the IRN.")] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency-Key: your own name for this request.")] = None,
    credentials: CredentialsOption = None,
    *,
    respond_async: Annotated[bool, typer.Option("--async", help="Do not wait: let it be queued.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Register an invoice, credit note or debit note.

    Exit codes: 0 registered; 1 invalid, or refused by the portal; 3 wrongly configured; 4 still under way, or the
    connection ended before the answer came; 5 no room or no gateway just now: try later.
    """
    document = paper.of_bytes(_bytes(file))
    known = remote.read_credentials(credentials)
    prefer = "respond-async" if respond_async else "" if wait is None else f"wait={wait}"
    try:
        with Gateway(known) as gateway:
            gateway.log_in(document.seller or known.gstin)
            answer = gateway.submit(document.raw, path=document.path, key=key, prefer=prefer, wait_seconds=wait or 0)
    except OutcomeUnknownError as error:
        _tell_unknown(error)
        raise typer.Exit(EXIT_UNDER_WAY) from None
    _show(answer, as_json=as_json)
    raise typer.Exit(exit_code(answer))


@operation_app.command()
def show(
    id: Annotated[str, typer.Argument(help="The operation's id: op_…")],
    gstin: Annotated[str | None, typer.Option(help="Its seller, where the client speaks for several.")] = None,
    credentials: CredentialsOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """How an operation stands. Exit codes: 0 registered, 1 not, 3 wrongly configured, 4 under way, 5 try later."""
    known = remote.read_credentials(credentials)
    try:
        with Gateway(known) as gateway:
            gateway.log_in(gstin or known.gstin)
            answer = gateway.get(f"/operations/{id}")
    except OutcomeUnknownError as error:
        _tell_unknown(error)
        raise typer.Exit(EXIT_TRY_LATER) from None
    _show(answer, as_json=as_json)
    raise typer.Exit(exit_code(answer))


def exit_code(answer: Answer) -> int:
    """What an answer about an operation means for a program that called us."""
    if not answer.ok:
        return refusal_code(answer)
    status = answer.content["status"]
    if answer.status == _ACCEPTED or (status in set(Status) and status not in TERMINAL):
        return EXIT_UNDER_WAY
    return EXIT_FAILED if status in TERMINAL - {Status.SUCCEEDED} else EXIT_DONE


def refusal_code(answer: Answer) -> int:
    """What a refusal means for a program that called us; 0 for what is none."""
    if answer.status in _LATER:
        return EXIT_TRY_LATER
    if answer.status == _UNAUTHORISED:
        return EXIT_MISCONFIGURED
    return EXIT_DONE if answer.ok else EXIT_FAILED


def _bytes(file: str) -> bytes:
    """The document's bytes."""
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}.", param_hint="FILE") from error


def _tell_unknown(error: OutcomeUnknownError) -> None:
    errors.print(f"[bold red]outcome-unknown[/]: The connection ended before the answer came ({error}).")
    errors.print("  Run the same command again: the document's number protects it from being registered twice.")


def _show(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        print_json(answer.content)
    elif not answer.ok:
        show_problem(answer)
    elif "history" in answer.content or "irn_confirmed" in answer.content:
        _show_operation(answer.content)
    else:
        _show_document(answer.content)


def show_problem(answer: Answer) -> None:
    """Print a refusal, for people."""
    content = answer.content
    after = answer.headers.get("retry-after")
    console.print(f"[bold red]{escape(content['code'])}[/] (HTTP {answer.status}): {escape(content['detail'])}")
    if any(fault["at"] for fault in content["errors"]):
        console.print(fault_table(content["errors"]))
    else:
        console.print(Padding(escape(content["help"]), _INDENT))
    rows = {"portal code": content.get("portal_code"), "operation": content.get("operation_id")}
    show_rows(rows | {"try again": f"after {after} s" if after else None})


def _show_document(content: Mapping[str, Any]) -> None:
    rows = {"document": _identity(content["document"]), "status": content["status"], "operation": content.get("id")}
    show_rows(_registration(content) | rows)


def _show_operation(content: Mapping[str, Any]) -> None:
    registered = content.get("result")
    predicted = {"IRN": f"{content['irn']} (predicted)"}
    rows = {
        "operation": content["id"],
        "status": content["status"] + (", outcome in doubt" if content.get("in_doubt") else ""),
        "document": _identity(content["document"]),
        **(predicted if registered is None else _registration(registered)),
        "before it": content.get("position"),
        "next attempt": content.get("next_attempt_at"),
        "settles by": content.get("settles_by"),
        "portal code": content.get("portal_code"),
        "portal says": content.get("portal_message"),
        "advice": content.get("advice"),
    }
    show_rows(rows)
    if "history" in content:
        names = ("number", "began_at", "meaning", "portal_code", "message")
        tries = [["" if each[name] is None else str(each[name]) for name in names] for each in content["history"]]
        console.print()
        console.print(table(("try", "began", "meaning", "code", "message"), tries))


def _registration(content: Mapping[str, Any]) -> dict[str, Any]:
    """What the portal gave a document."""
    bill = content.get("ewb") or {}
    refusals = "; ".join(f"{fault['portal_code']}: {fault['message']}" for fault in bill.get("errors", ()))
    return {
        "IRN": content["irn"],
        "AckNo": f"{content['ack_no']} of {content['ack_date']}",
        "e-way bill": bill.get("number") or refusals or None,
        "valid until": bill.get("valid_until"),
    }


def show_rows(rows: Mapping[str, Any]) -> None:
    """Labels and values; what is not known is left out."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=_LABEL_COLUMNS, style="bold")
    grid.add_column(overflow="fold")
    for label, value in rows.items():
        if value is not None:
            grid.add_row(label, escape(str(value)))
    console.print(grid)


def _identity(document: Mapping[str, Any]) -> str:
    return f"{document['doc_type']} {document['doc_no']} of {document.get('doc_date', 'unknown date')}"

"""`mohar webhook add`, `list` and `send-test`: a client's endpoints at a running gateway, from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from gateway.cli import remote
from gateway.cli.calls import CredentialsOption, refusal_code, show_problem, show_rows
from gateway.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_TRY_LATER, JsonOption, console, errors, print_json, table
from gateway.cli.remote import Answer, Gateway, OutcomeUnknownError
from gateway.domain.deliveries import POLICIES, Verdict

_EVERYTHING: Final = "all"

GstinOption = Annotated[str | None, typer.Option(help="A seller of the client, where it speaks for several.")]


def install(group: typer.Typer) -> None:
    """Add the commands."""
    group.command()(add)
    group.command("list")(list_all)
    group.command()(send_test)


def add(
    url: Annotated[str, typer.Argument(help="Where events are sent: https://…")],
    *,
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="A type of event, repeatable; all of them if none is named.")
    ] = None,
    gstins: Annotated[
        list[str] | None, typer.Option("--gstin", help="A seller whose events to send, repeatable.")
    ] = None,
    policy: Annotated[str | None, typer.Option(help=f"When to try again: {', '.join(POLICIES)}.")] = None,
    credentials: CredentialsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have events sent to a URL. The secret that signs them is printed once and never again.

    Exit codes: 0 made, 1 refused, 3 wrongly configured, 5 try later.
    """
    given = {"name": name, "types": types, "gstins": gstins, "policy": policy}
    content = {"url": url} | {member: value for member, value in given.items() if value}
    answer = _asked("POST", "/webhooks", content, credentials=credentials, gstin=gstins[0] if gstins else None)
    _show(answer, as_json=as_json)
    if answer.ok and not as_json:
        show_rows(_rows(answer.content) | {"secret": answer.content["secret"]})
        console.print("Keep the secret: it is not shown again. A signed sample, now: ", end="")
        console.print(f"mohar webhook send-test {answer.content['id']}", style="bold")
    raise typer.Exit(refusal_code(answer))


def list_all(gstin: GstinOption = None, credentials: CredentialsOption = None, *, as_json: JsonOption = False) -> None:
    """The client's webhooks that are sent a seller's events, and how they stand."""
    answer = _asked("GET", "/webhooks", None, credentials=credentials, gstin=gstin)
    _show(answer, as_json=as_json)
    if answer.ok and not as_json:
        names = ("webhook", "url", "events", "state")
        rows = [_rows(each) for each in answer.content["webhooks"]]
        console.print(table(names, [[str(row[name]) for name in names] for row in rows]))
    raise typer.Exit(refusal_code(answer))


def send_test(
    id: Annotated[str, typer.Argument(help="The webhook's id: whk_…")],
    gstin: GstinOption = None,
    credentials: CredentialsOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Send a webhook a signed sample now, and print what its receiver said. Exit codes: 0 delivered, 1 not."""
    answer = _asked("POST", f"/webhooks/{id}/test", {}, credentials=credentials, gstin=gstin)
    _show(answer, as_json=as_json)
    if not answer.ok:
        raise typer.Exit(refusal_code(answer))
    said = answer.content
    if not as_json:
        took = f"after {said['duration_ms']} ms"
        show_rows(
            {
                "event": said["event_id"],
                "verdict": f"{said['verdict']}, {took}",
                "status": said["status"],
                "error": said["error"],
                "answer": said["excerpt"] and ascii(said["excerpt"]),  # a stranger's words must not steer this terminal
            }
        )
    raise typer.Exit(EXIT_DONE if said["verdict"] == Verdict.DELIVERED else EXIT_FAILED)


def _asked(method: str, path: str, content: Any, *, credentials: Path | None, gstin: str | None) -> Answer:
    """What the gateway answers. Ends the program where the connection ended before."""
    known = remote.read_credentials(credentials)
    try:
        with Gateway(known) as gateway:
            gateway.log_in(gstin or known.gstin)
            return gateway.get(path) if method == "GET" else gateway.post(path, content)
    except OutcomeUnknownError as error:
        errors.print(
            f"[bold red]outcome-unknown[/]: The connection ended before the answer came ({escape(str(error))})."
        )
        errors.print("  See with `mohar webhook list` whether anything changed, then try again.")
        raise typer.Exit(EXIT_TRY_LATER) from None


def _show(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        print_json(answer.content)
    elif not answer.ok:
        show_problem(answer)


def _rows(webhook: Mapping[str, Any]) -> dict[str, Any]:
    failing = webhook["failing_since"]
    state = "enabled" if failing is None else f"failing since {failing}"
    return {
        "webhook": webhook["id"] + (f" ({webhook['name']})" if webhook["name"] else ""),
        "url": webhook["url"],
        "events": ", ".join(webhook["types"]) or _EVERYTHING,
        "sellers": ", ".join(webhook["gstins"]),
        "state": state if webhook["enabled"] else f"disabled: {webhook['disabled_cause']}",
    }

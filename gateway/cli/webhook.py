"""`mohar webhook listen`: events received, verified and printed on this machine, for development."""

from __future__ import annotations

import json
import sys
import threading
from typing import Annotated, Final

import typer

from gateway.cli import endpoints, interrupts
from gateway.cli.listening import VERIFIED_STATUS, Message, listening
from gateway.cli.output import JsonOption, console
from gateway.errors import Misconfigured
from gateway.system import SystemClock
from gateway.webhooks import signing

SECRET_VARIABLE: Final = "MOHAR_WEBHOOK_SECRET"  # noqa: S105  where a secret is looked for, and none itself

SecretOption = Annotated[
    str,
    typer.Option(
        envvar=SECRET_VARIABLE,
        prompt="The endpoint's secret (whsec_…)",
        hide_input=True,
        help="The endpoint's secret. Asked for when it is not given; on the command line others can see it.",
    ),
]


def install(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(name="webhook", help="Webhooks: who is sent events.", no_args_is_help=True)
    endpoints.install(group)
    group.command()(listen)
    group.callback()(_nothing)
    app.add_typer(group)


def listen(
    secret: SecretOption,
    *,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65_535)] = 8800,
    answer: Annotated[
        int, typer.Option(help="Status that verified messages are answered with; 500 shows retries.", min=200, max=599)
    ] = VERIFIED_STATUS,
    as_json: JsonOption = False,
) -> None:
    """Receive events on this machine, verify each, and print it.

    The endpoint is a client of the test environment, and its gateway has MOHAR_WEBHOOK_LOOPBACK set, as `mohar up` has.
    """
    _look_at(secret)
    interrupts.install()
    lock = threading.Lock()

    def tell(message: Message) -> None:
        with lock:
            sys.stdout.write(printed(message, as_json=as_json) + "\n")
            sys.stdout.flush()

    try:
        with listening(secret, port=port, status=answer, clock=SystemClock(), tell=tell) as url:
            if not as_json:
                console.print(f"Listening. Make an endpoint of [bold]{url}[/]; Ctrl-C stops.")
            threading.Event().wait()
    except KeyboardInterrupt:
        return
    except OSError as error:
        raise Misconfigured(
            "port-taken", f"Nothing can listen on port {port} ({error.strerror}).", help="Give another --port."
        ) from error


def _nothing() -> None:
    """Webhooks: who is sent events."""


def _look_at(secret: str) -> None:
    try:
        signing.key(secret)
    except ValueError as error:
        raise Misconfigured(
            "webhook-secret-invalid",
            "This is no secret of a webhook.",
            help="It begins with whsec_ and was shown once, when the endpoint was made or its secret rotated.",
        ) from error


def printed(message: Message, *, as_json: bool) -> str:
    """What is printed of a message: one line of JSON, or a line about it and the event."""
    content = _read(message.body)
    if as_json:
        facts = {"at": message.at.isoformat(), "id": message.id, "verified": message.complaint is None}
        return json.dumps(facts | {"complaint": message.complaint, "status": message.status, "event": content})
    kind = str(content.get("type", "")) if isinstance(content, dict) else ""
    mark = f"NOT VERIFIED ({message.complaint})" if message.complaint else "verified"
    first = f"{message.at:%H:%M:%S} {mark} {_quoted(kind)} {_quoted(message.id)} answered {message.status}"
    # What a stranger sent must not steer this terminal: it is written in ASCII.
    return f"{first}\n{json.dumps(content, indent=2, ensure_ascii=message.complaint is not None)}"


def _quoted(text: str) -> str:
    return json.dumps(text)[1:-1]


def _read(body: bytes) -> object:
    """The event, or the text that is there in its place."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", errors="replace")

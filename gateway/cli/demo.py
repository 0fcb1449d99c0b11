"""`mohar demo`: one invoice's way to its IRN, on a gateway and a portal of its own, step by step."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from gateway.cli import interrupts, paper, picture, proof
from gateway.cli.output import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_STOPPED,
    console,
    errors,
    fault_table,
    print_json,
)
from gateway.cli.paper import Paper
from gateway.cli.remote import Answer, Credentials, Gateway
from gateway.cli.steps import Steps, rupees, stopwatch
from gateway.cli.up import LOOK_SECONDS, Stack
from gateway.domain.calendar import IST, indian_date
from gateway.sandbox.master import ACTIVE_SELLER
from gateway.system import SystemClock

WAIT_SECONDS: Final = 20
"""How long the demo's client waits for its IRN. The sandbox takes a few hundredths of a second."""
SANDBOX_SECONDS_MAX: Final = 5.0
KEY: Final = "demo-1"
THREADS: Final = {"MOHAR_WORKER_DIRECT_THREADS": "2", "MOHAR_WORKER_BULK_THREADS": "2"}
"""One client posts one document at a time: few threads start and stop sooner."""
_CREDENTIALS_FILE: Final = "client.json"
_CREATED: Final = 201
_MINUTE_SECONDS: Final = 60


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    file: Annotated[
        Path | None,
        typer.Option(help="Register this INV-01 document instead of the example.", exists=True, dir_okay=False),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the gateway running until Ctrl-C.")] = False,
) -> None:
    """Register one invoice and show every step: on a gateway and a portal of its own, with no network.

    It is then sent once more (and recognised), and once with mistakes (and explained). Everything is made in a
    temporary folder and removed at the end. Exit codes: 0 registered and verified, 1 not, 3 wrongly configured.
    """
    interrupts.install()
    _forget_settings()
    show = Steps(None if as_json else console)
    result = _Result()
    try:
        with _folder() as folder:
            _run(folder, file, show, result, keep=keep)
    except KeyboardInterrupt:
        if not result.kept:
            errors.print("stopped; nothing is left of it")
            raise typer.Exit(EXIT_STOPPED) from None
    raise typer.Exit(EXIT_DONE if result.good else EXIT_FAILED)


@dataclass(slots=True)
class _Result:
    """What the demo found. `problem` is the gateway's, where the document was not registered."""

    irn: str | None = None
    ack_no: str | None = None
    ack_date: str | None = None
    signed_qr: str | None = None
    verified: bool = False
    replayed: bool = False
    elapsed_ms: int = 0
    problem: Any = None
    running: dict[str, str] = field(default_factory=dict)
    kept: bool = False

    @property
    def good(self) -> bool:
        """Whether everything went as it should."""
        return self.verified and self.replayed

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints. `elapsed_ms` is the time from the request to the answer."""
        names = ("irn", "ack_no", "ack_date", "signed_qr", "verified", "replayed", "elapsed_ms")
        problem = {} if self.problem is None else {"problem": self.problem}
        return {name: getattr(self, name) for name in names} | problem | self.running


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the acts of the demo share."""

    stack: Stack
    gateway: Gateway
    document: Paper
    show: Steps

    def portal_calls(self) -> list[str]:
        """The calls that reached the portal so far, by name."""
        lines = _sandbox(self.stack, "GET", "/_calls").text.splitlines()
        return [paper.of_bytes(line.encode()).content["operation"] for line in lines]


def _run(folder: Path, file: Path | None, show: Steps, result: _Result, *, keep: bool) -> None:
    show.show("[bold]One invoice's way to its IRN[/]")
    with (
        stopwatch(time.monotonic) as elapsed_ms,
        show.waiting("starting a gateway and a portal") as started,
        Stack(folder, extra=THREADS) as stack,
    ):
        started()
        show.done("stack", f"sandbox portal, api, worker, sweeper, Redis and SQLite, in {folder}", elapsed_ms())
        document = paper.example(SystemClock().now()) if file is None else paper.read(file)
        seller = document.seller or ACTIVE_SELLER.gstin
        credentials = _client(stack, folder / _CREDENTIALS_FILE, seller)
        with Gateway(credentials) as gateway:
            _play(_Scene(stack, gateway, document, show), seller, result)
        kept = folder / _CREDENTIALS_FILE if keep else None
        _tell(show, result, credentials, kept)
        if keep:
            _stay(stack, result)


def _client(stack: Stack, file: Path, seller: str) -> Credentials:
    known = stack.credentials(file, gstin=seller)
    return Credentials(base_url=stack.base_url, client_id=known["client_id"], client_secret=known["client_secret"])


def _tell(show: Steps, result: _Result, credentials: Credentials, kept: Path | None) -> None:
    if kept is not None:
        result.running = {"base_url": credentials.base_url, "credentials": str(kept)}
    if show.console is None:
        print_json(result.as_json())
    else:
        _tell_next(show, credentials, kept)


def _play(scene: _Scene, seller: str, result: _Result) -> None:
    """Token, document, registration; and where there is one, the replay and the mistakes."""
    _set_portal_date(scene)
    _take_token(scene, seller)
    predicted = _examine(scene)
    result.irn = predicted
    known = scene.portal_calls()
    answer = _post(scene)
    result.elapsed_ms = answer.elapsed_ms
    if answer.status != _CREATED:
        result.problem = answer.content
        _show_refusal(scene.show, answer)
        return
    calls = scene.portal_calls()
    _show_history(scene, answer, calls[len(known) :])
    checked = proof.prove(answer.content, irn=predicted or "", keys=_certificates(scene.stack))
    for name in ("irn", "ack_no", "ack_date", "signed_qr"):
        setattr(result, name, answer.content[name])
    result.verified = checked.holds
    _show_proof(scene.show, checked)
    _show_registration(scene.show, answer)
    result.replayed = _replay(scene, answer, calls)
    _send_mistakes(scene)


def _take_token(scene: _Scene, seller: str) -> None:
    answer = scene.gateway.log_in(seller)
    minutes = answer.content["expires_in"] // _MINUTE_SECONDS
    scene.show.done("token", f"for {seller}: {answer.content['scope']}; good for {minutes} minutes", answer.elapsed_ms)


def _examine(scene: _Scene) -> str | None:
    """Check the document as the gateway does; its predicted IRN, if it has one."""
    document, show = scene.document, scene.show
    with stopwatch(time.monotonic) as elapsed_ms:
        faults = document.faults()
        reading = None if faults else document.reading()
    if reading is None:
        found = {0: "no day of the calendar", 1: "one fault"}.get(len(faults), f"{len(faults)} faults")
        show.failed("validation", f"{found} by the form of INV-01 1.1; sent all the same", elapsed_ms())
        return None
    lines = "1 line" if reading.lines == 1 else f"{reading.lines} lines"
    with_ewb = ", e-way bill" if reading.asks_for_ewb else ""
    show.done(
        "document",
        f"{reading.doc_type} {reading.doc_no} of {reading.doc_date:%d/%m/%Y} to {reading.buyer_gstin}: "
        f"{lines}, {rupees(reading.total)}{with_ewb}",
    )
    show.done("validation", "no fault by the form of INV-01 1.1", elapsed_ms())
    show.done("predicted", f"{reading.irn}")
    return reading.irn


def _post(scene: _Scene) -> Answer:
    with scene.show.waiting("registering"):
        return scene.gateway.submit(
            scene.document.raw,
            path=scene.document.path,
            key=KEY,
            prefer=f"wait={WAIT_SECONDS}",
            wait_seconds=WAIT_SECONDS,
        )


def _show_history(scene: _Scene, answer: Answer, calls: list[str]) -> None:
    """What the gateway wrote down: over HTTP, with the exact times from its tables."""
    show, intake = scene.show, scene.stack.wiring.ports.intake
    history = scene.gateway.get(f"/operations/{answer.content['id']}").content["history"]
    operation = intake.get(answer.content["id"])
    show.done("accepted", f"{answer.content['id']}, on record before anything is sent")
    for told, row in zip(history, intake.attempts_of(answer.content["id"]), strict=True):
        waited_ms = _ms(operation.created_at if operation else None, row["began_at"])
        show.done(f"attempt {told['number']}", f"taken up by a worker, by the route {told['route']}", waited_ms)
        code = f", code {told['portal_code']}" if told["portal_code"] else ""
        said = f"to {' and '.join(calls)}: {told['meaning']}, a {told['certainty']}{code}"
        show.done("answer", said, _ms(row["began_at"], row["ended_at"]))


def _show_proof(show: Steps, checked: proof.Proof) -> None:
    if checked.holds:
        show.done("signatures", f"invoice and QR code: RS256, by the portal's key {checked.kid[:16]}…")
    else:
        show.failed("signatures", checked.flaw)


def _show_registration(show: Steps, answer: Answer) -> None:
    content = answer.content
    show.done("IRN", content["irn"])
    show.done("AckNo", f"{content['ack_no']} of {_readable(content['ack_date'])}")
    bill = content["ewb"]
    if bill is not None and bill["number"]:
        until = f", valid until {_readable(bill['valid_until'])}" if bill["valid_until"] else ""
        show.done("e-way bill", f"{bill['number']}{until}")
    for fault in bill["errors"] if bill is not None else ():
        show.failed("e-way bill", f"{fault['portal_code']}: {fault['message']}")
    show.done("answered", f"HTTP {answer.status}, from the request to the answer", answer.elapsed_ms)
    if show.console is not None:
        show.heading("The signed QR code, as it is printed on the invoice")
        picture.show(content["signed_qr"], show.console)


def _replay(scene: _Scene, first: Answer, calls: list[str]) -> bool:
    """The same call again: the same answer, and the portal is not asked."""
    scene.show.heading("The same call again, with the same Idempotency-Key")
    answer = _post(scene)
    asked = len(scene.portal_calls()) - len(calls)
    good = answer.replayed and answer.content.get("irn") == first.content["irn"] and asked == 0
    mark = "Idempotent-Replayed: true" if answer.replayed else "not marked as a replay"
    portal = "the portal was not asked" if asked == 0 else f"the portal got {asked} more calls"
    text = f"HTTP {answer.status}, {mark}; {portal}"
    (scene.show.done if good else scene.show.failed)("replay", text, answer.elapsed_ms)
    return good


def _send_mistakes(scene: _Scene) -> None:
    scene.show.heading("The same without its place of supply, and with a wrong HSN code")
    spoilt = scene.document.with_mistakes()
    answer = scene.gateway.submit(spoilt.raw, path=spoilt.path, key=None, prefer="")
    _show_refusal(scene.show, answer)


def _show_refusal(show: Steps, answer: Answer) -> None:
    content = answer.content
    if answer.ok:
        show.failed("not yet", f"HTTP {answer.status}, {content['status']}: {content.get('advice', '')}")
        return
    show.failed("refused", f"HTTP {answer.status}, {content['code']}: {content['detail']}", answer.elapsed_ms)
    show.show(fault_table(content["errors"]))


def _tell_next(show: Steps, credentials: Credentials, kept: Path | None) -> None:
    show.heading("What to try next")
    if kept is None:
        show.show("  mohar demo --file invoice.json   the same with a document of your own")
        show.show("  mohar demo --keep                leave it running, to call it yourself")
        return
    user = f"{credentials.client_id}:{credentials.client_secret}"
    url = f"{credentials.base_url}/oauth/token"
    _unwrapped(f"  curl -u {shlex.quote(user)} -d grant_type=client_credentials {url}")
    _unwrapped(f"  mohar irn submit invoice.json --credentials {shlex.quote(str(kept))}")
    show.show(f"It runs at {credentials.base_url} (documentation: /docs). Ctrl-C stops it and removes everything.")


def _unwrapped(line: str) -> None:
    """A command to be copied: one line, however long."""
    console.print(line, soft_wrap=True, markup=False)


def _stay(stack: Stack, result: _Result) -> None:
    result.kept = True
    sys.stdout.flush()
    while True:
        time.sleep(LOOK_SECONDS)
        stack.watch()


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder of its own, removed whatever happens."""
    made: list[Path] = []
    try:
        with interrupts.whole():
            made.append(Path(tempfile.mkdtemp(prefix="mohar-demo-")))
        yield made[0]
    finally:
        with interrupts.whole():
            for folder in made:
                shutil.rmtree(folder, ignore_errors=True)


def _forget_settings() -> None:
    """The demo must not touch a database or a Redis that the environment names."""
    for name in [name for name in os.environ if name.startswith("MOHAR_")]:
        del os.environ[name]


def _set_portal_date(scene: _Scene) -> None:
    """Let the portal live on the document's own day: a document is not refused for being kept for a while."""
    day, now = scene.document.dated, SystemClock().now().astimezone(IST)
    if day is None or day == indian_date(now):
        return
    then = datetime.combine(day, now.timetz())
    _sandbox(scene.stack, "POST", "/_control", {"now": then.isoformat()})
    scene.show.done("portal date", f"{day:%d/%m/%Y}, the document's own day")


def _certificates(stack: Stack) -> Any:
    return proof.certificates(_sandbox(stack, "GET", "/_keys").json()["signing"])


def _sandbox(stack: Stack, method: str, path: str, content: Any = None) -> httpx.Response:
    url = f"{stack.sandbox_url}{path}"
    return httpx.request(method, url, json=content, timeout=SANDBOX_SECONDS_MAX, trust_env=False).raise_for_status()


def _ms(began: datetime | None, ended: datetime | None) -> float | None:
    return None if began is None or ended is None else (ended - began).total_seconds() * 1000


def _readable(written: str) -> str:
    return f"{datetime.fromisoformat(written).astimezone(IST):%d/%m/%Y %H:%M:%S} IST"

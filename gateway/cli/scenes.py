"""The scenes of the demo: token, document, registration, proof, the same again, and one with mistakes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx

from gateway.cli import inbox, paper, picture, proof
from gateway.cli.inbox import Inbox
from gateway.cli.output import fault_table
from gateway.cli.paper import Paper
from gateway.cli.remote import Answer, Gateway
from gateway.cli.steps import Steps, rupees, stopwatch
from gateway.cli.up import Stack
from gateway.domain.calendar import IST, indian_date
from gateway.system import SystemClock

WAIT_SECONDS: Final = 60
"""How long the demo's client waits for its IRN. The sandbox takes a few hundredths of a second."""
SANDBOX_SECONDS_MAX: Final = 30.0
KEY: Final = "demo-1"
_CREATED: Final = 201
_MINUTE_SECONDS: Final = 60


@dataclass(slots=True)
class Result:
    """What the demo found. `problem` is the gateway's, where the document was not registered."""

    irn: str | None = None
    ack_no: str | None = None
    ack_date: str | None = None
    signed_qr: str | None = None
    verified: bool = False
    told: bool = False
    replayed: bool = False
    elapsed_ms: int = 0
    problem: Any = None
    running: dict[str, str] = field(default_factory=dict)
    kept: bool = False

    @property
    def good(self) -> bool:
        """Whether everything went as it should."""
        return self.verified and self.told and self.replayed

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints. `elapsed_ms` is the time from the request to the answer."""
        names = ("irn", "ack_no", "ack_date", "signed_qr", "verified", "told", "replayed", "elapsed_ms")
        problem = {} if self.problem is None else {"problem": self.problem}
        return {name: getattr(self, name) for name in names} | problem | self.running


@dataclass(frozen=True, slots=True)
class Scene:
    """What the acts of the demo share."""

    stack: Stack
    gateway: Gateway
    document: Paper
    show: Steps

    def portal_calls(self) -> list[str]:
        """The calls that reached the portal so far, by name, but for those of the daily reconciliation."""
        lines = _sandbox(self.stack, "GET", "/_calls").text.splitlines()
        names = [paper.of_bytes(line.encode()).content["operation"] for line in lines]
        return [name for name in names if name != "rejected_irns"]


def play(scene: Scene, seller: str, result: Result) -> None:
    """Token, webhook, document, registration; and where there is one, its event, the replay and the mistakes."""
    _set_portal_date(scene)
    _take_token(scene, seller)
    with inbox.opened(scene.gateway, scene.show) as received:
        _register(scene, received, result)


def _register(scene: Scene, received: Inbox, result: Result) -> None:
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
    result.told = inbox.show_event(received, answer.content["irn"], scene.show)
    result.replayed = _replay(scene, answer, calls)
    _send_mistakes(scene)


def _take_token(scene: Scene, seller: str) -> None:
    answer = scene.gateway.log_in(seller)
    minutes = answer.content["expires_in"] // _MINUTE_SECONDS
    scene.show.done("token", f"for {seller}: {answer.content['scope']}; good for {minutes} minutes", answer.elapsed_ms)


def _examine(scene: Scene) -> str | None:
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


def _post(scene: Scene) -> Answer:
    with scene.show.waiting("registering"):
        return scene.gateway.submit(
            scene.document.raw,
            path=scene.document.path,
            key=KEY,
            prefer=f"wait={WAIT_SECONDS}",
            wait_seconds=WAIT_SECONDS,
        )


def _show_history(scene: Scene, answer: Answer, calls: list[str]) -> None:
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


def _replay(scene: Scene, first: Answer, calls: list[str]) -> bool:
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


def _send_mistakes(scene: Scene) -> None:
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


def _set_portal_date(scene: Scene) -> None:
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

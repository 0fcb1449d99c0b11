"""The demo's receiver of events: a webhook of its own, whose messages are verified as they come."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.cli.listening import HOST, Message, listening
from gateway.cli.remote import Gateway
from gateway.cli.steps import Steps
from gateway.system import SystemClock

WAIT_SECONDS: Final = 60.0
"""How long the demo waits for its event. On an idle machine it takes some hundredths of a second."""
GENERATED: Final = "irn.generated"


class Inbox:
    """Messages that were received, by any thread."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._came = threading.Condition()

    def put(self, message: Message) -> None:
        """Take a message in."""
        with self._came:
            self._messages.append(message)
            self._came.notify_all()

    def wait_for(self, irn: str) -> Message | None:
        """The first message that tells of this document's registration; None when none comes in time."""
        with self._came:
            self._came.wait_for(lambda: self._about(irn) is not None, WAIT_SECONDS)
            return self._about(irn)

    def _about(self, irn: str) -> Message | None:
        return next((each for each in self._messages if _told(each) == (GENERATED, irn)), None)


@contextmanager
def opened(gateway: Gateway, show: Steps) -> Iterator[Inbox]:
    """Listen on this machine, with a webhook at the gateway that leads here."""
    inbox, clock = Inbox(), SystemClock()
    port = _free_port()
    url = f"http://{HOST}:{port}/"
    made = gateway.post("/webhooks", {"url": url, "name": "demo", "policy": "brisk"})
    if not made.ok:
        show.failed("webhook", f"HTTP {made.status}, {made.content.get('code')}: {made.content.get('detail')}")
        yield inbox
        return
    show.done("webhook", f"{made.content['id']}, at {url}: told of every outcome, signed", made.elapsed_ms)
    with listening(made.content["secret"], port=port, clock=clock, tell=inbox.put):
        yield inbox


def show_event(inbox: Inbox, irn: str, show: Steps) -> bool:
    """Whether the event of the document came, and its signature holds."""
    show.heading("The event, as the receiver got it")
    message = inbox.wait_for(irn)
    if message is None:
        show.failed("event", f"none came within {WAIT_SECONDS:.0f} seconds")
        return False
    if message.complaint is not None:
        show.failed("event", f"{message.id} came, but {message.complaint}")
        return False
    show.done("event", f"{GENERATED}, {message.id}: received, and its signature verified")
    return True


def _told(message: Message) -> tuple[str, str] | None:
    try:
        event = json.loads(message.body)
        return event["type"], event["data"]["document"]["irn"]
    except (ValueError, KeyError, TypeError):
        return None


def _free_port() -> int:
    """The secret that is listened with is in the answer that needs the port: so the port comes first."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])

"""`mohar webhook listen`: what is received on this machine is verified, answered and told of."""

from __future__ import annotations

import json
import queue
import socket

import pytest
from typer.testing import CliRunner

from gateway.cli import build
from gateway.cli.listening import BODY_BYTES_MAX, Message, listening
from gateway.cli.webhook import SECRET_VARIABLE, printed
from gateway.ports import Verdict
from gateway.system import SystemClock, SystemIds
from gateway.webhooks.signing import SigningSecrets
from tests.support import START
from tests.support_webhooks import BODY, SECRET, dispatch, sender

WAIT_SECONDS_MAX = 120


def test_a_genuine_message_is_verified_and_told_of() -> None:
    """With its id and its very bytes, and answered with 204."""
    told: queue.Queue[Message] = queue.Queue()
    with listening(SECRET, port=0, clock=SystemClock(), tell=told.put) as url, sender() as one:
        answer = one.send(dispatch(url))
        message = told.get(timeout=WAIT_SECONDS_MAX)
    assert (answer.verdict, answer.status) == (Verdict.DELIVERED, 204)
    assert (message.id, message.body, message.complaint, message.status) == ("evt_1", BODY, None, 204)


def test_a_forged_message_is_told_of_as_such() -> None:
    """It is answered with 400, so that its sender sees it too."""
    told: queue.Queue[Message] = queue.Queue()
    stranger = SigningSecrets(SystemIds().random_bytes).new()
    with listening(SECRET, port=0, clock=SystemClock(), tell=told.put) as url, sender() as one:
        answer = one.send(dispatch(url, secrets=(stranger,)))
        message = told.get(timeout=WAIT_SECONDS_MAX)
    assert answer.status == 400
    assert message.complaint is not None


def test_retries_can_be_seen() -> None:
    """A developer has verified messages answered with whatever status is wanted."""
    with listening(SECRET, port=0, status=503, clock=SystemClock(), tell=lambda _: None) as url, sender() as one:
        assert one.send(dispatch(url)).status == 503


@pytest.mark.parametrize("length", ["", "-1", "x", str(BODY_BYTES_MAX + 1), "9" * 5000])
def test_what_has_no_sensible_length_is_not_read(length: str) -> None:
    """Development or not, nobody fills this machine's memory."""
    with listening(SECRET, port=0, clock=SystemClock(), tell=lambda _: None) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), WAIT_SECONDS_MAX) as stream:
            stream.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
            assert b" 413 " in stream.recv(65536)


def test_a_message_is_printed_for_people_and_for_programs() -> None:
    """Whether it verified, what it is, and the whole event."""
    genuine = Message(START, "evt_1", BODY, None, 204)
    forged = Message(START, "evt_2", b"\xff no JSON [bold]", "no signature", 400)
    assert json.loads(printed(genuine, as_json=True)) == {
        "at": "2026-11-20T06:30:00+00:00",
        "id": "evt_1",
        "verified": True,
        "complaint": None,
        "status": 204,
        "event": json.loads(BODY),
    }
    assert "verified irn.generated evt_1 answered 204" in printed(genuine, as_json=False)
    assert "NOT VERIFIED" in printed(forged, as_json=False)
    assert "no JSON [bold]" in printed(forged, as_json=False)


def test_what_is_no_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything listens, and without showing it."""
    monkeypatch.setenv(SECRET_VARIABLE, "whsec_this is none")
    done = CliRunner().invoke(build("webhook"), ["webhook", "listen", "--port", "0"])
    assert getattr(done.exception, "code", "") == "webhook-secret-invalid"
    assert "this is none" not in done.output

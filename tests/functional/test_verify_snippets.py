"""What README shows receivers, run as it stands there against what the sender really sends."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.system import SystemIds
from gateway.webhooks.signing import SigningSecrets
from tests.receivers import Received, receiving, saying
from tests.support_webhooks import SECRET, dispatch, sender

FOLDER = Path(__file__).parents[2] / "docs" / "verify"
OTHER = SigningSecrets(SystemIds().random_bytes).new()
UTF8_BODY = '{"type":"irn.generated","data":{"name":"मोहर 🧾"}}'.encode()
RUN_SECONDS_MAX = 300

Case = tuple[str, Mapping[str, str], bytes]
Snippet = Callable[[list[Case]], list[bool]]

NODE = """
const { verify } = await import(process.argv[1]);
let text = "";
for await (const part of process.stdin) text += part;
const cases = JSON.parse(text);
console.log(JSON.stringify(cases.map(([secret, headers, body]) => verify(secret, headers, Buffer.from(body, "hex")))));
"""
PHP = """
require $argv[1];
$cases = json_decode(stream_get_contents(STDIN), true);
echo json_encode(array_map(fn ($case) => verify($case[0], $case[1], hex2bin($case[2])), $cases));
"""


@pytest.fixture(scope="module")
def message() -> Iterator[Received]:
    """One that was sent and received, signed with two secrets."""
    with receiving(saying(200), SECRET, OTHER) as receiver, sender() as one:
        one.send(dispatch(receiver.url, body=UTF8_BODY, secrets=(OTHER, SECRET)))
        yield receiver.received[0]


def in_python(cases: list[Case]) -> list[bool]:
    """With this very interpreter."""
    spec = importlib.util.spec_from_file_location("verify_snippet", FOLDER / "verify.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [module.verify(*case) for case in cases]


def outside(*command: str) -> Snippet:
    """With a program that is installed; the test is skipped where it is not."""

    def run(cases: list[Case]) -> list[bool]:
        program = shutil.which(command[0])
        if program is None:
            pytest.skip(f"{command[0]} is not installed here")
        given = json.dumps([[secret, dict(headers), body.hex()] for secret, headers, body in cases])
        done = subprocess.run(  # noqa: S603  the programs named below
            [program, *command[1:]], input=given, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=True
        )
        verdicts: list[bool] = json.loads(done.stdout)
        return verdicts

    return run


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(in_python, id="python"),
        pytest.param(outside("node", "--input-type=module", "-e", NODE, str(FOLDER / "verify.mjs")), id="node"),
        pytest.param(outside("php", "-r", PHP, str(FOLDER / "verify.php")), id="php"),
    ],
)
def test_a_snippet_tells_genuine_from_forged(run: Snippet, message: Received) -> None:
    """Either secret verifies; another one, and any change of id, time, signature or body, does not."""
    headers, body = message.headers, message.body
    stranger = SigningSecrets(SystemIds().random_bytes).new()
    stale = str(int(headers["webhook-timestamp"]) - 301)
    signature = headers["webhook-signature"].partition(" ")[0]
    wrong: list[Case] = [
        (stranger, headers, body),
        (SECRET, headers | {"webhook-id": "evt_2"}, body),
        (SECRET, headers | {"webhook-timestamp": stale}, body),
        (SECRET, headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}, body),
        (SECRET, headers | {"webhook-signature": ""}, body),
        (SECRET, headers | {"webhook-signature": signature}, body),  # made with the other secret
        (OTHER, headers | {"webhook-signature": signature[:-4]}, body),
        (OTHER, headers | {"webhook-signature": signature.replace("v1,", "v2,")}, body),
        (SECRET, headers, body + b" "),
        (SECRET, headers, body.replace(b"irn", b"irm")),
    ]
    genuine: list[Case] = [(SECRET, headers, body), (OTHER, headers, body)]
    assert run([*genuine, *wrong]) == [True] * len(genuine) + [False] * len(wrong)


def test_a_message_that_was_kept_is_not_verified_later(monkeypatch: pytest.MonkeyPatch, message: Received) -> None:
    """Its time is signed, and good for five minutes."""
    sent = int(message.headers["webhook-timestamp"])
    monkeypatch.setattr("time.time", lambda: sent + 301)
    assert in_python([(SECRET, message.headers, message.body)]) == [False]

"""`mohar demo`, as a person or a program starts it; and stopped at whatever moment."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import zxingcpp
from PIL import Image

from gateway.cli import paper
from gateway.domain import canonical
from gateway.system import SystemClock

PATIENCE_SECONDS = 300
"""For what a demo does: reached only when it does nothing any more."""
LOOK_SECONDS = 0.02
MARK = "DEMO_TEST_MARK"
STOPPED = 130
BLOCKS = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}


class Demo:
    """The command as a process, with a folder for all its temporary files and a mark by which it is known."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.temporary = folder / "t"
        self.temporary.mkdir()
        self.mark = uuid.uuid4().hex
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603  our own interpreter
                [sys.executable, "-m", "gateway.cli", "demo", *words],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=Path(__file__).parents[2],
                env=os.environ | {"TMPDIR": str(self.temporary), MARK: self.mark, "MOHAR_REDIS_URL": "redis://nowhere"},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever its test found: no demo outlives it."""
        self.process.kill()
        self.process.wait()

    @property
    def text(self) -> str:
        """What it printed so far."""
        return self.output.read_text()

    def until(self, seen: Callable[[], Any]) -> None:
        """Wait until something is to be seen."""
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while not seen():
            assert self.process.poll() is None, self.text
            assert time.monotonic() < ends_at, self.text
            time.sleep(LOOK_SECONDS)

    def has(self, pattern: str) -> bool:
        """Whether a file of that name is there."""
        return any(self.temporary.glob(pattern))

    def ended(self) -> int:
        """Its exit code."""
        return self.process.wait(PATIENCE_SECONDS)

    def left_over(self) -> list[str]:
        """Its processes that still live, and its files that are still there."""
        files = [str(path.relative_to(self.temporary)) for path in self.temporary.iterdir()]
        return files + [name for name in map(self._ours, Path("/proc").glob("[0-9]*")) if name]

    def _ours(self, process: Path) -> str:
        try:
            environment = (process / "environ").read_bytes()
            name = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it ended while we looked, or is another user's
            return ""
        return name if self.mark.encode() in environment else ""


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short name: a socket's path may have 108 bytes."""
    return tmp_path_factory.mktemp("d")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One whole demo, printed into a file."""
    with Demo(tmp_path_factory.mktemp("d")) as made:
        assert made.ended() == 0, made.text
        yield made


def test_every_step_is_shown(shown: Demo) -> None:
    """From the token to the acknowledgement, in this order, with what belongs to each."""
    steps = re.findall(r"^[✓✗] ([\w -]{11}) ", shown.text, re.MULTILINE)
    assert [step.strip() for step in steps] == [
        *(
            "stack",
            "token",
            "webhook",
            "document",
            "validation",
            "predicted",
            "accepted",
            "attempt 1",
            "answer",
            "signatures",
        ),
        *("IRN", "AckNo", "e-way bill", "answered", "event", "replay", "refused"),
    ]
    assert "login and generate: registered, a definite success" in shown.text
    irns = re.findall(r"^✓ (?:predicted|IRN) +([0-9a-f]{64})\s*$", shown.text, re.MULTILINE)
    assert len(irns) == 2
    assert len(set(irns)) == 1


def test_a_repeated_call_is_shown_as_a_replay(shown: Demo) -> None:
    """The same key brings the same answer, and costs no call to the portal."""
    assert "HTTP 201, Idempotent-Replayed: true; the portal was not asked" in shown.text


def test_mistakes_are_shown_with_their_places(shown: Demo) -> None:
    """Each with a pointer, a sentence and what to do."""
    assert "HTTP 400, document-invalid: The document has 2 faults" in shown.text
    assert "/BuyerDtls/Pos" in shown.text
    assert "/ItemList/0/HsnCd" in shown.text
    assert "Add the member Pos" in shown.text


def test_a_file_gets_no_escape_codes_and_a_code_that_can_be_read(shown: Demo) -> None:
    """What is printed into a file is text; its blocks are the signed QR code of this IRN's document."""
    assert "\x1b" not in shown.text
    lines = [line for line in shown.text.splitlines() if line.startswith("████")]
    rows = [[BLOCKS[block][half] * 255 for block in line] for line in lines for half in (0, 1)]
    image = Image.new("L", (len(rows[0]), len(rows)))
    image.putdata([pixel for row in rows for pixel in row])
    found = zxingcpp.read_barcodes(image.resize((image.width * 3, image.height * 3), Image.Resampling.NEAREST))
    assert found[0].text.count(".") == 2


def test_nothing_is_left_of_it(shown: Demo) -> None:
    """No process, no folder."""
    assert shown.left_over() == []


def test_a_program_reads_one_object_and_may_go_on_calling(folder: Path) -> None:
    """--file takes another seller's document of another year, --json prints the object alone, --keep leaves it running.

    SIGTERM then ends everything in order and removes it.
    """
    with Demo(folder, "--json", "--keep", "--file", str(_written(folder))) as demo:
        demo.until(lambda: demo.text.endswith("}\n"))
        told = json.loads(demo.text)
        members = {"irn", "ack_no", "ack_date", "signed_qr", "verified", "told", "replayed", "elapsed_ms"}
        assert set(told) == members | {"base_url", "credentials"}
        assert (told["verified"], told["told"], told["replayed"], len(told["irn"])) == (True, True, True, 64)
        assert told["ack_date"].startswith("2026-02-28T")
        assert _token_status(told["base_url"], Path(told["credentials"])) == 200
        demo.process.send_signal(signal.SIGTERM)
        assert demo.ended() == 0
        assert demo.left_over() == []


def _written(folder: Path) -> Path:
    document = paper.example(SystemClock().now()).content
    document["DocDtls"] = {"Typ": "INV", "No": "MINE/7", "Dt": "28/02/2026"}
    del document["EwbDtls"]  # too old for an e-way bill
    document["SellerDtls"]["Gstin"] = "29AAFCC9980M1ZR"
    file = folder / "mine.json"
    file.write_text(canonical.write(document))
    return file


def _token_status(base_url: str, credentials: Path) -> int:
    known = json.loads(credentials.read_text())
    form = {"grant_type": "client_credentials"}
    who = (known["client_id"], known["client_secret"])
    url = f"{base_url}/oauth/token"
    return httpx.post(url, data=form, auth=who, timeout=PATIENCE_SECONDS, trust_env=False).status_code


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("mohar-demo-*", id="its folder is made"),
        pytest.param("mohar-*/redis.sock", id="Redis starts"),
        pytest.param("mohar-demo-*/logs/sweeper.log", id="the last process starts"),
        pytest.param("mohar-demo-*/run/worker.ready", id="the worker is ready"),
    ],
)
def test_control_c_leaves_nothing(folder: Path, moment: str) -> None:
    """At whatever moment, and pressed twice: no process, no folder, and the exit code of a stopped command.

    Its document never comes, so that it cannot be over before it is stopped.
    """
    os.mkfifo(document := folder / "invoice.json")
    with Demo(folder, "--file", str(document)) as demo:
        demo.until(lambda: demo.has(moment))
        demo.process.send_signal(signal.SIGINT)
        demo.process.send_signal(signal.SIGINT)
        assert demo.ended() == STOPPED
        assert demo.left_over() == []
        assert "Traceback" not in demo.text

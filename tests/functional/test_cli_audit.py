"""`mohar audit`: the sealed log on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway import cli
from gateway.services import sweeping
from tests.support_api import SELLER, Stack, document


@pytest.fixture
def log(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack that the commands find by their settings, with something under a seal."""
    monkeypatch.setenv("MOHAR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MOHAR_REDIS_URL", "redis://127.0.0.1:1")  # nobody asks it
    stack.post(document())
    sweeping.seal_all(holder="test", ports=stack.ports)
    return stack


def mohar(*arguments: str, stdin: bytes | None = None) -> Result:
    """Run a command."""
    return CliRunner().invoke(cli.build("audit"), ["audit", *arguments], input=stdin)


def bundle(folder: Path, *arguments: str) -> Path:
    """A bundle that the command wrote."""
    file = folder / "evidence.jsonl"
    ran = mohar("export", SELLER, "--output", str(file), *arguments)
    assert ran.exit_code == 0, ran.output
    return file


def verdict(ran: Result) -> Any:
    """What `--json` printed."""
    return json.loads(ran.stdout)


def test_a_bundle_that_was_exported_holds(log: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Export, then verify, with no setting, no database and no key but the bundle's."""
    file = bundle(tmp_path)
    assert file.read_text() != log.get("/audit/export").text, "each is made at its time and signed by itself"
    monkeypatch.setenv("MOHAR_DATA_DIR", "/nowhere")
    ran = mohar("verify", str(file), "--json")
    assert (ran.exit_code, verdict(ran)["holds"]) == (0, True)
    assert verdict(ran)["documents"] == 1
    assert mohar("verify", str(file)).exit_code == 0
    assert mohar("verify", "-", stdin=file.read_bytes()).exit_code == 0


@pytest.mark.usefixtures("log")
def test_a_bundle_that_was_touched_does_not(tmp_path: Path) -> None:
    """Exit code 1, and the line and the code of each flaw."""
    file = bundle(tmp_path)
    file.write_bytes(file.read_bytes().replace(b'"actor":"operator"', b'"actor":"operatos"', 1))
    ran = mohar("verify", str(file), "--json")
    assert ran.exit_code == 1
    assert "root-differs" in {flaw["code"] for flaw in verdict(ran)["flaws"]}
    assert "does not hold" in mohar("verify", str(file)).stderr


@pytest.mark.usefixtures("log")
def test_keys_that_the_reader_knows(tmp_path: Path) -> None:
    """A reader who names the keys that he was told has others refused."""
    file = bundle(tmp_path)
    [key_id] = verdict(mohar("verify", str(file), "--json"))["key_ids"]
    assert mohar("verify", str(file), "--key-id", key_id).exit_code == 0
    ran = mohar("verify", str(file), "--key-id", "0" * 32, "--json")
    assert (ran.exit_code, [flaw["code"] for flaw in verdict(ran)["flaws"]]) == (1, ["key-unexpected"])


@pytest.mark.usefixtures("log")
def test_the_log_is_shown() -> None:
    """As a table, and as the bundle's lines for programs."""
    assert "attempt:settle" in mohar("show", SELLER).stdout
    lines = [json.loads(line) for line in mohar("show", SELLER, "--json").stdout.splitlines()]
    assert lines == sorted(lines, key=lambda line: line["leaf"])
    assert {line["type"] for line in lines} == {"record"}
    subject = lines[-1]["subject"]
    shown = [json.loads(line) for line in mohar("show", SELLER, "--json", "--subject", subject).stdout.splitlines()]
    assert shown == [line for line in lines if line["subject"] == subject]


def test_a_key_is_replaced(log: Stack, tmp_path: Path) -> None:
    """After `rotate-key` new seals have the new key, and a bundle with both holds."""
    assert mohar("rotate-key").exit_code == 0
    log.clock.step(seconds=1)
    sweeping.seal_all(holder="test", ports=log.ports)
    ran = mohar("verify", str(bundle(tmp_path)), "--json")
    assert (ran.exit_code, len(verdict(ran)["key_ids"])) == (0, 2)


@pytest.mark.usefixtures("log")
def test_what_is_not_there(tmp_path: Path) -> None:
    """A file that there is not, a taxpayer that nobody knows, a file that would be overwritten."""
    for arguments in (("verify", str(tmp_path / "none")), ("show", "29AAAAA0000A1Z5")):
        assert mohar(*arguments).exit_code == 1
    file = bundle(tmp_path)
    assert mohar("export", SELLER, "--output", str(file)).exit_code == 1

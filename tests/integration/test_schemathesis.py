"""The whole API, tried from its own description: every check of schemathesis, with a token, on running processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli import demo, test_mode
from gateway.cli.up import Stack
from gateway.domain.operations import Environment
from gateway.sandbox.master import ACTIVE_SELLER
from gateway.services import access
from gateway.services.principal import Scope

TESTS = Path(__file__).parents[1]
SEED = 20261120
PATIENCE_SECONDS = 120
"""For one answer: reached only when there is none."""
SUICIDAL = ("revoke_client", "withdraw_grant", "put_grant")
"""Operations by which the caller, whose id a list tells, can take away what it may: tried last, so that the rest is."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A gateway with its portal."""
    with Stack(tmp_path_factory.mktemp("d"), extra=demo.THREADS) as made:
        test_mode.add_seller(ports=made.wiring.ports)
        yield made


def token(stack: Stack) -> str:
    """Of a client that may do everything that a program may."""
    credentials = access.add_client(
        environment=Environment.TEST,
        gstins=[ACTIVE_SELLER.gstin],
        name="everything",
        respond_async=False,
        ports=stack.wiring.ports,
        scopes=frozenset(Scope),
    )
    form = {"grant_type": "client_credentials"}
    answer = httpx.post(f"{stack.base_url}/oauth/token", data=form, auth=credentials, timeout=PATIENCE_SECONDS)
    granted: str = answer.json()["access_token"]
    return granted


def described(stack: Stack, folder: Path) -> Path:
    """The description as it is served, but for API keys: one that is invented beside the token makes two proofs."""
    document = httpx.get(f"{stack.base_url}/openapi.json", timeout=PATIENCE_SECONDS).json()
    for calls in document["paths"].values():
        for call in calls.values():
            call["security"] = [way for way in call["security"] if "api_key" not in way]
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    return path


def tried(stack: Stack, folder: Path, *options: str) -> dict[str, Any]:
    """The report of a run that found nothing. What it found fails the test, with how to do it again."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(TESTS / "schemathesis.toml")]
    where = ["run", str(described(stack, folder)), "--url", stack.base_url]
    arguments = [*where, "--checks", "all", "--seed", str(SEED), "--no-color"]
    header = ["-H", f"Authorization: Bearer {token(stack)}", "--continue-on-failure", "--generation-database", "none"]
    done = subprocess.run(  # noqa: S603  our own interpreter
        [*command, *arguments, *header, "--report-json-path", str(report), *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    read: dict[str, Any] = json.loads(report.read_text())
    return read


def test_the_api_is_as_it_is_described(stack: Stack, tmp_path: Path) -> None:
    """Examples and a few inventions for every operation: no check fails."""
    tried(stack, tmp_path, "--phases", "examples,fuzzing", "-n", "1")


@pytest.mark.soak
def test_the_api_is_as_it_is_described_at_length(stack: Stack, tmp_path: Path) -> None:
    """Every boundary of every parameter, and hundreds of inventions for every operation: no check fails."""
    for kind in ("--exclude-operation-id", "--include-operation-id"):
        named = [word for id in SUICIDAL for word in (kind, id)]
        tried(stack, tmp_path, "--phases", "examples,coverage,fuzzing", "-n", "30", *named)

"""Commands on the folder of a gateway that is stopped, where no Redis server is set up: what takes no permit works."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway import cli
from gateway.errors import Misconfigured
from tests.support_api import SELLER, Stack, document

Mohar = Callable[..., Result]
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
def mohar(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mohar:
    """A command line on the stack's folder, in which one document waits."""
    monkeypatch.setenv("MOHAR_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("MOHAR_REDIS_URL", raising=False)
    stack.idle = True
    assert stack.post(document(), headers=ASYNC).status_code == 202

    def run(module: str, *words: str) -> Result:
        return CliRunner().invoke(cli.build(module), list(words))

    return run


def test_it_is_set_up(mohar: Mohar) -> None:
    """A program is added with its grant, and listed; so are the taxpayers."""
    assert mohar("clients", "client", "add", "--name", "ERP", "--gstin", SELLER).exit_code == 0
    assert "ERP" in mohar("clients", "client", "list").stdout
    assert SELLER in mohar("setup", "gstin", "list").stdout


def test_limits_say_what_nobody_can_ask(mohar: Mohar) -> None:
    """What waits is told, levels and use are not known: and that nobody called is not said either."""
    told = json.loads(mohar("limits", "limits", "--json").stdout)
    [waiting] = told["taxpayers"]
    assert (told["used_last_minute"], waiting["buckets"], waiting["limiter"]) == (None, [], "away")
    assert waiting["queues"]["queued"]["waiting"] == 1
    shown = mohar("limits", "limits").stdout
    assert "The limiter does not answer" in shown
    assert "Nobody called" not in shown


def test_what_takes_permits_says_that_there_are_none(mohar: Mohar) -> None:
    """A reconciliation asks the portal, and for that a Redis server is needed."""
    ran = mohar("reconcile", "reconcile", "--gstin", SELLER, "--environment", "test")
    assert isinstance(ran.exception, Misconfigured)
    assert ran.exception.code == "redis-missing"

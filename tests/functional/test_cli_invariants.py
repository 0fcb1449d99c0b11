"""`mohar invariants` and its measure, over a gateway that registered and one whose tables somebody touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from gateway import cli
from gateway.cli import invariants
from gateway.domain.invariants import ELSEWHERE, Name
from gateway.storage.tables import operations
from gateway.wiring import Wiring
from tests.support_api import Stack, document
from workers.sweeper import look_at_invariants


@pytest.fixture
def looked(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A gateway that registered a document, on which the command line works."""

    @contextmanager
    def opened() -> Iterator[Wiring]:
        yield stack.wiring

    monkeypatch.setattr(invariants, "opened", opened)
    assert stack.post(document()).status_code == 201
    return stack


def mohar(*words: str) -> Result:
    """A command line."""
    result = CliRunner().invoke(cli.build("invariants"), list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def touch(stack: Stack) -> None:
    """Change a version, as nothing but a person with a database's shell can."""
    stack.wiring.database.write(lambda connection: connection.execute(update(operations).values(version=99)))


@pytest.mark.usefixtures("looked")
def test_what_a_gateway_did_keeps_to_its_invariants() -> None:
    """Exit code 0, a line for each, and what it cannot tell is told as such."""
    ran = mohar("invariants")
    lines = ran.stdout.splitlines()
    assert (ran.exit_code, len(lines)) == (0, len(Name) + len(ELSEWHERE))
    assert [line.split()[0] for line in lines] == ["holds"] * len(Name) + ["not"] * len(ELSEWHERE)


def test_what_is_broken_is_named_with_what_to_do(looked: Stack) -> None:
    """Exit code 1, for people and for programs."""
    touch(looked)
    told = mohar("invariants", "--newest", "5", "--json")
    [broken] = [each for each in json.loads(told.stdout)["invariants"] if each["name"] == Name.HISTORY]
    assert (told.exit_code, broken["holds"], broken["violations"]) == (1, False, 1)
    assert broken["fix"]
    assert broken["examples"][0]["id"].startswith("op_")
    assert "broken history, 1 times" in mohar("invariants").stdout


def test_the_leader_exports_what_is_broken(looked: Stack) -> None:
    """A sample for each invariant from the sweeper that leads, and none from one that stands by."""

    def exported() -> list[str]:
        text = looked.wiring.metrics.text().decode().splitlines()
        return [line for line in text if line.startswith("mohar_invariant_violations{")]

    look_at_invariants(looked.wiring, leads=True)
    assert sorted(exported()) == sorted(f'mohar_invariant_violations{{invariant="{name}"}} 0.0' for name in Name)
    touch(looked)
    look_at_invariants(looked.wiring, leads=True)
    assert f'mohar_invariant_violations{{invariant="{Name.HISTORY}"}} 1.0' in exported()
    look_at_invariants(looked.wiring, leads=False)
    assert exported() == []

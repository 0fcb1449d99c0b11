"""`mohar reconcile`: a day's run in the hands of an operator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner, Result

from gateway import cli
from gateway.cli import reconcile
from gateway.errors import Absent, Invalid
from gateway.wiring import Wiring
from tests.support_api import SELLER, Stack, document

Mohar = Callable[..., Result]


@pytest.fixture
def mohar(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Mohar:
    """The command on the stack of this test, whose workers are asleep."""
    stack.post(document())
    stack.idle = True

    @contextmanager
    def opened(**_: bool) -> Iterator[Wiring]:
        yield stack.wiring

    monkeypatch.setattr(reconcile, "opened", opened)

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli.build("reconcile", "limits"), ["reconcile", *words])

    return run


def test_a_day_without_findings_is_done(mohar: Mohar) -> None:
    """Exit code 0, with what was looked at."""
    ran = mohar("--gstin", SELLER)
    assert ran.exit_code == 0, ran.output
    assert "2026-11-20: done, 1 documents checked, 0 numbers looked up, 0 found." in ran.stdout


def test_what_is_found_is_shown(mohar: Mohar, stack: Stack) -> None:
    """Exit code 1; the same again when it is run again, and no second event."""
    irn = stack.post(document()).json()["irn"]
    with stack.visitor() as visitor:
        assert visitor.cancel(irn).codes == []
    ran = mohar("--gstin", SELLER.lower(), "--date", "2026-11-20", "--json")
    told = json.loads(ran.stdout)
    assert (ran.exit_code, told["standing"], told["found"]) == (1, "done", 1)
    assert [each["irn"] for each in told["findings"]] == [irn]
    again = mohar("--gstin", SELLER)
    assert (again.exit_code, "cancelled_elsewhere" in again.stdout) == (1, True)
    events = [each["type"] for each in stack.get("/events").json()["events"]]
    assert events.count("irn.cancelled_elsewhere") == 1


def test_an_outage_is_told_and_goes_on_later(mohar: Mohar, stack: Stack) -> None:
    """Exit code 4."""
    stack.sandbox.configure(faults=[{"kind": "refuse", "probability": 1, "operations": ["get_irn"]}])
    ran = mohar("--gstin", SELLER)
    assert ran.exit_code == 4
    assert "waiting" in ran.stdout
    assert "It goes on at 2026-11-20T12:05:00+05:30" in ran.stdout


def test_what_cannot_be_looked_at_is_refused(mohar: Mohar) -> None:
    """A taxpayer that is not set up, a day to come."""
    assert isinstance(mohar("--gstin", "29AABCA5312L1ZP").exception, Absent)
    assert isinstance(mohar("--gstin", SELLER, "--environment", "live").exception, Absent)
    assert isinstance(mohar("--gstin", SELLER, "--date", "2026-11-21").exception, Invalid)
    assert mohar("--gstin", SELLER, "--date", "20/11/2026").exit_code == 2

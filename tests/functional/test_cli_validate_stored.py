"""`mohar validate --stored` on the database of a gateway that is at work."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway import cli
from tests.support_api import SELLER, Stack, document

PERIOD = ("--from", "2026-11-01", "--to", "2026-11-30")
BEFORE_GST_2 = ("--as-of", "2025-01-15")


@pytest.fixture(autouse=True)
def nearby(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that lead to the database of the stack."""
    monkeypatch.setenv("MOHAR_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("MOHAR_REDIS_URL", raising=False)  # as in the folder of a gateway that is stopped


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.build("validate"), ["validate", "--stored", *arguments])


def at_forty_per_cent() -> dict[str, Any]:
    """A document of a rate that there is since 22-09-2025."""
    made = document(No="F/1")
    line, total = made["ItemList"][0], made["ValDtls"]
    line |= {"GstRt": 40, "CgstAmt": Decimal(500), "SgstAmt": Decimal(500), "TotItemVal": Decimal(3500)}
    total |= {"CgstVal": Decimal(500), "SgstVal": Decimal(500), "TotInvVal": Decimal(3500)}
    return made


@pytest.fixture
def registered(stack: Stack) -> str:
    """Two documents are registered, one of a rate that is not old; its operation."""
    assert stack.post(document()).status_code == 201
    answer = stack.post(at_forty_per_cent())
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


def test_what_would_break_is_named(registered: str) -> None:
    """By operation, taxpayer and number, with what each would be refused for; and how often each rule is broken."""
    told = run(*PERIOD, *BEFORE_GST_2)
    assert told.exit_code == 1
    assert f"{registered} {SELLER} F/1: not valid" in told.stdout
    assert "2 registered documents from 2026-11-01 to 2026-11-30" in told.stdout
    assert "1 would be refused" in told.stdout
    [line] = run(*PERIOD, *BEFORE_GST_2, "--json").stdout.splitlines()
    assert [(each["code"], each["at"]) for each in json.loads(line)["errors"]] == [("GSP-RAT-01", "/ItemList/0/GstRt")]


@pytest.mark.usefixtures("registered")
def test_nothing_breaks_on_a_day_of_the_same_rules() -> None:
    """However much later it is: a document's age is no reason."""
    told = run(*PERIOD, "--as-of", "2027-06-30")
    assert (told.exit_code, "0 would be refused" in told.stdout, "rule" in told.stdout) == (0, True, False)


@pytest.mark.usefixtures("registered")
def test_only_the_period_counts() -> None:
    """By the date of the document, both ends included."""
    for period, count in ((("2026-11-10", "2026-11-10"), 2), (("2026-11-11", "2026-11-30"), 0)):
        told = run("--from", period[0], "--to", period[1], *BEFORE_GST_2)
        assert f"{count} registered documents" in told.stdout


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (("some.json",), "no files"),
        (("--route", "live"), "--route"),
        (("--from", "2026-11-02", "--to", "2026-11-01"), "before it begins"),
    ],
)
def test_what_makes_no_sense_is_said(wrong: tuple[str, ...], word: str) -> None:
    """In place of an answer to another question."""
    told = run(*wrong)
    assert (told.exit_code, word in told.stderr, told.stdout) == (2, True, "")

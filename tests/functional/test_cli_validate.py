"""`mohar validate FILE…`: documents are checked without a gateway and without a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway import cli

DOCUMENTS = Path(__file__).parents[1] / "documents"
GOOD = (DOCUMENTS / "minimal.json").read_text(encoding="utf-8")
AS_OF = ("--as-of", "2026-11-20")


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli.build("validate"), ["validate", *arguments], input=stdin)


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with no database, and settings that lead to none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOHAR_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")


def test_good_documents_end_with_0() -> None:
    """Each file has its line, with the IRN that it will get."""
    names = [str(DOCUMENTS / f"{name}.json") for name in ("minimal", "credit_note", "with_ewb")]
    done = run(*names, *AS_OF, "--json")
    assert done.exit_code == 0
    assert [(each["file"], each["valid"], each["errors"]) for each in lines(done)] == [
        (name, True, []) for name in names
    ]
    assert all(len(each["irn"]) == 64 for each in lines(done))


def test_a_fault_ends_with_1_and_has_every_member() -> None:
    """A program finds code, place, words, the portal's code and the patch, each always there."""
    done = run("-", *AS_OF, "--json", stdin=GOOD.replace('"TotInvVal": 2950.00', '"TotInvVal": 2990.00'))
    [told] = lines(done)
    assert (done.exit_code, told["valid"]) == (1, False)
    [fault] = told["errors"]
    assert set(fault) == {"code", "at", "message", "help", "portal_code", "fix"}
    assert (fault["at"], fault["portal_code"]) == ("/ValDtls/TotInvVal", "2189")


def test_a_file_may_hold_several() -> None:
    """A list has a line for each of its documents, wrapped as bulk files wrap them or not."""
    done = run("-", *AS_OF, "--json", stdin=f'[{GOOD}, {{"transaction": {GOOD}}}, {{}}]')
    assert [(each["file"], each["valid"]) for each in lines(done)] == [("-#0", True), ("-#1", True), ("-#2", False)]
    assert done.exit_code == 1


def test_what_is_no_json_is_a_fault_of_the_document() -> None:
    """The code and the place of the flaw stand where other faults stand."""
    done = run("-", "--json", stdin='{"a": 1, "a": 2}')
    [told] = lines(done)
    assert (done.exit_code, [(each["code"], each["at"]) for each in told["errors"]]) == (
        1,
        [("json-duplicate-key", "/a")],
    )


def test_route_and_day_decide() -> None:
    """The sandbox route takes a check digit that the live one does not; a later day takes a document of that day."""
    odd = GOOD.replace("29AABCA5312L1ZP", "29AABCT1332L000")
    assert run("-", *AS_OF, stdin=odd).exit_code == 1
    assert run("-", *AS_OF, "--route", "sandbox", stdin=odd).exit_code == 0
    assert run("-", "--as-of", "2026-11-09", stdin=GOOD).exit_code == 1


def test_people_read_a_table() -> None:
    """Without --json the place, our code and the portal's, and what to do are shown."""
    done = run("-", *AS_OF, stdin=GOOD.replace('"Pos": "29"', '"Pos": "00"'))
    assert "/BuyerDtls/Pos" in done.stdout
    assert "GSP-SUP-06" in done.stdout
    assert "(2243)" in done.stdout
    assert "not valid" in done.stdout


@pytest.mark.parametrize("arguments", [(), ("missing.json",), ("-", "--as-of", "20.11.2026"), ("-", "--route", "best")])
def test_a_wrong_call_is_2(arguments: tuple[str, ...]) -> None:
    """No file, one that is not there, no day, no route."""
    assert run(*arguments, stdin=GOOD).exit_code == 2

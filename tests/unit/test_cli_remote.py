"""A running gateway as the commands call it: what they need to know, and what its answers mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import output, remote
from gateway.cli.calls import exit_code
from gateway.cli.remote import Answer, Credentials
from gateway.errors import Invalid, Misconfigured, MoharError, Throttled, Unauthorised, Unavailable

KNOWN = {"base_url": "http://gateway.example", "client_id": "cli_1", "client_secret": "secret-canary"}


def answer(status: int, /, **content: Any) -> Answer:
    """An answer of the gateway."""
    return Answer(status=status, headers={}, content=content, elapsed_ms=1)


def written(folder: Path, content: Any) -> Path:
    """A credentials file."""
    file = folder / "client.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in remote.VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


def test_credentials_come_from_a_file(tmp_path: Path) -> None:
    """As `mohar up` writes it; what else stands in it is passed over."""
    file = written(tmp_path, KNOWN | {"gstin": "29AAACM0001A1ZH", "sandbox_url": "http://other.example"})
    assert remote.read_credentials(file) == Credentials(**KNOWN, gstin="29AAACM0001A1ZH")


def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file."""
    for name, variable in remote.VARIABLES.items():
        monkeypatch.setenv(variable, KNOWN[name])
    assert remote.read_credentials(None) == Credentials(**KNOWN)


def test_a_file_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment fills in what the file does not say."""
    monkeypatch.setenv("MOHAR_BASE_URL", "http://elsewhere.example")
    monkeypatch.setenv("MOHAR_CLIENT_SECRET", "other")
    file = written(tmp_path, {"client_id": "cli_1", "client_secret": "secret-canary"})
    assert remote.read_credentials(file) == Credentials(**KNOWN | {"base_url": "http://elsewhere.example"})


def test_what_is_missing_is_named() -> None:
    """With the variable that would give it."""
    with pytest.raises(Misconfigured, match="base_url, client_id, client_secret") as raised:
        remote.read_credentials(None)
    assert "MOHAR_CLIENT_SECRET" in raised.value.help


@pytest.mark.parametrize("content", ["{", "[]", "7"])
def test_a_file_that_is_no_object_is_refused(tmp_path: Path, content: str) -> None:
    """With its name."""
    with pytest.raises(Misconfigured, match=r"client\.json"):
        remote.read_credentials(written(tmp_path, content))


def test_the_secret_is_in_no_text(tmp_path: Path) -> None:
    """Not even of the value in memory."""
    assert "canary" not in repr(remote.read_credentials(written(tmp_path, KNOWN)))


@pytest.mark.parametrize(
    ("got", "code"),
    [
        (answer(201, status="succeeded"), 0),
        (answer(200, status="succeeded"), 0),
        (answer(200, status="active"), 0),
        (answer(202, status="queued"), 4),
        (answer(200, status="held"), 4),
        (answer(200, status="indeterminate"), 4),
        (answer(200, status="parked"), 4),
        (answer(200, status="rejected"), 1),
        (answer(200, status="conflict"), 1),
        (answer(400, code="document-invalid"), 1),
        (answer(409, code="document-number-taken"), 1),
        (answer(422, code="portal-refused"), 1),
        (answer(401, code="token-missing"), 3),
        (answer(429, code="limit-reached"), 5),
        (answer(503, code="portal-down"), 5),
    ],
)
def test_an_answer_has_an_exit_code(got: Answer, code: int) -> None:
    """Registered, refused, misconfigured, under way, try later: a program need not read the text."""
    assert exit_code(got) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Invalid("c", "m", help="h"), 1),
        (Misconfigured("c", "m", help="h"), 3),
        (Unauthorised("c", "m", help="h"), 3),
        (Throttled("c", "m", help="h", retry_after=1), 5),
        (Unavailable("c", "m", help="h", retry_after=1), 5),
    ],
)
def test_an_error_has_an_exit_code(error: MoharError, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """And is told on standard error, brackets and all, so that standard output stays for programs."""
    error.message = "at [items] it broke"
    assert output.fail(error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "at [items] it broke" in err

"""The commands for people and programs, on one running gateway."""

from __future__ import annotations

import io
import json
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway import cli
from gateway.cli import demo, paper, scenes
from gateway.cli.listening import Message, listening
from gateway.cli.remote import Credentials, Gateway
from gateway.cli.scenes import Result, Scene
from gateway.cli.steps import Steps
from gateway.cli.up import Stack
from gateway.domain import canonical
from gateway.domain.operations import Environment
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.master import ACTIVE_SELLER, INACTIVE_TAXPAYER
from gateway.system import SystemClock

NEW_SELLER = "27AAPFU0939F1ZV"
LOGIN = {"user_name": "user-canary", "password": "password-canary"}


@dataclass
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, for programs."""
        return json.loads(self.out)


Mohar = Callable[..., Ran]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For files that are named on the command line."""
    return tmp_path_factory.mktemp("f")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A gateway of its own, named by the environment as for any other command on the same folder."""
    extra = demo.THREADS | {"MOHAR_DIRECT_WAIT_SECONDS": "60"}  # on a busy machine too an IRN is waited for
    with Stack(tmp_path_factory.mktemp("d"), extra=extra) as made, pytest.MonkeyPatch.context() as patch:
        for name in ("data_dir", "port", "sandbox_url"):
            patch.setenv(f"MOHAR_{name.upper()}", str(getattr(made.wiring.settings, name)))
        yield made


@pytest.fixture(scope="module")
def credentials(stack: Stack, folder: Path) -> Path:
    """A client's file, as `mohar up --credentials` writes it."""
    file = folder / "client.json"
    stack.credentials(file)
    return file


@pytest.fixture
def mohar(
    stack: Stack,  # noqa: ARG001  the commands find it through the environment
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Mohar:
    """Run a command line in this process, as the installed program does."""

    def run(*words: object, typed: str = "") -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["mohar", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return run


def invoice(folder: Path, number: str, **buyer: str) -> Path:
    """A file with today's example under another number."""
    document = paper.example(SystemClock().now()).content
    document["DocDtls"]["No"] = number
    document["BuyerDtls"] |= buyer
    file = folder / f"{number}.json"
    file.write_text(canonical.write(document))
    return file


def key_files(folder: Path) -> tuple[Path, Path]:
    """A portal's login key and signing certificate, as files."""
    keys = SandboxKeys.generate()
    login, signing = folder / "login.pem", folder / "signing.pem"
    login.write_text(keys.login_public_pem)
    signing.write_text(keys.current.certificate_pem)
    return login, signing


# Set-up ---------------------------------------------------------------------------------------------------------------


def test_a_taxpayer_is_added_and_changed(mohar: Mohar, folder: Path) -> None:
    """From a file; what is not named again stays, and the list shows it."""
    (folder / "login.json").write_text(json.dumps(LOGIN))
    file = ("--credentials-file", folder / "login.json")
    assert mohar("gstin", "add", NEW_SELLER.lower(), *file, "--reporting-days", 30).code == 0
    again = mohar("gstin", "add", NEW_SELLER, *file, "--json")
    assert (again.json["gstin"], again.json["reporting_days"], again.json["route"]) == (NEW_SELLER, 30, "sandbox")
    assert mohar("gstin", "add", NEW_SELLER, *file, "--reporting-days", 0, "--json").json["reporting_days"] is None
    listed = {each["gstin"]: each["login"] for each in mohar("gstin", "list", "--json").json}
    assert listed[NEW_SELLER] == "present"
    assert NEW_SELLER in mohar("gstin", "list").out


def test_a_password_is_asked_for_and_never_shown(mohar: Mohar, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file both are asked for, the password without echo; what is stored opens to them."""
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: LOGIN["password"])
    ran = mohar("gstin", "add", NEW_SELLER, "--user", LOGIN["user_name"])
    assert (ran.code, "canary" in ran.out + ran.err) == (0, False)
    account = stack.wiring.ports.routebook.account(environment=Environment.TEST, gstin=NEW_SELLER, route="sandbox")
    assert account is not None
    assert {"user_name": account.user_name, "password": account.password} == LOGIN


def test_what_is_no_gstin_is_not_added(mohar: Mohar, folder: Path) -> None:
    """Exit code 1, with what to do."""
    (folder / "login.json").write_text(json.dumps(LOGIN))
    ran = mohar("gstin", "add", "29X", "--credentials-file", folder / "login.json")
    assert (ran.code, "gstin-invalid" in ran.err) == (1, True)


def test_a_login_file_that_is_none_is_refused(mohar: Mohar, folder: Path) -> None:
    """Exit code 3: the set-up is wrong."""
    (folder / "bad.json").write_text('{"user": "u"}')
    assert mohar("gstin", "add", NEW_SELLER, "--credentials-file", folder / "bad.json").code == 3


def test_a_client_gets_a_secret_that_works(mohar: Mohar, folder: Path, credentials: Path) -> None:
    """What --json prints is a credentials file, of no other secret than the first one."""
    made = mohar("client", "add", "--gstin", ACTIVE_SELLER.gstin, "--name", "till", "--json")
    assert made.json["gstins"] == [ACTIVE_SELLER.gstin]
    assert made.json["client_secret"] not in credentials.read_text()
    (folder / "new.json").write_text(made.out)
    ran = mohar("irn", "submit", invoice(folder, "NEW-1"), "--credentials", folder / "new.json", "--json")
    assert (ran.code, ran.json["status"]) == (0, "succeeded")


def test_a_client_for_nobody_is_refused(mohar: Mohar) -> None:
    """A GSTIN that is not set up has no clients."""
    ran = mohar("client", "add", "--gstin", "33AAACM0006F1Z5")
    assert (ran.code, "gstin-unknown" in ran.err) == (1, True)


def test_a_live_route_needs_keys(mohar: Mohar, folder: Path) -> None:
    """Without them it is refused with what to do; with them it is there, and plain http is not."""
    (folder / "secret").write_text("client-secret-canary\n")
    login, signing = key_files(folder)
    words = ("route", "add", "nic1", "--environment", "live", "--client-id", "C", "--gsp-account", "main")
    words = (*words, "--client-secret-file", str(folder / "secret"))
    refused = mohar(*words, "--base-url", "https://portal.example")
    assert (refused.code, "login, signing" in refused.err, "--login-key" in refused.err) == (3, True, True)
    keys = ("--login-key", login, "--signing-key", signing)
    assert mohar(*words, "--base-url", "http://portal.example", *keys).code == 1
    made = mohar(*words, "--base-url", "https://portal.example/", *keys, "--gstin-per-minute", 90)
    assert (made.code, "canary" in made.out) == (0, False)
    [route] = [each for each in mohar("route", "list", "--json").json if each["name"] == "nic1"]
    assert (route["base_url"], route["per_minute"]["gstin"], route["check_digit"]) == (
        "https://portal.example",
        90,
        True,
    )
    assert (len(route["login_keys"]), len(route["signing_keys"])) == (1, 1)
    moved = mohar(*words[:3], "--environment", "test", *words[5:], "--base-url", "https://portal.example")
    assert (moved.code, "route-of-other-environment" in moved.err) == (1, True)


def test_a_key_is_added_to_a_route(mohar: Mohar, folder: Path) -> None:
    """A certificate says its own id; what is no key is refused."""
    _, signing = key_files(folder)
    ran = mohar("route", "key", "sandbox", signing, "--purpose", "signing")
    [route] = [each for each in mohar("route", "list", "--json").json if each["name"] == "sandbox"]
    assert (ran.code, len(route["signing_keys"])) == (0, 2)
    assert route["signing_keys"][-1] in ran.out
    (folder / "no.pem").write_text("no key")
    assert mohar("route", "key", "sandbox", folder / "no.pem", "--purpose", "login").code == 3


def test_a_limit_is_changed_and_shown(
    mohar: Mohar,
    credentials: Path,  # noqa: ARG001  the taxpayer comes with them
) -> None:
    """It is in the route's buckets at once, and the route's breaker is among them."""
    assert mohar("route", "limit", "sandbox", "login", "100").code == 0
    told = mohar("limits", "--gstin", ACTIVE_SELLER.gstin, "--json").json
    assert "login" in {each["scope"] for each in told["taxpayers"][0]["buckets"]}
    assert {"route": "sandbox", "breaker": "closed", "down_seconds": 0} in told["routes"]
    assert "login: 100/60 s" in mohar("limits", "--gstin", ACTIVE_SELLER.gstin).out


# Calls ----------------------------------------------------------------------------------------------------------------


def test_a_document_is_registered_from_a_file(mohar: Mohar, folder: Path, credentials: Path) -> None:
    """People read IRN, acknowledgement and e-way bill; the same again is the same."""
    file = invoice(folder, "FILE-1")
    first = mohar("irn", "submit", file, "--credentials", credentials)
    again = mohar("irn", "submit", file, "--credentials", credentials, "--json")
    assert (first.code, again.code) == (0, 0)
    assert again.json["irn"] in first.out
    assert again.json["ack_no"] in first.out
    assert again.json["ewb"]["number"] in first.out


def test_a_document_is_read_from_standard_input(mohar: Mohar, folder: Path, credentials: Path) -> None:
    """With `-`; a waiting time and a key are passed on."""
    text = invoice(folder, "PIPE-1").read_text()
    words = ("irn", "submit", "-", "--credentials", credentials, "--wait", 60, "--key", "pipe", "--json")
    first, again = mohar(*words, typed=text), mohar(*words, typed=text)
    assert (first.code, again.code, first.json["irn"]) == (0, 0, again.json["irn"])


def test_a_queued_document_is_followed(mohar: Mohar, folder: Path, credentials: Path, stack: Stack) -> None:
    """--async answers at once with exit code 4; the operation tells how it went."""
    ran = mohar("irn", "submit", invoice(folder, "LATER-1"), "--async", "--credentials", credentials, "--json")
    assert (ran.code, ran.json["irn_confirmed"]) == (4, False)
    operation_id = ran.json["id"]
    _wait_for(stack, operation_id)
    shown = mohar("operation", "show", operation_id, "--credentials", credentials)
    told = mohar("operation", "show", operation_id, "--credentials", credentials, "--json")
    assert (shown.code, told.code, told.json["status"]) == (0, 0, "succeeded")
    assert told.json["result"]["ack_no"] in shown.out
    assert mohar("operation", "show", "op_unknown", "--credentials", credentials).code == 1


def test_a_refusal_is_told_with_the_portals_code(mohar: Mohar, folder: Path, credentials: Path) -> None:
    """Exit code 1; the operation says the same afterwards."""
    file = invoice(folder, "BAD-1", Gstin=INACTIVE_TAXPAYER.gstin, Stcd="33", Pin=600001)
    refused = mohar("irn", "submit", file, "--credentials", credentials)
    assert (refused.code, "3076" in refused.out) == (1, True)
    told = mohar(
        "irn",
        "submit",
        invoice(folder, "BAD-2", Gstin=INACTIVE_TAXPAYER.gstin, Stcd="33", Pin=600001),
        "--credentials",
        credentials,
    )
    assert told.code == 1


def test_a_webhook_is_added_listed_and_tried(mohar: Mohar, credentials: Path) -> None:
    """The secret is printed once; a sample that nobody takes fails the command, one that is verified does not."""
    named = ("--credentials", credentials)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    made = mohar("webhook", "add", url, "--name", "erp", "--type", "irn.generated", *named, "--json")
    assert (made.code, made.json["types"]) == (0, ["irn.generated"])
    alone = mohar("webhook", "send-test", made.json["id"], *named)
    assert (alone.code, "failed" in alone.out, "connect" in alone.out) == (1, True, True)
    told: list[Message] = []
    with listening(made.json["secret"], port=port, clock=SystemClock(), tell=told.append):
        tried = mohar("webhook", "send-test", made.json["id"], *named, "--json")
    assert (tried.code, tried.json["verdict"]) == (0, "delivered")
    assert [(each.id, each.complaint) for each in told] == [(tried.json["event_id"], None)]
    listed = mohar("webhook", "list", *named)
    assert (listed.code, made.json["id"] in listed.out, made.json["secret"] in listed.out) == (0, True, False)
    shown = mohar("webhook", "add", url, *named)
    assert (shown.code, shown.out.count("whsec_")) == (0, 1)


def test_a_webhook_that_is_refused_is_told_of(mohar: Mohar, credentials: Path) -> None:
    """An address that is not for webhooks, an unknown id: exit code 1 and what to do."""
    refused = mohar("webhook", "add", "https://10.0.0.1/", "--credentials", credentials)
    assert (refused.code, "webhook-" in refused.out) == (1, True)
    unknown = mohar("webhook", "send-test", "whk_" + "0" * 26, "--credentials", credentials, "--json")
    assert (unknown.code, unknown.json["code"]) == (1, "webhook-unknown")


def test_faults_are_told_as_a_table(mohar: Mohar, folder: Path, credentials: Path) -> None:
    """Pointer, sentence, help; the same as JSON for programs."""
    file = invoice(folder, "BAD-3", Pos="")
    shown = mohar("irn", "submit", file, "--credentials", credentials)
    told = mohar("irn", "submit", file, "--credentials", credentials, "--json")
    assert (shown.code, told.code, "/BuyerDtls/Pos" in shown.out) == (1, 1, True)
    assert [fault["at"] for fault in told.json["errors"]] == ["/BuyerDtls/Pos"]


def test_wrong_credentials_and_no_gateway_have_their_own_codes(mohar: Mohar, folder: Path, credentials: Path) -> None:
    """3 for what must be configured, 5 for what may come back, 2 for a wrong call."""
    file, known = invoice(folder, "NO-1"), json.loads(credentials.read_text())
    (folder / "wrong.json").write_text(json.dumps(known | {"client_secret": "wrong"}))
    (folder / "away.json").write_text(json.dumps(known | {"base_url": "http://127.0.0.1:1"}))
    assert mohar("irn", "submit", file).code == 3
    assert mohar("irn", "submit", file, "--credentials", folder / "wrong.json").code == 3
    assert mohar("irn", "submit", file, "--credentials", folder / "away.json").code == 5
    assert mohar("irn", "submit", folder / "missing.json", "--credentials", credentials).code == 2


def _wait_for(stack: Stack, operation_id: str) -> None:
    """Until it is settled: the api and the workers do that, we only look."""
    intake, clock = stack.wiring.ports.intake, SystemClock()
    ends_at = clock.monotonic() + 120
    while (found := intake.get(operation_id)) is None or found.settled_at is None:
        assert clock.monotonic() < ends_at
        clock.sleep(0.05)


# Doctor and demo ------------------------------------------------------------------------------------------------------


def test_the_doctor_finds_what_is_there(mohar: Mohar, stack: Stack) -> None:
    """Every part by name; the portal of a live route that does not exist is wrong, and so is the whole then."""
    told = mohar("doctor", "--json")
    levels = {check["name"]: check["level"] for check in told.json["checks"]}
    for name in ("leases", "data folder", "master key", "database", "clock", "redis", "redis memory", "workers"):
        assert (name, levels[name]) == (name, "ok")
    for name in ("sweeper", "due work", "unsettled", "sellers", "route sandbox", "portal sandbox"):
        assert (name, levels[name]) == (name, "ok")
    assert told.code == (0 if told.json["ok"] else 1)
    assert str(stack.data) in mohar("doctor").out


def test_the_doctor_needs_no_gateway(mohar: Mohar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder it says what is missing, each with the fix, and ends with 1."""
    monkeypatch.setenv("MOHAR_DATA_DIR", str(tmp_path))
    ran = mohar("doctor")
    assert ran.code == 1
    assert "mohar migrate" in ran.out
    assert "MOHAR_REDIS_URL" in ran.out
    assert list(tmp_path.iterdir()) == []


def test_setting_up_without_a_gateway_says_what_to_do(
    mohar: Mohar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No folder, no schema, no sense: exit code 3 and a sentence, never a trace."""
    monkeypatch.setenv("MOHAR_DATA_DIR", str(tmp_path))
    missing = mohar("gstin", "list")
    (tmp_path / "mohar.db").touch()
    old = mohar("gstin", "list")
    monkeypatch.setenv("MOHAR_PORT", "high")
    senseless = mohar("doctor")
    assert (missing.code, old.code, senseless.code) == (3, 3, 3)
    assert "MOHAR_DATA_DIR" in missing.err
    assert "mohar migrate" in old.err
    assert "MOHAR_PORT" in senseless.err


def test_a_demo_with_a_faulty_document_is_not_good(stack: Stack, credentials: Path) -> None:
    """The gateway's problem is kept for programs, and nothing is called verified."""
    known = json.loads(credentials.read_text())
    names = ("base_url", "client_id", "client_secret")
    with Gateway(Credentials(**{name: known[name] for name in names})) as gateway:
        result = Result()
        scenes.play(Scene(stack, gateway, paper.of_bytes(b"{"), Steps(None)), ACTIVE_SELLER.gstin, result)
    assert (result.good, result.irn, result.problem["code"]) == (False, None, "json-malformed")
    assert result.as_json()["problem"] is result.problem

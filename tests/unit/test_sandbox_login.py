"""The portal played by us: who may log in, and how long a session lives."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.domain import strict_json
from gateway.sandbox.in_process import transport
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.portal import Sandbox
from gateway.sandbox.visitor import Heard, Visitor
from tests.support_sandbox import SettableClock

DOCUMENTS = Path(__file__).parents[1] / "documents"
PLAIN = strict_json.read((DOCUMENTS / "minimal.json").read_bytes())
FULL = strict_json.read((DOCUMENTS / "full.json").read_bytes())
WITH_EWB = strict_json.read((DOCUMENTS / "with_ewb.json").read_bytes())
SELLER = PLAIN["SellerDtls"]["Gstin"]
START = datetime(2026, 11, 20, 6, 0, 39, 250_000, tzinfo=UTC)


@dataclass
class _Lab:
    """A sandbox with its clock and a client for it."""

    keys: SandboxKeys
    time: SettableClock = field(default_factory=lambda: SettableClock(START))
    journal: Path | None = None

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(clock=self.time, keys=self.keys, seed=7, journal=self.journal)
        self.http = httpx.Client(transport=transport(self.sandbox), base_url="http://portal")

    def visitor(self, gstin: str = SELLER, **members: Any) -> Visitor:
        visitor = Visitor(self.http, gstin=gstin, **members)
        assert visitor.log_in().codes == []
        return visitor

    def ledger(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.http.get("/_ledger").text.splitlines()]


@pytest.fixture(scope="module")
def keys() -> SandboxKeys:
    """One set of keys for the module."""
    return SandboxKeys.generate()


@pytest.fixture
def lab(keys: SandboxKeys) -> Iterator[_Lab]:
    """A fresh portal."""
    made = _Lab(keys)
    yield made
    made.http.close()


def _expiry(heard: Heard) -> str:
    return str(heard.data["TokenExpiry"])


def test_a_token_lives_an_hour_by_indian_time(lab: _Lab) -> None:
    """The expiry that a login tells is sixty minutes ahead, in IST."""
    heard = Visitor(lab.http, gstin=SELLER).log_in()
    assert _expiry(heard) == "2026-11-20 12:30:39"
    assert set(heard.data) == {"ClientId", "UserName", "AuthToken", "Sek", "TokenExpiry"}


def test_a_second_login_gives_the_same_token_wrapped_anew(lab: _Lab) -> None:
    """While the token is valid it is told again, its key wrapped by the AppKey of that very login."""
    first = Visitor(lab.http, gstin=SELLER, app_key=bytes(32)).log_in()
    other = Visitor(lab.http, gstin=SELLER, app_key=bytes([1] * 32))
    second = other.log_in()
    assert first.data["AuthToken"] == second.data["AuthToken"]
    assert first.data["Sek"] != second.data["Sek"]
    assert other.generate(PLAIN).codes == []


@pytest.mark.parametrize(("minutes", "renewed"), [(0, False), (49, False), (50, True), (61, True)])
def test_a_forced_login_renews_in_the_last_ten_minutes_only(lab: _Lab, minutes: int, renewed: bool) -> None:  # noqa: FBT001 - a column of the table
    """Before that it gives the token that there is; then the old token dies."""
    visitor = lab.visitor()
    old = dict(visitor.headers)
    lab.time.at += timedelta(minutes=minutes)
    assert (visitor.log_in(force=True).data["AuthToken"] != old["AuthToken"]) is renewed
    visitor.headers = old
    assert visitor.gstin(SELLER).codes == (["1005"] if renewed else [])


def test_an_expired_token_is_refused_until_the_next_login(lab: _Lab) -> None:
    """1005 from the minute of expiry on, and a plain login opens a new session."""
    visitor = lab.visitor()
    lab.time.at += timedelta(minutes=60)
    assert visitor.generate(PLAIN).codes == ["1005"]
    visitor.log_in()
    assert visitor.generate(PLAIN).codes == []


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"password": "other"}, "1019"),
        ({"user": "other"}, "1017"),
        ({"client_id": "other"}, "1018"),
    ],
)
def test_who_comes_first_sets_the_credentials(lab: _Lab, members: dict[str, str], code: str) -> None:
    """A GSTIN is enrolled with what its first login presents; anything else is refused afterwards."""
    lab.visitor()
    assert Visitor(lab.http, gstin=SELLER, **members).log_in().codes == [code]


def test_a_client_has_one_secret(lab: _Lab) -> None:
    """The secret of a client id is that of its first login, for every GSTIN and every call."""
    visitor = lab.visitor()
    visitor.headers["client_secret"] = "other"
    assert visitor.log_in().codes == ["1010"]
    assert visitor.gstin(SELLER).codes == ["1010"]


@pytest.mark.parametrize(
    ("header", "code"), [("client_id", "1011"), ("client_secret", "1012"), ("Gstin", "1004"), ("user_name", "1006")]
)
def test_a_missing_header_is_named(lab: _Lab, header: str, code: str) -> None:
    """Each of the headers has its own code when it is missing."""
    visitor = lab.visitor()
    del visitor.headers[header]
    assert visitor.generate(PLAIN).codes == [code]


@pytest.mark.parametrize(("header", "value"), [("AuthToken", "x"), ("user_name", "x"), ("Gstin", "29AAACM0001A1ZH")])
def test_headers_that_do_not_belong_together_are_refused(lab: _Lab, header: str, value: str) -> None:
    """Token, user and GSTIN are checked together: 1005."""
    visitor = lab.visitor()
    visitor.headers[header] = value
    assert visitor.generate(PLAIN).codes == ["1005"]


def test_headers_may_be_written_in_every_usual_way(lab: _Lab) -> None:
    """Any case, hyphens or underscores."""
    visitor = lab.visitor()
    visitor.headers = {name.upper().replace("_", "-"): value for name, value in visitor.headers.items()}
    assert visitor.generate(PLAIN).codes == []


def test_a_gstin_that_is_none_cannot_log_in(lab: _Lab) -> None:
    """A header that has not the form of a GSTIN is refused with 3030."""
    assert Visitor(lab.http, gstin="29AAA").log_in().codes == ["3030"]


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "5003"), (b"{}", "5003"), (b'{"Data":""}', "5003"), (b'{"Data":5}', "5003"), (b'{"Data":"AAAA"}', "1020")],
)
def test_a_login_without_readable_data_is_refused(lab: _Lab, body: bytes, code: str) -> None:
    """Nothing there is 5003, something unreadable 1020."""
    assert Visitor(lab.http, gstin=SELLER).send("/eivital/v1.04/auth", body).codes == [code]


@pytest.mark.parametrize(
    ("login", "code"),
    [
        ({"Password": "p", "AppKey": "x"}, "1006"),
        ({"UserName": "u", "AppKey": "x"}, "1013"),
        ({"UserName": "u", "Password": "p", "AppKey": "x"}, "1016"),
    ],
)
def test_what_a_login_lacks_is_named(lab: _Lab, login: dict[str, str], code: str) -> None:
    """User, password and AppKey have each their code."""
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 - needed in this one test

    inner = base64.b64encode(json.dumps(login).encode())
    sealed = base64.b64encode(lab.keys.login.public_key().encrypt(inner, padding.PKCS1v15())).decode()
    body = json.dumps({"Data": sealed}).encode()
    assert Visitor(lab.http, gstin=SELLER).send("/eivital/v1.04/auth", body).codes == [code]


def test_tokens_and_keys_repeat_with_the_seed(keys: SandboxKeys) -> None:
    """Two sandboxes with one seed and one clock give the same token."""
    tokens = {Visitor(_Lab(keys).http, gstin=SELLER).log_in().data["AuthToken"] for _ in range(2)}
    assert len(tokens) == 1


def test_a_changed_password_counts_at_the_next_login(keys: SandboxKeys) -> None:
    """The session lives on; then the old password is refused and the new one is taken."""
    lab = _Lab(keys)
    visitor = lab.visitor(password="old")
    lab.sandbox.configure(passwords={SELLER: "new"})
    assert visitor.generate(PLAIN).codes == []
    assert Visitor(lab.http, gstin=SELLER, password="old").log_in().codes == ["1019"]
    assert Visitor(lab.http, gstin=SELLER, password="new").log_in().codes == []

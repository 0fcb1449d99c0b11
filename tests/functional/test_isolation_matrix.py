"""Who may do what to whose: every operation of the document, its owner's and a stranger's object, every credential.

What is expected is in three places, and nowhere else: which scope an operation asks for, in the OpenAPI document; what
its owner and others get, in `support_matrix.CASES`; and here, what each credential is worth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from gateway.services import administration
from gateway.services.principal import Scope
from tests.support_api import SELLER, Blueprint, Stack, refused, written
from tests.support_contract import described
from tests.support_matrix import CASES, EVERYTHING, OPERATOR, SISTER, Call, Case, Owner
from tests.support_watch import Watch

TALK: Final = frozenset({"portal_sessions", "portal_logins", "portal_errors"})
"""Where talk with the portal leaves a trace, of the caller's own login."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the document."""

    id: str
    method: str
    path: str
    scopes: frozenset[str] | None
    by_client: bool

    @property
    def is_open(self) -> bool:
        """Whether it asks nobody who is calling."""
        return self.scopes is None and not self.by_client


def _operations() -> Iterator[Operation]:
    for path, calls in described()["paths"].items():
        for method, told in calls.items():
            if isinstance(told, dict):
                ways = told["security"]
                scopes = [way["oauth2"] for way in ways if "oauth2" in way]
                yield Operation(
                    told["operationId"],
                    method.upper(),
                    path,
                    frozenset(scopes[0]) if scopes else None,
                    by_client=any("client" in way for way in ways),
                )


OPERATIONS: Final = {each.id: each for each in _operations()}
GUARDED: Final = [each for each in OPERATIONS.values() if each.scopes is not None]


class Tenants:
    """The owner with every credential there is, a stranger, and a watch over both."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.owner = stack, Owner(stack)
        self.all = self._bearer("owner", gstin=SELLER)
        self.sister = self._bearer("owner", gstin=SISTER)
        self.stranger = self._bearer("foreigner")
        self._single = {scope: self.limited(frozenset({scope})) for scope in Scope}
        revoked, self.revoked = self._key(scopes=EVERYTHING)
        administration.revoke_api_key(OPERATOR, revoked, ports=stack.ports)
        self.key = self._key(scopes=EVERYTHING)[1]
        self._reading_key = self._key(read_only=True)[1]
        self.watch = Watch(stack, folder / "mohar.db")

    def _bearer(self, client: str, **form: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.stack.token(client, **form)}"}

    def _key(self, **members: Any) -> tuple[str, dict[str, str]]:
        filled = {"gstin": SELLER, "name": "matrix", "read_only": False} | members
        id = self.stack.clients["owner"][0]
        key, text = administration.add_api_key(OPERATOR, id, **filled, ports=self.stack.ports)
        return key.id, {"X-API-Key": text}

    def limited(self, scopes: frozenset[str]) -> dict[str, str]:
        """A token of the owner that is good for these alone."""
        return self._bearer("owner", gstin=SELLER, scope=" ".join(sorted(scopes)))

    def narrow(self, operation: Operation, case: Case, *, enough: bool) -> list[Mapping[str, str]]:
        """The credentials with one scope that do, or that do not: a token for each, and the read-only key."""
        each_alone = [*self._single.items(), (Scope.READ, self._reading_key)]
        return [who for scope, who in each_alone if (needed(operation, case) <= {scope}) == enough]

    def send(self, operation: Operation, call: Call, who: Mapping[str, str]) -> httpx.Response:
        """One call."""
        path = re.sub(r"\{(\w+)\}", lambda found: call.path[found[1]], operation.path)
        sent: dict[str, Any] = {"headers": dict(who), "params": dict(call.query)}
        if call.body is not None:
            sent["headers"]["Content-Type"] = "application/json"
            sent["content"] = written(call.body)
        return self.stack.send(operation.method, path, **sent)


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory, blueprint: Blueprint) -> Iterator[Tenants]:
    """One gateway for the whole matrix."""
    folder = tmp_path_factory.mktemp("matrix")
    with Stack(folder, blueprint) as stack:
        made = Tenants(stack, folder)
        with closing(made.watch):
            yield made


def cases(operation: Operation) -> list[Case]:
    """The rows of an operation in the table."""
    assert operation.id in CASES, (
        f"{operation.method} {operation.path} is new: give {operation.id} a row in CASES of tests/support_matrix.py "
        "that makes an object of the owner and says what a stranger gets"
    )
    return list(CASES[operation.id])


def needed(operation: Operation, case: Case) -> frozenset[str]:
    """The scopes that a call takes: those of the document, and what the object asks for besides."""
    return (operation.scopes or frozenset()) | case.also


def prepared(operation: Operation, case: Case, owner: Owner) -> Call:
    """A call on a new object of the owner, with every parameter of the path."""
    owner.stack.clock.step(seconds=1)
    call = case.make(owner)
    named = frozenset(re.findall(r"\{(\w+)\}", operation.path))
    assert named == frozenset(call.path), (
        f"{operation.path} has the parameters {sorted(named)}, and its row in CASES of tests/support_matrix.py fills "
        f"{sorted(call.path)}"
    )
    return call


@pytest.mark.parametrize("operation", GUARDED, ids=lambda each: each.id)
def test_only_its_owner_gets_at_an_object(tenants: Tenants, operation: Operation) -> None:
    """Nobody, a revoked key, each scope that does not do, a stranger with all scopes, the owner's other GSTIN.

    None of them changes a row or makes a call at the portal that is not named. After all that, the owner's own call
    on the very same object is good.
    """
    for case in cases(operation):
        call = prepared(operation, case, tenants.owner)
        _refused_without_a_trace(tenants, operation, call, {}, told=(401, "token-missing"))
        _refused_without_a_trace(tenants, operation, call, tenants.revoked, told=(401, "api-key-invalid"))
        for who in tenants.narrow(operation, case, enough=False):
            _refused_without_a_trace(tenants, operation, call, who, told=(403, "scope-missing"))
        for who in (tenants.stranger, *(() if case.shared else (tenants.sister,))):
            _unmet(tenants, operation, call, case, who)
        _good(tenants, operation, call, case, tenants.all)


@pytest.mark.parametrize("operation", GUARDED, ids=lambda each: each.id)
def test_every_credential_that_should_do_does(tenants: Tenants, operation: Operation) -> None:
    """A token with just what it takes, a key with every scope, a read-only key that reads.

    And, for what is the organisation's, the token of its other GSTIN.
    """
    for case in cases(operation):
        exact = tenants.limited(needed(operation, case))
        shared = (tenants.sister,) if case.shared else ()
        for who in (exact, tenants.key, *tenants.narrow(operation, case, enough=True), *shared):
            _good(tenants, operation, prepared(operation, case, tenants.owner), case, who)


def test_what_asks_nobody_answers_everybody(tenants: Tenants) -> None:
    """Operations without a security requirement need no token, and a wrong one does no harm."""
    for operation in (each for each in OPERATIONS.values() if each.is_open):
        for who in ({}, tenants.revoked, tenants.stranger):
            assert tenants.send(operation, Call(), who).status_code == 200, operation.id


def test_the_token_endpoints_take_no_token(tenants: Tenants) -> None:
    """A client proves itself there; what it was given for others does not do."""
    for operation in (each for each in OPERATIONS.values() if each.by_client):
        form = {"grant_type": "client_credentials", "token": "x"}
        for who in ({}, tenants.all, tenants.key, tenants.stranger):
            answer = tenants.stack.send(operation.method, operation.path, data=form, headers=who)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_the_table_has_no_row_too_many() -> None:
    """An operation that is gone, or that asks nobody, has none."""
    assert set(CASES) <= {each.id for each in GUARDED}


def test_every_exception_has_its_reason() -> None:
    """A call at the portal for a stranger is named with why."""
    assert [name for name, rows in CASES.items() for case in rows if bool(case.asks) != bool(case.why)] == []


def _good(tenants: Tenants, operation: Operation, call: Call, case: Case, who: Mapping[str, str]) -> None:
    answer = tenants.send(operation, call, who)
    assert answer.status_code == case.own, f"{operation.id}: {answer.text}"
    assert [mark for mark in call.marks if mark not in answer.text] == []


def _refused_without_a_trace(
    tenants: Tenants, operation: Operation, call: Call, who: Mapping[str, str], *, told: tuple[int, str]
) -> None:
    answer, changed, calls = tenants.watch.asked(lambda: tenants.send(operation, call, who))
    refused(answer, *told)
    assert (changed, calls) == (frozenset(), frozenset()), operation.id


def _unmet(tenants: Tenants, operation: Operation, call: Call, case: Case, who: Mapping[str, str]) -> None:
    answer, changed, calls = tenants.watch.asked(lambda: tenants.send(operation, call, who))
    assert answer.status_code == case.stranger, f"{operation.id}: {answer.text}"
    said = {*call.path.values(), *call.query.values()}  # an answer may say again what was asked
    assert [mark for mark in call.marks if mark in answer.text and mark not in said] == []
    assert calls <= case.asks, f"{operation.id} asked the portal: {sorted(calls)}"
    allowed = case.writes | (TALK if case.asks else frozenset())
    assert changed <= allowed, f"{operation.id} changed {sorted(changed - allowed)}"

"""/admin and a taxpayer's login: an organisation manages its own programs, and nobody else's."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from gateway.domain.operations import Environment
from gateway.services import access
from gateway.services.principal import ALL_SCOPES, Scope
from tests.support_api import PASSWORD, SECOND_SELLER, SELLER, STRANGER, USER, Stack, document, refused, written

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def gateway(stack: Stack) -> Stack:
    """A gateway with a program that manages its organisation, and one that manages another."""
    for name, gstin in (("manager", SELLER), ("strange manager", STRANGER)):
        stack.clients[name] = access.add_client(
            environment=Environment.TEST,
            gstins=[gstin],
            name=name,
            respond_async=False,
            scopes=ALL_SCOPES | {Scope.ADMIN},
            ports=stack.ports,
        )
    return stack


def call(gateway: Stack, method: str, path: str, body: Any = None, *, client: str = "manager") -> httpx.Response:
    """A call of the manager."""
    if body is None:
        return gateway.send(method, path, headers=gateway.bearer(client))
    return gateway.send(method, path, headers=gateway.bearer(client) | JSON, content=written(body))


def test_administration_is_granted_by_name(gateway: Stack) -> None:
    """A program with every other scope manages nothing."""
    refused(call(gateway, "GET", "/admin/clients", client="erp"), 403, "scope-missing")


def test_a_new_client_works_at_once(gateway: Stack) -> None:
    """With the scopes it was given, until it is revoked."""
    made = call(gateway, "POST", "/admin/clients", {"name": "till", "gstins": [SELLER], "scopes": ["irn:write"]})
    assert made.status_code == 201
    gateway.clients["till"] = (made.json()["client_id"], made.json()["client_secret"])
    headers = gateway.headers("till")
    assert gateway.send("POST", "/irn", headers=headers, content=written(document())).status_code == 201
    id = made.json()["client_id"]
    listed = {each["client_id"]: each for each in call(gateway, "GET", "/admin/clients").json()["clients"]}
    assert listed[id]["grants"] == [{"gstin": SELLER, "scopes": ["irn:write"]}]
    assert call(gateway, "DELETE", f"/admin/clients/{id}").status_code == 200
    refused(gateway.send("POST", "/irn", headers=headers), 401, "client-revoked")
    refused(call(gateway, "DELETE", f"/admin/clients/{id}"), 404, "client-revoked")


def test_a_secret_is_changed_over(gateway: Stack) -> None:
    """Two are good, a third is refused until the older one has ended."""
    id, old = gateway.clients["erp"]
    made = call(gateway, "POST", f"/admin/clients/{id}/secret", {"overlap_seconds": 60})
    new = made.json()["client_secret"]
    form = {"grant_type": "client_credentials"}
    for secret in (old, new):
        assert gateway.send("POST", "/oauth/token", data=form, auth=(id, secret)).status_code == 200
    refused(call(gateway, "POST", f"/admin/clients/{id}/secret", {}), 409, "two-secrets-live")
    assert call(gateway, "DELETE", f"/admin/clients/{id}/former-secret").status_code == 200
    assert gateway.send("POST", "/oauth/token", data=form, auth=(id, old)).status_code == 401
    assert call(gateway, "POST", f"/admin/clients/{id}/secret", {}).status_code == 201


def test_a_grant_is_given_and_taken(gateway: Stack) -> None:
    """Its scopes are those that were said last."""
    id = gateway.clients["erp"][0]
    path = f"/admin/clients/{id}/grants/{SECOND_SELLER}"
    assert call(gateway, "PUT", path, {"scopes": ["read"]}).status_code == 200
    assert gateway.ask_token("erp", gstin=SECOND_SELLER).json()["scope"] == "read"
    assert call(gateway, "PUT", path, {"scopes": ["audit", "read"]}).status_code == 200
    assert gateway.ask_token("erp", gstin=SECOND_SELLER).json()["scope"] == "audit read"
    assert call(gateway, "DELETE", path).status_code == 200
    refused(call(gateway, "DELETE", path), 404, "grant-unknown")
    refused(call(gateway, "PUT", f"/admin/clients/{id}/grants/{STRANGER}", {}), 404, "gstin-unknown")


def test_a_public_key_is_added_and_revoked(gateway: Stack) -> None:
    """Its algorithm is told by the gateway; its id is used once."""
    jwk = {"kid": "k1"} | json.loads(OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key()))
    path = f"/admin/clients/{gateway.clients['erp'][0]}/public-keys"
    made = call(gateway, "POST", path, jwk)
    assert (made.status_code, made.json()) == (201, {"kid": "k1", "algorithm": "EdDSA"})
    assert call(gateway, "GET", path).json() == {"public_keys": [{"kid": "k1", "algorithm": "EdDSA"}]}
    refused(call(gateway, "POST", path, jwk), 409, "public-key-refused")
    refused(call(gateway, "POST", path, {"kid": "k2", "kty": "OKP"}), 400, "public-key-unusable")
    assert call(gateway, "DELETE", f"{path}/k1").status_code == 200
    refused(call(gateway, "DELETE", f"{path}/k1"), 404, "public-key-unknown")


def test_an_api_key_lives_and_dies(gateway: Stack) -> None:
    """Made, used, replaced, revoked; the list tells it by its hint alone."""
    id = gateway.clients["erp"][0]
    made = call(gateway, "POST", "/admin/keys", {"client_id": id, "gstin": SELLER, "name": "shop"}).json()
    headers = JSON | {"X-API-Key": made["key"]}
    assert gateway.send("POST", "/irn", headers=headers, content=written(document())).status_code == 201
    newer = call(gateway, "POST", f"/admin/keys/{made['id']}/rotate").json()
    refused(call(gateway, "POST", f"/admin/keys/{made['id']}/rotate"), 409, "api-keys-live")
    assert call(gateway, "DELETE", f"/admin/keys/{made['id']}").status_code == 200
    refused(gateway.send("POST", "/irn", headers=headers), 401, "api-key-invalid")
    listing = call(gateway, "GET", "/admin/keys")
    assert [(each["id"], each["revoked"]) for each in listing.json()["keys"]] == [
        (made["id"], True),
        (newer["id"], False),
    ]
    assert made["key"] not in listing.text
    assert newer["key"] not in listing.text


def test_a_login_is_replaced_and_tried(gateway: Stack) -> None:
    """The portal's own words for a wrong one; the right one is taken, and nothing of it can be read."""
    path = f"/gstins/{SELLER}/credentials"
    assert call(gateway, "POST", f"{path}/test").json()["accepted"] is True
    gateway.later(seconds=1)
    assert call(gateway, "PUT", path, {"user_name": USER, "password": "wrong-password"}).status_code == 200
    told = call(gateway, "POST", f"{path}/test")
    assert told.json()["accepted"] is False
    assert told.json()["portal_code"]
    assert "wrong-password" not in told.text
    gateway.later(seconds=1)
    assert call(gateway, "PUT", path, {"user_name": USER, "password": PASSWORD}).status_code == 200
    assert call(gateway, "POST", f"{path}/test").json()["accepted"] is True


def test_a_wrong_body_changes_nothing(gateway: Stack) -> None:
    """Every fault at once, each at its place."""
    wrong = {"gstins": [], "scopes": ["everything"], "respond_async": "yes", "a/b": 1}
    problem = refused(call(gateway, "POST", "/admin/clients", wrong), 400, "body-invalid")
    places = {fault["at"]: fault["code"] for fault in problem["errors"]}
    assert places == {
        "/name": "member-invalid",
        "/gstins": "member-invalid",
        "/scopes": "member-invalid",
        "/respond_async": "member-invalid",
        "/a~1b": "member-unknown",
    }
    refused(call(gateway, "POST", "/admin/clients", []), 400, "body-invalid")


def test_nothing_of_another_organisation_is_there(gateway: Stack) -> None:
    """Its clients, keys and taxpayers are absent, whatever is asked of them, and nothing changes."""
    erp = gateway.clients["erp"][0]
    key = call(gateway, "POST", "/admin/keys", {"client_id": erp, "gstin": SELLER, "name": "shop"}).json()["id"]
    before = gateway.wiring.ports.keyring.clients_of(access.ensure_organisation("Tungabhadra", ports=gateway.ports))
    attempts: list[tuple[str, str, Any]] = [
        ("DELETE", f"/admin/clients/{erp}", None),
        ("POST", f"/admin/clients/{erp}/secret", {}),
        ("DELETE", f"/admin/clients/{erp}/former-secret", None),
        ("PUT", f"/admin/clients/{erp}/grants/{STRANGER}", {}),
        ("DELETE", f"/admin/clients/{erp}/grants/{SELLER}", None),
        ("GET", f"/admin/clients/{erp}/public-keys", None),
        ("POST", f"/admin/clients/{erp}/public-keys", {"kid": "k", "kty": "OKP"}),
        ("DELETE", f"/admin/clients/{erp}/public-keys/k", None),
        ("POST", "/admin/keys", {"client_id": erp, "gstin": SELLER, "name": "x"}),
        ("POST", f"/admin/keys/{key}/rotate", None),
        ("DELETE", f"/admin/keys/{key}", None),
        ("POST", "/admin/clients", {"name": "x", "gstins": [SELLER]}),
        ("PUT", f"/gstins/{SELLER}/credentials", {"user_name": "u", "password": "p"}),
        ("POST", f"/gstins/{SELLER}/credentials/test", None),
    ]
    for method, path, body in attempts:
        assert call(gateway, method, path, body, client="strange manager").status_code == 404, path
    for path, name in (("/admin/clients", "clients"), ("/admin/keys", "keys"), ("/admin/gstins", "gstins")):
        assert erp not in call(gateway, "GET", path, client="strange manager").text
        assert SELLER not in str(call(gateway, "GET", path, client="strange manager").json()[name])
    after = gateway.wiring.ports.keyring.clients_of(access.ensure_organisation("Tungabhadra", ports=gateway.ports))
    assert after == before
    assert gateway.calls() == []

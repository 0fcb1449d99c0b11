"""OAuth beyond the token: keys of their own, taking back, asking, and API keys, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway.api.oauth import ASSERTION_TYPE
from gateway.domain.operations import Environment
from gateway.services import access, administration
from gateway.services.administration import Manager
from gateway.services.principal import Scope
from tests.support_api import SECOND_SELLER, SELLER, Stack, document, refused

OPERATOR = Manager()
KEYS: dict[str, Any] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


def assertion(stack: Stack, client: str = "erp", *, alg: str = "EdDSA", jti: str = "1", **claims: Any) -> str:
    """What a client signs for one request."""
    client_id = stack.clients[client][0]
    issuer = stack.wiring.settings.token_issuer
    until = int((stack.clock.now() + timedelta(minutes=2)).timestamp())
    body = {"iss": client_id, "sub": client_id, "aud": issuer, "jti": jti, "exp": until} | claims
    return jwt.encode(body, KEYS[alg], algorithm=alg, headers={"kid": alg})


def install(stack: Stack, client: str = "erp") -> None:
    """Give the gateway the client's public keys."""
    for kid, key in KEYS.items():
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        client_id = stack.clients[client][0]
        administration.add_public_key(OPERATOR, client_id, kid=kid, pem=public.decode(), ports=stack.ports)


def ask(stack: Stack, signed: str, **form: str) -> Any:
    """Ask for a token with an assertion."""
    fields = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
    return stack.send("POST", "/oauth/token", data=fields | form)


def api_key(stack: Stack, client: str = "erp", *, gstin: str = SELLER, read_only: bool = False) -> tuple[str, str]:
    """A new API key: its id and its text."""
    key, text = administration.add_api_key(
        OPERATOR, stack.clients[client][0], gstin=gstin, name="shop", read_only=read_only, ports=stack.ports
    )
    return key.id, text


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_client_may_prove_itself_by_its_own_key(stack: Stack, algorithm: str) -> None:
    """With an assertion instead of a secret, for each kind of key."""
    install(stack)
    answer = ask(stack, assertion(stack, alg=algorithm))
    assert answer.status_code == 200
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert stack.send("GET", f"/operations/op_{'0' * 26}", headers=headers).status_code == 404


def test_an_assertion_is_good_once(stack: Stack) -> None:
    """Whoever reads it on its way gets nothing for it."""
    install(stack)
    signed = assertion(stack)
    assert ask(stack, signed).status_code == 200
    again = ask(stack, signed)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert ask(stack, assertion(stack, jti="2")).status_code == 200


def test_a_wrong_assertion_is_no_client(stack: Stack) -> None:
    """Unknown client, missing key, revoked key, other audience, other client id: all are refused alike."""
    stranger = assertion(stack)
    assert ask(stack, stranger).json()["error"] == "invalid_client"
    install(stack)
    erp = stack.clients["erp"][0]
    for answer in (
        ask(stack, assertion(stack, jti="a", sub="cli_none", iss="cli_none")),
        ask(stack, assertion(stack, jti="b", aud="https://elsewhere.example")),
        ask(stack, assertion(stack, "group", jti="c")),
        ask(stack, assertion(stack, jti="d"), client_id=stack.clients["group"][0]),
        ask(stack, "no.jwt.here"),
        ask(stack, assertion(stack, jti="e", sub="cli_\0", iss="cli_\0")),
    ):
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    administration.revoke_public_key(OPERATOR, erp, kid="EdDSA", ports=stack.ports)
    assert ask(stack, assertion(stack, jti="f")).status_code == 401
    assert ask(stack, assertion(stack, jti="f", alg="ES256")).status_code == 200


def test_an_assertion_goes_alone(stack: Stack) -> None:
    """With its type, and without another proof beside it."""
    install(stack)
    form = {"grant_type": "client_credentials", "client_assertion": assertion(stack)}
    for answer in (
        stack.send("POST", "/oauth/token", data=form),
        stack.send("POST", "/oauth/token", data=form | {"client_assertion_type": "urn:x"}),
        ask(stack, assertion(stack), client_secret="x"),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_token_is_taken_back(stack: Stack) -> None:
    """From then on it is refused, and nothing else of the client is."""
    token = stack.token()
    for text in (token, token, "no token"):
        answer = stack.send("POST", "/oauth/revoke", data={"token": text}, auth=stack.clients["erp"])
        assert answer.status_code == 200
    refused(stack.send("POST", "/irn", headers={"Authorization": f"Bearer {token}"}), 401, "token-revoked")
    stack.later(seconds=1)
    assert stack.post(document()).status_code == 201


def test_another_s_token_is_not_taken_back(stack: Stack) -> None:
    """The answer is the same, and the token is as good as before."""
    token = stack.token()
    answer = stack.send("POST", "/oauth/revoke", data={"token": token}, auth=stack.clients["stranger"])
    assert answer.status_code == 200
    assert stack.post(document()).status_code == 201
    nobody = stack.send("POST", "/oauth/revoke", data={"token": token}, auth=("cli_none", "x"))
    assert (nobody.status_code, nobody.json()["error"]) == (401, "invalid_client")


def test_a_token_is_explained_to_its_own_organisation(stack: Stack) -> None:
    """To any other it is not good, and so is one that was taken back."""
    token = stack.token(scope="read irn:write")

    def told(client: str, text: str) -> dict[str, Any]:
        answer = stack.send("POST", "/oauth/introspect", data={"token": text}, auth=stack.clients[client])
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    mine = told("group", token)
    assert (mine["active"], mine["scope"], mine["gstin"]) == (True, "irn:write read", SELLER)
    assert told("stranger", token) == {"active": False}
    assert told("erp", token + "x") == {"active": False}
    stack.send("POST", "/oauth/revoke", data={"token": token}, auth=stack.clients["erp"])
    assert told("erp", token) == {"active": False}


def test_anybody_can_check_a_token_with_the_published_keys(stack: Stack) -> None:
    """By the key id in its header; metadata tells where the keys are."""
    metadata = stack.send("GET", "/.well-known/oauth-authorization-server").json()
    assert metadata["jwks_uri"].endswith("/oauth/jwks")
    assert set(metadata["scopes_supported"]) == set(Scope)
    keys = jwt.PyJWKSet.from_dict(stack.send("GET", "/oauth/jwks").json())
    token = stack.token()
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience=metadata["issuer"], options={"verify_exp": False})
    assert claims["gstin"] == SELLER


def test_a_new_signing_key_refuses_no_caller(stack: Stack) -> None:
    """Tokens of the old key stay good for their life; then the key is gone."""
    old = stack.token()
    administration.rotate_token_key(OPERATOR, ports=stack.ports)
    stack.later(seconds=10)
    new = stack.token()
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    assert len(stack.send("GET", "/oauth/jwks").json()["keys"]) == 2
    for token in (old, new):
        answer = stack.send("GET", f"/operations/op_{'0' * 26}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 404
    stack.later(minutes=20)
    assert len(stack.send("GET", "/oauth/jwks").json()["keys"]) == 1
    refused(stack.send("POST", "/irn", headers={"Authorization": f"Bearer {old}"}), 401, "token-invalid")


def test_a_leaked_signing_key_is_ended_at_once(stack: Stack) -> None:
    """Every token of it is refused as soon as the processes have read the new one."""
    old = stack.token()
    administration.rotate_token_key(OPERATOR, ports=stack.ports, overlap=timedelta(0))
    stack.later(seconds=10)
    refused(stack.send("POST", "/irn", headers={"Authorization": f"Bearer {old}"}), 401, "token-invalid")


def test_two_secrets_are_good_while_programs_change_over(stack: Stack) -> None:
    """For as long as was said; an earlier end ends the older one at once."""
    client_id, old = stack.clients["erp"]
    new, _ = administration.new_secret(OPERATOR, client_id, ports=stack.ports, overlap=timedelta(hours=1))

    def works(secret: str) -> bool:
        form = {"grant_type": "client_credentials"}
        return stack.send("POST", "/oauth/token", data=form, auth=(client_id, secret)).status_code == 200

    assert (works(old), works(new)) == (True, True)
    stack.later(hours=1)
    assert (works(old), works(new)) == (False, True)
    newest, _ = administration.new_secret(OPERATOR, client_id, ports=stack.ports)
    administration.end_former_secret(OPERATOR, client_id, ports=stack.ports)
    assert (works(new), works(newest)) == (False, True)


def test_an_api_key_stands_for_its_client_and_gstin(stack: Stack) -> None:
    """As a bearer or in a header of its own; when it was last used is known to the minute."""
    _, text = api_key(stack)
    assert text.startswith("sk_test_")
    body = {"Content-Type": "application/json"}
    first = stack.send("POST", "/irn", json=None, content=b"{}", headers=body | {"Authorization": f"Bearer {text}"})
    second = stack.send("POST", "/irn", content=b"{}", headers=body | {"X-API-Key": text})
    assert (first.status_code, second.status_code) == (400, 400)
    [key] = administration.api_keys(OPERATOR, ports=stack.ports)
    assert key.last_used_at == stack.clock.now()


def test_a_read_only_key_writes_nothing(stack: Stack) -> None:
    """It reads, and that is all."""
    _, text = api_key(stack, read_only=True)
    assert text.startswith("pk_test_")
    reads = stack.send("GET", f"/operations/op_{'0' * 26}", headers={"X-API-Key": text})
    assert reads.status_code == 404
    refused(stack.send("POST", "/irn", headers={"X-API-Key": text}), 403, "scope-missing")


def test_a_revoked_key_stops_at_once(stack: Stack) -> None:
    """So does a key whose GSTIN was withdrawn, whose client was revoked, or that never was."""
    id, text = api_key(stack)
    other_id, other = administration_rotate(stack, id)
    administration.revoke_api_key(OPERATOR, id, ports=stack.ports)
    refused(stack.send("POST", "/irn", headers={"X-API-Key": text}), 401, "api-key-invalid")
    refused(stack.send("POST", "/irn", headers={"X-API-Key": f"sk_test_{'x' * 43}"}), 401, "api-key-invalid")
    erp = stack.clients["erp"][0]
    administration.withdraw_grant(OPERATOR, erp, SELLER, ports=stack.ports)
    refused(stack.send("POST", "/irn", headers={"X-API-Key": other}), 403, "gstin-not-granted")
    administration.revoke_client(OPERATOR, erp, ports=stack.ports)
    refused(stack.send("POST", "/irn", headers={"X-API-Key": other}), 401, "client-revoked")
    assert other_id != id


def administration_rotate(stack: Stack, id: str) -> tuple[str, str]:
    """The key that replaces another: its id and its text."""
    key, text = administration.rotate_api_key(OPERATOR, id, ports=stack.ports)
    return key.id, text


def test_a_key_and_a_token_do_not_go_together(stack: Stack) -> None:
    """One proof of who is calling, or none counts."""
    _, text = api_key(stack)
    headers = stack.bearer() | {"X-API-Key": text}
    refused(stack.send("POST", "/irn", headers=headers), 401, "token-missing")
    refused(stack.send("POST", "/irn", headers={"X-API-Key": "something"}), 401, "token-missing")


def test_a_withdrawn_gstin_stops_at_once(stack: Stack) -> None:
    """The token that speaks for it is refused; those for the client's other GSTINs are not."""
    first, second = (stack.bearer("group", gstin=gstin) for gstin in (SELLER, SECOND_SELLER))
    administration.withdraw_grant(OPERATOR, stack.clients["group"][0], SELLER, ports=stack.ports)
    path = f"/operations/op_{'0' * 26}"
    refused(stack.send("GET", path, headers=first), 403, "gstin-not-granted")
    assert stack.send("GET", path, headers=second).status_code == 404


def test_a_client_may_have_fewer_scopes(stack: Stack) -> None:
    """What it was not granted it cannot ask for, administration least of all."""
    stack.clients["reader"] = access.add_client(
        environment=Environment.TEST,
        gstins=[SELLER],
        name="reader",
        respond_async=False,
        scopes=frozenset({Scope.READ}),
        ports=stack.ports,
    )
    assert stack.ask_token("reader").json()["scope"] == "read"
    assert stack.ask_token("reader", scope="irn:write").json()["error"] == "invalid_scope"
    assert stack.ask_token("erp", scope="admin").json()["error"] == "invalid_scope"

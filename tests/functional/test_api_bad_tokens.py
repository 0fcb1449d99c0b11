"""Who is nobody, and who may not: forged, spent and withdrawn tokens, and the token endpoint (RFC 6749)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, update

from gateway.storage.tables import clients, grants, gstins
from tests.support_api import SECOND_SELLER, SELLER, STRANGER, Blueprint, Stack, document, refused, written

FORM = {"grant_type": "client_credentials"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, blueprint: Blueprint) -> Iterator[Stack]:
    """One gateway for all that leaves no trace."""
    with Stack(tmp_path_factory.mktemp("bad-tokens"), blueprint) as made:
        yield made


@pytest.fixture
def gateway(shared: Stack) -> Iterator[Stack]:
    """The same, watched: no row and no call may come of the request."""
    shared.token()
    before = shared.traces()
    yield shared
    assert shared.traces() == before


class Forger:
    """Makes tokens of any shape. It has the gateway's own key, as nobody else does."""

    def __init__(self, stack: Stack) -> None:
        self.genuine = stack.token()
        self.kid, sealed, self.public = stack.ports.directory.token_keys()[0]
        self.key = Ed25519PrivateKey.from_private_bytes(
            stack.ports.vault.open(sealed, context=f"token_keys|private|{self.kid}")
        )
        self.claims: dict[str, Any] = jwt.decode(self.genuine, options={"verify_signature": False})

    def sign(self, *, key: Any = None, alg: str = "EdDSA", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token like a genuine one, but for what is given. A claim of None is left out."""
        body = {name: value for name, value in (self.claims | claims).items() if value is not None}
        headers = {"kid": self.kid, "typ": "at+jwt"} | (header or {})
        return jwt.encode(body, key or self.key, algorithm=alg, headers=headers)

    def spliced(self, header: Any = None, payload: Any = None, signature: str | None = None) -> str:
        """The genuine token with parts replaced, its signature left as it was."""
        parts = self.genuine.split(".")
        given = (header, payload)
        parts[:2] = [part if new is None else encoded(new) for part, new in zip(parts[:2], given, strict=True)]
        return ".".join([*parts[:2], parts[2] if signature is None else signature])


def encoded(part: Any) -> str:
    """A part of a JWT; bytes as they are."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hmac_with_public_key(forger: Forger) -> str:
    """The classic confusion: the public key taken for a shared secret."""
    header, payload = encoded({"alg": "HS256", "typ": "at+jwt", "kid": forger.kid}), encoded(forger.claims)
    signature = hmac.digest(forger.public.encode(), f"{header}.{payload}".encode(), hashlib.sha256)
    return f"{header}.{payload}.{encoded(signature)}"


def without(claim: str, forger: Forger) -> str:
    """A token that lacks a claim."""
    nothing: dict[str, Any] = {claim: None}
    return forger.sign(**nothing)


CLAIMS = ("iss", "aud", "sub", "client_id", "jti", "iat", "exp", "gstin", "env", "scope")
FORGED: dict[str, Callable[[Forger], str]] = {
    "empty": lambda _: "",
    "a word": lambda _: "token",
    "two parts": lambda f: f.genuine.rpartition(".")[0],
    "four parts": lambda f: f"{f.genuine}.x",
    "five parts": lambda _: "a.b.c.d.e",
    "no signature": lambda f: f.spliced(signature=""),
    "another signature": lambda f: f.spliced(signature=encoded(bytes(64))),
    "other claims": lambda f: f.spliced(payload=f.claims | {"gstin": SECOND_SELLER}),
    "alg none": lambda f: f.spliced(header={"alg": "none", "typ": "at+jwt", "kid": f.kid}, signature=""),
    "alg None": lambda f: f.spliced(header={"alg": "None", "typ": "at+jwt", "kid": f.kid}, signature=""),
    "HMAC with the public key": hmac_with_public_key,
    "HMAC": lambda f: f.sign(key="k" * 32, alg="HS256"),
    "another's key": lambda f: f.sign(key=Ed25519PrivateKey.generate()),
    "an unknown key id": lambda f: f.sign(header={"kid": "other"}),
    "no key id": lambda f: f.spliced(header={"alg": "EdDSA", "typ": "at+jwt"}),
    "a list as key id": lambda f: f.spliced(header={"alg": "EdDSA", "typ": "at+jwt", "kid": [f.kid]}),
    "a path as key id": lambda f: f.sign(header={"kid": "../../../dev/null"}),
    "its own key": lambda f: f.sign(header={"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}}),
    "a key from elsewhere": lambda f: f.sign(header={"jku": "http://127.0.0.1/keys"}),
    "a certificate from elsewhere": lambda f: f.sign(header={"x5u": "http://127.0.0.1/cert"}),
    "critical words": lambda f: f.sign(header={"crit": ["exp"]}),
    "another type": lambda f: f.sign(header={"typ": "JWT"}),
    "no type": lambda f: f.spliced(header={"alg": "EdDSA", "kid": f.kid}),
    "another issuer": lambda f: f.sign(iss="http://127.0.0.1:9999"),
    "another audience": lambda f: f.sign(aud="http://127.0.0.1:9999"),
    **{f"no {name}": partial(without, name) for name in CLAIMS},
    "an unknown environment": lambda f: f.sign(env="prod"),
    "an end that is no time": lambda f: f.sign(exp="tomorrow"),
    "an end beyond time": lambda f: f.sign(exp=10**40),
    "scopes as a list": lambda f: f.sign(scope=["irn:write"]),
    "a list of claims": lambda f: f.spliced(payload=[1]),
    "claims that are no JSON": lambda f: f.spliced(payload=b"\xff"),
    "a header that is no JSON": lambda f: f.spliced(header=b"{"),
    "a header without end": lambda f: f.spliced(header=b"[" * 2900),
    "above 4 kB": lambda f: f.sign(extra="x" * 4096),
    "letters beyond ASCII": lambda f: f.genuine[:-1] + "\xe9",
    "a blank in it": lambda f: f.genuine.replace(".", ". ", 1),
    "twice": lambda f: f"{f.genuine},{f.genuine}",
}  # fmt: skip


def with_token(stack: Stack, token: str) -> httpx.Response:
    """A good document with this token."""
    headers: Any = {"Authorization": f"Bearer {token}".encode("latin-1"), "Content-Type": "application/json"}
    return stack.send("POST", "/irn", content=written(document()), headers=headers)


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_401(gateway: Stack, forge: Callable[[Forger], str]) -> None:
    """Whatever is not a token of ours, unchanged, is nobody's."""
    answer = with_token(gateway, forge(Forger(gateway)))
    refused(answer, 401, "token-invalid")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_what_the_forger_leaves_alone_is_genuine(stack: Stack) -> None:
    """The forger's tokens are refused for what is changed in them, and for nothing else."""
    assert with_token(stack, Forger(stack).sign()).status_code == 201


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic eDp5", "bearer", "Digest x", "eyJhbGciOi"])
def test_no_token_is_401(gateway: Stack, header: str | None) -> None:
    """Without a token the answer says how to get one; it is not called invalid (RFC 6750, 3.1)."""
    headers = {"Content-Type": "application/json"} | ({} if header is None else {"Authorization": header})
    answer = gateway.send("POST", "/irn", content=written(document()), headers=headers)
    assert "/oauth/token" in refused(answer, 401, "token-missing")["help"]
    assert answer.headers["www-authenticate"] == 'Bearer realm="mohar"'


def test_two_tokens_are_none(gateway: Stack) -> None:
    """Two Authorization headers are not chosen from."""
    token = gateway.bearer()["Authorization"]
    headers = [("Authorization", token), ("Authorization", token), ("Content-Type", "application/json")]
    refused(gateway.send("POST", "/irn", content=written(document()), headers=headers), 401, "token-invalid")


def test_the_scheme_has_no_case(stack: Stack) -> None:
    """`bearer` is `Bearer` (RFC 9110, 11.1)."""
    token = stack.bearer()["Authorization"].replace("Bearer", "bEARER")
    assert stack.send("GET", "/gstins/" + SELLER, headers={"Authorization": token}).status_code == 200


def test_a_token_ends_after_15_minutes(stack: Stack) -> None:
    """An access token is good for 15 minutes and half a minute between two clocks."""
    token = stack.token()
    stack.clock.step(minutes=15, seconds=29)
    assert with_token(stack, token).status_code == 201
    stack.clock.step(seconds=1)
    refused(with_token(stack, token), 401, "token-expired")


def test_a_revoked_client_is_nobody_at_once(stack: Stack) -> None:
    """A token does not outlive its client, which gets no other either."""
    token, (client_id, _) = stack.token(), stack.clients["erp"]
    revoked = update(clients).where(clients.c.id == client_id).values(revoked_at=stack.clock.now())
    stack.wiring.database.write(lambda connection: connection.execute(revoked))
    refused(with_token(stack, token), 401, "client-revoked")
    assert stack.ask_token().json()["error"] == "invalid_client"


def test_a_withdrawn_grant_ends_its_tokens(stack: Stack) -> None:
    """A client that may no longer speak for a GSTIN is refused with the token it still has."""
    token, (client_id, _) = stack.token(), stack.clients["erp"]
    withdrawn = update(grants).where(grants.c.client_id == client_id).values(revoked_at=stack.clock.now())
    stack.wiring.database.write(lambda connection: connection.execute(withdrawn))
    refused(with_token(stack, token), 403, "gstin-not-granted")


def test_a_gstin_that_is_not_set_up_is_403(stack: Stack) -> None:
    """A GSTIN that was taken out of service is told so, by name."""
    token = stack.token()
    stack.wiring.database.write(lambda connection: connection.execute(delete(gstins).where(gstins.c.gstin == SELLER)))
    refused(with_token(stack, token), 403, "gstin-unknown")


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("read", "POST", "/irn"),
        ("read", "POST", "/cdnr"),
        ("irn:write", "POST", "/cdnr"),
        ("cdnr:write read", "POST", "/irn"),
        ("irn:write cdnr:write", "GET", f"/irn/{'0' * 64}"),
        ("irn:write cdnr:write", "GET", "/operations/op_1"),
        ("irn:write cdnr:write", "GET", f"/gstins/{SELLER}"),
    ],
)
def test_a_missing_scope_is_403(gateway: Stack, scope: str, method: str, path: str) -> None:
    """A token does what it was asked for, and no more."""
    headers = gateway.bearer(scope=scope) | {"Content-Type": "application/json"}
    answer = gateway.send(method, path, content=written(document()), headers=headers)
    refused(answer, 403, "scope-missing")
    assert answer.headers["www-authenticate"] == 'Bearer realm="mohar", error="insufficient_scope"'


def test_a_token_is_given(gateway: Stack) -> None:
    """POST /oauth/token gives a bearer token with its life, its scopes and its GSTIN, to be kept by no cache."""
    answer = gateway.ask_token("group", gstin=SECOND_SELLER, scope="read irn:write")
    told = answer.json()
    assert answer.status_code == 200
    assert (told["token_type"], told["expires_in"], told["scope"]) == ("Bearer", 900, "irn:write read")
    assert told["gstin"] == SECOND_SELLER
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")


@pytest.mark.parametrize("way", ["basic", "form", "basic and id"])
def test_a_client_authenticates_in_either_way(gateway: Stack, way: str) -> None:
    """HTTP Basic and the form are both taken."""
    client_id, secret = gateway.clients["erp"]
    form = FORM | {"basic": {}, "form": {"client_id": client_id, "client_secret": secret}}.get(
        way, {"client_id": client_id}
    )
    more = {} if way == "form" else {"auth": (client_id, secret)}
    assert gateway.send("POST", "/oauth/token", data=form, **more).status_code == 200


def basic(text: str) -> dict[str, str]:
    """An Authorization header."""
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
GRANT = "grant_type=client_credentials"
TOKEN_REQUESTS: dict[str, tuple[str | bytes, dict[str, str], int, str]] = {
    "no credentials": (GRANT, {}, 401, "invalid_client"),
    "wrong secret": (GRANT, basic("{id}:wrong"), 401, "invalid_client"),
    "wrong secret in the form": (GRANT + "&client_id={id}&client_secret=wrong", {}, 401, "invalid_client"),
    "empty secret": (GRANT, basic("{id}:"), 401, "invalid_client"),
    "another's secret": (GRANT, basic("{id}:{other}"), 401, "invalid_client"),
    "secret beyond ASCII": (GRANT, basic("{id}:schl\u00fcssel"), 401, "invalid_client"),
    "unknown client": (GRANT, basic("cli_0:{secret}"), 401, "invalid_client"),
    "client with a NUL": (GRANT + "&client_id=%00&client_secret=x", {}, 401, "invalid_client"),
    "no base64": (GRANT, {"Authorization": "Basic ***"}, 401, "invalid_client"),
    "no colon": (GRANT, basic("{id}"), 401, "invalid_client"),
    "another scheme": (GRANT, {"Authorization": "Bearer abc"}, 401, "invalid_client"),
    "two ways at once": (
        GRANT + "&client_id={id}&client_secret={secret}",
        basic("{id}:{secret}"),
        400,
        "invalid_request",
    ),
    "two ids": (GRANT + "&client_id=cli_0", basic("{id}:{secret}"), 400, "invalid_request"),
    "no grant type": ("scope=read", basic("{id}:{secret}"), 400, "invalid_request"),
    "empty grant type": ("grant_type=", basic("{id}:{secret}"), 400, "invalid_request"),
    "another grant type": ("grant_type=password", basic("{id}:{secret}"), 400, "unsupported_grant_type"),
    "authorization code": (
        "grant_type=authorization_code&code=x",
        basic("{id}:{secret}"),
        400,
        "unsupported_grant_type",
    ),
    "empty": ("", basic("{id}:{secret}"), 400, "invalid_request"),
    "a field twice": (GRANT + "&scope=read&scope=irn:write", basic("{id}:{secret}"), 400, "invalid_request"),
    "grant type twice": (GRANT + "&" + GRANT, basic("{id}:{secret}"), 400, "invalid_request"),
    "21 fields": (GRANT + "".join(f"&f{n}=1" for n in range(20)), basic("{id}:{secret}"), 400, "invalid_request"),
    "not UTF-8": (b"grant_type=client_credentials&x=\xff", basic("{id}:{secret}"), 400, "invalid_request"),
    "too large": (GRANT + "&x=" + "x" * 8192, basic("{id}:{secret}"), 413, "invalid_request"),
    "JSON": ('{"grant_type":"client_credentials"}', {"Content-Type": "application/json"}, 415, "invalid_request"),
    "compressed": (GRANT, {"Content-Encoding": "gzip"}, 415, "invalid_request"),
    "another's GSTIN": (f"{GRANT}&gstin={STRANGER}", basic("{id}:{secret}"), 400, "invalid_target"),
    "no GSTIN": (f"{GRANT}&gstin=x", basic("{id}:{secret}"), 400, "invalid_target"),
    "unknown scope": (f"{GRANT}&scope=everything", basic("{id}:{secret}"), 400, "invalid_scope"),
    "one unknown scope": (f"{GRANT}&scope=read%20admin", basic("{id}:{secret}"), 400, "invalid_scope"),
}


@pytest.mark.parametrize(("form", "headers", "status", "error"), TOKEN_REQUESTS.values(), ids=TOKEN_REQUESTS)
def test_a_wrong_token_request_is_refused(
    gateway: Stack, form: str | bytes, headers: dict[str, str], status: int, error: str
) -> None:
    """Each mistake has the error of RFC 6749, in the characters it allows, and a word on what to do."""
    words = dict(zip(("{id}", "{secret}"), gateway.clients["erp"], strict=True)) | {
        "{other}": gateway.clients["group"][1]
    }
    content = form if isinstance(form, bytes) else filled(form, words).encode()
    answer = gateway.send("POST", "/oauth/token", content=content, headers=TYPE | refilled(headers, words))
    told = answer.json()
    assert (answer.status_code, told["error"], set(told)) == (status, error, {"error", "error_description"})
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{20,}", told["error_description"])
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) is (status == 401)


def filled(text: str, words: dict[str, str]) -> str:
    """A template with the client's own id and secret."""
    for name, word in words.items():
        text = text.replace(name, word)
    return text


def refilled(headers: dict[str, str], words: dict[str, str]) -> dict[str, str]:
    """The same for a Basic header."""
    given = headers.get("Authorization", "")
    if not given.startswith("Basic ") or "*" in given:
        return headers
    return headers | basic(filled(base64.b64decode(given.removeprefix("Basic ")).decode(), words))


def test_a_client_of_several_names_its_gstin(gateway: Stack) -> None:
    """Where several GSTINs are granted, the request has to name one."""
    answer = gateway.ask_token("group")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "gstin" in answer.json()["error_description"]


def test_a_guessed_client_costs_the_same_answer(gateway: Stack) -> None:
    """An unknown client and a wrong secret look alike to whoever tries."""
    known, unknown = (
        gateway.send("POST", "/oauth/token", data=FORM, auth=(client_id, "x" * 43))
        for client_id in (gateway.clients["erp"][0], "cli_" + "0" * 26)
    )
    assert known.content == unknown.content


def test_a_token_has_no_life_after_its_scope_is_gone(stack: Stack) -> None:
    """Scopes are those of the token and of the grant as it now stands."""
    token, (client_id, _) = stack.token(), stack.clients["erp"]
    narrowed = update(grants).where(grants.c.client_id == client_id).values(scopes="read")
    stack.wiring.database.write(lambda connection: connection.execute(narrowed))
    refused(with_token(stack, token), 403, "scope-missing")


def test_a_token_s_life_is_written_in_it(gateway: Stack) -> None:
    """What `expires_in` says is what the token holds."""
    claims = jwt.decode(gateway.token(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == timedelta(minutes=15).total_seconds()

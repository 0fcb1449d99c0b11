"""Access tokens, and everything that somebody may forge in their place."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.auth.tokens import (
    CLOCK_LEEWAY,
    KEYS_KEPT_SECONDS,
    TOKEN_BYTES_MAX,
    UNKNOWN_KEY_PAUSE_SECONDS,
    AccessTokens,
    SigningKeys,
    new_signing_key,
)
from gateway.domain.operations import Environment
from gateway.errors import Unauthorised
from gateway.ports import Claims
from tests.support import CLIENT, GSTIN, START

ISSUER: Final = "https://gateway.example"
PRIVATE, PUBLIC = new_signing_key()
OLD_PRIVATE, OLD_PUBLIC = new_signing_key()
FOREIGN_PRIVATE, FOREIGN_PUBLIC = new_signing_key()
LIFE: Final = timedelta(minutes=15)
CLAIMS: Final = Claims(
    client_id=CLIENT,
    gstin=GSTIN,
    environment=Environment.TEST,
    scopes=frozenset({"read", "irn:write"}),
    token_id="tok_1",
    expires_at=START + LIFE,
)
HEADER: Final = {"alg": "EdDSA", "kid": "new", "typ": "at+jwt"}


def _issuing(kid: str, private: bytes, public_pems: dict[str, str]) -> AccessTokens:
    keys = SigningKeys(kid, private, public_pems)
    return AccessTokens(issuer=ISSUER, keys=lambda: keys, monotonic=lambda: 0.0)


def _tokens() -> AccessTokens:
    return _issuing("new", PRIVATE, {"new": PUBLIC, "old": OLD_PUBLIC})


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    header, body, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    return json.loads(header), json.loads(body), signature


BODY: Final = _parts(_tokens().issue(CLAIMS, at=START))[1]


def _signed(
    *, header: dict[str, Any] | None = None, body: dict[str, Any] | None = None, private: bytes = PRIVATE
) -> str:
    """A token made by hand: signed with an Ed25519 key over whatever is put into it."""
    text = f"{_base64(json.dumps(header or HEADER).encode())}.{_base64(json.dumps(body or BODY).encode())}"
    return f"{text}.{_base64(Ed25519PrivateKey.from_private_bytes(private).sign(text.encode()))}"


def _without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in members.items() if each != name}


def _refusal(token: str, *, seconds: float = 0) -> str:
    with pytest.raises(Unauthorised) as refused:
        _tokens().check(token, at=START + timedelta(seconds=seconds))
    return refused.value.code


def test_a_token_says_what_it_was_issued_for() -> None:
    """Client, GSTIN, environment, scopes and life come back as they were."""
    assert _tokens().check(_tokens().issue(CLAIMS, at=START), at=START) == CLAIMS


def test_a_token_made_by_hand_in_our_form_is_taken() -> None:
    """The forgeries below differ from this one in one thing each."""
    assert _tokens().check(_signed(), at=START) == CLAIMS


def test_a_token_has_the_form_of_rfc_9068() -> None:
    """Its type is at+jwt, and issuer, audience, subject, client, id and times are in it."""
    header, body, _ = _parts(_tokens().issue(CLAIMS, at=START))
    assert header == HEADER
    assert body == {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": CLIENT,
        "client_id": CLIENT,
        "jti": "tok_1",
        "iat": int(START.timestamp()),
        "exp": int((START + LIFE).timestamp()),
        "gstin": GSTIN,
        "env": "test",
        "scope": "irn:write read",
    }


def test_a_token_of_an_older_key_is_good_for_its_life() -> None:
    """A new signing key does not end the tokens of the one before."""
    older = _issuing("old", OLD_PRIVATE, {"old": OLD_PUBLIC})
    assert _tokens().check(older.issue(CLAIMS, at=START), at=START) == CLAIMS


class Stored:
    """The keys of several processes, with the time, and how often they were read."""

    def __init__(self) -> None:
        self.keys = SigningKeys("old", OLD_PRIVATE, {"old": OLD_PUBLIC})
        self.now = 0.0
        self.reads = 0

    def read(self) -> SigningKeys:
        """What a process asks for."""
        self.reads += 1
        return self.keys

    def process(self, read: Callable[[], SigningKeys] | None = None) -> AccessTokens:
        """A process that issues and checks tokens by them."""
        return AccessTokens(issuer=ISSUER, keys=read or self.read, monotonic=lambda: self.now)

    def change(self) -> None:
        """Another key signs; tokens of the old one stay good."""
        self.keys = SigningKeys("new", PRIVATE, {"new": PUBLIC, "old": OLD_PUBLIC})


def test_a_token_of_a_key_that_is_a_moment_old_is_taken() -> None:
    """Another process signs with it already, and this one has read the keys just before it was made."""
    stored = Stored()
    here = stored.process()
    stored.change()
    stored.now += UNKNOWN_KEY_PAUSE_SECONDS / 10
    assert here.check(stored.process().issue(CLAIMS, at=START), at=START) == CLAIMS


def test_invented_keys_cost_a_look_in_a_while() -> None:
    """A forger does not make us ask the database for every token."""
    stored = Stored()
    here, forged = stored.process(), _signed(header=HEADER | {"kid": "forged"})
    for _ in range(100):
        with pytest.raises(Unauthorised):
            here.check(forged, at=START)
    assert stored.reads == 2


def test_keys_that_were_read_late_do_not_replace_newer_ones() -> None:
    """Two threads find that the keys are to be read anew, and the slower one has read them before they changed."""
    stored, reading, issued = Stored(), threading.Event(), threading.Event()

    def read() -> SigningKeys:
        found = stored.read()
        if stored.reads == 2:
            stored.change()
            reading.set()
            issued.wait(0.2)  # by the other thread, which should wait for this one
        return found

    tokens = stored.process(read)
    stored.now += KEYS_KEPT_SECONDS
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(tokens.published)
        reading.wait()
        token = pool.submit(tokens.issue, CLAIMS, at=START)
        token.add_done_callback(lambda _: issued.set())
    assert slow.result()
    assert tokens.check(token.result(), at=START) == CLAIMS


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_an_unsigned_token_is_refused(algorithm: str, signature: str) -> None:
    """`none` is no algorithm, however it is spelled."""
    signed = _signed(header=HEADER | {"alg": algorithm})
    assert _refusal(f"{signed.rpartition('.')[0]}.{signature}") == "token-invalid"


@pytest.mark.parametrize(
    "secret",
    [
        PUBLIC.encode(),
        PUBLIC.strip().encode(),
        serialization.load_pem_public_key(PUBLIC.encode()).public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        ),
    ],
    ids=["pem", "stripped pem", "raw"],
)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_shared_secret(secret: bytes, algorithm: str) -> None:
    """A token that is authenticated with our published key, as if it were a secret, is refused."""
    text = _signed(header=HEADER | {"alg": algorithm}).rpartition(".")[0]
    code = hmac.digest(secret, text.encode(), getattr(hashlib, algorithm.replace("HS", "sha")))
    assert _refusal(f"{text}.{_base64(code)}") == "token-invalid"


def test_another_algorithm_is_refused() -> None:
    """A good RSA signature is not ours either, even with a key of its own in the header."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    token = jwt.encode(BODY, pem, algorithm="RS256", headers={"kid": "new", "typ": "at+jwt"})
    assert _refusal(token) == "token-invalid"


@pytest.mark.parametrize(
    "extra",
    [
        {"jku": "https://attacker.example/keys"},
        {"x5u": "https://attacker.example/chain"},
        {"x5c": ["AAAA"]},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}},
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
    ],
    ids="+".join,
)
def test_a_header_that_we_do_not_write_is_refused(extra: dict[str, Any]) -> None:
    """Keys brought along, extensions, compression: even when our own key signed it, it is not ours."""
    assert _refusal(_signed(header=HEADER | extra)) == "token-invalid"


@pytest.mark.parametrize("type_", ["JWT", "jwt", "AT+JWT", "application/at+jwt", "id+jwt", "", None])
def test_another_type_of_token_is_refused(type_: str | None) -> None:
    """Nothing else that we might ever sign passes as an access token."""
    header = HEADER | {"typ": type_} if type_ is not None else _without(HEADER, "typ")
    assert _refusal(_signed(header=header)) == "token-invalid"


@pytest.mark.parametrize("kid", ["other", "", "../new", "new\n", 7, None, ["new"], {"new": 1}])
def test_an_unknown_key_id_is_refused(kid: Any) -> None:
    """A key id that is not ours, or no text at all, is a refusal and never a crash."""
    assert _refusal(_signed(header=HEADER | {"kid": kid})) == "token-invalid"
    assert _refusal(_signed(header=_without(HEADER, "kid"))) == "token-invalid"


def test_another_key_under_our_key_id_is_refused() -> None:
    """A foreign key's signature does not become ours by its name, nor does an older key's by the newer's."""
    assert _refusal(_signed(private=FOREIGN_PRIVATE)) == "token-invalid"
    assert _refusal(_signed(private=OLD_PRIVATE)) == "token-invalid"


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_token_is_refused(part: int) -> None:
    """One changed character in header, body or signature and it is not ours any more."""
    parts = _tokens().issue(CLAIMS, at=START).split(".")
    parts[part] = parts[part][:10] + ("A" if parts[part][10] != "A" else "B") + parts[part][11:]
    assert _refusal(".".join(parts)) == "token-invalid"


@pytest.mark.parametrize("name", ["iss", "aud"])
@pytest.mark.parametrize("value", ["https://other.example", "", f"{ISSUER}/", None, 1, [], {}])
def test_a_token_for_somebody_else_is_refused(name: str, value: Any) -> None:
    """A token of another issuer, or for another audience, is not for us."""
    assert _refusal(_signed(body=BODY | {name: value})) == "token-invalid"


@pytest.mark.parametrize("name", sorted(BODY))
def test_a_claim_that_is_missing_is_a_refusal(name: str) -> None:
    """Every claim that we write has to be there."""
    assert _refusal(_signed(body=_without(BODY, name))) == "token-invalid"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exp", "soon"),
        ("exp", None),
        ("exp", []),
        ("exp", 10**20),
        ("exp", float("inf")),
        ("env", "prod"),
        ("env", None),
        ("scope", None),
        ("scope", ["read"]),
        ("scope", 7),
    ],
)
def test_a_claim_of_another_shape_is_a_refusal(name: str, value: Any) -> None:
    """What our key would never have signed is refused all the same, and never crashes the check."""
    assert _refusal(_signed(body=BODY | {name: value})) == "token-invalid"


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "not a token",
        "\u0928\u092e\u0938\u094d\u0924\u0947",
        "\x00.\x00.\x00",
        f"{_base64(b'[]')}.{_base64(b'{}')}.AAAA",
        f"{_base64(b'null')}.{_base64(b'{}')}.AAAA",
        f"{_base64(b'1')}.{_base64(b'{}')}.AAAA",
        f"{_base64(b'[' * 2000)}..",
    ],
    ids=range(12),
)
def test_what_is_no_token_is_refused(token: str) -> None:
    """Rubbish of any kind is a refusal."""
    assert _refusal(token) == "token-invalid"


def test_a_long_token_is_not_even_read() -> None:
    """Beyond the limit no time is spent, however well it is signed."""
    near = _signed(body=BODY | {"pad": "x" * 2500})
    assert len(near) <= TOKEN_BYTES_MAX
    assert _tokens().check(near, at=START) == CLAIMS
    assert _refusal(_signed(body=BODY | {"pad": "x" * 3000})) == "token-invalid"


def test_a_token_expires_with_a_little_leeway() -> None:
    """To the second: good until its life and the clocks' leeway are over, refused from then on."""
    token = _tokens().issue(CLAIMS, at=START)
    edge = LIFE + CLOCK_LEEWAY
    assert _tokens().check(token, at=START + edge - timedelta(seconds=1)) == CLAIMS
    assert _refusal(token, seconds=edge.total_seconds()) == "token-expired"


def test_a_token_from_a_clock_that_is_ahead_is_taken() -> None:
    """Another api machine's clock may be a little ahead of ours."""
    token = _tokens().issue(CLAIMS, at=START)
    assert _tokens().check(token, at=START - CLOCK_LEEWAY) == CLAIMS


def test_a_refusal_shows_nothing_of_the_token() -> None:
    """What is written into a refusal cannot be used by whoever reads it."""
    token = _signed(private=FOREIGN_PRIVATE)
    with pytest.raises(Unauthorised) as refused:
        _tokens().check(token, at=START)
    assert not any(part in str(refused.value) + refused.value.help for part in token.split("."))
    assert refused.value.__cause__ is None


def test_only_ed25519_keys_are_taken() -> None:
    """A public key of another kind in the table stops the start."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(TypeError):
        _issuing("new", PRIVATE, {"new": pem.decode()})


def test_new_signing_keys_are_not_made_twice() -> None:
    """Each is its own, and its public half belongs to it."""
    private, public = new_signing_key()
    assert private not in (PRIVATE, OLD_PRIVATE, FOREIGN_PRIVATE)
    tokens = _issuing("k", private, {"k": public})
    assert tokens.check(tokens.issue(CLAIMS, at=START), at=START) == CLAIMS

"""Assertions that clients sign themselves, and everything that somebody may forge in their place."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from gateway.auth.assertions import ASSERTION_BYTES_MAX, CLOCK_LEEWAY, LIFE_MAX, ClientAssertions
from gateway.errors import Invalid, Unauthorised
from gateway.ports import PublicKey
from tests.support import CLIENT, START

ISSUER: Final = "https://gateway.example"
ASSERTIONS: Final = ClientAssertions(issuer=ISSUER)
RSA: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE: Final[dict[str, Any]] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": RSA,
}
NOW: Final = int(START.timestamp())
CLAIMS: Final[dict[str, Any]] = {
    "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "once-1", "iat": NOW, "exp": NOW + 120,
}  # fmt: skip


def pem(key: Any) -> str:
    """A private key's public part."""
    public = key.public_key()
    return str(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    )


KEYS: Final = [ASSERTIONS.read_key(client_id=CLIENT, kid=name, pem=pem(key)) for name, key in PRIVATE.items()]


def signed(alg: str = "EdDSA", *, key: Any = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """An assertion like a good one, but for what is given. A claim of None is left out."""
    body = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(body, key or PRIVATE[alg], algorithm=alg, headers={"kid": alg} | (header or {}))


def encoded(part: Any) -> str:
    """A part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def spliced(header: Any = None, payload: Any = None, signature: str | None = None) -> str:
    """A good assertion with parts replaced, its signature left as it was."""
    first, second, third = signed().split(".")
    return ".".join(
        [
            first if header is None else encoded(header),
            second if payload is None else encoded(payload),
            third if signature is None else signature,
        ]
    )


def by_hmac() -> str:
    """The classic confusion: a public key taken for a shared secret."""
    text = f"{encoded({'alg': 'HS256', 'kid': 'RS256'})}.{encoded(CLAIMS)}"
    signature = hmac.digest(pem(RSA).encode(), text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


FORGED: Final[dict[str, Callable[[], str]]] = {
    "empty": lambda: "",
    "a word": lambda: "assertion",
    "too long": lambda: signed(note="x" * ASSERTION_BYTES_MAX),
    "two parts": lambda: signed().rpartition(".")[0],
    "no signature": lambda: spliced(signature=""),
    "another signature": lambda: spliced(signature=encoded("x" * 64)),
    "other claims": lambda: spliced(payload=CLAIMS | {"jti": "other"}),
    "alg none": lambda: spliced(header={"alg": "none", "kid": "EdDSA"}, signature=""),
    "HMAC with the public key": by_hmac,
    "another's key": lambda: signed(key=ed25519.Ed25519PrivateKey.generate()),
    "an unknown key id": lambda: signed(header={"kid": "other"}),
    "a key id of another algorithm": lambda: signed("RS256", header={"kid": "ES256"}),
    "RSA with another hash": lambda: jwt.encode(CLAIMS, RSA, algorithm="RS512", headers={"kid": "RS256"}),
    "RSA-PSS": lambda: jwt.encode(CLAIMS, RSA, algorithm="PS256", headers={"kid": "RS256"}),
    "its own key": lambda: signed(header={"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}}),
    "a key from elsewhere": lambda: signed(header={"jku": "http://127.0.0.1/keys"}),
    "a certificate from elsewhere": lambda: signed(header={"x5u": "http://127.0.0.1/cert"}),
    "critical words": lambda: signed(header={"crit": ["exp"]}),
    **{f"no {name}": lambda name=name: signed(**{name: None}) for name in ("iss", "sub", "aud", "jti", "exp")},
    "another issuer": lambda: signed(iss="cli_other"),
    "another client": lambda: signed(iss="cli_other", sub="cli_other"),
    "the token endpoint as audience": lambda: signed(aud=f"{ISSUER}/oauth/token"),
    "two audiences": lambda: signed(aud=[ISSUER, "https://elsewhere.example"]),
    "a list of our audience alone": lambda: signed(aud=[ISSUER]),
    "spent": lambda: signed(exp=NOW - 31),
    "good for too long": lambda: signed(exp=NOW + 400),
    "from the future": lambda: signed(iat=NOW + 90, exp=NOW + 200),
    "not before later": lambda: signed(nbf=NOW + 90),
    "an end that is no time": lambda: signed(exp="soon"),
    "an end beyond time": lambda: signed(exp=10**40),
    "an empty id": lambda: signed(jti=""),
    "a number as id": lambda: signed(jti=7),
    "an id of a thousand letters": lambda: signed(jti="x" * 1000),
}


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_each_kind_of_key_proves_its_client(algorithm: str) -> None:
    """Ed25519, P-256 and RSA, each with the algorithm that belongs to it."""
    found = ASSERTIONS.check(signed(algorithm), KEYS, at=START)
    assert (found.client_id, found.jti) == (CLIENT, "once-1")
    assert found.expires_at == START.replace(microsecond=0) + timedelta(seconds=120) + CLOCK_LEEWAY
    assert ASSERTIONS.client_of(signed(algorithm)) == CLIENT


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_assertion_proves_nothing(name: str) -> None:
    """Whatever is wrong with it, the answer is the same: not this client."""
    with pytest.raises(Unauthorised) as refused:
        ASSERTIONS.check(FORGED[name](), KEYS, at=START)
    assert refused.value.code == "invalid_client"


def test_without_keys_nothing_is_proved() -> None:
    """A client that never gave a key cannot be anybody by assertion."""
    with pytest.raises(Unauthorised):
        ASSERTIONS.check(signed(), [], at=START)


def test_an_assertion_is_good_for_five_minutes_at_most() -> None:
    """To the second, with the leeway between two clocks."""
    latest = NOW + int((LIFE_MAX + CLOCK_LEEWAY).total_seconds())
    assert ASSERTIONS.check(signed(exp=latest), KEYS, at=START)
    with pytest.raises(Unauthorised):
        ASSERTIONS.check(signed(exp=latest + 1), KEYS, at=START)


UNUSABLE: Final[dict[str, Callable[[], str]]] = {
    "no key": lambda: "key",
    "a private key": lambda: RSA.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode(),
    "a short RSA key": lambda: pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505  that is the point
    "another curve": lambda: pem(ec.generate_private_key(ec.SECP384R1())),
    "Ed448": lambda: pem(ed448.Ed448PrivateKey.generate()),
    "DSA": lambda: pem(dsa.generate_private_key(1024)),  # noqa: S505  that is the point
    "letters beyond ASCII": lambda: pem(RSA).replace("A", "\uff21"),
    "too long": lambda: pem(RSA) + "\n" * 5000,
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_key_that_is_not_good_enough_is_refused(name: str) -> None:
    """Before it is stored, with what to send instead."""
    with pytest.raises(Invalid) as refused:
        ASSERTIONS.read_key(client_id=CLIENT, kid="k", pem=UNUSABLE[name]())
    assert refused.value.code == "public-key-unusable"


def test_a_key_without_an_id_is_found_where_there_is_one() -> None:
    """A header need not name the key: then the oldest is tried, with its own algorithm."""
    key: PublicKey = KEYS[0]
    bare = jwt.encode(CLAIMS, PRIVATE["EdDSA"], algorithm="EdDSA")
    assert ASSERTIONS.check(bare, [key], at=START).jti == "once-1"

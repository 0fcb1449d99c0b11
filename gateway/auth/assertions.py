"""Assertions: JWTs by which a client proves itself with its own key (RFC 7523, `private_key_jwt`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gateway.errors import Invalid, Unauthorised
from gateway.ports import Assertion, PublicKey

ASSERTION_BYTES_MAX: Final = 4096
"""Longer ones are no proof of identity; no time is spent on them."""
LIFE_MAX: Final = timedelta(minutes=5)
"""Of an assertion: it is made for one request. Its id is remembered for so long."""
CLOCK_LEEWAY: Final = timedelta(seconds=30)
"""Between the client's clock and ours."""
JTI_CHARACTERS_MAX: Final = 255
"""Of an assertion's id: long enough for any."""
RSA_BITS_MIN: Final = 2048
"""NIST SP 800-131A: shorter RSA keys are no longer good for signatures."""
PEM_CHARACTERS_MAX: Final = 4000
"""Of a public key: an RSA key of 16,384 bits has fewer."""
_HEADERS: Final = frozenset({"alg", "kid", "typ"})
"""Anything more (`jku`, `jwk`, `x5u`, `crit`) would ask us to trust what the sender brings along (RFC 8725, 3.10)."""
_CLAIMS: Final = ("iss", "sub", "aud", "jti", "exp")


class ClientAssertions:
    """Implements `ports.Assertions` for one issuer, which alone may stand as audience (draft rfc7523bis)."""

    def __init__(self, *, issuer: str) -> None:
        self._issuer = issuer

    def client_of(self, assertion: str) -> str:
        """See `ports.Assertions`."""
        try:
            body = jwt.decode(_bounded(assertion), options={"verify_signature": False})  # whose keys verify it?
            return str(body["sub"])
        except (jwt.PyJWTError, ValueError, KeyError, TypeError):
            raise _refused("It cannot be read.") from None

    def check(self, assertion: str, keys: Sequence[PublicKey], *, at: datetime) -> Assertion:
        """See `ports.Assertions`."""
        try:
            body = self._verified(assertion, keys)
            expires_at = datetime.fromtimestamp(int(body["exp"]), UTC)
            begins_at = datetime.fromtimestamp(int(body.get("nbf", body.get("iat", 0))), UTC)
        except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            raise _refused("Its signature, its audience or its form is wrong.") from None
        if not at - CLOCK_LEEWAY < expires_at <= at + LIFE_MAX + CLOCK_LEEWAY or begins_at > at + CLOCK_LEEWAY:
            raise _refused("It is not good now, or for longer than five minutes.")
        jti = body["jti"]
        if not isinstance(jti, str) or not 0 < len(jti) <= JTI_CHARACTERS_MAX or body["iss"] != body["sub"]:
            raise _refused("It has no proper id, or its issuer is not the client.")
        return Assertion(client_id=body["sub"], jti=jti, expires_at=expires_at + CLOCK_LEEWAY)

    def read_key(self, *, client_id: str, kid: str, pem: str) -> PublicKey:
        """See `ports.Assertions`."""
        try:
            key = serialization.load_pem_public_key(pem.encode("ascii")) if len(pem) <= PEM_CHARACTERS_MAX else None
        except (ValueError, UnsupportedAlgorithm):
            key = None
        algorithm = _algorithm(key)
        if algorithm is None:
            raise Invalid(
                "public-key-unusable",
                "This is no public key that assertions are checked with.",
                help=f"Give a public key, as PEM or JWK: Ed25519, EC on P-256, or RSA of at least {RSA_BITS_MIN} bits.",
            )
        return PublicKey(client_id=client_id, kid=kid, algorithm=algorithm, pem=pem)

    def read_jwk(self, *, client_id: str, jwk: Mapping[str, str]) -> PublicKey:
        """See `ports.Assertions`."""
        try:
            key = jwt.PyJWK.from_dict(dict(jwk)).key
            pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError):
            pem = b""
        return self.read_key(client_id=client_id, kid=jwk["kid"], pem=pem.decode())

    def _verified(self, assertion: str, keys: Sequence[PublicKey]) -> dict[str, Any]:
        header = jwt.get_unverified_header(_bounded(assertion))
        if not set(header) <= _HEADERS:
            raise jwt.InvalidTokenError("more in its header than it needs")
        key = next(key for key in [*keys, None] if key is None or header.get("kid") in (key.kid, None))
        if key is None:
            raise jwt.InvalidTokenError("an unknown key")
        body: dict[str, Any] = jwt.decode(
            assertion,
            key.pem,
            algorithms=[key.algorithm],
            audience=self._issuer,
            subject=key.client_id,
            options={"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        if body["aud"] != self._issuer:  # a list of audiences could be shown to another of them too
            raise jwt.InvalidAudienceError("more than one audience")
        return body


def _bounded(assertion: str) -> str:
    if len(assertion) > ASSERTION_BYTES_MAX:
        raise jwt.InvalidTokenError("too long")
    return assertion


def _algorithm(key: object) -> str | None:
    if isinstance(key, Ed25519PublicKey):
        return "EdDSA"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    return "RS256" if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN else None


def _refused(why: str) -> Unauthorised:
    return Unauthorised(
        "invalid_client",
        f"The client assertion is not accepted. {why}",
        help="Sign a fresh one each time: iss and sub the client id, aud our issuer, a new jti, exp within 5 minutes.",
    )

"""Access tokens: JWTs in the profile of RFC 9068, checked by the rules of RFC 8725."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.domain.operations import Environment
from gateway.errors import Unauthorised
from gateway.ports import Claims

TOKEN_BYTES_MAX: Final = 4096
"""Longer ones are not ours; no time is spent on them."""
CLOCK_LEEWAY: Final = timedelta(seconds=30)
"""Between the clocks of two api machines."""
_TYPE: Final = "at+jwt"
_ALGORITHM: Final = "EdDSA"
_CLAIMS: Final = ("iss", "aud", "sub", "client_id", "jti", "iat", "exp", "gstin", "env", "scope")


def new_signing_key() -> tuple[bytes, str]:
    """A fresh Ed25519 key: the private part as raw bytes (to be sealed), the public part as PEM."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.private_bytes_raw(), public.decode()


class AccessTokens:
    """Issues and checks tokens of one issuer, which is their audience too."""

    def __init__(self, *, issuer: str, signing: tuple[str, bytes], public_keys: Mapping[str, str]) -> None:
        self._issuer = issuer
        self._kid, private = signing
        self._private = Ed25519PrivateKey.from_private_bytes(private)
        self._public = {kid: _public_key(pem) for kid, pem in public_keys.items()}

    def issue(self, claims: Claims, *, at: datetime) -> str:
        """A signed token."""
        body = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": claims.client_id,
            "client_id": claims.client_id,
            "jti": claims.token_id,
            "iat": int(at.timestamp()),
            "exp": int(claims.expires_at.timestamp()),
            "gstin": claims.gstin,
            "env": claims.environment.value,
            "scope": " ".join(sorted(claims.scopes)),
        }
        return jwt.encode(body, self._private, algorithm=_ALGORITHM, headers={"kid": self._kid, "typ": _TYPE})

    def check(self, token: str, *, at: datetime) -> Claims:
        """The claims of a token of ours that is valid at that time. Raises Unauthorised."""
        try:
            body = self._verified(token)
            expires_at = datetime.fromtimestamp(int(body["exp"]), UTC)
            claims = Claims(
                client_id=body["client_id"],
                gstin=body["gstin"],
                environment=Environment(body["env"]),
                scopes=frozenset(body["scope"].split()),
                token_id=body["jti"],
                expires_at=expires_at,
            )
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError, OverflowError):
            raise _refused("token-invalid", "The access token is not one of ours, or was changed.") from None
        if expires_at + CLOCK_LEEWAY <= at:
            raise _refused("token-expired", "The access token has expired.")
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > TOKEN_BYTES_MAX:
            raise jwt.InvalidTokenError("too long")
        header = jwt.get_unverified_header(token)
        if header.get("typ") != _TYPE or not set(header) <= {"alg", "kid", "typ"}:
            raise jwt.InvalidTokenError("not of our type")
        return jwt.decode(
            token,
            self._public[header["kid"]],
            algorithms=[_ALGORITHM],
            audience=self._issuer,
            issuer=self._issuer,
            options={"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False},  # by our clock, in `check`
        )


def _public_key(pem: str) -> Ed25519PublicKey:
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("access tokens are signed with Ed25519 keys")
    return key


def _refused(code: str, message: str) -> Unauthorised:
    return Unauthorised(code, message, help="Get a new one from POST /oauth/token.")

"""Access tokens: JWTs in the profile of RFC 9068, checked by the rules of RFC 8725."""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.domain.operations import Environment
from gateway.errors import Unauthorised
from gateway.ports import Claims, Clock, Directory, Ids, Vault, token_key_context

TOKEN_BYTES_MAX: Final = 4096
"""Longer ones are not ours; no time is spent on them."""
CLOCK_LEEWAY: Final = timedelta(seconds=30)
"""Between the clocks of two api machines."""
KEYS_KEPT_SECONDS: Final = 5.0
"""A new signing key is used by every process within this."""
UNKNOWN_KEY_PAUSE_SECONDS: Final = 0.5
"""Between two looks at the database for key ids that nobody knows: a forger must not make us ask for every token."""
_TYPE: Final = "at+jwt"
_ALGORITHM: Final = "EdDSA"
_CLAIMS: Final = ("iss", "aud", "sub", "client_id", "jti", "iat", "exp", "gstin", "env", "scope")


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key that signs, and the public keys (PEM) of all whose tokens may still be about, by key id."""

    kid: str
    private: bytes = field(repr=False)
    public_pems: Mapping[str, str]


def new_signing_key() -> tuple[bytes, str]:
    """A fresh Ed25519 key: the private part as raw bytes (to be sealed), the public part as PEM."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.private_bytes_raw(), public.decode()


class AccessTokens:
    """Issues and checks tokens of one issuer, which is their audience too.

    `keys` reads the present keys. It is called every few seconds, and when a token names a key that is not known yet:
    so a key is changed without a restart, and no token of a new key is refused.
    """

    def __init__(self, *, issuer: str, keys: Callable[[], SigningKeys], monotonic: Callable[[], float]) -> None:
        self._issuer = issuer
        self._read = keys
        self._monotonic = monotonic
        self._ring = _Ring(keys(), read_at=monotonic())
        self._looked_at = -math.inf
        self._lock = threading.Lock()

    def issue(self, claims: Claims, *, at: datetime) -> str:
        """A signed token."""
        ring = self._fresh()
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
        return jwt.encode(body, ring.private, algorithm=_ALGORITHM, headers={"kid": ring.kid, "typ": _TYPE})

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

    def new_key(self) -> tuple[bytes, str]:
        """See `ports.Tokens`."""
        return new_signing_key()

    def published(self) -> Sequence[Mapping[str, str]]:
        """The public keys as JWKs (RFC 8037), for whoever checks our tokens."""
        return [_jwk(kid, key) for kid, key in self._fresh().public.items()]

    def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > TOKEN_BYTES_MAX:
            raise jwt.InvalidTokenError("too long")
        header = jwt.get_unverified_header(token)
        if header.get("typ") != _TYPE or not set(header) <= {"alg", "kid", "typ"}:
            raise jwt.InvalidTokenError("not of our type")
        return jwt.decode(
            token,
            self._public_key(header["kid"]),
            algorithms=[_ALGORITHM],
            audience=self._issuer,
            issuer=self._issuer,
            options={"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False},  # by our clock, in `check`
        )

    def _public_key(self, kid: str) -> Ed25519PublicKey:
        ring = self._fresh()
        return (ring if kid in ring.public else self._looked_for(kid)).public[kid]

    def _fresh(self) -> _Ring:
        """The keys, read anew unless they were within the last seconds."""
        if self._monotonic() - self._ring.read_at >= KEYS_KEPT_SECONDS:
            with self._lock:  # one thread reads, and what it found is never replaced by what was read before
                if self._monotonic() - self._ring.read_at >= KEYS_KEPT_SECONDS:
                    self._take_in()
        return self._ring

    def _looked_for(self, kid: str) -> _Ring:
        """The keys, read anew for an unknown one unless that was done a moment ago, however fresh they are."""
        with self._lock:
            if kid not in self._ring.public and self._monotonic() - self._looked_at >= UNKNOWN_KEY_PAUSE_SECONDS:
                self._looked_at = self._monotonic()
                self._take_in()
        return self._ring

    def _take_in(self) -> None:
        now = self._monotonic()
        self._ring = _Ring(self._read(), read_at=now)


def stored_tokens(directory: Directory, vault: Vault, *, issuer: str, ids: Ids, clock: Clock) -> AccessTokens:
    """The signer of access tokens by the keys that are stored, with a first one if there is none."""
    if not directory.token_keys():
        kid = ids.new("")
        private, public = new_signing_key()
        sealed = vault.seal(private, context=token_key_context(kid))
        directory.add_token_key(kid=kid, private_sealed=sealed, public_pem=public, at=clock.now())

    def present() -> SigningKeys:
        keys = directory.token_keys(at=clock.now())
        kid, sealed, _ = keys[0]
        private = vault.open(sealed, context=token_key_context(kid))
        return SigningKeys(kid, private, {key[0]: key[2] for key in keys})

    return AccessTokens(issuer=issuer, keys=present, monotonic=clock.monotonic)


class _Ring:
    """Keys that were read at some moment, ready for use."""

    def __init__(self, keys: SigningKeys, *, read_at: float) -> None:
        self.kid = keys.kid
        self.private = Ed25519PrivateKey.from_private_bytes(keys.private)
        self.public = {kid: _public_key(pem) for kid, pem in keys.public_pems.items()}
        self.read_at = read_at


def _public_key(pem: str) -> Ed25519PublicKey:
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("access tokens are signed with Ed25519 keys")
    return key


def _jwk(kid: str, key: Ed25519PublicKey) -> Mapping[str, str]:
    x = base64.urlsafe_b64encode(key.public_bytes_raw()).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": _ALGORITHM, "use": "sig"}


def _refused(code: str, message: str) -> Unauthorised:
    return Unauthorised(code, message, help="Get a new one from POST /oauth/token.")

"""What programs prove themselves with: secrets, public keys, API keys; and what was taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from gateway.domain.audit import Record
from gateway.domain.operations import Environment
from gateway.ports.directory import Client, Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A client's public key. Its algorithm is fixed with it: an assertion never chooses its own."""

    client_id: str
    kid: str
    algorithm: str
    pem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key that stands for a client and one of its GSTINs, without a token. `hint` is what people know it by."""

    id: str
    environment: Environment
    org_id: str
    client_id: str
    gstin: str
    name: str
    read_only: bool
    digest: bytes = field(repr=False)
    hint: str
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a client stands to a GSTIN right now. `token_revoked` is about the token that was asked for."""

    client: Client
    grant: Grant | None
    token_revoked: bool


class Keyring(Protocol):
    """Every method is one transaction. What belongs to another organisation is not found."""

    def standing(self, client_id: str, *, gstin: str, token_id: str) -> Standing | None:
        """A client, its live grant for a GSTIN, and whether a token was taken back; None when there is no client."""

    def clients_of(self, org_id: str, *, environment: Environment | None = None) -> Sequence[Client]:
        """The clients of an organisation, oldest first, revoked ones too."""

    def replace_secret(self, client_id: str, *, digest: bytes, former_until: datetime, record: Record) -> None:
        """A new secret; the one before stays good until then. Raises Clash while an older one is good still."""

    def forget_former_secret(self, client_id: str, *, record: Record) -> None:
        """The secret before the present one is no longer good."""

    def revoke_client(self, client_id: str, *, record: Record) -> None:
        """Nothing of this client is good any more: secrets, keys, tokens."""

    def put_grant(self, grant: Grant, *, record: Record) -> None:
        """A client may speak for a GSTIN with these scopes, and no others."""

    def withdraw_grant(self, client_id: str, gstin: str, *, record: Record) -> bool:
        """A client may no longer speak for a GSTIN; false when it might not before."""

    def put_public_key(self, key: PublicKey, *, record: Record) -> None:
        """A key that the client signs its assertions with. Raises Clash when its id was used, or there are too many."""

    def revoke_public_key(self, client_id: str, kid: str, *, record: Record) -> bool:
        """The key is no longer good; false when there is no such live key."""

    def public_keys(self, client_id: str) -> Sequence[PublicKey]:
        """The live ones, oldest first."""

    def use_assertion(self, client_id: str, *, jti: str, expires_at: datetime) -> bool:
        """Note that an assertion was used; false when it had been before."""

    def add_api_key(self, key: ApiKey, *, live_max: int, record: Record) -> None:
        """A new key. Raises Clash when so many of its kind are live for its client and GSTIN."""

    def api_key(self, digest: bytes) -> ApiKey | None:
        """A key by the digest of its text, revoked or not."""

    def api_keys_of(self, org_id: str, *, environment: Environment | None = None) -> Sequence[ApiKey]:
        """The keys of an organisation, oldest first, revoked ones too."""

    def revoke_api_key(self, id: str, *, org_id: str, record: Record) -> bool:
        """The key is no longer good; false when the organisation has no such live key."""

    def note_use(self, id: str, *, at: datetime) -> None:
        """A key was used."""

    def revoke_token(self, token_id: str, *, expires_at: datetime, record: Record) -> None:
        """An access token is no longer good."""

    def replace_token_key(
        self, *, kid: str, private_sealed: bytes, public_pem: str, others_until: datetime, record: Record
    ) -> None:
        """A new key that signs access tokens; tokens of the others are good until then."""

    def reap(self, *, at: datetime) -> int:
        """Forget assertions and taken-back tokens that are past their own end; how many."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a client's assertion says, once it is verified. It is good once, and its id is remembered until its end."""

    client_id: str
    jti: str
    expires_at: datetime


def token_key_context(kid: str) -> str:
    """What the sealed private part of a key that signs access tokens is bound to."""
    return f"token_keys|private|{kid}"


SIGNATURE_ALGORITHMS: Final = ("EdDSA", "ES256", "RS256")
"""What assertions may be signed with, each by the kind of key that it belongs to."""


class Sealed(Protocol):
    """All that is sealed under a master key."""

    def under(self) -> Mapping[str, int]:
        """How many values are sealed under each key, by its id."""

    def seal_anew(self) -> int:
        """Bring everything under the newest key; how many values were not. May be repeated, and run beside others."""


class Assertions(Protocol):
    """Proofs of identity that clients sign themselves. Every method raises Unauthorised or Invalid."""

    def client_of(self, assertion: str) -> str:
        """Whose assertion it says it is. Nothing is verified."""

    def check(self, assertion: str, keys: Sequence[PublicKey], *, at: datetime) -> Assertion:
        """What it says, if one of the keys signed it and it is good at that time."""

    def read_key(self, *, client_id: str, kid: str, pem: str) -> PublicKey:
        """A public key (PEM) with the algorithm that belongs to it. Raises Invalid for any other."""

    def read_jwk(self, *, client_id: str, jwk: Mapping[str, str]) -> PublicKey:
        """The same from a JWK (RFC 7517) with a `kid`. Raises Invalid."""

"""Who is calling: a client that proves itself, a token that was issued to one, or an API key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.domain.audit import Action
from gateway.errors import Forbidden, Invalid, MoharError, Unauthorised
from gateway.ports import ApiKey, Claims, Client, Grant
from gateway.services import access, brake
from gateway.services.ports import Ports
from gateway.services.principal import Principal

TOKEN_SECONDS: Final = 900
"""Life of an access token: short, because a stolen one is good until then."""
KEY_MARKS: Final = ("sk_live_", "sk_test_", "pk_live_", "pk_test_")
"""How an API key begins: secret or read-only, and its environment."""
USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""When a key was last used is known to the minute: to write it down for every call would cost a commit each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a client proves itself with: its secret, or an assertion that it signed. `source` is where it comes from."""

    client_id: str
    source: str = ""
    secret: str = field(default="", repr=False)
    assertion: str | None = field(default=None, repr=False)


def client(proof: Proof, *, ports: Ports) -> Client:
    """The live client that the proof proves. Raises Unauthorised, or Throttled when too many failed lately.

    It tells no stranger which clients there are.
    """
    try:
        return _proven(proof, ports=ports)
    except Unauthorised:
        brake.failed(client_id=proof.client_id, source=proof.source, ports=ports)
        raise


def issue_token(known: Client, *, gstin: str | None, scope: str | None, ports: Ports) -> tuple[str, Claims]:
    """An access token for a client, bound to one GSTIN. Raises Invalid for a bad GSTIN or scope."""
    grant = _grant(ports.directory.grants(known.id), gstin)
    at = ports.clock.now()
    claims = Claims(
        client_id=known.id,
        gstin=grant.gstin,
        environment=known.environment,
        scopes=_scopes(scope, grant),
        token_id=ports.ids.new(""),
        expires_at=(at + timedelta(seconds=TOKEN_SECONDS)).replace(microsecond=0),
    )
    return ports.tokens.issue(claims, at=at), claims


def principal(credential: str, *, ports: Ports) -> Principal:
    """The caller behind a token or an API key, if client, grant and key are live. Raises Unauthorised or Forbidden."""
    if credential.startswith(KEY_MARKS):
        return _by_key(credential, ports=ports)
    claims = ports.tokens.check(credential, at=ports.clock.now())
    standing = ports.keyring.standing(claims.client_id, gstin=claims.gstin, token_id=claims.token_id)
    if standing is None or standing.client.revoked:
        raise Unauthorised("client-revoked", "The client of this token is revoked.", help="Ask for a new client.")
    if standing.token_revoked:
        raise Unauthorised("token-revoked", "This access token was taken back.", help="Get a new one.")
    return _speaking(standing.client, standing.grant, gstin=claims.gstin, scopes=claims.scopes)


def revoke(known: Client, token: str, *, ports: Ports) -> None:
    """Take an access token back (RFC 7009). One that is not the client's own, or no token at all, changes nothing."""
    claims = _claims(token, ports)
    if claims is not None and claims.client_id == known.id:
        record = access.audit_record(
            Action.TOKEN_REVOKED,
            hashlib.sha256(claims.token_id.encode()).hexdigest(),
            ports,
            environment=known.environment,
            org_id=known.org_id,
            gstin=claims.gstin,
            actor=known.id,
        )
        ports.keyring.revoke_token(claims.token_id, expires_at=claims.expires_at + timedelta(minutes=1), record=record)


def introspect(known: Client, token: str, *, ports: Ports) -> Mapping[str, Any]:
    """What a token of the client's own organisation is good for (RFC 7662); of any other only that it is not."""
    claims = _claims(token, ports)
    try:
        caller = principal(token, ports=ports) if claims is not None else None
    except MoharError:
        caller = None
    if claims is None or caller is None or caller.org_id != known.org_id:
        return {"active": False}
    return {
        "active": True,
        "client_id": claims.client_id,
        "sub": claims.client_id,
        "scope": " ".join(sorted(caller.scopes)),
        "gstin": claims.gstin,
        "env": claims.environment.value,
        "exp": int(claims.expires_at.timestamp()),
        "jti": claims.token_id,
        "token_type": "Bearer",
    }


def _proven(proof: Proof, *, ports: Ports) -> Client:
    if proof.assertion is not None:
        return _by_assertion(proof.assertion, named=proof.client_id, ports=ports)
    found = ports.directory.client(proof.client_id)
    digests = _live_digests(found, at=ports.clock.now())
    matches = [ports.secrets.matches(proof.secret, digest) for digest in digests]  # all of them: no early end to time
    if found is None or not any(matches):
        raise _refused("The client id or its secret is wrong.", "Check both; a lost secret is replaced.")
    return found


def _by_assertion(assertion: str, *, named: str, ports: Ports) -> Client:
    at = ports.clock.now()
    client_id = ports.assertions.client_of(assertion)
    if named not in ("", client_id) or not client_id.isprintable():
        raise _refused("The client id is not the one in the assertion.", "Leave client_id out, or send the same.")
    found = ports.directory.client(client_id)
    keys = ports.keyring.public_keys(client_id) if found is not None and not found.revoked else ()
    checked = ports.assertions.check(assertion, keys, at=at)
    used_first = ports.keyring.use_assertion(client_id, jti=checked.jti, expires_at=checked.expires_at)
    if found is None or not used_first:
        raise _refused("The client assertion was used before.", "Sign a fresh one, with a new jti, for each request.")
    return found


def _live_digests(found: Client | None, *, at: datetime) -> Sequence[bytes | None]:
    """Two, always: for an unknown or a revoked client the same work is done in vain."""
    if found is None or found.revoked:
        return (None, None)
    former = found.former_secret_until is not None and found.former_secret_until > at
    return (found.secret_digest, found.former_secret_digest if former else None)


def _by_key(text: str, *, ports: Ports) -> Principal:
    key = ports.keyring.api_key(ports.secrets.digest(text))
    if key is None or key.revoked_at is not None:
        raise Unauthorised("api-key-invalid", "The API key is wrong or revoked.", help="Check it, or make another.")
    standing = ports.keyring.standing(key.client_id, gstin=key.gstin, token_id="")
    if standing is None or standing.client.revoked:
        raise Unauthorised("client-revoked", "The client of this key is revoked.", help="Ask for a new client.")
    caller = _speaking(standing.client, standing.grant, gstin=key.gstin, scopes=key.scopes)
    _note_use(key, ports)
    return caller


def _note_use(key: ApiKey, ports: Ports) -> None:
    at = ports.clock.now()
    if key.last_used_at is None or at - key.last_used_at >= USE_NOTED_EVERY:
        ports.keyring.note_use(key.id, at=at)


def _speaking(known: Client, grant: Grant | None, *, gstin: str, scopes: frozenset[str]) -> Principal:
    if grant is None:
        raise Forbidden(
            "gstin-not-granted",
            "This client may no longer speak for the GSTIN of its token.",
            help="Have the GSTIN granted again, or use another.",
        )
    return Principal(
        client_id=known.id,
        org_id=known.org_id,
        environment=known.environment,
        gstin=gstin,
        scopes=scopes & grant.scopes,
        respond_async=known.respond_async,
    )


def _claims(token: str, ports: Ports) -> Claims | None:
    try:
        return ports.tokens.check(token, at=ports.clock.now())
    except Unauthorised:
        return None


def _grant(grants: Sequence[Grant], gstin: str | None) -> Grant:
    if gstin is None and len(grants) == 1:
        return grants[0]
    named = [grant for grant in grants if grant.gstin == gstin]
    if named:
        return named[0]
    raise Invalid(
        "invalid_request" if gstin is None else "invalid_target",
        "Several GSTINs are granted to this client." if gstin is None else "This client may not speak for that GSTIN.",
        help="Name one of its GSTINs in the form field `gstin`.",
    )


def _scopes(wanted: str | None, grant: Grant) -> frozenset[str]:
    scopes = grant.scopes if not wanted else frozenset(wanted.split())
    if not scopes <= grant.scopes:
        raise Invalid(
            "invalid_scope",
            "More was asked for than this client is granted.",
            help=f"Ask for some of: {' '.join(sorted(grant.scopes))}.",
        )
    return scopes


def _refused(message: str, help: str) -> Unauthorised:
    return Unauthorised("invalid_client", message, help=help)

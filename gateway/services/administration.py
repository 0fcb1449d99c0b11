"""Management of an organisation's programs: their secrets, keys and grants, and the login of its taxpayers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.domain.audit import Action, Record
from gateway.domain.identifiers import API_KEY_PREFIX
from gateway.domain.operations import Environment
from gateway.errors import Absent, Invalid
from gateway.ports import ApiKey, Client, Grant, LoginTrial, PublicKey, Seller, token_key_context
from gateway.services import access, shield
from gateway.services.authentication import TOKEN_SECONDS
from gateway.services.ports import Ports
from gateway.services.principal import Principal, Scope

LIVE_KEYS_MAX: Final = 2
"""API keys of one kind for one client and GSTIN: the one in use, and the one that replaces it."""
OVERLAP_DEFAULT: Final = timedelta(hours=24)
"""How long a client's former secret stays good: a day is enough to bring the new one to every machine."""
OVERLAP_MAX: Final = timedelta(days=30)
"""Longer than that nobody is changing over any more."""
TOKEN_KEY_OVERLAP: Final = timedelta(seconds=TOKEN_SECONDS) + timedelta(minutes=1)
"""How long a replaced signing key's tokens stay good: their whole life, and the leeway between two clocks."""
HINT_CHARACTERS: Final = 4
"""Of a key's end that are shown: enough to tell two keys apart, too few to guess with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """Who manages: the operator (no organisation: all of them), or a client for its own organisation alone."""

    actor: str = access.OPERATOR
    org_id: str | None = None
    environment: Environment | None = None

    @classmethod
    def of(cls, principal: Principal) -> Manager:
        """A caller, who never reaches beyond its organisation and environment."""
        return cls(actor=principal.client_id, org_id=principal.org_id, environment=principal.environment)


def clients(manager: Manager, org_id: str, *, ports: Ports) -> Sequence[tuple[Client, Sequence[Grant]]]:
    """The clients of an organisation with what they may."""
    found = ports.keyring.clients_of(manager.org_id or org_id, environment=manager.environment)
    return [(client, ports.directory.grants(client.id)) for client in found]


def client(manager: Manager, client_id: str, *, ports: Ports) -> Client:
    """One client. Raises Absent, also for another organisation's."""
    found = ports.directory.client(client_id)
    if found is None or not _within(manager, found.org_id, found.environment):
        raise Absent("client-unknown", "There is no such client.", help="Check its id; it begins with cli_.")
    return found


def new_secret(
    manager: Manager, client_id: str, *, ports: Ports, overlap: timedelta = OVERLAP_DEFAULT
) -> tuple[str, datetime]:
    """Another secret for a client, and until when the one before is good too. Raises Clash while two are good."""
    known = _live(manager, client_id, ports)
    secret = ports.secrets.new()
    until = ports.clock.now() + min(max(overlap, timedelta(0)), OVERLAP_MAX)
    record = _of_client(Action.CLIENT_SECRET_CHANGED, known, manager, ports, former_until=until.isoformat())
    ports.keyring.replace_secret(known.id, digest=ports.secrets.digest(secret), former_until=until, record=record)
    return secret, until


def end_former_secret(manager: Manager, client_id: str, *, ports: Ports) -> None:
    """The secret before the present one is no longer good. Where there is none, nothing changes."""
    known = _live(manager, client_id, ports)
    ports.keyring.forget_former_secret(known.id, record=_of_client(Action.CLIENT_SECRET_ENDED, known, manager, ports))


def revoke_client(manager: Manager, client_id: str, *, ports: Ports) -> None:
    """Nothing of a client is good any more, at once. Raises Absent."""
    known = _live(manager, client_id, ports)
    ports.keyring.revoke_client(known.id, record=_of_client(Action.CLIENT_REVOKED, known, manager, ports))


def put_grant(manager: Manager, client_id: str, gstin: str, scopes: frozenset[Scope], *, ports: Ports) -> None:
    """A client may speak for a GSTIN of its organisation, with these scopes. Raises Absent or Invalid."""
    known = _live(manager, client_id, ports)
    seller = ports.directory.seller(environment=known.environment, gstin=gstin)
    if seller is None or seller.org_id != known.org_id:
        raise Absent("gstin-unknown", "The client's organisation has no such GSTIN.", help="Add the GSTIN first.")
    if not scopes:
        raise Invalid("scopes-missing", "A grant names at least one scope.", help="Withdraw it to grant nothing.")
    grant = Grant(client_id=known.id, gstin=gstin, scopes=frozenset(scopes))
    record = _of_client(Action.GRANT_CHANGED, known, manager, ports, gstin=gstin, scopes=sorted(scopes))
    ports.keyring.put_grant(grant, record=record)


def withdraw_grant(manager: Manager, client_id: str, gstin: str, *, ports: Ports) -> None:
    """A client may no longer speak for a GSTIN: its tokens for it stop at once. Raises Absent."""
    known = _live(manager, client_id, ports)
    record = _of_client(Action.GRANT_WITHDRAWN, known, manager, ports, gstin=gstin)
    if not ports.keyring.withdraw_grant(known.id, gstin, record=record):
        raise Absent("grant-unknown", "This client has no grant for that GSTIN.", help="See the client's grants.")


def add_public_key(manager: Manager, client_id: str, *, kid: str, pem: str, ports: Ports) -> str:
    """A key that a client signs assertions with; the algorithm that belongs to it. Raises Invalid, Clash, Absent."""
    known = _live(manager, client_id, ports)
    return _put_public_key(manager, known, ports.assertions.read_key(client_id=known.id, kid=kid, pem=pem), ports)


def add_jwk(manager: Manager, client_id: str, jwk: Mapping[str, str], *, ports: Ports) -> str:
    """The same from a JWK with its `kid`."""
    known = _live(manager, client_id, ports)
    return _put_public_key(manager, known, ports.assertions.read_jwk(client_id=known.id, jwk=jwk), ports)


def public_keys(manager: Manager, client_id: str, *, ports: Ports) -> Sequence[PublicKey]:
    """The live public keys of a client. Raises Absent."""
    return ports.keyring.public_keys(client(manager, client_id, ports=ports).id)


def revoke_public_key(manager: Manager, client_id: str, *, kid: str, ports: Ports) -> None:
    """A client's key is no longer good. Raises Absent."""
    known = _live(manager, client_id, ports)
    record = _of_client(Action.CLIENT_KEY_REVOKED, known, manager, ports, kid=kid)
    if not ports.keyring.revoke_public_key(known.id, kid, record=record):
        raise Absent("public-key-unknown", "This client has no such live key.", help="See the client's keys.")


def add_api_key(
    manager: Manager,
    client_id: str,
    *,
    gstin: str,
    name: str,
    read_only: bool,
    ports: Ports,
    scopes: frozenset[str] | None = None,
) -> tuple[ApiKey, str]:
    """A key for a client and one of its GSTINs, and its text, which is never shown again. Raises Absent or Clash."""
    known = _live(manager, client_id, ports)
    grant = next((grant for grant in ports.directory.grants(known.id) if grant.gstin == gstin), None)
    if grant is None:
        raise Absent("grant-unknown", "This client has no grant for that GSTIN.", help="Grant it first.")
    wanted = frozenset({Scope.READ.value}) if read_only else (scopes or grant.scopes - {Scope.ADMIN.value})
    text = f"{'pk' if read_only else 'sk'}_{known.environment}_{ports.secrets.new()}"
    key = ApiKey(
        id=ports.ids.new(API_KEY_PREFIX),
        environment=known.environment,
        org_id=known.org_id,
        client_id=known.id,
        gstin=gstin,
        name=name,
        read_only=read_only,
        digest=ports.secrets.digest(text),
        hint=f"{text[:8]}…{text[-HINT_CHARACTERS:]}",
        scopes=wanted & grant.scopes,
        created_at=ports.clock.now(),
    )
    if not key.scopes:
        raise Invalid("scopes-missing", "The client is granted none of these scopes.", help="Grant them first.")
    record = _of_key(Action.API_KEY_ADDED, key, manager, ports)
    ports.keyring.add_api_key(key, live_max=LIVE_KEYS_MAX, record=record)
    return key, text


def rotate_api_key(manager: Manager, id: str, *, ports: Ports) -> tuple[ApiKey, str]:
    """Another key like that one, which stays good until it is revoked. Raises Absent, or Clash while two are live."""
    old = api_key(manager, id, ports=ports)
    return add_api_key(
        manager,
        old.client_id,
        gstin=old.gstin,
        name=old.name,
        read_only=old.read_only,
        scopes=old.scopes,
        ports=ports,
    )


def revoke_api_key(manager: Manager, id: str, *, ports: Ports) -> None:
    """A key is no longer good, at once. Raises Absent."""
    key = api_key(manager, id, ports=ports)
    record = _of_key(Action.API_KEY_REVOKED, key, manager, ports)
    ports.keyring.revoke_api_key(key.id, org_id=key.org_id, record=record)


def api_keys(manager: Manager, *, ports: Ports) -> Sequence[ApiKey]:
    """The keys there are, oldest first, revoked ones too."""
    organisations = (
        [manager.org_id] if manager.org_id else [str(each["id"]) for each in ports.directory.organisations()]
    )
    found = (ports.keyring.api_keys_of(each, environment=manager.environment) for each in organisations)
    return [key for keys in found for key in keys]


def api_key(manager: Manager, id: str, *, ports: Ports) -> ApiKey:
    """One live key. Raises Absent, also for another organisation's."""
    found = next((key for key in api_keys(manager, ports=ports) if key.id == id and key.revoked_at is None), None)
    if found is None:
        raise Absent("api-key-unknown", "There is no such live key.", help="Check its id; it begins with key_.")
    return found


def sellers(manager: Manager, *, ports: Ports) -> Sequence[Seller]:
    """The taxpayers of the organisation, in the order of their GSTINs."""
    mine = (each for each in ports.directory.sellers() if _within(manager, each.org_id, each.environment))
    return sorted(mine, key=lambda seller: (seller.environment, seller.gstin))


def seller(manager: Manager, gstin: str, *, ports: Ports) -> Seller:
    """One taxpayer of the organisation, in the caller's environment. Raises Absent, also for another's."""
    found = next((each for each in sellers(manager, ports=ports) if each.gstin == gstin), None)
    if found is None:
        raise Absent("gstin-unknown", "There is no such GSTIN here.", help="Have an operator add it.")
    return found


def replace_credentials(manager: Manager, gstin: str, *, user_name: str, password: str, ports: Ports) -> None:
    """Another login at the portal for a taxpayer; what waited for it goes on by itself. Raises Absent."""
    known = seller(manager, gstin, ports=ports)
    access.put_seller(known, user_name=user_name, password=password, ports=ports, actor=manager.actor)


def try_credentials(manager: Manager, gstin: str, *, ports: Ports) -> LoginTrial:
    """What the portal says to the login of a taxpayer as it is stored. Raises Absent, or Misconfigured for none.

    Raises Throttled while questions about it are stopped: a login that is refused is an error as well.
    """
    known = seller(manager, gstin, ports=ports)
    shield.refuse_stopped(known, caused_by=shield.READING, ports=ports)
    trial = ports.enquiries.try_login(known)
    facts = {"accepted": trial.accepted, "code": trial.code, "milliseconds": trial.milliseconds}
    record = access.audit_record(
        Action.CREDENTIALS_TRIED,
        known.gstin,
        ports,
        environment=known.environment,
        org_id=known.org_id,
        gstin=known.gstin,
        facts=facts,
        actor=manager.actor,
    )
    ports.auditor.write(record)
    return trial


def rotate_token_key(manager: Manager, *, ports: Ports, overlap: timedelta = TOKEN_KEY_OVERLAP) -> str:
    """Sign access tokens with a new key from now on; its id. Tokens of the others stay good for the overlap."""
    kid = ports.ids.new("")
    private, public = ports.tokens.new_key()
    record = access.audit_record(
        Action.TOKEN_KEY_CHANGED, kid, ports, facts={"overlap": int(overlap.total_seconds())}, actor=manager.actor
    )
    ports.keyring.replace_token_key(
        kid=kid,
        private_sealed=ports.vault.seal(private, context=token_key_context(kid)),
        public_pem=public,
        others_until=record.at + overlap,
        record=record,
    )
    return kid


def note_master_key(manager: Manager, key_id: str, *, ports: Ports) -> None:
    """Put on record that another master key seals from now on."""
    ports.auditor.write(access.audit_record(Action.MASTER_KEY_CHANGED, key_id, ports, actor=manager.actor))


def _put_public_key(manager: Manager, known: Client, key: PublicKey, ports: Ports) -> str:
    record = _of_client(Action.CLIENT_KEY_ADDED, known, manager, ports, kid=key.kid, algorithm=key.algorithm)
    ports.keyring.put_public_key(key, record=record)
    return key.algorithm


def _live(manager: Manager, client_id: str, ports: Ports) -> Client:
    known = client(manager, client_id, ports=ports)
    if known.revoked:
        raise Absent("client-revoked", "This client is revoked.", help="Make another client.")
    return known


def _within(manager: Manager, org_id: str, environment: Environment) -> bool:
    return manager.org_id in (None, org_id) and manager.environment in (None, environment)


def _of_client(action: Action, known: Client, manager: Manager, ports: Ports, **facts: Any) -> Record:
    gstin = facts.pop("gstin", None)
    return access.audit_record(
        action,
        known.id,
        ports,
        environment=known.environment,
        org_id=known.org_id,
        gstin=gstin,
        facts=facts,
        actor=manager.actor,
    )


def _of_key(action: Action, key: ApiKey, manager: Manager, ports: Ports) -> Record:
    facts: Mapping[str, Any] = {"client": key.client_id, "hint": key.hint, "scopes": sorted(key.scopes)}
    return access.audit_record(
        action,
        key.id,
        ports,
        environment=key.environment,
        org_id=key.org_id,
        gstin=key.gstin,
        facts=facts,
        actor=manager.actor,
    )

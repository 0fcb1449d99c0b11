"""`ports.Keyring`: what programs prove themselves with, on each engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.audit import Action, Record
from gateway.domain.operations import Environment
from gateway.errors import Clash
from gateway.ports import ApiKey, PublicKey
from gateway.storage.keyring import PUBLIC_KEYS_MAX, SqlKeyring
from gateway.storage.tables import audit, revoked_tokens
from tests.contract.storage_kit import Storage, at_once
from tests.support import CLIENT, GSTIN, ORG, OTHER_GSTIN, START, client, grant, record

HOUR = timedelta(hours=1)
KEY = ApiKey(
    id="key_1",
    environment=Environment.TEST,
    org_id=ORG,
    client_id=CLIENT,
    gstin=GSTIN,
    name="shop",
    read_only=False,
    digest=b"d" * 32,
    hint="sk_test_…abcd",
    scopes=frozenset({"irn:write", "read"}),
    created_at=START,
)


@pytest.fixture
def keyring(storage: Storage) -> SqlKeyring:
    """A client with two grants, and its keyring."""
    storage.directory.add_client(client(), [grant(GSTIN), grant(OTHER_GSTIN, "read")], record=changed(0))
    return SqlKeyring(storage.database)


def changed(number: int, *, hours: float = 0) -> Record:
    """A record of a change of the client."""
    return record(f"aud_{number}", at=START + hours * HOUR, action=Action.CLIENT_ADDED, subject=CLIENT)


def test_a_standing_tells_client_grant_and_token(keyring: SqlKeyring) -> None:
    """In one look: the client, what it may for the GSTIN now, and whether the token was taken back."""
    found = keyring.standing(CLIENT, gstin=OTHER_GSTIN, token_id="t1")
    assert found is not None
    assert (found.client.id, found.token_revoked) == (CLIENT, False)
    assert found.grant is not None
    assert found.grant.scopes == {"read"}
    assert keyring.standing("cli_none", gstin=GSTIN, token_id="t1") is None


def test_a_withdrawn_grant_is_no_grant(keyring: SqlKeyring) -> None:
    """From the moment it is withdrawn; granting anew brings it back with the new scopes."""
    assert keyring.withdraw_grant(CLIENT, GSTIN, record=changed(1))
    assert not keyring.withdraw_grant(CLIENT, GSTIN, record=changed(2))
    gone = keyring.standing(CLIENT, gstin=GSTIN, token_id="t1")
    assert gone is not None
    assert gone.grant is None
    keyring.put_grant(grant(GSTIN, "audit"), record=changed(3))
    back = keyring.standing(CLIENT, gstin=GSTIN, token_id="t1")
    assert back is not None
    assert back.grant is not None
    assert back.grant.scopes == {"audit"}


def test_a_taken_back_token_stays_so_until_its_end(keyring: SqlKeyring, storage: Storage) -> None:
    """Taking it back twice is the same; past its own end it need not be remembered."""
    for number in (1, 2):
        keyring.revoke_token("t1", expires_at=START + HOUR, record=changed(number))
    found = keyring.standing(CLIENT, gstin=GSTIN, token_id="t1")
    assert found is not None
    assert found.token_revoked
    assert keyring.reap(at=START) == 0
    assert keyring.reap(at=START + 2 * HOUR) == 1
    assert storage.rows(revoked_tokens) == []


def test_two_secrets_are_good_at_a_time(keyring: SqlKeyring, storage: Storage) -> None:
    """A third is refused while the older of two is good, and changes nothing."""
    keyring.replace_secret(CLIENT, digest=b"2" * 32, former_until=START + HOUR, record=changed(1))
    found = storage.directory.client(CLIENT)
    assert found is not None
    assert (found.secret_digest, found.former_secret_digest) == (b"2" * 32, client().secret_digest)
    before = storage.everything()
    with pytest.raises(Clash) as refused:
        keyring.replace_secret(CLIENT, digest=b"3" * 32, former_until=START + HOUR, record=changed(2))
    assert refused.value.code == "two-secrets-live"
    assert storage.everything() == before
    keyring.replace_secret(CLIENT, digest=b"3" * 32, former_until=START + 3 * HOUR, record=changed(3, hours=2))


def test_a_former_secret_can_be_ended_early(keyring: SqlKeyring, storage: Storage) -> None:
    """Then the next may be made at once."""
    keyring.replace_secret(CLIENT, digest=b"2" * 32, former_until=START + HOUR, record=changed(1))
    keyring.forget_former_secret(CLIENT, record=changed(2))
    found = storage.directory.client(CLIENT)
    assert found is not None
    assert found.former_secret_digest is None
    keyring.replace_secret(CLIENT, digest=b"3" * 32, former_until=START + HOUR, record=changed(3))


def test_a_revoked_client_is_still_listed(keyring: SqlKeyring) -> None:
    """Its history belongs to the organisation, and another organisation has none of it."""
    keyring.revoke_client(CLIENT, record=changed(1))
    [found] = keyring.clients_of(ORG)
    assert found.revoked
    assert keyring.clients_of(ORG, environment=Environment.LIVE) == []
    assert keyring.clients_of("org_2") == []


def test_public_keys_are_few_and_their_ids_are_used_once(keyring: SqlKeyring) -> None:
    """A revoked key's id never comes back: what it signed must stay attributable."""
    keys = [
        PublicKey(client_id=CLIENT, kid=f"k{number}", algorithm="EdDSA", pem="PEM")
        for number in range(PUBLIC_KEYS_MAX + 1)
    ]
    for number, key in enumerate(keys[:-1]):
        keyring.put_public_key(key, record=changed(number + 1))
    with pytest.raises(Clash):
        keyring.put_public_key(keys[-1], record=changed(90))
    assert keyring.revoke_public_key(CLIENT, "k0", record=changed(91))
    assert not keyring.revoke_public_key(CLIENT, "k0", record=changed(92))
    with pytest.raises(Clash):
        keyring.put_public_key(keys[0], record=changed(93))
    keyring.put_public_key(keys[-1], record=changed(94))
    assert {key.kid for key in keyring.public_keys(CLIENT)} == {"k1", "k2", "k3", "k4", "k5"}


def test_an_assertion_is_used_once_whoever_comes_first(keyring: SqlKeyring) -> None:
    """Of several at the same moment one is the first; another client's id is another id."""
    uses = [lambda: keyring.use_assertion(CLIENT, jti="once", expires_at=START + HOUR)] * 4
    assert sorted(at_once(uses)) == [False, False, False, True]
    assert keyring.use_assertion("cli_2", jti="once", expires_at=START + HOUR)
    assert keyring.reap(at=START + 2 * HOUR) == 2
    assert keyring.use_assertion(CLIENT, jti="once", expires_at=START + HOUR)


def test_an_api_key_is_found_by_its_digest(keyring: SqlKeyring) -> None:
    """Whole, with when it was last used."""
    keyring.add_api_key(KEY, live_max=2, record=changed(1))
    keyring.note_use(KEY.id, at=START + HOUR)
    assert keyring.api_key(KEY.digest) == replace(KEY, last_used_at=START + HOUR)
    assert keyring.api_key(b"x" * 32) is None


def test_only_so_many_api_keys_of_a_kind_are_live(keyring: SqlKeyring) -> None:
    """The one in use and its successor; read-only ones are counted apart."""
    keys = [replace(KEY, id=f"key_{number}", digest=bytes([number]) * 32) for number in range(3)]
    keyring.add_api_key(keys[0], live_max=2, record=changed(1))
    keyring.add_api_key(keys[1], live_max=2, record=changed(2))
    with pytest.raises(Clash) as refused:
        keyring.add_api_key(keys[2], live_max=2, record=changed(3))
    assert refused.value.code == "api-keys-live"
    keyring.add_api_key(replace(keys[2], read_only=True), live_max=2, record=changed(4))


def test_an_api_key_is_revoked_by_its_own_organisation(keyring: SqlKeyring) -> None:
    """Another organisation changes nothing, and leaves no record."""
    keyring.add_api_key(KEY, live_max=2, record=changed(1))
    assert not keyring.revoke_api_key(KEY.id, org_id="org_2", record=changed(2))
    assert keyring.revoke_api_key(KEY.id, org_id=ORG, record=changed(3, hours=1))
    [found] = keyring.api_keys_of(ORG)
    assert found.revoked_at == START + HOUR
    assert keyring.api_keys_of("org_2") == []


def test_every_change_leaves_its_record(keyring: SqlKeyring, storage: Storage) -> None:
    """In the transaction of the change."""
    keyring.add_api_key(KEY, live_max=2, record=changed(1))
    keyring.withdraw_grant(CLIENT, GSTIN, record=changed(2))
    keyring.withdraw_grant(CLIENT, GSTIN, record=changed(3))
    assert [row["id"] for row in storage.rows(audit)][-2:] == ["aud_1", "aud_2"]


def test_a_new_token_key_ends_the_others_when_it_says(keyring: SqlKeyring, storage: Storage) -> None:
    """Until then their tokens are good: a rotation refuses no caller."""
    storage.directory.add_token_key(kid="old", private_sealed=b"s", public_pem="PEM", at=START)
    keyring.replace_token_key(
        kid="new", private_sealed=b"t", public_pem="PEM", others_until=START + HOUR, record=changed(1, hours=0.5)
    )
    assert [key[0] for key in storage.directory.token_keys(at=START + HOUR / 2)] == ["new", "old"]
    assert [key[0] for key in storage.directory.token_keys(at=START + HOUR)] == ["new"]
    assert len(storage.directory.token_keys()) == 2

"""`ports.Directory`: who may call, and for whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from gateway.domain.audit import Action
from gateway.domain.operations import Environment
from gateway.errors import Clash
from gateway.storage.tables import audit, clients, grants, gstins
from tests.contract.storage_kit import Storage
from tests.support import CLIENT, GSTIN, ORG, OTHER_GSTIN, START, client, grant, record, seller


def add_client(storage: Storage) -> None:
    """A client for two GSTINs."""
    written = record("aud_c", action=Action.CLIENT_ADDED)
    storage.directory.add_client(client(), [grant(OTHER_GSTIN), grant(GSTIN, "read")], record=written)


def add_second_organisation(storage: Storage) -> None:
    """Another one than the storage has already."""
    later = record("aud_o2", at=START + timedelta(days=1), action=Action.ORGANISATION_ADDED)
    storage.directory.add_organisation(id="org_2", name="Second", record=later)


def test_organisations_are_listed_the_oldest_first(storage: Storage) -> None:
    """Each with its id, its name and when it came."""
    add_second_organisation(storage)
    found = storage.directory.organisations()
    assert [(each["id"], each["created_at"]) for each in found] == [(ORG, START), ("org_2", START + timedelta(days=1))]
    assert found[1]["name"] == "Second"


def test_an_organisation_is_added_once(storage: Storage) -> None:
    """The same id again is an error, and leaves no record."""
    before = storage.everything()
    with pytest.raises(IntegrityError):
        storage.directory.add_organisation(id=ORG, name="Again", record=record("aud_again"))
    assert storage.everything() == before


def test_a_seller_is_read_back_whole(storage: Storage) -> None:
    """By environment and GSTIN: test and live know nothing of each other."""
    storage.directory.put_seller(seller(reporting_days=30), record=record("aud_s"))
    found = storage.directory.seller(environment=Environment.TEST, gstin=GSTIN)
    assert found == seller(reporting_days=30)
    assert storage.directory.seller(environment=Environment.LIVE, gstin=GSTIN) is None
    assert storage.directory.seller(environment=Environment.TEST, gstin=OTHER_GSTIN) is None


def test_a_seller_is_changed_in_its_place(storage: Storage) -> None:
    """Route and reporting limit may change; when it came does not."""
    storage.directory.put_seller(seller(reporting_days=30), record=record("aud_1"))
    changed = seller(route="nic1")
    storage.directory.put_seller(changed, record=record("aud_2", at=START + timedelta(days=1)))
    assert list(storage.directory.sellers()) == [changed]
    assert storage.rows(gstins)[0]["created_at"] == START


def test_a_gstin_belongs_to_one_organisation(storage: Storage) -> None:
    """Another cannot take it over, and the attempt changes nothing; in the other environment it may."""
    storage.directory.put_seller(seller(), record=record("aud_1"))
    add_second_organisation(storage)
    before = storage.everything()
    with pytest.raises(Clash) as raised:
        storage.directory.put_seller(seller(org_id="org_2"), record=record("aud_2"))
    assert raised.value.code == "gstin-taken"
    assert storage.everything() == before
    live = seller(org_id="org_2", environment=Environment.LIVE)
    storage.directory.put_seller(live, record=record("aud_3"))
    assert len(storage.directory.sellers()) == 2


def test_a_client_is_read_back_whole(storage: Storage) -> None:
    """With the digest of its secret, byte by byte."""
    add_client(storage)
    assert storage.directory.client(CLIENT) == client()
    assert storage.directory.client("cli_nobody") is None


def test_a_revoked_client_is_still_known(storage: Storage) -> None:
    """It is told apart from one that never was, for the records that name it."""
    add_client(storage)
    revoke = update(clients).values(revoked_at=START)
    storage.database.write(lambda connection: connection.execute(revoke))
    assert storage.directory.client(CLIENT) == client(revoked=True)


def test_grants_are_listed_by_gstin(storage: Storage) -> None:
    """Each with its own scopes."""
    add_client(storage)
    assert list(storage.directory.grants(CLIENT)) == [grant(OTHER_GSTIN), grant(GSTIN, "read")]
    assert list(storage.directory.grants("cli_nobody")) == []


def test_a_withdrawn_grant_is_not_listed(storage: Storage) -> None:
    """What a client may now is what counts."""
    add_client(storage)
    withdraw = update(grants).where(grants.c.gstin == GSTIN).values(revoked_at=START)
    storage.database.write(lambda connection: connection.execute(withdraw))
    assert list(storage.directory.grants(CLIENT)) == [grant(OTHER_GSTIN)]


def test_a_client_and_its_grants_come_together(storage: Storage) -> None:
    """When a grant cannot be stored, the client is not there either, nor its record."""
    before = storage.everything()
    with pytest.raises(IntegrityError):
        storage.directory.add_client(client(), [grant(), grant()], record=record("aud_c"))
    assert storage.everything() == before


def test_every_change_is_audited(storage: Storage) -> None:
    """A record each."""
    storage.directory.put_seller(seller(), record=record("aud_s"))
    add_client(storage)
    assert {row["id"] for row in storage.rows(audit)} == {"aud_org", "aud_s", "aud_c"}


def test_token_keys_are_listed_the_newest_first(storage: Storage) -> None:
    """The newest signs; all of them check."""
    for number in (1, 3, 2):
        storage.directory.add_token_key(
            kid=f"k{number}",
            private_sealed=bytes([number, 0, 255]),
            public_pem=f"pem {number}",
            at=START + timedelta(days=number),
        )
    assert list(storage.directory.token_keys()) == [
        (f"k{number}", bytes([number, 0, 255]), f"pem {number}") for number in (3, 2, 1)
    ]


def test_a_key_id_is_used_once(storage: Storage) -> None:
    """A second key under an id that tokens name already is refused."""
    storage.directory.add_token_key(kid="k", private_sealed=b"1", public_pem="one", at=START)
    with pytest.raises(IntegrityError):
        storage.directory.add_token_key(kid="k", private_sealed=b"2", public_pem="two", at=START)
    assert [pem for _, _, pem in storage.directory.token_keys()] == ["one"]


def test_a_client_may_be_added_without_a_grant(storage: Storage) -> None:
    """It is known, and may nothing."""
    storage.directory.add_client(client(), [], record=record())
    assert storage.directory.client(client().id) == client()
    assert list(storage.directory.grants(client().id)) == []

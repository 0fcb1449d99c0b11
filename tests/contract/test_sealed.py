"""`ports.Sealed`: whatever is sealed comes under a new master key, and nothing is forgotten."""

from __future__ import annotations

from sqlalchemy import LargeBinary, insert, update

from gateway.auth.vault import MasterKeyVault
from gateway.storage import tables
from gateway.storage.routebook import SqlRoutebook
from gateway.storage.sealed import SEALED, SqlSealed
from gateway.storage.tables import audit_keys, token_keys
from tests.contract.storage_kit import Storage
from tests.support import ORG, START, account, record, route

OLD = {"00000001": bytes(range(32))}
"""The key of the storage that the tests are given."""
NEW = OLD | {"00000002": bytes(range(32, 64))}


def fill(storage: Storage) -> None:
    """A sealed value in each column that has some, as the code that owns it seals it."""
    storage.routebook.put_route(route(), record=record("aud_1"))
    storage.routebook.put_account(account(), org_id=ORG, record=record("aud_2"))
    old = MasterKeyVault(OLD, storage.ids.random_bytes)
    token_key = {"kid": "k1", "public_pem": "PEM", "created_at": START}
    token_key["private_sealed"] = old.seal(b"token key", context="token_keys|private|k1")
    seal_key = {"key_id": "s1", "public_pem": "PEM", "created_at": START}
    seal_key["private_sealed"] = old.seal(b"seal key", context="audit_keys|private|s1")
    storage.database.write(lambda connection: connection.execute(insert(token_keys).values(token_key)))
    storage.database.write(lambda connection: connection.execute(insert(audit_keys).values(seal_key)))


def test_every_sealed_column_is_known() -> None:
    """A column that a rotation forgot could never be read again once the old key is gone."""
    declared = {
        f"{table.name}.{column.name}"
        for table in tables.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name.endswith("_sealed")
    }
    assert declared == {f"{each.table.name}.{each.column.name}" for each in SEALED}


def test_everything_comes_under_the_new_key(storage: Storage) -> None:
    """It opens with the new key alone and says what it said; a second run finds nothing to do."""
    fill(storage)
    after = MasterKeyVault(NEW, storage.ids.random_bytes)
    sealed = SqlSealed(storage.database, after)
    assert set(sealed.under()) == {"00000001"}
    count = sum(sealed.under().values())
    assert count >= 4
    assert (sealed.seal_anew(), sealed.under()) == (count, {"00000002": count})
    assert sealed.seal_anew() == 0
    alone = MasterKeyVault({"00000002": NEW["00000002"]}, storage.ids.random_bytes)
    routebook = SqlRoutebook(storage.database, alone, storage.ids)
    assert routebook.route(route().name) == route()
    known = routebook.account(environment=account().environment, gstin=account().gstin, route=account().route)
    assert known is not None
    assert (known.user_name, known.password) == (account().user_name, account().password)
    [row] = storage.rows(token_keys)
    assert alone.open(row["private_sealed"], context="token_keys|private|k1") == b"token key"


def test_a_value_that_changes_meanwhile_is_left_alone(storage: Storage) -> None:
    """What somebody else has sealed since it was read is newer."""
    fill(storage)
    newer = MasterKeyVault(OLD, storage.ids.random_bytes).seal(b"newer", context="token_keys|private|k1")
    replaced = update(token_keys).values(private_sealed=newer)

    class Slow(MasterKeyVault):
        """Lets another process be faster, between the reading of a column and its writing."""

        def newest(self) -> str:
            """Replace the row first."""
            storage.database.write(lambda connection: connection.execute(replaced))
            return super().newest()

    SqlSealed(storage.database, Slow(NEW, storage.ids.random_bytes)).seal_anew()
    [row] = storage.rows(token_keys)
    assert row["private_sealed"] == newer

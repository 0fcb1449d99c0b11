"""`ports.Seals` and `ports.SealedLog`: records under seals, in numbered leaves, by one writer at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from gateway.auth import seal_keys
from gateway.domain import seals
from gateway.domain.audit import Action
from gateway.domain.operations import Environment
from gateway.domain.outcomes import Meaning
from gateway.ports.evidence import SignedSeal, Wanted
from gateway.services import sealing
from gateway.storage.tables import audit, audit_leaves, audit_seals, audit_unsealed
from tests import rfc9162
from tests.contract.storage_kit import Storage, at_once
from tests.support import GSTIN, ORG, OTHER_GSTIN, START, record

LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)
OWN = seals.own_series(environment="live", org_id=ORG, gstin=GSTIN)


def written(storage: Storage, count: int, *, first: int = 0, **members: Any) -> list[str]:
    """Write records of a taxpayer; their ids."""
    ids = [f"aud_{number:03}" for number in range(first, first + count)]
    own = {"environment": Environment.LIVE, "org_id": ORG, "gstin": GSTIN} | members
    storage.auditor.write(*(record(id, **own) for id in ids))
    return ids


def test_all_that_is_committed_is_sealed_once(storage: Storage) -> None:
    """Every record gets one leaf, in the order of its position, and a second look finds nothing but the key's."""
    written(storage, 7)
    assert storage.seal() == 8  # and the organisation's
    assert storage.seal() == 1  # the record of the first key
    assert storage.seal() == 0
    leaves = storage.rows(audit_leaves)
    assert [row["leaf_index"] for row in leaves] == list(range(9))
    assert [row["record_id"] for row in leaves] == [row["id"] for row in storage.rows(audit)]
    assert storage.rows(audit_unsealed) == []


def test_seals_name_the_one_before_and_are_signed(storage: Storage) -> None:
    """A chain from nothing to the newest, each signature good under the key that is named."""
    for batch in range(4):
        written(storage, 3, first=10 * batch)
        storage.seal()
    found = list(storage.sealed_log.seals_between(1, 4))
    assert [each.seal.number for each in found] == [1, 2, 3, 4]
    before, leaf = seals.NOTHING_BEFORE, 0
    for each in found:
        key_id, key = seal_keys.read_public_key(storage.sealed_log.keys()[each.seal.key_id])
        assert key_id == each.seal.key_id
        assert seal_keys.signature_holds(key, each.seal.statement, each.signature)
        assert not seal_keys.signature_holds(key, each.seal.statement + b" ", each.signature)
        assert (each.seal.previous, each.seal.first_leaf) == (before, leaf)
        before, leaf = each.seal.digest, leaf + each.seal.size


def test_roots_are_those_of_the_rfc(storage: Storage) -> None:
    """From records to root: what is stored is what RFC 9162 says, computed without a line of ours."""
    written(storage, 11)
    storage.seal()
    digests = {row["id"]: bytes.fromhex(row["digest"]) for row in storage.rows(audit)}
    leaves = [row for row in storage.rows(audit_leaves) if row["seal"] == 1]
    data = [digests[row["record_id"]] + row["ordinal"].to_bytes(8, "big") for row in leaves]
    assert storage.sealed_log.seal(1).seal.root == rfc9162.tree_hash(data).hex()


def test_ordinals_count_each_series(storage: Storage) -> None:
    """Within a taxpayer, and within what is its organisation's alone, records are numbered without a gap."""
    written(storage, 3)
    storage.auditor.write(record("aud_x", environment=Environment.LIVE, org_id=ORG, gstin=OTHER_GSTIN))
    storage.seal()
    written(storage, 2, first=50)
    storage.auditor.write(record("aud_y", environment=Environment.LIVE, org_id=ORG))
    storage.seal()
    numbered = [(row["series"], row["ordinal"]) for row in storage.rows(audit_leaves)]
    assert len(set(numbered)) == len(numbered)
    assert [ordinal for series, ordinal in numbered if series == OWN[0]] == [1, 2, 3, 4, 5]
    assert [ordinal for series, ordinal in numbered if series == OWN[1]] == [1]


def test_a_record_that_was_committed_late_joins_a_later_seal(storage: Storage) -> None:
    """A position below those that are sealed is not forgotten."""
    written(storage, 2)
    waiting = storage.seals.unsealed(rows_max=10)
    late = waiting[0]
    hidden = storage.seals.unsealed
    storage.seals.unsealed = lambda *, rows_max: [each for each in hidden(rows_max=rows_max) if each.id != late.id]  # type: ignore[method-assign]  # as if its transaction were still open
    storage.seal()
    storage.seals.unsealed = hidden  # type: ignore[method-assign]  # as above
    storage.seal()
    assert storage.rows(audit_leaves)[-2]["record_id"] == late.id


def test_two_sealers_make_one_log(storage: Storage) -> None:
    """If leadership is in doubt for a moment, one of two sealers succeeds, and no leaf is there twice."""
    written(storage, 20)
    sealed = at_once([storage.seal] * 4)
    while storage.seal():
        pass
    leaves = storage.rows(audit_leaves)
    assert sum(count > 0 for count in sealed) >= 1
    assert len({row["record_id"] for row in leaves}) == len(leaves) == len(storage.rows(audit))
    assert storage.rows(audit_unsealed) == []


def test_a_seal_that_came_second_is_not_stored(storage: Storage) -> None:
    """A number is given once; nothing of the other writer's is left."""
    written(storage, 3)
    storage.seal()
    before = storage.everything()
    again = storage.sealed_log.seal(1)
    assert not storage.seals.store(again, [], positions=[])
    assert storage.everything() == before


def test_a_batch_has_a_limit(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fits into a seal goes under several."""
    monkeypatch.setattr(sealing, "RECORDS_MAX", 4)
    written(storage, 9)
    assert [storage.seal() for _ in range(4)] == [4, 4, 3, 0]


def test_a_new_key_signs_from_then_on(storage: Storage) -> None:
    """After a rotation seals are signed with the new key, the old ones still verify, and a record tells of it."""
    written(storage, 1)
    storage.seal()
    storage.clock.step(seconds=1)
    new = sealing.add_key(actor="operator", ports=storage)  # type: ignore[arg-type]  # it has the ports that it asks
    storage.seal()
    old, fresh = storage.sealed_log.seal(1), storage.sealed_log.seal(2)
    assert (fresh.seal.key_id, old.seal.key_id == new.key_id) == (new.key_id, False)
    keys = storage.sealed_log.keys()
    assert set(keys) == {old.seal.key_id, new.key_id}
    for each in (old, fresh):
        _, key = seal_keys.read_public_key(keys[each.seal.key_id])
        assert seal_keys.signature_holds(key, each.seal.statement, each.signature)
    added = [row for row in storage.rows(audit) if row["action"] == Action.SEAL_KEY_ADDED]
    assert [row["actor"] for row in added] == ["sweeper", "operator"]


def test_a_seal_is_never_older_than_the_one_before(storage: Storage) -> None:
    """When another machine's clock is behind, the log does not run backwards."""
    written(storage, 1)
    storage.seal()
    storage.clock.step(seconds=-30)
    written(storage, 1, first=5)
    storage.seal()
    first, second = (each.seal.at for each in storage.sealed_log.seals_between(1, 2))
    assert second >= first


def test_records_are_found_by_what_is_asked(storage: Storage) -> None:
    """Series, cursor, times, action and subject, each alone and in the order of the leaves."""
    written(storage, 4)
    storage.auditor.write(record("aud_x", environment=Environment.LIVE, org_id=ORG, gstin=OTHER_GSTIN))
    storage.auditor.write(
        record("aud_late", environment=Environment.LIVE, org_id=ORG, gstin=GSTIN, at=START + timedelta(hours=1)),
        record(
            "aud_key",
            environment=Environment.LIVE,
            org_id=ORG,
            gstin=GSTIN,
            action=Action.SESSION_RENEWED,
            subject="another",
        ),
    )
    storage.seal()

    def ids(rows_max: int = 100, **wanted: Any) -> list[str]:
        return [
            each.leaf.record_id
            for each in storage.sealed_log.find(Wanted(**{"series": OWN[:1]} | wanted), rows_max=rows_max)
        ]

    everything = ["aud_000", "aud_001", "aud_002", "aud_003", "aud_late", "aud_key"]
    assert ids() == everything
    assert ids(rows_max=2) == everything[:2]
    assert ids(after=2) == everything[2:]
    assert ids(since=START + timedelta(minutes=1)) == ["aud_late"]
    assert ids(until=START + timedelta(minutes=1)) == [*everything[:4], "aud_key"]
    assert ids(action=Action.SESSION_RENEWED) == ["aud_key"]
    assert ids(subject="another") == ["aud_key"]
    assert ids(series=(seals.series(environment="live", org_id=ORG, gstin=OTHER_GSTIN),)) == ["aud_x"]


def test_one_record_and_its_leaves(storage: Storage) -> None:
    """A record is found by its id, in its own series alone, as it was written."""
    [id] = written(storage, 1, facts={"a": [1, None, "ü"]}, version=3)
    storage.seal()
    found = storage.sealed_log.get(id, series=OWN)
    assert found is not None
    assert found.record is not None
    assert found.leaf.hash == seals.leaf(found.record.digest, ordinal=found.leaf.ordinal).hex()
    assert storage.sealed_log.leaves_of(found.seal_number)[found.leaf.index] == found.leaf.hash
    assert [each.leaf.record_id for each in storage.sealed_log.records_of(1, series=OWN[:1])] == [id]
    assert storage.sealed_log.get(id, series=OWN[1:]) is None
    assert storage.sealed_log.get("aud_none", series=OWN) is None


def test_the_span_of_what_is_wanted(storage: Storage) -> None:
    """The first and the last seal that have a record of the series."""
    assert storage.sealed_log.span(Wanted(series=OWN[:1])) is None
    for batch in range(3):
        written(storage, 1, first=10 * batch)
        storage.seal()
    assert storage.sealed_log.span(Wanted(series=OWN[:1])) == (1, 3)
    assert storage.sealed_log.span(Wanted(series=OWN[:1], after=2)) == (2, 3)


def test_what_is_reaped_leaves_its_leaf(storage: Storage) -> None:
    """Past its age a sealed record goes; its leaf and its seal are as they were, and what is younger stays."""
    old = written(storage, 3, at=LONG_AGO)
    storage.seal()
    written(storage, 2, first=100)
    written(storage, 1, first=200, at=LONG_AGO)  # in no seal yet
    before, roots = storage.rows(audit_leaves), storage.rows(audit_seals)
    assert storage.seals.reap(before=START - timedelta(days=2400), rows_max=2) == 2
    assert storage.seals.reap(before=START - timedelta(days=2400), rows_max=2) == 1
    assert storage.seals.reap(before=START - timedelta(days=2400), rows_max=2) == 0
    left = {row["id"] for row in storage.rows(audit)}
    assert not left & set(old)
    assert {"aud_100", "aud_101", "aud_200"} <= left
    assert (storage.rows(audit_leaves), storage.rows(audit_seals)) == (before, roots)
    assert [each.record for each in storage.sealed_log.records_of(1, series=OWN[:1])] == [None] * 3


def test_a_life_is_sealed_with_its_operation(storage: Storage) -> None:
    """All that happened to an operation can be found in the sealed log by its id."""
    row = storage.come_to(Meaning.UNKNOWN, Meaning.REGISTERED)
    storage.seal()
    own = seals.own_series(environment=row.environment, org_id=row.org_id, gstin=row.gstin)
    found = storage.sealed_log.find(Wanted(series=own, subject=row.id), rows_max=100)
    assert [each.record and each.record.version for each in found] == [1, 2, 3, 4, 5]


def test_a_record_changed_before_its_seal_shows(storage: Storage) -> None:
    """What is sealed is the digest that was written with the record: a row changed in between does not match it."""
    [id] = written(storage, 1)
    storage.by_force(update(audit).where(audit.c.id == id).values(actor="nobody"))
    storage.seal()
    found = storage.sealed_log.get(id, series=OWN)
    assert found is not None
    assert found.record is not None
    assert found.leaf.hash != seals.leaf(found.record.digest, ordinal=found.leaf.ordinal).hex()


def test_a_signed_seal_is_read_as_it_was_written(storage: Storage) -> None:
    """Every member comes back, so that the statement is the one that was signed."""
    written(storage, 1)
    storage.seal()
    [row] = storage.rows(audit_seals)
    found = storage.sealed_log.seal(1)
    assert found == SignedSeal(seal=found.seal, signature=row["signature"])
    assert storage.seals.last() == found.seal

"""How operations are stored, and how a repetition is met."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest

from gateway.domain.operations import Environment, Status
from gateway.domain.outcomes import Meaning
from gateway.ports import IdempotencyKey, NewOperation, Received, Reception
from gateway.storage import blobs
from gateway.storage.tables import audit, idempotency_keys, identities, operations
from tests.contract.storage_kit import Storage, at_once
from tests.support import CLIENT, OTHER_GSTIN, START, idempotency_key, new_operation

THREADS = 20


def _again(new: NewOperation, id: str = "op_again", **changes: object) -> NewOperation:
    return replace(new, id=id, **changes)  # type: ignore[arg-type]  # any of its members


def test_what_is_accepted_is_stored_whole(storage: Storage) -> None:
    """An accepted operation is queued, due at once, and reads back with every member it came with."""
    new = new_operation(direct=True, deadline_at=START + timedelta(days=3, microseconds=7))
    operation = storage.accept(new)
    assert (operation.status, operation.version, operation.attempts) == (Status.QUEUED, 1, 0)
    assert (operation.due_at, operation.created_at, operation.deadline_at) == (START, START, new.deadline_at)
    assert not operation.in_doubt
    same = {"id", "org_id", "environment", "gstin", "client_id", "kind", "direct", "doc_type", "doc_no", "doc_date"}
    assert {name: getattr(operation, name) for name in same} == {name: getattr(new, name) for name in same}
    assert (operation.irn, operation.content_digest, operation.request_id) == (
        new.irn,
        new.content_digest,
        new.request_id,
    )
    assert storage.intake.get(operation.id) == operation


def test_an_operation_that_is_not_there_is_none(storage: Storage) -> None:
    """An unknown id is no error."""
    assert storage.intake.get("op_unknown") is None


def test_no_deadline_stays_none(storage: Storage) -> None:
    """What stands in the table for "none" does not leak out."""
    assert storage.accept(new_operation(deadline_at=None)).deadline_at is None


@pytest.mark.parametrize("body", [b"{}", b"\x00\xff\xfe bytes of any kind \n", "\u0930\u0941".encode() * 1000, b""])
def test_request_and_payload_are_kept_to_the_byte(storage: Storage, body: bytes) -> None:
    """The evidence of what was asked, and of what will be sent, is what came in."""
    operation = storage.accept(new_operation(request=body, payload=body + b"2"))
    [row] = storage.rows(operations)
    with storage.database.read() as connection:
        assert blobs.fetch(connection, row["request_blob"]) == body
        assert blobs.fetch(connection, operation.payload_blob) == body + b"2"


def test_acceptance_is_audited_with_it(storage: Storage) -> None:
    """One record, by the client, of the operation's first version."""
    operation = storage.accept()
    [record] = [row for row in storage.rows(audit) if row["subject"] == operation.id]
    assert (record["action"], record["actor"], record["version"]) == ("operation:accept", CLIENT, 1)
    assert record["facts"]["irn"] == operation.irn


def test_the_same_key_finds_its_operation(storage: Storage) -> None:
    """A repeated request with its key is answered with the operation that it made, and stores nothing."""
    key = idempotency_key()
    operation = storage.accept(key=key)
    before = storage.everything()
    again = _again(new_operation())
    assert storage.intake.accept(again, key, at=START) == Received(Reception.SAME_KEY, operation)
    assert storage.intake.find_by_key(key, at=START) == Received(Reception.SAME_KEY, operation)
    assert storage.everything() == before


def test_a_key_for_another_request_is_told_apart(storage: Storage) -> None:
    """The same key with another fingerprint is reused, whatever document comes with it, and stores nothing."""
    operation = storage.accept(key=idempotency_key())
    before = storage.everything()
    reused = idempotency_key(fingerprint="e" * 64)
    for new in (_again(new_operation()), new_operation("A/2")):
        assert storage.intake.accept(new, reused, at=START) == Received(Reception.KEY_REUSED, operation)
    assert storage.intake.find_by_key(reused, at=START) == Received(Reception.KEY_REUSED, operation)
    assert storage.everything() == before


def test_keys_belong_to_their_clients(storage: Storage) -> None:
    """Two clients may choose the same key."""
    storage.accept(key=idempotency_key())
    other = idempotency_key(client_id="cli_2")
    assert storage.intake.find_by_key(other, at=START) is None
    assert storage.intake.accept(new_operation("A/2"), other, at=START).reception is Reception.ACCEPTED


def test_the_same_document_with_a_new_key_is_remembered_with_it(storage: Storage) -> None:
    """The operation is found, none is made, and the new key stands for it from now on."""
    operation = storage.accept(key=idempotency_key("k1"))
    second = idempotency_key("k2")
    met = storage.intake.accept(_again(new_operation()), second, at=START)
    assert met == Received(Reception.SAME_DOCUMENT, operation)
    assert storage.intake.find_by_key(second, at=START) == Received(Reception.SAME_KEY, operation)
    assert len(storage.rows(operations)) == 1


def test_the_same_document_without_a_key_is_found(storage: Storage) -> None:
    """The number on the document is enough."""
    operation = storage.accept()
    met = Received(Reception.SAME_DOCUMENT, operation)
    assert storage.intake.find_by_identity(_again(new_operation())) == met
    assert storage.intake.accept(_again(new_operation()), None, at=START) == met
    assert len(storage.rows(operations)) == 1


def test_other_content_under_the_same_number_is_told_apart(storage: Storage) -> None:
    """The number is taken: nothing is stored, and the key is not remembered for it."""
    operation = storage.accept()
    before = storage.everything()
    other, key = _again(new_operation(), content_digest="d" * 64), idempotency_key()
    met = Received(Reception.OTHER_DOCUMENT, operation)
    assert storage.intake.find_by_identity(other) == met
    assert storage.intake.accept(other, key, at=START) == met
    assert storage.intake.find_by_key(key, at=START) is None
    assert storage.everything() == before


def test_numbers_that_differ_in_letter_case_are_one(storage: Storage) -> None:
    """`a/1` meets `A/1`."""
    operation = storage.accept(new_operation("A/1x"))
    met = storage.intake.accept(new_operation("a/1X", content_digest="d" * 64), None, at=START)
    assert met == Received(Reception.OTHER_DOCUMENT, operation)


@pytest.mark.parametrize(
    "other",
    [
        new_operation("A/2"),
        new_operation(doc_type="CRN"),
        new_operation(doc_date=date(2027, 4, 1)),
        new_operation(gstin=OTHER_GSTIN),
        new_operation(environment=Environment.LIVE),
    ],
    ids=["number", "type", "year", "seller", "environment"],
)
def test_another_identity_is_another_document(storage: Storage, other: NewOperation) -> None:
    """Number, type, financial year, seller and environment each make a document a different one."""
    storage.accept(new_operation())
    assert storage.intake.find_by_identity(other) is None
    assert storage.accept(other).id == other.id


def test_another_date_of_the_same_year_is_the_same_number(storage: Storage) -> None:
    """Within a financial year a number is used once, whatever the day."""
    operation = storage.accept(new_operation(doc_date=date(2026, 4, 1)))
    met = storage.intake.find_by_identity(new_operation(doc_date=date(2027, 3, 31), content_digest="d" * 64))
    assert met == Received(Reception.OTHER_DOCUMENT, operation)


def test_a_key_is_forgotten_after_its_life(storage: Storage) -> None:
    """To the moment: at the end of its life a key stands for nothing, and may be used for another request."""
    key = idempotency_key()
    operation = storage.accept(key=key)
    edge = key.expires_at
    assert storage.intake.find_by_key(key, at=edge - timedelta(microseconds=1)) == Received(
        Reception.SAME_KEY, operation
    )
    assert storage.intake.find_by_key(key, at=edge) is None
    renewed = replace(key, fingerprint="e" * 64, expires_at=edge + timedelta(hours=24))
    met = storage.intake.accept(new_operation("A/2"), renewed, at=edge)
    assert met.reception is Reception.ACCEPTED
    assert storage.intake.find_by_key(renewed, at=edge) == Received(Reception.SAME_KEY, met.operation)
    assert len(storage.rows(idempotency_keys)) == 1


def test_the_number_outlives_the_key(storage: Storage) -> None:
    """After the key is forgotten the same document is still met by its number."""
    operation = storage.accept(key=idempotency_key())
    later = START + timedelta(days=40)
    met = storage.intake.accept(
        _again(new_operation()), idempotency_key(expires_at=later + timedelta(hours=24)), at=later
    )
    assert met == Received(Reception.SAME_DOCUMENT, operation)


def test_a_rejected_number_may_be_used_again(storage: Storage) -> None:
    """After a rejection the corrected, or even the same, document is a new operation."""
    rejected = storage.come_to(Meaning.REFUSED)
    assert rejected.status is Status.REJECTED
    assert storage.intake.find_by_identity(_again(new_operation())) is None
    assert storage.accept(_again(new_operation())).status is Status.QUEUED


def test_a_registered_number_answers_for_ever(storage: Storage) -> None:
    """The same content is met with its registration, other content is refused."""
    succeeded = storage.come_to(Meaning.REGISTERED)
    assert storage.intake.find_by_identity(_again(new_operation())) == Received(Reception.SAME_DOCUMENT, succeeded)
    other = storage.intake.find_by_identity(_again(new_operation(), content_digest="d" * 64))
    assert other == Received(Reception.OTHER_DOCUMENT, succeeded)


def test_a_number_in_conflict_is_taken(storage: Storage) -> None:
    """What is registered under it is not ours, so not even our own content is the same document."""
    conflict = storage.come_to(Meaning.CONFLICT)
    assert conflict.status is Status.CONFLICT
    met = Received(Reception.OTHER_DOCUMENT, conflict)
    assert storage.intake.find_by_identity(_again(new_operation())) == met


def _race(storage: Storage, requests: list[tuple[NewOperation, IdempotencyKey | None]]) -> Counter[Reception]:
    jobs = [partial(storage.intake.accept, new, key, at=START) for new, key in requests]
    received = at_once(jobs)
    assert len({each.operation.id for each in received}) == 1
    assert len(storage.rows(operations)) == 1
    assert len(storage.rows(identities)) == 1
    assert sum(row["action"] == "operation:accept" for row in storage.rows(audit)) == 1
    return Counter(each.reception for each in received)


def test_a_race_on_one_key_makes_one_operation(storage: Storage) -> None:
    """Twenty identical requests at the same moment: one is accepted, nineteen are its replays."""
    requests = [(_again(new_operation(), f"op_{each}"), idempotency_key()) for each in range(THREADS)]
    assert _race(storage, list(requests)) == {Reception.ACCEPTED: 1, Reception.SAME_KEY: THREADS - 1}


def test_a_race_on_one_document_makes_one_operation(storage: Storage) -> None:
    """Twenty keys for one document: one operation, for which all twenty keys stand afterwards."""
    keys = [idempotency_key(f"k{each}") for each in range(THREADS)]
    requests = [(_again(new_operation(), f"op_{key.key}"), key) for key in keys]
    assert _race(storage, list(requests)) == {Reception.ACCEPTED: 1, Reception.SAME_DOCUMENT: THREADS - 1}
    found = [storage.intake.find_by_key(key, at=START) for key in keys]
    assert all(each is not None and each.reception is Reception.SAME_KEY for each in found)


def test_a_race_of_different_documents_for_one_number_has_one_winner(storage: Storage) -> None:
    """One content gets the number, the others are told that it is taken."""
    requests = [(_again(new_operation(), f"op_{each}", content_digest=f"{each:064}"), None) for each in range(THREADS)]
    assert _race(storage, list(requests)) == {Reception.ACCEPTED: 1, Reception.OTHER_DOCUMENT: THREADS - 1}


def test_a_race_of_different_documents_for_one_key_has_one_winner(storage: Storage) -> None:
    """One document gets the key; the others are told that it was reused, and leave nothing behind."""
    requests = [(new_operation(f"A/{each + 1}"), idempotency_key(fingerprint=f"{each:064}")) for each in range(THREADS)]
    assert _race(storage, list(requests)) == {Reception.ACCEPTED: 1, Reception.KEY_REUSED: THREADS - 1}


def test_the_position_in_the_queue_counts_what_comes_before(storage: Storage) -> None:
    """By nearest deadline, then age, among the waiting of the same class and lane."""
    soon = START + timedelta(hours=1)
    first = storage.accept(new_operation("A/1"))
    storage.clock.sleep(1)
    second = storage.accept(new_operation("A/2"))
    urgent = storage.accept(new_operation("A/3", deadline_at=soon))
    direct = storage.accept(new_operation("A/4", direct=True))
    elsewhere = storage.accept(new_operation(gstin=OTHER_GSTIN))
    now, asked = storage.clock.now(), (first, second, urgent, direct, elsewhere)
    ahead = {each.id: storage.intake.queued_ahead(each, by=now) for each in asked}
    assert ahead == {first.id: 1, second.id: 2, urgent.id: 0, direct.id: 0, elsewhere.id: 0}


def test_what_is_put_off_beyond_the_turn_is_not_ahead(storage: Storage) -> None:
    """It is overtaken by whatever is due before; one that is put off itself stands behind those due by then."""
    first, later = storage.accept(new_operation("A/1")), START + timedelta(hours=9)
    storage.work.release(storage.claimed(), due_at=later)
    storage.clock.sleep(1)
    last = storage.accept(new_operation("A/2"))
    assert storage.intake.queued_ahead(last, by=storage.clock.now()) == 0
    assert storage.intake.queued_ahead(last, by=later) == 1
    assert storage.intake.queued_ahead(first, by=later) == 0


def test_attempts_are_told_oldest_first(storage: Storage) -> None:
    """Each try has its number, its route, its worker and what it meant."""
    operation = storage.come_to(Meaning.UNREACHED, Meaning.UNKNOWN, Meaning.REGISTERED)
    tries = storage.intake.attempts_of(operation.id)
    assert [(each["number"], each["meaning"], each["in_doubt"]) for each in tries] == [
        (1, "unreached", False),
        (2, "unknown", False),
        (3, "registered", True),
    ]
    assert storage.intake.attempts_of("op_unknown") == []

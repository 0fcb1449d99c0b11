"""How an attempt is begun and its outcome written down."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from gateway.domain.lifecycle import ForbiddenTransitionError
from gateway.domain.operations import RELEASES_NUMBER, TERMINAL, Environment, HoldCause, Lane, Status
from gateway.domain.outcomes import EwayBill, Meaning, Outcome
from gateway.domain.settlement import Event, Settlement
from gateway.ports import Reception
from gateway.storage import blobs
from gateway.storage.tables import attempts, audit, documents, identities
from tests.contract.storage_kit import WORKER, Storage
from tests.support import GSTIN, ROUTE, START, new_operation, registration


def test_an_attempt_is_on_record_before_its_first_byte(storage: Storage) -> None:
    """Begun means submitting, numbered, routed, audited and still leased by the same token."""
    operation = storage.accept(new_operation(payload=b'{"sent": 1.00}'))
    claim = storage.claimed()
    storage.clock.sleep(2)
    now = storage.clock.now()
    attempt = storage.begin(claim)
    assert attempt.operation == replace(
        operation, status=Status.SUBMITTING, version=2, attempts=1, route=ROUTE, updated_at=now
    )
    assert (attempt.number, attempt.worker, attempt.route, attempt.claim) == (1, WORKER, ROUTE, claim)
    assert (attempt.payload, attempt.kept_answer) == (b'{"sent": 1.00}', None)
    assert storage.get(operation.id) == attempt.operation
    [row] = storage.rows(attempts)
    assert (row["id"], row["began_at"], row["ended_at"], row["in_doubt"]) == (attempt.id, now, None, False)
    assert storage.row(operation.id)["lease_token"] == claim.token
    [record] = [each for each in storage.rows(audit) if each["action"] == "attempt:begin"]
    assert (record["actor"], record["version"], record["facts"]["attempt"]) == (WORKER, 2, attempt.id)


def test_an_attempt_cannot_begin_at_what_is_under_way(storage: Storage) -> None:
    """The lifecycle forbids a second attempt beside the first, and nothing is written."""
    storage.accept()
    attempt = storage.begin()
    before = storage.everything()
    with pytest.raises(ForbiddenTransitionError):
        storage.begin(replace(attempt.claim, operation=attempt.operation))
    assert storage.everything() == before


def test_attempts_are_counted_on(storage: Storage) -> None:
    """The second try is number two, and knows that the first is in doubt."""
    storage.come_to(Meaning.UNKNOWN)
    storage.clock.sleep(60)
    attempt = storage.begin()
    assert (attempt.number, attempt.operation.attempts, attempt.operation.in_doubt) == (2, 2, True)


EXPECTED = {
    Meaning.REGISTERED: Status.SUCCEEDED,
    Meaning.CONFLICT: Status.CONFLICT,
    Meaning.REFUSED: Status.REJECTED,
    Meaning.TOO_LATE: Status.EXPIRED,
    Meaning.THROTTLED: Status.QUEUED,
    Meaning.UNREACHED: Status.QUEUED,
    Meaning.HELD: Status.HELD,
    Meaning.UNVERIFIED: Status.HELD,
    Meaning.UNREADABLE: Status.PARKED,
    Meaning.ABSENT: Status.QUEUED,
    Meaning.UNKNOWN: Status.INDETERMINATE,
}


@pytest.mark.parametrize("meaning", list(Meaning))
def test_every_settlement_is_written_whole(storage: Storage, meaning: Meaning) -> None:
    """Row, attempt, audit record and lease say the same, in one step from version two to version three."""
    operation = storage.accept()
    attempt = storage.begin()
    storage.clock.sleep(3)
    settled = storage.settle(attempt, meaning, code="2150", message="says the portal", evidence=b"evidence")
    now = storage.clock.now()
    assert settled == storage.get(operation.id)
    assert (settled.status, settled.version, settled.updated_at) == (EXPECTED[meaning], 3, now)
    told = (None, None) if meaning is Meaning.ABSENT else ("2150", "says the portal")  # an absence refuses nothing
    assert (settled.portal_code, settled.portal_message) == told
    assert (settled.settled_at is not None) == (settled.status in TERMINAL)
    row = storage.row(operation.id)
    assert (row["lease_token"], row["lease_until"], row["lease_owner"]) == (None, None, None)
    [tried] = storage.rows(attempts)
    assert (tried["meaning"], tried["ended_at"], tried["portal_code"]) == (meaning.value, now, "2150")
    [record] = [each for each in storage.rows(audit) if each["action"] == "attempt:settle"]
    assert (record["version"], record["facts"]["meaning"], record["facts"]["status"]) == (
        3,
        meaning.value,
        settled.status.value,
    )
    assert record["facts"]["evidence"] == tried["evidence_blob"]


def test_a_settlement_is_written_as_it_was_decided(storage: Storage) -> None:
    """Every member of a settlement reaches its column."""
    storage.accept()
    attempt = storage.begin()
    decided = Settlement(
        event=Event.PUT_ON_HOLD,
        status=Status.HELD,
        due_at=START + timedelta(hours=1, microseconds=1),
        doubtful_since=START - timedelta(hours=2),
        quarantined_since=START - timedelta(hours=1),
        quarantine_looks=2,
        hold_cause=HoldCause.QUOTA,
        run_alone=True,
        crashes_alone=2,
    )
    settled = storage.work.record(attempt, decided, Outcome(meaning=Meaning.HELD), at=START)
    names = (
        "status",
        "due_at",
        "doubtful_since",
        "quarantined_since",
        "quarantine_looks",
        "hold_cause",
        "run_alone",
        "crashes_alone",
    )
    assert {name: getattr(settled, name) for name in names} == {name: getattr(decided, name) for name in names}


@pytest.mark.parametrize("evidence", [b"", b"\x00\xff\xfe\n\r", b'{"Status":1}', bytes(range(256)) * 4000])
def test_evidence_is_kept_to_the_byte(storage: Storage, evidence: bytes) -> None:
    """What the portal answered can be shown exactly as it came, empty, binary or large."""
    storage.accept()
    storage.settle(storage.begin(), Meaning.UNKNOWN, evidence=evidence)
    [tried] = storage.rows(attempts)
    with storage.database.read() as connection:
        assert blobs.fetch(connection, tried["evidence_blob"]) == evidence


def test_silence_leaves_no_evidence(storage: Storage) -> None:
    """No answer is not an empty answer."""
    storage.accept()
    storage.settle(storage.begin(), Meaning.UNKNOWN, evidence=None)
    assert [tried["evidence_blob"] for tried in storage.rows(attempts)] == [None]


def test_an_answer_whose_key_is_unknown_is_kept_for_the_next_attempt(storage: Storage) -> None:
    """It comes along with every later attempt until the operation ends, whatever happens in between."""
    storage.accept()
    held = storage.settle(storage.begin(), Meaning.UNVERIFIED, evidence=b"signed by somebody")
    assert (held.status, held.hold_cause) == (Status.HELD, HoldCause.SIGNING_KEY_UNKNOWN)
    for meaning in (Meaning.UNREACHED, Meaning.UNKNOWN, Meaning.REGISTERED):
        storage.clock.sleep(3600)
        attempt = storage.begin()
        assert attempt.kept_answer == b"signed by somebody"
        storage.settle(attempt, meaning)


# Numbers and documents ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("meaning", list(Meaning))
def test_only_a_rejection_gives_the_number_back(storage: Storage, meaning: Meaning) -> None:
    """After an end without effect and doubt the number is free; registered, in conflict or undecided it stays taken."""
    settled = storage.come_to(meaning)
    again = storage.intake.accept(new_operation(id="op_again"), None, at=storage.clock.now())
    assert (again.reception is Reception.ACCEPTED) == (settled.status in RELEASES_NUMBER)
    assert len(storage.rows(identities)) == 1


def test_quarantine_gives_the_number_back_at_its_end(storage: Storage) -> None:
    """Refused in doubt keeps the number for a day of look-ups; then it is free."""
    quarantined = storage.come_to(Meaning.UNKNOWN, Meaning.REFUSED, Meaning.ABSENT, Meaning.ABSENT)
    assert (quarantined.status, quarantined.quarantine_looks) == (Status.QUARANTINED, 2)
    assert len(storage.rows(identities)) == 1
    assert quarantined.due_at is not None
    storage.clock.sleep((quarantined.due_at - storage.clock.now()).total_seconds())
    assert storage.settle(storage.begin(), Meaning.ABSENT).status is Status.REJECTED
    assert storage.rows(identities) == []


@pytest.mark.parametrize("meaning", [each for each in Meaning if each not in (Meaning.REGISTERED, Meaning.CONFLICT)])
def test_only_a_verdict_on_the_number_reaches_the_ledger(storage: Storage, meaning: Meaning) -> None:
    """Whatever else was learnt, the ledger has what is registered and nothing besides."""
    storage.accept()
    storage.settle(storage.begin(), meaning, result=registration(new_operation()))
    assert storage.rows(documents) == []


def test_a_registration_is_stored_whole(storage: Storage) -> None:
    """Acknowledgement, both signed texts, the amount to the paisa and the e-way bill, as the portal gave them."""
    new = new_operation()
    ewb = EwayBill(
        number="381000000001",
        made_at=START,
        valid_until=START + timedelta(days=2),
        errors=(("4030", "distance"),),
        remarks="as told",
    )
    told = registration(new, total=Decimal("99999999999999.99"), ewb=ewb, ack_at=START + timedelta(microseconds=5))
    storage.accept(new)
    settled = storage.settle(storage.begin(), Meaning.REGISTERED, result=told)
    document = storage.ledger.by_operation(settled.id)
    assert document is not None
    assert document.registration == told
    assert (document.ours, document.status, document.doc_date) == (True, "active", new.doc_date)
    assert (document.environment, document.org_id, document.gstin) == (new.environment, new.org_id, new.gstin)


def test_a_conflict_stores_the_foreign_document(storage: Storage) -> None:
    """What stands under our number is kept, marked as not ours, with where it differs."""
    new = new_operation()
    differences = ({"at": "/ValDtls/TotInvVal", "sent": "2950.00", "registered": "1.00"},)
    told = registration(new, total=Decimal("1.00"), differences=differences, cancelled=True)
    storage.accept(new)
    settled = storage.settle(storage.begin(), Meaning.CONFLICT, result=told)
    document = storage.ledger.by_operation(settled.id)
    assert document is not None
    assert document.registration == told
    assert (document.ours, document.status) == (False, "cancelled")


def test_what_is_told_again_replaces_what_was_told(storage: Storage) -> None:
    """One IRN is one document: the later telling stands, under the operation that heard it."""
    new = new_operation("A/1")
    storage.accept(new)
    storage.settle(storage.begin(), Meaning.REGISTERED, result=registration(new))
    storage.accept(new_operation("A/2"))
    later = registration(new, cancelled=True)
    second = storage.settle(storage.begin(), Meaning.REGISTERED, result=later)
    [row] = storage.rows(documents)
    assert (row["irn"], row["status"], row["operation_id"]) == (new.irn, "cancelled", second.id)


def test_the_same_irn_in_the_other_environment_is_another_document(storage: Storage) -> None:
    """Test and live never meet, not even on the same number."""
    live = new_operation(environment=Environment.LIVE)
    storage.come_to(Meaning.REGISTERED)
    storage.accept(live)
    claim = storage.claim(Lane(Environment.LIVE, GSTIN))
    storage.settle(storage.begin(claim), Meaning.REGISTERED)
    assert len(storage.rows(documents)) == 2

"""What always holds: of a life that the engine wrote, and each broken once behind its back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import cycle
from typing import Any, Final

import pytest
from sqlalchemy import Table, delete, insert, update

from gateway.domain.audit import Action
from gateway.domain.invariants import INVARIANTS, Name
from gateway.domain.operations import Operation, Status
from gateway.domain.outcomes import Meaning
from gateway.ports.invariants import EXAMPLES_MAX, Found
from gateway.storage import tables
from gateway.storage.invariants import PAGE, SqlInvariants
from tests.contract.delivery_kit import Receivers
from tests.contract.storage_kit import Storage
from tests.support import ORG, START, account, idempotency_key, new_operation, record, route

OTHER_ORG: Final = "org_2"
PAYLOAD: Final = b'{"ItemList":[{"TotAmt":10.50}],"ValDtls":{"TotInvVal":2950.00}}'
WRITTEN: Final = b'{"itemlist":[{"TotAmt":"10.5"}],"ValDtls":{"TotInvVal":2950}}'


class Life:
    """A gateway that did a little of everything: what it registered, refused, doubted and delivered."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.receivers = Receivers(storage)
        self.receivers.add()
        self.receivers.hear()
        self.doubted = storage.come_to(Meaning.UNKNOWN, Meaning.UNREACHED, new=new_operation("A/2"))
        self.refused = self.receivers.happen("A/3", Meaning.REFUSED)
        self.registered = self.receivers.happen("A/4")
        self.receivers.exhaust()
        new = new_operation("A/1", payload=PAYLOAD, request=WRITTEN)
        self.accepted = storage.accept(new, idempotency_key())
        storage.routebook.put_route(route(), record=record("aud_r"))
        storage.routebook.put_account(account(), org_id=ORG, record=record("aud_a"))
        storage.directory.add_organisation(
            id=OTHER_ORG, name="Second", record=record("aud_o", action=Action.ORGANISATION_ADDED, subject=OTHER_ORG)
        )
        storage.seal()

    def check(self, newest: int | None = None) -> dict[Name, Found]:
        """What is found, by name."""
        found = SqlInvariants(self.storage.database).check(newest=newest, at=self.storage.clock.now())
        return {each.name: each for each in found}

    def change(self, table: Table, where: Any, **columns: Any) -> None:
        """Change a row as nothing but a person with a database's shell can."""
        self.storage.by_force(update(table).where(where).values(columns))

    def of(self, operation: Operation, **columns: Any) -> None:
        """Change an operation."""
        self.change(tables.operations, tables.operations.c.id == operation.id, **columns)

    def forget(self, table: Table, where: Any) -> None:
        """Take rows away."""
        self.storage.by_force(delete(table).where(where))

    def add(self, table: Table, *rows: dict[str, Any]) -> None:
        """Put rows in."""
        self.storage.by_force(insert(table).values(list(rows)))


@pytest.fixture
def life(storage: Storage) -> Life:
    """One on every engine."""
    return Life(storage)


def _twice(life: Life) -> None:
    [row] = [each for each in life.storage.rows(tables.operations) if each["id"] == life.registered.id]
    life.add(tables.operations, row | {"id": "op_twice"})


def _foreign_key(life: Life) -> None:
    life.change(tables.clients, tables.clients.c.org_id == ORG, org_id=OTHER_ORG)


def _logins(life: Life) -> None:
    times = [START + timedelta(minutes=each) for each in (0, 1, 20, 21, 22, 23, 34)]
    life.storage.routebook.put_route(route(name="other"), record=record("aud_route"))
    life.storage.routebook.put_account(account(id="acc_2", route="other"), org_id=ORG, record=record("aud_acc"))
    in_turns = zip(cycle(("acc_1", "acc_2")), times, strict=False)
    life.add(tables.portal_logins, *({"account_id": id, "at": at} for id, at in in_turns))


def _late(life: Life) -> None:
    life.change(tables.attempts, tables.attempts.c.operation_id == life.registered.id, began_at=START)
    life.of(life.registered, deadline_at=START - timedelta(seconds=1))


def _money(life: Life) -> None:
    payload = PAYLOAD.replace(b"10.50", b"10.51")
    changed = life.storage.accept(new_operation("A/9", payload=payload, request=WRITTEN))
    assert changed.status is Status.QUEUED


_OF_DEATH: Final = tables.audit.c.action == Action.DELIVERY_EXHAUSTED.value


def _document(life: Life) -> Any:
    return tables.documents.c.operation_id == life.registered.id


BREAKS: Final[list[tuple[str, Name, Callable[[Life], object]]]] = [
    ("registered twice", Name.ONE_REGISTRATION, _twice),
    ("another IRN", Name.ONE_REGISTRATION, lambda life: life.of(life.accepted, irn="0" * 64)),
    ("no document", Name.SIGNED_COPY, lambda life: life.forget(tables.documents, _document(life))),
    ("no QR code", Name.SIGNED_COPY, lambda life: life.change(tables.documents, _document(life), signed_qr="")),
    (
        "no signed copy",
        Name.SIGNED_COPY,
        lambda life: life.change(tables.documents, _document(life), signed_invoice_blob="0" * 64),
    ),
    (
        "of another number",
        Name.SIGNED_COPY,
        lambda life: life.change(tables.documents, _document(life), doc_no="B/4"),
    ),
    (
        "a refused one's document",
        Name.ENDED_WITHOUT_EFFECT,
        lambda life: life.change(tables.documents, _document(life), operation_id=life.refused.id),
    ),
    ("an end in doubt", Name.ENDED_WITHOUT_EFFECT, lambda life: life.of(life.refused, doubtful_since=START)),
    ("another status", Name.HISTORY, lambda life: life.of(life.accepted, status="held")),
    ("a version too far", Name.HISTORY, lambda life: life.of(life.registered, version=9)),
    (
        "a record gone",
        Name.HISTORY,
        lambda life: life.forget(tables.audit, tables.audit.c.action == Action.ATTEMPT_SETTLED.value),
    ),
    ("another's key", Name.KEYS, _foreign_key),
    ("not announced", Name.EVENTS, lambda life: life.change(tables.events, tables.events.c.version > 0, version=77)),
    (
        "a delivery's attempt gone",
        Name.DELIVERIES,
        lambda life: life.forget(tables.delivery_attempts, tables.delivery_attempts.c.number == 1),
    ),
    ("a silent death", Name.DELIVERIES, lambda life: life.forget(tables.audit, _OF_DEATH)),
    ("an attempt gone", Name.ATTEMPTS, lambda life: life.forget(tables.attempts, tables.attempts.c.number == 1)),
    (
        "a record changed",
        Name.AUDIT,
        lambda life: life.change(tables.audit, tables.audit.c.subject == life.refused.id, actor="nobody"),
    ),
    (
        "a leaf changed",
        Name.AUDIT,
        lambda life: life.change(tables.audit_leaves, tables.audit_leaves.c.leaf_index == 1, hash="0" * 64),
    ),
    (
        "a seal changed",
        Name.AUDIT,
        lambda life: life.change(tables.audit_seals, tables.audit_seals.c.number == 1, previous="1" * 64),
    ),
    ("five logins", Name.LOGINS, _logins),
    ("sent too late", Name.WINDOWS, _late),
    ("half a lease", Name.LEASES, lambda life: life.of(life.accepted, lease_token="stale")),
    ("submitting without", Name.LEASES, lambda life: life.of(life.accepted, status="submitting")),
    ("another amount", Name.MONEY, _money),
]


def test_what_the_engine_writes_keeps_to_all_of_them(life: Life) -> None:
    """A life with registrations, refusals, doubt, dead deliveries and seals breaks none, looked at whole or in part."""
    for newest in (None, 1, 1000):
        assert [(each.name, list(each.examples)) for each in life.check(newest).values() if each.violations] == []


@pytest.mark.parametrize(("name", "breaks"), [each[1:] for each in BREAKS], ids=[each[0] for each in BREAKS])
def test_each_is_found_when_it_is_broken(life: Life, name: Name, breaks: Callable[[Life], object]) -> None:
    """By its name, with what breaks it."""
    breaks(life)
    found = life.check()[name]
    assert found.violations > 0
    assert all(each.subject and each.text for each in found.examples)


def test_every_invariant_is_broken_once_by_a_test() -> None:
    """None is told of that nobody has seen broken."""
    assert {name for _, name, _ in BREAKS} == set(Name) == set(INVARIANTS)


def test_all_pages_are_looked_at_and_some_examples_are_shown(storage: Storage) -> None:
    """Violations are counted whole; the newest rows can be looked at alone."""
    ids = storage.fill_lane(later=0, due=PAGE + 5)  # copies of one operation, whose history is that of none of them
    found = {each.name: each for each in SqlInvariants(storage.database).check(newest=None, at=START)}[Name.HISTORY]
    assert (found.violations, len(found.examples)) == (len(ids), EXAMPLES_MAX)
    newest = {each.name: each for each in SqlInvariants(storage.database).check(newest=3, at=START)}[Name.HISTORY]
    assert [each.subject for each in newest.examples] == ids[-3:]


def test_what_cannot_be_read_is_told(life: Life) -> None:
    """A body that is gone is a finding, not an end of the look."""
    life.forget(tables.blobs, tables.blobs.c.digest == life.accepted.payload_blob)
    assert life.check()[Name.MONEY].violations == 1

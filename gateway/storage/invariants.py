"""Whether the tables keep to `domain.invariants`, read in pages, so that memory does not grow with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, func, or_, select, tuple_

from gateway.domain import audit as record_domain
from gateway.domain import irn, merkle, seals
from gateway.domain.audit import Action
from gateway.domain.deliveries import DeliveryStatus, Verdict
from gateway.domain.error_budget import LOGINS_MAX
from gateway.domain.events import RETENTION, announced
from gateway.domain.identifiers import same_document_number
from gateway.domain.invariants import Name, Step, flaw_of_history, flaw_of_money
from gateway.domain.operations import RELEASES_NUMBER, TERMINAL, Kind, Status
from gateway.domain.outcomes import Meaning
from gateway.domain.settlement import Event
from gateway.errors import MoharError
from gateway.ports.invariants import EXAMPLES_MAX, Broken, Found
from gateway.storage import blobs
from gateway.storage.database import Database
from gateway.storage.seals import read_seal
from gateway.storage.tables import (
    attempts,
    audit,
    audit_leaves,
    audit_seals,
    clients,
    deliveries,
    delivery_attempts,
    documents,
    events,
    idempotency_keys,
    operations,
    portal_accounts,
    portal_logins,
)
from gateway.storage.tables import blobs as blobs_table

Flaw = tuple[Name, str, str]
Rows = Sequence[RowMapping]
Check = Callable[[Connection, Rows, datetime], Iterator[Flaw]]

PAGE: Final = 200
"""Rows of a page. What belongs to them is read with them."""
LOGINS_WITHIN: Final = timedelta(minutes=15)
"""The portals' own window, which is shorter than the one that we keep."""
_NEWS: Final = timedelta(minutes=1)
"""An event that is about to pass its age may be gone."""
_MOVES: Final = frozenset(
    {
        Action.OPERATION_ACCEPTED,
        Action.OPERATION_CLOSED,
        Action.OPERATION_RESUMED,
        Action.OPERATION_JUDGED,
        Action.ATTEMPT_BEGAN,
        Action.ATTEMPT_SETTLED,
        Action.LEASE_ENDED,
    }
)
_RECORD: Final = ("id", "at", "actor", "subject", "environment", "org_id", "gstin", "version", "facts")


class SqlInvariants:
    """Implements `ports.invariants.Invariants`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self, *, newest: int | None, at: datetime) -> Sequence[Found]:
        """See `ports.invariants.Invariants`."""
        counts: dict[Name, int] = defaultdict(int)
        examples: dict[Name, list[Broken]] = defaultdict(list)
        for name, subject, text in self._flaws(newest, at):
            counts[name] += 1
            if len(examples[name]) < EXAMPLES_MAX:
                examples[name].append(Broken(subject=subject, text=text))
        return [Found(name=name, violations=counts[name], examples=examples[name]) for name in Name]

    def _flaws(self, newest: int | None, at: datetime) -> Iterator[Flaw]:
        for table, key, share, checks in _CHECKS:
            for connection, rows in self._pages(table, key, None if newest is None else newest // share):
                for check in checks:
                    yield from check(connection, rows, at)
        with self._snapshot() as connection:
            yield from _keys(connection, newest)

    def _pages(self, table: Table, key: str, newest: int | None) -> Iterator[tuple[Connection, Rows]]:
        """Pages in the order of a key, each with a connection that sees the tables as they were at one moment."""
        column = table.c[key]
        after = self._before_the_newest(column, newest)
        while True:
            query = select(table).order_by(column).limit(PAGE)
            with self._snapshot() as connection:
                here = query if after is None else query.where(column > after)
                rows = connection.execute(here).mappings().all()
                if not rows:
                    return
                yield connection, rows
            after = rows[-1][key]

    def _before_the_newest(self, column: ColumnElement[Any], newest: int | None) -> Any:
        if newest is None:
            return None
        with self._database.read() as connection:
            last = select(column).order_by(column.desc()).offset(newest).limit(1)
            return connection.execute(last).scalar_one_or_none()

    def _snapshot(self) -> Connection:
        connection = self._database.engine.connect()
        if not self._database.is_sqlite:
            connection.execution_options(isolation_level="REPEATABLE READ")
        return connection


# Operations -----------------------------------------------------------------------------------------------------------


def _registered(rows: Rows) -> list[RowMapping]:
    return [row for row in rows if row["kind"] == Kind.IRN_GENERATE and row["status"] == Status.SUCCEEDED]


def _registered_once(connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    done = _registered(rows)
    here = operations.c.irn.in_([row["irn"] for row in done])
    query = (
        select(operations.c.environment, operations.c.irn)
        .where(here, operations.c.kind == Kind.IRN_GENERATE.value, operations.c.status == Status.SUCCEEDED.value)
        .group_by(operations.c.environment, operations.c.irn)
        .having(func.count() > 1)
    )
    twice = {tuple(row) for row in connection.execute(query)} if done else set()
    for row in rows:
        if row["kind"] == Kind.IRN_GENERATE and row["irn"] not in _irns(row):
            yield Name.ONE_REGISTRATION, row["id"], "its IRN is not the one of its number"
        if row in done and (row["environment"], row["irn"]) in twice:
            yield Name.ONE_REGISTRATION, row["id"], "its number was registered by another operation too"


def _irns(row: RowMapping) -> set[str]:
    number = {"seller_gstin": row["gstin"], "doc_type": row["doc_type"], "doc_no": row["doc_no"]}
    return {make(**number, doc_date=row["doc_date"]) for make in (irn.predict, irn.predict_case_kept)}


def _signed_copy(connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    done = _registered(rows)
    query = (
        select(documents, blobs_table.c.digest.label("kept"))
        .outerjoin(blobs_table, blobs_table.c.digest == documents.c.signed_invoice_blob)
        .where(documents.c.irn.in_([row["irn"] for row in done]))
    )
    copies = {(copy["environment"], copy["irn"]): copy for copy in connection.execute(query).mappings()} if done else {}
    for row in done:
        copy = copies.get((row["environment"], row["irn"]))
        if copy is None:
            yield Name.SIGNED_COPY, row["id"], "no document of its IRN is in the ledger"
        elif copy["kept"] is None or not copy["signed_qr"]:
            yield Name.SIGNED_COPY, row["id"], "its signed copy or its QR code is missing"
        elif _number(copy) != _number(row):
            yield Name.SIGNED_COPY, row["id"], "its signed copy is of another number"


def _number(row: RowMapping) -> tuple[Any, ...]:
    return row["gstin"], row["doc_type"], same_document_number(row["doc_no"]), row["doc_date"]


def _ended(connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    over = {row["id"] for row in rows if row["status"] in RELEASES_NUMBER}
    for row in rows:
        if row["status"] in TERMINAL and row["doubtful_since"] is not None:
            yield Name.ENDED_WITHOUT_EFFECT, row["id"], f"it ended as {row['status']} in doubt"
        if (row["status"] in TERMINAL) != (row["settled_at"] is not None):
            yield Name.ENDED_WITHOUT_EFFECT, row["id"], f"it is {row['status']}, and its end says otherwise"
    if over:
        query = select(documents.c.operation_id).where(documents.c.operation_id.in_(over))
        for id in connection.execute(query).scalars():
            yield Name.ENDED_WITHOUT_EFFECT, id, "it ended without an effect, and a document of it is in the ledger"


def _histories(connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    query = (
        select(audit.c.subject, audit.c.action, audit.c.version, audit.c.facts)
        .where(audit.c.subject.in_([row["id"] for row in rows]), audit.c.action.in_([each.value for each in _MOVES]))
        .order_by(audit.c.position)
    )
    steps: dict[str, list[Step]] = defaultdict(list)
    for record in connection.execute(query).mappings():
        steps[record["subject"]].append(_step(record))
    begin = connection.execute(select(audit.c.at).order_by(audit.c.position).limit(1)).scalar_one_or_none()
    for row in rows:
        if begin is not None and row["created_at"] < begin:  # its first records may be past their age
            continue
        flaw = flaw_of_history(steps[row["id"]], status=row["status"], version=row["version"])
        if flaw is not None:
            yield Name.HISTORY, row["id"], flaw


def _step(record: RowMapping) -> Step:
    facts, version = record["facts"], record["version"]
    if record["action"] == Action.OPERATION_ACCEPTED:
        return Step(version=version, event=None, status=Status.QUEUED)
    if record["action"] == Action.ATTEMPT_BEGAN:
        in_doubt = bool(facts.get("in_doubt"))
        return Step(version=version, event=Event.ATTEMPT_BEGAN, status=Status.SUBMITTING, in_doubt=in_doubt)
    return Step(version=version, event=str(facts.get("event")), status=str(facts.get("status")))


def _events(connection: Connection, rows: Rows, at: datetime) -> Iterator[Flaw]:
    told = {
        row["id"]: row["version"]
        for row in rows
        if row["settled_at"] is not None
        and row["settled_at"] > at - RETENTION + _NEWS
        and announced(Kind(row["kind"]), Status(row["status"])) is not None
    }
    query = select(events.c.operation_id, events.c.version).where(events.c.operation_id.in_(told))
    found = {tuple(row) for row in connection.execute(query)} if told else set()
    for id, version in told.items():
        if (id, version) not in found:
            yield Name.EVENTS, id, "its end was not announced"


def _attempts(connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    ids = [row["id"] for row in rows]
    begun = _numbers(connection, attempts.c.operation_id, ids)
    query = select(audit.c.subject, audit.c.facts).where(
        audit.c.subject.in_(ids), audit.c.action == Action.ATTEMPT_BEGAN.value
    )
    recorded: dict[str, set[int]] = defaultdict(set)
    for subject, facts in connection.execute(query):
        recorded[subject].add(facts["number"])
    for row in rows:
        if begun[row["id"]] != list(range(1, row["attempts"] + 1)):
            yield Name.ATTEMPTS, row["id"], f"its attempts are {begun[row['id']]}, and it counts {row['attempts']}"
        if not recorded[row["id"]] <= set(begun[row["id"]]):
            yield Name.ATTEMPTS, row["id"], "an attempt is on record that has no row"


def _numbers(connection: Connection, owner: ColumnElement[Any], ids: Sequence[str]) -> dict[str, list[int]]:
    table = attempts if owner is attempts.c.operation_id else delivery_attempts
    query = select(owner, table.c.number).where(owner.in_(ids)).order_by(table.c.number)
    found: dict[str, list[int]] = defaultdict(list)
    for id, number in connection.execute(query):
        found[id].append(number)
    return found


def _windows(connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    late = (
        select(attempts.c.operation_id, attempts.c.number)
        .join(operations, operations.c.id == attempts.c.operation_id)
        .where(
            attempts.c.operation_id.in_([row["id"] for row in rows]),
            attempts.c.began_at > operations.c.deadline_at,
            attempts.c.in_doubt.is_(False),
            or_(attempts.c.meaning.is_(None), attempts.c.meaning != Meaning.TOO_LATE.value),  # that one was not sent
        )
    )
    for id, number in connection.execute(late):
        yield Name.WINDOWS, id, f"attempt {number} began after its window"


def _leases(_connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    for row in rows:
        held = [row[name] is not None for name in ("lease_token", "lease_until", "lease_owner")]
        if len(set(held)) > 1 or (row["status"] == Status.SUBMITTING and not all(held)):
            yield Name.LEASES, row["id"], "its lease is incomplete, or it is being submitted without one"


def _money(connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    for row in rows:
        if row["kind"] != Kind.IRN_GENERATE:
            continue
        try:
            request, payload = (blobs.fetch(connection, row[name]) for name in ("request_blob", "payload_blob"))
            flaw = flaw_of_money(request, payload)
        except (LookupError, MoharError) as error:
            flaw = f"what it was asked with cannot be read: {error}"
        if flaw is not None:
            yield Name.MONEY, row["id"], flaw


def _keys(connection: Connection, newest: int | None) -> Iterator[Flaw]:
    latest = select(idempotency_keys.c.client_id, idempotency_keys.c.operation_id)
    some = latest.order_by(idempotency_keys.c.expires_at.desc()).limit(newest).subquery()
    query = (
        select(operations.c.id)
        .join(some, some.c.operation_id == operations.c.id)
        .join(clients, clients.c.id == some.c.client_id)
        .where(clients.c.org_id != operations.c.org_id)
    )
    for id in connection.execute(query).scalars():
        yield Name.KEYS, id, "an idempotency key of another organisation leads to it"


# Deliveries, logins, and the audit log --------------------------------------------------------------------------------


def _delivered(connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    ids = [row["id"] for row in rows]
    begun = _numbers(connection, delivery_attempts.c.delivery_id, ids)
    taken = select(delivery_attempts.c.delivery_id).where(
        delivery_attempts.c.delivery_id.in_(ids), delivery_attempts.c.verdict == Verdict.DELIVERED.value
    )
    told = select(audit.c.subject).where(audit.c.subject.in_(ids), audit.c.action == Action.DELIVERY_EXHAUSTED.value)
    received, alarmed = (set(connection.execute(query).scalars()) for query in (taken, told))
    for row in rows:
        id, status = row["id"], row["status"]
        if begun[id] != list(range(1, row["attempts"] + 1)):
            yield Name.DELIVERIES, id, f"its attempts are {begun[id]}, and it counts {row['attempts']}"
        if status == DeliveryStatus.DELIVERED and id not in received:
            yield Name.DELIVERIES, id, "it is delivered, and no attempt was taken"
        if status == DeliveryStatus.DEAD and id not in alarmed:
            yield Name.DELIVERIES, id, "it is dead, and nobody was told"


def _logins(connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    accounts = {row["account_id"] for row in rows}
    who = portal_accounts.c.environment, portal_accounts.c.gstin
    theirs = tuple_(*who).in_(select(*who).where(portal_accounts.c.id.in_(accounts)))
    query = select(portal_logins.c.at, *who).join(portal_accounts)
    times: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for at, environment, gstin in connection.execute(query.where(theirs).order_by(portal_logins.c.at)):
        times[environment, gstin].append(at)
    for (_, gstin), each in times.items():
        if any(later - first < LOGINS_WITHIN for first, later in zip(each, each[LOGINS_MAX:], strict=False)):
            yield Name.LOGINS, gstin, f"it was logged in more than {LOGINS_MAX} times within 15 minutes"


def _sealed(connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    before = select(audit_seals).where(audit_seals.c.number == rows[0]["number"] - 1)
    earlier = connection.execute(before).mappings().all()
    chain = [read_seal(row) for row in (*earlier, *rows)]
    if not earlier and (rows[0]["number"], rows[0]["previous"]) != (1, seals.NOTHING_BEFORE):
        yield Name.AUDIT, str(rows[0]["number"]), "the seal before it is missing"
    for former, seal in pairwise(chain):
        if (seal.number, seal.previous) != (former.number + 1, former.digest):
            yield Name.AUDIT, str(seal.number), "it does not name the seal before it"
        if seal.first_leaf != former.first_leaf + former.size:
            yield Name.AUDIT, str(seal.number), "leaves before it are missing or doubled"
    for seal in chain[len(earlier) :]:
        leaves = select(audit_leaves.c.hash).where(audit_leaves.c.seal == seal.number)
        hashes = connection.execute(leaves.order_by(audit_leaves.c.leaf_index)).scalars().all()
        if len(hashes) != seal.size or merkle.root([bytes.fromhex(each) for each in hashes]).hex() != seal.root:
            yield Name.AUDIT, str(seal.number), "its root is not that of its leaves"


def _records(connection: Connection, rows: Rows, _at: datetime) -> Iterator[Flaw]:
    query = select(audit_leaves).where(audit_leaves.c.record_id.in_([row["id"] for row in rows]))
    leaves = {leaf["record_id"]: leaf for leaf in connection.execute(query).mappings()}
    for row in rows:
        digest, leaf = _digest(row), leaves.get(row["id"])
        if digest != row["digest"]:
            yield Name.AUDIT, row["id"], "the record was changed"
        elif leaf is not None and seals.leaf(digest, ordinal=leaf["ordinal"]).hex() != leaf["hash"]:
            yield Name.AUDIT, row["id"], "its leaf is not its own"


def _digest(row: RowMapping) -> str:
    members: dict[str, Any] = {name: row[name] for name in _RECORD}
    return record_domain.Record(**members, action=Action(row["action"])).digest


_CHECKS: Final[Sequence[tuple[Table, str, int, Sequence[Check]]]] = (
    (
        operations,
        "id",
        1,
        (_registered_once, _signed_copy, _ended, _histories, _events, _attempts, _windows, _leases, _money),
    ),
    (deliveries, "id", 1, (_delivered,)),
    (portal_logins, "id", 1, (_logins,)),
    (audit_seals, "number", 100, (_sealed,)),
    (audit, "position", 1, (_records,)),
)
"""Which tables are read, by which key, what part of the newest where not all are, and what is asked of a page."""

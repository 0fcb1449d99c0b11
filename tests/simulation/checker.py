"""The verdict on a world that has come to rest: the portal's ledger against the gateway's, and every history.

Nothing here asks the gateway's services. IRNs, doubt and who registered what are found anew, from the papers, from the
attempts on record and from the portal's own log of calls.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import jwt
from sqlalchemy import select

from gateway.domain import canonical
from gateway.domain.audit import Action
from gateway.domain.lifecycle import TRANSITIONS
from gateway.domain.operations import RELEASES_NUMBER, TERMINAL, Kind, Status
from gateway.domain.outcomes import Certainty
from gateway.domain.settlement import Event
from gateway.storage import blobs
from gateway.storage.tables import attempts, audit, documents, events, eway_bills, operations, reconciliation_findings
from tests.simulation.aftermath import LOOKS, SENDS, aftermath
from tests.simulation.plan import Ask, Fate, Paper, Plan
from tests.simulation.process import RECONCILIATION
from tests.simulation.violations import Violation
from tests.simulation.world import VISITOR, Sent, World

_LAW = dict(TRANSITIONS)
_OK = "ok"
_REFUSED_HERE = frozenset({"document-number-taken", "document-number-burnt", "idempotency-key-reused"})
_REQUESTS = frozenset(SENDS.values())
_QUESTIONS = frozenset({"login", "get_irn", "get_by_document", "rejected_irns"})
_SESSION_ENDED = "1005"
_UNSYNCED = frozenset({"3028", "3029", "3074", "3075", "3076", "3077", "3078", "3079"})
_EXPECTED = {
    Fate.PLAIN: {Status.SUCCEEDED},
    Fate.REFUSED: {Status.REJECTED},
    Fate.EVE: {Status.SUCCEEDED, Status.REJECTED},
    Fate.FOREIGN: {Status.CONFLICT, Status.SUCCEEDED},
    Fate.ELSEWHERE: {Status.CONFLICT, Status.SUCCEEDED},
    Fate.RACE: {Status.SUCCEEDED, Status.CONFLICT},
    Fate.DEADLINE: {Status.SUCCEEDED, Status.EXPIRED},
    Fate.WITHDRAWN: {Status.SUCCEEDED, Status.WITHDRAWN},
}


def _came_too_late(ask: Ask) -> bool:
    """Whether a request was refused because the legal window had closed when it came, or came again."""
    return ask.paper.fate is Fate.DEADLINE and ask.answer == "document-invalid"


class Checker:
    """All that is known of a world at rest."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.plan = plan
        self.meant = _meanings(plan)
        self.keys = {key.kid: key.private.public_key() for key in (*world.keys.published, world.keys.hidden)}
        self.ledger = {each["irn"]: each for each in world.page("ledger")}
        self.bills_there = world.page("ewaybills")
        self.sent = world.sent()
        with world.database.read() as connection:
            self.operations = {row["id"]: dict(row) for row in connection.execute(select(operations)).mappings()}
            self.documents = {row["irn"]: dict(row) for row in connection.execute(select(documents)).mappings()}
            rows = connection.execute(select(reconciliation_findings)).mappings()
            self.findings = [dict(row) for row in rows]
            self.attempts = _grouped(connection.execute(select(attempts).order_by(attempts.c.number)), "operation_id")
            self.audit = _grouped(connection.execute(select(audit).order_by(audit.c.position)), "subject")
            self.bills = {row["number"]: dict(row) for row in connection.execute(select(eway_bills)).mappings()}
            self.events_of = _grouped(connection.execute(select(events)), "operation_id")
            self.signed = {
                irn: blobs.fetch(connection, row["signed_invoice_blob"]).decode() for irn, row in self.documents.items()
            }
        self.attempt_of = {row["id"]: row for rows in self.attempts.values() for row in rows}
        self.makers = self._makers()
        self.by_irn: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self._registering():
            self.by_irn[row["irn"]].append(row)

    def violations(self) -> list[Violation]:
        """Everything that is wrong; empty when every promise was kept."""
        found = [*self._answers(), *self._papers(), *self._ledgers(), *self._registrations(), *self._calls()]
        for row in self._registering():
            found += self._end(row)
        for row in self.operations.values():
            found += [*self._history(row), *self._attempts(row)]
        for irn, row in self.documents.items():
            found += self._evidence(irn, row)
        return [*found, *aftermath(self), *self._findings()]

    def _registering(self) -> list[dict[str, Any]]:
        return [row for row in self.operations.values() if row["kind"] == Kind.IRN_GENERATE]

    def events(self) -> Counter[str]:
        """How often each event of the lifecycle happened."""
        facts = [record["facts"] for records in self.audit.values() for record in records]
        return Counter(fact["event"] for fact in facts if "event" in fact)

    def history(self, operation_id: str) -> str:
        """What happened to one operation: audit records, attempts and calls."""
        mine = {row["id"]: row["number"] for row in self.attempts[operation_id]}
        return "\n".join(
            [
                f"{operation_id}: {self.operations[operation_id]}",
                *(f"  {_line(record)}" for record in self.audit[operation_id]),
                *(f"  attempt {mine[call.sender]}: {call.noted}" for call in self.sent if call.sender in mine),
            ]
        )

    def _answers(self) -> Iterator[Violation]:
        """What clients were told: everything accepted is stored, and a key stands for one operation."""
        by_key: dict[tuple[int, str], set[str]] = defaultdict(set)
        for ask in self.plan.asks:
            answer = ask.answer or ""
            if answer.startswith("op_"):
                yield from self._answer(ask, answer)
                if ask.key is not None:
                    by_key[ask.client, ask.key].add(answer)
            elif answer not in _REFUSED_HERE and not _came_too_late(ask):
                yield Violation("unanswered", ask.paper.irn, f"a request ended in {ask.answer!r}")
        for (_, key), answers in by_key.items():
            if len(answers) > 1:
                yield Violation("key-of-two", key, f"one idempotency key stands for {sorted(answers)}")

    def _answer(self, ask: Ask, operation_id: str) -> Iterator[Violation]:
        row = self.operations.get(operation_id)
        if row is None:
            yield Violation("accepted-and-lost", operation_id, "a client was told of an operation that is not stored")
        elif self.meant[row["content_digest"]] != self.meant[ask.digest] or row["irn"] != ask.paper.irn:
            yield Violation("wrong-operation", operation_id, "a client was told of an operation on another document")

    def _papers(self) -> Iterator[Violation]:
        """Every paper has come to an end that its fate allows."""
        for paper in self.plan.papers:
            rows = self.by_irn[paper.irn]
            statuses = {Status(row["status"]) for row in rows}
            if not rows and all(_came_too_late(ask) for ask in self.plan.asks if ask.paper is paper):
                continue
            if not rows or not statuses <= _EXPECTED[paper.fate]:
                yield Violation("unexpected-end", _subject(rows, paper), f"a {paper.fate} paper ended as {statuses}")
            holding = [row["id"] for row in rows if row["status"] not in RELEASES_NUMBER]
            if len(holding) > 1:
                yield Violation("number-of-two", holding[0], f"one number is held by {holding}")

    def _ledgers(self) -> Iterator[Violation]:
        """Both ledgers have the same entries, and each has one operation that tells of it."""
        for irn in {*self.ledger, *self.documents}:
            entry, document, rows = self.ledger.get(irn), self.documents.get(irn), self.by_irn[irn]
            told = [row for row in rows if row["status"] in (Status.SUCCEEDED, Status.CONFLICT)]
            maker = self.makers.get(irn)
            if entry is None:
                yield Violation("made-up", irn, "the gateway has a document that the portal does not have")
            elif maker != VISITOR and [row["id"] for row in told] != [maker]:
                yield Violation("lost", str(maker), f"registered by it, but told of by {[row['id'] for row in told]}")
            elif rows and document is None and maker != VISITOR:
                yield Violation("lost", str(maker), "registered, and not in the gateway's ledger")

    def _makers(self) -> dict[str, str | None]:
        """Who registered each IRN: an operation, or the visitor."""
        made = [call for call in self.sent if call.service == "generate" and call.code == _OK]
        return {call.noted["irn"]: self._operation_of(call) for call in made}

    def _operation_of(self, call: Sent) -> str | None:
        return VISITOR if call.sender == VISITOR else self.attempt_of.get(call.sender or "", {}).get("operation_id")

    def _findings(self) -> Iterator[Violation]:
        """The reconciliation tells what another program did, and nothing that the gateway did itself."""
        for row in self.findings:
            if row["operation_id"] is None or self.makers.get(row["irn"]) != VISITOR:
                yield Violation("found-falsely", row["irn"], f"{row['kind']}: {row['differences']}")

    def _registrations(self) -> Iterator[Violation]:
        """Each number is registered once."""
        made = Counter(call.noted["irn"] for call in self.sent if call.service == "generate" and call.code == _OK)
        for irn, entry in self.ledger.items():
            if made[irn] != 1 or entry["registrations"] != 1:
                yield Violation(
                    "registered-twice", irn, f"{made[irn]} times by the log, {entry['registrations']} in all"
                )

    def _end(self, row: dict[str, Any]) -> Iterator[Violation]:
        """An operation's end is the truth at the portal."""
        id, status, entry = row["id"], Status(row["status"]), self.ledger.get(row["irn"])
        same = entry is not None and self.meant[entry["content_digest"]] == self.meant[row["content_digest"]]
        document = self.documents.get(row["irn"])
        mine = document if document is not None and document["operation_id"] == id else None
        if status not in TERMINAL:
            yield Violation("open", id, f"it is still {status}")
        if status is Status.SUCCEEDED and not (same and mine is not None and mine["ours"]):
            yield Violation(
                "succeeded-falsely", id, "the portal does not have this content, or the gateway no document"
            )
        if status is Status.CONFLICT and (entry is None or same or mine is None or mine["ours"]):
            yield Violation("conflict-falsely", id, "the portal has no other content under this number")
        if status in RELEASES_NUMBER and self.makers.get(row["irn"]) == id:
            yield Violation("ended-but-registered", id, f"{status}, and the portal has registered it")
        if status is Status.REJECTED and same and self.makers[row["irn"]] == VISITOR:
            yield Violation("ended-but-registered", id, "rejected, and the portal has this very document")

    def _history(self, row: dict[str, Any]) -> Iterator[Violation]:
        """The audit records of an operation are a path in the table, one version at a time, and end where it stands.

        Only crashes are a reason to park one here.
        """
        id, status = row["id"], Status.QUEUED
        records = self.audit[id]
        versions = [record["version"] for record in records]
        if versions != list(range(1, row["version"] + 1)):
            yield Violation("versions", id, f"its records have the versions {versions}, the row has {row['version']}")
        for record in records[1:]:
            facts = record["facts"]
            event = Event(facts.get("event", Event.ATTEMPT_BEGAN))
            if event is Event.GIVEN_UP and record["action"] != Action.LEASE_ENDED:
                yield Violation("parked", id, f"given up, and not for its crashes: {facts}")
            following = _LAW.get((status, event))
            if following is None or facts.get("status", following) != following:
                yield Violation("transition", id, f"{status} met {event} and became {facts.get('status')}")
            status = Status(facts.get("status", following or status))
        if status != row["status"]:
            yield Violation("transition", id, f"its records end as {status}, the row is {row['status']}")

    def _attempts(self, row: dict[str, Any]) -> Iterator[Violation]:
        """Attempts are numbered without a gap; in doubt it is looked up before it is sent, in quarantine never sent."""
        id, mine, kind = row["id"], self.attempts[row["id"]], Kind(row["kind"])
        look, absent = LOOKS[kind]
        if [attempt["number"] for attempt in mine] != list(range(1, row["attempts"] + 1)):
            yield Violation("attempts", id, f"{row['attempts']} are counted, {len(mine)} recorded")
        doubt = False
        quarantined = self._quarantined_at(id)
        for attempt in mine:
            calls = [call for call in self.sent if call.sender == attempt["id"]]
            sent = [place for place, call in enumerate(calls) if call.service == SENDS[kind]]
            looked_up = [place for place, call in enumerate(calls) if call.service == look and call.code in absent]
            if sent and doubt and not (looked_up and looked_up[0] < sent[0]):
                yield Violation("sent-in-doubt", id, f"attempt {attempt['number']} sent it without looking it up")
            if sent and quarantined is not None and attempt["began_at"] > quarantined:
                yield Violation("sent-in-quarantine", id, f"attempt {attempt['number']} sent it")
            doubt |= attempt["ended_at"] is None or attempt["certainty"] == Certainty.AMBIGUOUS
            if attempt["certainty"] == Certainty.NO_EFFECT and self._was_made_by(attempt, kind, row["irn"]):
                yield Violation("effect-denied", id, f"attempt {attempt['number']} did it, on record without effect")

    def _was_made_by(self, attempt: dict[str, Any], kind: Kind, irn: str) -> bool:
        return any(
            call.sender == attempt["id"] and call.service == SENDS[kind] and call.noted.get("irn") == irn
            for call in self.sent
        )

    def _quarantined_at(self, id: str) -> Any:
        events = [record for record in self.audit[id] if record["facts"].get("event") == Event.REFUSED_IN_DOUBT]
        return events[0]["at"] if events else None

    def _calls(self) -> Iterator[Violation]:
        """No call without an attempt on record, and one request in each.

        But for a session that had ended, and for a GSTIN that the portal had to fetch first. Reconciliation only asks.
        """
        per_attempt, after_sync = Counter[str | None](), set[str | None]()
        for call in self.sent:
            sign_of_life = call.noted["operation"] == "heartbeat"  # asked of a route that is down, for no document
            asks = call.sender == RECONCILIATION and call.service in _QUESTIONS
            if call.sender != VISITOR and call.sender not in self.attempt_of and not sign_of_life and not asks:
                yield Violation("call-without-attempt", str(call.sender), str(call.noted))
            if call.service in _REQUESTS and call.sender != VISITOR and call.code != _SESSION_ENDED:
                per_attempt[call.sender] += 1
            if call.service in _REQUESTS and call.code in _UNSYNCED:
                after_sync.add(call.sender)
        for sender, count in per_attempt.items():
            if count > 1 + (sender in after_sync):
                yield Violation(
                    "sent-twice", str(self.attempt_of[sender]["operation_id"]), f"{count} times in one attempt"
                )

    def _evidence(self, irn: str, row: dict[str, Any]) -> Iterator[Violation]:
        """What is stored of a document is what the portal signed, and says the same as its ledger."""
        entry = self.ledger.get(irn, {})
        invoice, shown = (self._verified(text) for text in (self.signed[irn], row["signed_qr"]))
        told = (invoice["Irn"], invoice["DocDtls"]["No"], f"{invoice['AckNo']}", shown["Irn"])
        if told != (irn, entry.get("doc_no"), str(entry.get("ack_no")), irn) or row["ack_no"] != str(
            entry.get("ack_no")
        ):
            yield Violation("evidence", irn, f"what is signed tells of {told}, the ledger of {entry}")
        if row["ewb_no"] != (str(entry["ewb_no"]) if entry.get("ewb_no") else None):
            yield Violation("evidence", irn, f"the e-way bill is {row['ewb_no']} here, {entry.get('ewb_no')} there")

    def _verified(self, token: str) -> dict[str, Any]:
        """The content of a signed text. Raises jwt.InvalidTokenError when the signature is none of the portal's."""
        key = self.keys[jwt.get_unverified_header(token)["kid"]]
        content: dict[str, Any] = json.loads(jwt.decode(token, key, algorithms=["RS256"])["data"])
        return content


def _grouped(result: Any, name: str) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in result.mappings():
        groups[row[name]].append(dict(row))
    return groups


def _meanings(plan: Plan) -> dict[str, str]:
    """What each document that was ever sent means, by its digest: the letters of a number have no meaning."""
    sent = [document for paper in plan.papers for document in (paper.document, paper.other)]
    sent += [ask.document for ask in plan.asks]
    meanings = [(each, canonical.digest(_with_capitals(each))) for each in sent]
    return {digest: meaning for each, meaning in meanings for digest in (canonical.digest(each), meaning)}


def _with_capitals(document: dict[str, Any]) -> dict[str, Any]:
    details = document["DocDtls"]
    return document | {"DocDtls": details | {"No": details["No"].upper()}}


def _line(record: dict[str, Any]) -> str:
    return f"{record['at']} v{record['version']} {record['actor']} {record['action']} {record['facts']}"


def _subject(rows: list[dict[str, Any]], paper: Paper) -> str:
    return rows[0]["id"] if rows else paper.irn
